# com.microsoft's fused operators of transformers: what ONNX Runtime computes, with and without their optional inputs, at
# shapes known at run time only; what is not supported is refused by name.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import tegula

random = np.random.default_rng(1)
F32 = np.float32


def normal(*shape):
    return random.standard_normal(shape).astype(F32)


def save(op, inputs, constants, outputs, attributes, isDynamic, domain="com.microsoft", fixed=()):
    """`inputs` and `constants` by place; places without either are left empty. Axes of `fixed` are never dynamic."""
    count = max([*inputs, *constants]) + 1
    names = [f"i{i}" if i in inputs or i in constants else "" for i in range(count)]
    ports = [helper.make_tensor_value_info(f"i{i}", helper.np_dtype_to_tensor_dtype(value.dtype),
                                           [value.shape[axis] if not isDynamic or axis in fixed else f"d{i}_{axis}"
                                            for axis in range(value.ndim)])
             for i, value in inputs.items()]
    node = helper.make_node(op, names, [f"o{i}" if i in outputs else "" for i in range(max(outputs) + 1)], "node",
                            domain=domain, **attributes)
    graph = helper.make_graph([node], "g", ports, [helper.make_empty_tensor_value_info(f"o{i}") for i in outputs],
                              [numpy_helper.from_array(np.asarray(value), f"i{i}") for i, value in constants.items()])
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=9), "m.onnx")


def check(op, inputs, constants=None, outputs=(0, ), attributes=None, bound=2e-5, compared=None, **more):
    for isDynamic in (False, True):
        save(op, inputs, constants or {}, outputs, attributes or {}, isDynamic, **more)
        session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
        feed = {f"i{i}": np.asarray(value) for i, value in inputs.items()}
        want = session.run([f"o{i}" for i in outputs], feed)
        tegula.compile("m.onnx", "m.so")
        got = tegula.load("m.so").run(feed)
        for i, value in list(zip(outputs, want))[:compared]:
            np.testing.assert_allclose(got[f"o{i}"], value, atol=bound * max(np.abs(value).max(), 1), rtol=0,
                                       err_msg=f"{op} {attributes} {sorted(inputs)} dynamic={isDynamic}")


x, row = normal(2, 5, 16), normal(16)
check("Gelu", {0: x})
check("BiasGelu", {0: x}, {1: row})
check("FastGelu", {0: x}, bound=1e-4)
check("FastGelu", {0: x}, {1: row}, bound=1e-4)
check("QuickGelu", {0: x}, attributes={"alpha": 1.5})
for a, b in ((0, 0), (1, 0), (0, 1), (1, 1)):
    left, right = normal(3, 4, 6), normal(3, 6, 5)
    check("FusedMatMul", {0: left.swapaxes(1, 2).copy() if a else left, 1: right.swapaxes(1, 2).copy() if b else right},
          attributes={"transA": a, "transB": b, "alpha": 0.5})

check("SkipLayerNormalization", {0: x, 1: normal(2, 5, 16)}, {2: row}, outputs=(0, 3))
check("SkipLayerNormalization", {0: x, 1: normal(2, 5, 16)}, {2: row, 3: normal(16), 4: normal(16)}, outputs=(0, 3),
      attributes={"epsilon": 0.1})
check("SkipSimplifiedLayerNormalization", {0: x, 1: normal(2, 5, 16)}, {2: row, 3: normal(16)}, outputs=(0, 3),
      attributes={"epsilon": 0.01})
check("SimplifiedLayerNormalization", {0: x}, {1: row}, domain="", attributes={"epsilon": 0.01})

ids = random.integers(0, 30, (2, 5)).astype(np.int32)
segments, mask = random.integers(0, 2, (2, 5)).astype(np.int32), np.array([[1, 1, 1, 0, 0], [1] * 5], np.int32)
tables = {2: normal(30, 16), 3: normal(9, 16), 4: normal(2, 16), 5: normal(16), 6: normal(16)}
check("EmbedLayerNormalization", {0: ids, 1: segments, 7: mask}, tables, outputs=(0, 1, 2))
check("EmbedLayerNormalization", {0: ids}, {i: tables[i] for i in (2, 3, 5, 6)}, outputs=(0, 1))
places = random.integers(0, 9, (2, 5)).astype(np.int32)
check("EmbedLayerNormalization", {0: ids, 1: segments, 8: places}, tables, outputs=(0, 1))
quantized = {i: random.integers(0, 256, value.shape).astype(np.uint8) for i, value in tables.items()}
quantized.update({8 + i: np.array([0.01 * (i + 1)], F32) for i in range(5)})
quantized.update({13 + i: np.array([120 + i], np.uint8) for i in range(5)})
check("QEmbedLayerNormalization", {0: ids, 1: segments, 7: mask}, quantized, outputs=(0, 1))

weights, bias = 0.3 * normal(16, 48), normal(48)
raw, lengths = np.array([[1, 1, 0, 1, 0], [1] * 5], np.int32), np.array([3, 5], np.int32)
for more in ({}, {3: raw}, {3: lengths}):
    check("Attention", {0: x, **more}, {1: weights, 2: bias}, attributes={"num_heads": 4})
check("Attention", {0: x, 3: raw}, {1: weights, 2: bias}, attributes={"num_heads": 2, "mask_filter_value": -5.0})
check("Attention", {0: x}, {1: weights, 2: bias}, attributes={"num_heads": 4, "unidirectional": 1, "scale": 0.2})
check("Attention", {0: x}, {1: normal(16, 40), 2: normal(40)}, attributes={"num_heads": 4, "qkv_hidden_sizes": [16, 16, 8]})

# Weights with one scale, or one for each column.
for kind, scales in ((np.int8, 1), (np.uint8, 1), (np.int8, 48)):
    number = random.integers(0, 256, (2, 5, 16)).astype(np.uint8)
    constants = {1: random.integers(*((0, 256) if kind == np.uint8 else (-127, 128)), (16, 48)).astype(kind), 2: bias,
                 4: random.uniform(0.002, 0.004, scales).astype(F32), 7: np.zeros(scales, kind)}
    if scales == 1:
        constants[4], constants[7] = constants[4][0], kind(3 if kind == np.int8 else 127)
    for more in ({}, {5: raw}, {5: lengths}):
        check("QAttention", {0: number, 3: np.array(0.02, F32), 6: np.array(130, np.uint8), **more}, constants,
              attributes={"num_heads": 4})


# Heads that are turned by their places: tables of all places, one position to start at or one for each, a part of each head.
for shape, positions, attributes in (((2, 5, 64), np.array([3]), {}), ((2, 4, 5, 16), random.integers(0, 20, (2, 5)), {}),
                                     ((2, 5, 64), random.integers(0, 20, (2, 5)), {"interleaved": 1}),
                                     ((2, 5, 64), np.array([7]), {"num_heads": 2, "rotary_embedding_dim": 16})):
    check("RotaryEmbedding", {0: normal(*shape), 1: positions.astype(np.int64)}, {2: normal(20, 8), 3: normal(20, 8)},
          attributes=attributes, fixed=(1, 3) if len(shape) == 4 else (2, ))

query, key, value = normal(2, 5, 32), normal(2, 7, 32), normal(2, 7, 48)
mask, scores = np.array([[1, 1, 0, 1, 0, 1, 1], [1] * 7], np.int32), normal(2, 4, 5, 7)
for more, its_bias in (({}, {3: normal(112)}), ({4: mask}, {}), ({4: np.array([3, 7], np.int32)}, {}), ({5: scores}, {}),
                       ({5: scores[:1]}, {})):
    check("MultiHeadAttention", {0: query, 1: key, 2: value, **more}, its_bias, attributes={"num_heads": 4}, fixed=(2, ))
whole = normal(2, 5, 32)
check("MultiHeadAttention", {0: query, 1: whole, 2: whole}, attributes={"num_heads": 4, "unidirectional": 1, "scale": 0.4},
      fixed=(2, ))
check("MultiHeadAttention", {0: query, 1: whole, 2: whole, 6: normal(2, 4, 3, 8), 7: normal(2, 4, 3, 8)},
      outputs=(0, 1, 2), attributes={"num_heads": 4}, fixed=(2, 3))

# Keys that heads share, with a cache: none yet, one that grows, and one that has room.
TURN = {7: normal(32, 8), 8: normal(32, 8)}
for length, room, before in ((3, 0, 0), (1, 5, 5), (4, 5, 5), (1, 10, 5)):
    batch = 1 if length > 1 and before else 2  # ONNX Runtime's bound
    caches = {3: normal(batch, 2, room, 16), 4: normal(batch, 2, room, 16),
              5: np.full(batch, before + length - 1, np.int32), 6: np.array(before + length, np.int32)}
    parts = {0: normal(batch, length, 64), 1: normal(batch, length, 32), 2: normal(batch, length, 32)}
    attributes = {"num_heads": 4, "kv_num_heads": 2}
    case = {"outputs": (0, 1, 2), "compared": 1 if room > before else 3, "fixed": (2, 3)}
    check("GroupQueryAttention", {**parts, **caches}, attributes={"scale": 0.3, "softcap": 2.0, **attributes}, **case)
    more = {"do_rotary": 1, "rotary_interleaved": 1, "local_window_size": 2}
    check("GroupQueryAttention", {**parts, **caches}, TURN, attributes={**more, **attributes}, **case)
    packed = np.concatenate(list(parts.values()), 2)
    check("GroupQueryAttention", {0: packed, **caches}, TURN, attributes={"do_rotary": 1, **attributes}, **case)


def refused(words, op, inputs, constants, outputs=(0, ), **attributes):
    save(op, inputs, constants, outputs, attributes, False)
    try:
        tegula.compile("m.onnx", "m.so")
    except tegula.CompileError as error:
        assert words in str(error) and "node 'node'" in str(error), (words, str(error))
    else:
        raise AssertionError(f"{op} compiles; expected: {words}")


everything = {1: weights, 2: bias}
refused("past", "Attention", {0: x, 4: normal(2, 2, 4, 3, 4)}, everything, num_heads=4)
refused("output 1", "Attention", {0: x}, everything, (0, 1), num_heads=4)
refused("do not fit weights of 48 columns", "Attention", {0: x}, everything, num_heads=5)
refused("do not fit weights of 48 columns", "Attention", {0: x}, everything, num_heads=0)
refused("do not fit weights of 48 columns", "Attention", {0: x}, everything, num_heads=4, qkv_hidden_sizes=[16, 16])
refused("a mask of 3 axes", "Attention", {0: x, 3: np.ones((2, 5, 5), np.int32)}, everything, num_heads=4)
refused("expects 2 axes, but has 1", "Attention", {0: x}, {1: row, 2: bias}, num_heads=4)
refused("expects 3 axes, but has 2", "Attention", {0: x[0]}, everything, num_heads=4)
refused("input 4 is missing", "QAttention", {0: number, 3: np.float32(1)}, {1: constants[1], 2: bias}, num_heads=4)
refused("do not fit heads of 16", "RotaryEmbedding", {0: normal(2, 5, 64), 1: np.array([3])},
        {2: normal(20, 9), 3: normal(20, 9)}, num_heads=4)
refused("input 2 is missing", "MultiHeadAttention", {0: normal(2, 5, 96), 1: whole}, {}, num_heads=4)
refused("input 1 does not fit 4 heads", "MultiHeadAttention", {0: query, 1: value, 2: value}, {}, num_heads=4)
full = {**parts, **caches}
refused("do not fit a query of width 64", "GroupQueryAttention", full, {}, (0, 1, 2), num_heads=5, kv_num_heads=2)
refused("input 7 is missing", "GroupQueryAttention", full, {}, (0, 1, 2), num_heads=4, kv_num_heads=2, do_rotary=1)
refused("smooth_softmax", "GroupQueryAttention", full, {}, (0, 1, 2), num_heads=4, kv_num_heads=2, smooth_softmax=1)
save("GroupQueryAttention", full, {}, (0, 1, 2), {"num_heads": 4, "kv_num_heads": 2}, False)
model = tegula.load(tegula.compile("m.onnx", "m.so"))
for lengths, words in (([5, 4], "several lengths"), ([11, 11], "shorter than the lengths say")):
    try:
        model.run({f"i{i}": np.array(lengths, np.int32) if i == 5 else value for i, value in full.items()})
    except tegula.RunError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"caches of lengths {lengths} are taken")
refused("output 1", "SkipLayerNormalization", {0: x, 1: x}, {2: row}, (0, 1))
refused("input 2 is missing", "SkipLayerNormalization", {0: x, 1: x}, {3: row})
refused("input 0 expects floats", "BiasGelu", {0: ids}, {1: np.ones(5, np.int32)})
refused("input 0 expects floats", "QuickGelu", {0: ids}, {})
refused("input 0 expects integers", "EmbedLayerNormalization", {0: normal(2, 5)}, tables, (0, 1))
refused("do not fit weights", "Attention", {0: x}, everything, num_heads=4, qkv_hidden_sizes=[64, 64, -80])
refused("transBatchA", "FusedMatMul", {0: x, 1: x}, {}, transBatchA=1)
