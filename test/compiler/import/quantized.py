# Quantized operators: the integers that the standard's formulas give in float64, whatever the types, axes and zero points.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
TYPES = {
    np.int8: (TensorProto.INT8, -128, 127),
    np.uint8: (TensorProto.UINT8, 0, 255),
    np.int16: (TensorProto.INT16, -32768, 32767),
    np.uint16: (TensorProto.UINT16, 0, 65535)
}
F32 = np.float32


def run(nodes, inputs, constants=None, domain=""):
    """Outputs y of the nodes; constants are initializers, unless they are TensorProtos already."""
    tensors = [
        value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), np.shape(value))
        for name, value in inputs.items()
    ]
    sets = [helper.make_opsetid("", 21)] + [helper.make_opsetid(domain, 1)] * bool(domain)
    outputs = [helper.make_empty_tensor_value_info("y")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", infos, outputs, tensors), opset_imports=sets, ir_version=10),
              "m.onnx")
    tegula.compile("m.onnx", "m.so")
    return tegula.load("m.so", threads=2).run({name: np.asarray(value) for name, value in inputs.items()})["y"]


def integers(kind, *shape):
    return random.integers(TYPES[kind][1], TYPES[kind][2] + 1, shape).astype(kind)


def quantized(x, scale, zero, kind):
    return np.clip(np.rint(x / scale) + np.asarray(zero, np.float64), *TYPES[kind][1:]).astype(kind)


# Quantized and back: one scale, one for each place on an axis, one for each block (the last block is short).
for kind in TYPES:
    for axis, block, shape in ((0, 0, ()), (1, 0, (5, )), (-1, 0, (7, )), (2, 3, (2, 5, 3))):
        x = (1000 * random.standard_normal((2, 5, 7))).astype(F32)
        x[0, 0, :4] = np.inf, -np.inf, 3e38, 2.5
        scale, zero = random.uniform(0.1, 4, shape).astype(F32), integers(kind, *shape)
        wide = [
            np.repeat(v, 3, 2)[:, :, :7] if block else v.reshape(-1, 1) if len(shape) == 1 and axis == 1 else v
            for v in (scale, zero)
        ]
        options = {"axis": axis, **({"block_size": block} if block else {})}
        got = run([helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], "q", **options)], {"x": x}, {
            "s": scale,
            "z": zero
        })
        np.testing.assert_array_equal(got, quantized(x / wide[0], F32(1), wide[1], kind))
        q = integers(kind, 2, 5, 7)
        got = run([helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], "d", **options)], {"x": q}, {
            "s": scale,
            "z": zero
        })
        np.testing.assert_array_equal(got, (q.astype(F32) - wide[1].astype(F32)) * wide[0])

# Halves go to the even neighbour, and a NaN to the smallest number. Without a zero point the result is uint8.
x = np.array([0.5, 1.5, 2.5, -0.5, np.nan, 254.5, 255.5, 300], F32)
got = run([helper.make_node("QuantizeLinear", ["x", "s"], ["y"], "q")], {"x": x}, {"s": F32(1)})
np.testing.assert_array_equal(got, np.array([0, 2, 2, 0, 0, 254, 255, 255], np.uint8))

# Weights of 4 bits in blocks, packed two in a byte, an odd number of them.
weights, scale, zero = random.integers(-8, 8, (9, 5)), random.uniform(0.5, 2,
                                                                      (3, 5)).astype(F32), random.integers(-8, 8, (3, 5))
fours = {
    "w": helper.make_tensor("w", TensorProto.INT4, (9, 5), weights.flatten()),
    "z": helper.make_tensor("z", TensorProto.INT4, (3, 5), zero.flatten()),
    "s": scale
}
x = random.standard_normal((2, 9)).astype(F32)
got = run([
    helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"], "d", axis=0, block_size=3),
    helper.make_node("MatMul", ["x", "d"], ["y"], "m")
], {"x": x}, fours)
np.testing.assert_allclose(got,
                           x @ ((weights - np.repeat(zero, 3, 0)) * np.repeat(scale, 3, 0)).astype(F32),
                           rtol=1e-5,
                           atol=1e-5)


def convolved(x, w, pad, stride):
    """Convolution of int64 images [N, C, H, W]."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,mcij->nmhw", windows, w)


# Integer products and convolutions, with zero points on either side, and what is made of their sums.
for left in (np.uint8, np.int8):
    for right in (np.int8, np.uint8):
        a, b, za, zb = integers(left, 2, 6, 33), integers(right, 33, 19), integers(left), integers(right, 19)
        sums = (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
        got = run([helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"], "m")], {"a": a}, {
            "b": b,
            "za": za,
            "zb": zb
        })
        np.testing.assert_array_equal(got, sums)
        sa, sb, sy, zy = F32(0.02), random.uniform(0.01, 0.03, 19).astype(F32), F32(3.1), integers(left)
        got = run([helper.make_node("QLinearMatMul", ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"], "m")], {"a": a},
                  {
                      "sa": sa,
                      "za": za,
                      "b": b,
                      "sb": sb,
                      "zb": zb,
                      "sy": sy,
                      "zy": zy
                  })
        np.testing.assert_array_equal(got, quantized(sums.astype(F32) * (sa * sb / sy), F32(1), zy, left))

        x, w, zx, zw = integers(left, 2, 5, 9, 8), integers(right, 12, 5, 3, 3), integers(left), integers(right)
        image, kernel = x.astype(np.int64) - zx, w.astype(np.int64) - zw
        got = run([helper.make_node("ConvInteger", ["x", "w", "zx", "zw"], ["y"], "c", pads=[1] * 4, strides=[2, 2])],
                  {"x": x}, {
                      "w": w,
                      "zx": zx,
                      "zw": zw
                  })
        np.testing.assert_array_equal(got, convolved(image, kernel, 1, 2))
        sx, sw, bias = F32(0.05), random.uniform(0.01, 0.03, 12).astype(F32), random.integers(-9999, 9999,
                                                                                              12).astype(np.int32)
        got = run([helper.make_node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "bias"], ["y"], "c")],
                  {"x": x}, {
                      "sx": sx,
                      "zx": zx,
                      "w": w,
                      "sw": sw,
                      "zw": zw,
                      "sy": sy,
                      "zy": zy,
                      "bias": bias
                  })
        factor = (sx * sw / sy).reshape(-1, 1, 1)
        sums = convolved(image, kernel, 0, 1) + bias.reshape(-1, 1, 1)
        np.testing.assert_array_equal(got, quantized(sums.astype(F32) * factor, F32(1), zy, left))

# Operators of com.microsoft.
MS = "com.microsoft"
for kind in (np.int8, np.uint8):
    a, b, za, zb, zy = integers(kind, 2, 4, 6, 5), integers(kind, 4, 1, 1), integers(kind), integers(kind), integers(kind)
    scales = {"sa": F32(0.03), "za": za, "sb": F32(0.05), "zb": zb, "sy": F32(0.07), "zy": zy}
    left, right = (a.astype(F32) - F32(za)) * F32(0.03), (b.astype(F32) - F32(zb)) * F32(0.05)
    for op, want in (("QLinearAdd", left + right), ("QLinearMul", left * right)):
        got = run([helper.make_node(op, ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"], op, domain=MS)], {
            "a": a,
            "b": b
        }, scales, MS)
        np.testing.assert_array_equal(got, quantized(want, F32(0.07), zy, kind))
    for op, want in (("QLinearLeakyRelu", np.where(left < 0,
                                                   F32(0.01) * left, left)), ("QLinearSigmoid", 1 / (1 + np.exp(-left))),
                     ("QLinearGlobalAveragePool", left.mean((2, 3), keepdims=True, dtype=np.float64))):
        got = run([helper.make_node(op, ["a", "sa", "za", "sy", "zy"], ["y"], op, domain=MS)], {"a": a},
                  {name: scales[name]
                   for name in ("sa", "za", "sy", "zy")}, MS)
        want = quantized(want.astype(F32), F32(0.07), zy, kind).astype(int)
        assert np.abs(got.astype(int) - want).max() <= (op
                                                        != "QLinearLeakyRelu"), op  # sums and exp: the last bit of a float
    c = integers(kind, 2, 3, 6, 5)
    got = run(
        [helper.make_node("QLinearConcat", ["sy", "zy", "a", "sa", "za", "c", "sb", "zb"], ["y"], "cat", domain=MS, axis=1)],
        {
            "a": a,
            "c": c
        }, scales, MS)
    parts = np.concatenate([left, (c.astype(F32) - F32(zb)) * F32(0.05)], 1)
    np.testing.assert_array_equal(got, quantized(parts, F32(0.07), zy, kind))

# Products of com.microsoft: of quantized matrices, of real ones, with weights of few bits in blocks.
a, b, za, sa = integers(np.uint8, 4, 32), integers(np.int8, 32, 9), integers(np.uint8), F32(0.1)
sb, bias = random.uniform(0.1, 1, 9).astype(F32), random.standard_normal(9).astype(F32)
sums = (a.astype(np.int64) - za) @ b.astype(np.int64)
got = run([helper.make_node("MatMulIntegerToFloat", ["a", "b", "sa", "sb", "za", "", "c"], ["y"], "m", domain=MS)], {"a": a},
          {
              "b": b,
              "sa": sa,
              "sb": sb,
              "za": za,
              "c": bias
          }, MS)
np.testing.assert_allclose(got, sums * (sa * sb) + bias, rtol=1e-6)
for transposed in (0, 1):
    got = run([
        helper.make_node(
            "QGemm", ["a", "sa", "za", "b", "sb", "zb", "", "sy", "zy"], ["y"], "g", domain=MS, transB=transposed, alpha=0.5)
    ], {"a": a}, {
        "b": b.T.copy() if transposed else b,
        "sa": sa,
        "sb": sb,
        "za": za,
        "zb": np.zeros(9, np.int8),
        "sy": F32(30),
        "zy": za
    }, MS)
    np.testing.assert_array_equal(got, quantized(sums.astype(F32) * (F32(0.5) * (sa * sb) / F32(30)), F32(1), za, np.uint8))
x = random.standard_normal((4, 32)).astype(F32)
step = F32(x.max() - x.min()) / F32(255)
place = np.uint8(np.rint(-x.min() / step))
got = run([helper.make_node("DynamicQuantizeMatMul", ["x", "b", "sb", "", "c"], ["y"], "m", domain=MS)], {"x": x}, {
    "b": b,
    "sb": sb,
    "c": bias
}, MS)
sums = (quantized(x, step, place, np.uint8).astype(np.int64) - place) @ b.astype(np.int64)
np.testing.assert_allclose(got, sums * (step * sb) + bias, rtol=1e-5, atol=1e-5)
for bits, has_zeros, k, size in ((4, False, 64, 16), (4, True, 100, 32), (8, True, 48, 16), (2, False, 64, 32)):
    blocks = -(-k // size)
    values, scale = random.integers(0, 1 << bits, (5, blocks, size)), random.uniform(0.1, 1, (5, blocks)).astype(F32)
    zeros = random.integers(0, 1 << bits, (5, blocks)) if has_zeros else np.full((5, blocks), 1 << (bits - 1))
    pack = lambda v: sum(
        np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, -v.shape[-1] % (8 // bits))])[..., i::8 // bits] << (bits * i)
        for i in range(8 // bits)).astype(np.uint8)  # noqa: E731
    constants = {"b": pack(values), "s": scale.flatten(), **({"z": pack(zeros).flatten()} if has_zeros else {})}
    x = random.standard_normal((2, 3, k)).astype(F32)
    got = run(
        [helper.make_node("MatMulNBits", ["x", *constants], ["y"], "m", domain=MS, K=k, N=5, bits=bits, block_size=size)],
        {"x": x}, constants, MS)
    weights = ((values - zeros[..., None]) * scale[..., None]).reshape(5, -1)[:, :k]
    np.testing.assert_allclose(got, x @ weights.T, rtol=1e-4, atol=1e-4)

# Rows of a table in blocks of 16: numbers of 4 bits as they are, with and without zero points, and in bytes.
for kind, has_zeros in ((TensorProto.INT4, False), (TensorProto.UINT4, True), (TensorProto.UINT8, False)):
    low = -8 if kind == TensorProto.INT4 else 0
    values, scale = random.integers(low, low + 16, (9, 40)), random.uniform(0.1, 1, (9, 3)).astype(F32)
    zeros = random.integers(low, low + 16, (9, 3)) if has_zeros else np.full((9, 3), 8 if kind == TensorProto.UINT8 else 0)
    halves = lambda v: (v.reshape(-1, 2)[:, 0] & 15 | (v.reshape(-1, 2)[:, 1] & 15) << 4).astype(np.uint8)  # noqa: E731
    if kind == TensorProto.UINT8:
        table = halves(values).reshape(9, 20)
    else:
        table = helper.make_tensor("table", kind, values.shape, halves(values).tobytes(), raw=True)
    tensors = {"table": table, "s": scale}
    if has_zeros:
        padded = np.append(zeros.reshape(-1), 0)
        tensors["z"] = helper.make_tensor("z", kind, zeros.shape, halves(padded).tobytes(), raw=True)
    rows = random.integers(-9, 9, (2, 5))
    got = run([helper.make_node("GatherBlockQuantized", ["table", "rows", *list(tensors)[1:]], ["y"], "m", domain=MS,
                                block_size=16, gather_axis=0, quantize_axis=1)], {"rows": rows}, tensors, MS)
    real = (values - np.repeat(zeros, 16, 1)[:, :40]) * np.repeat(scale, 16, 1)[:, :40]
    np.testing.assert_allclose(got, real[rows], rtol=1e-6)

# Numbers of 4 bits that are moved before they become real.
values = random.integers(-8, 8, (6, 5, 4))
packed = (values.reshape(-1, 2)[:, 0] & 15 | (values.reshape(-1, 2)[:, 1] & 15) << 4).astype(np.uint8)
got = run([helper.make_node("Transpose", ["t"], ["u"], "u", perm=[2, 0, 1]),
           helper.make_node("Reshape", ["u", "shape"], ["v"], "v"),
           helper.make_node("DequantizeLinear", ["v", "s"], ["w"], "w", axis=0),
           helper.make_node("MatMul", ["x", "w"], ["y"], "y")], {"x": np.eye(4, dtype=F32)},
          {"t": helper.make_tensor("t", TensorProto.INT4, values.shape, packed.tobytes(), raw=True),
           "shape": np.array([4, 30]), "s": np.arange(1, 5).astype(F32)})
np.testing.assert_array_equal(got, values.transpose(2, 0, 1).reshape(4, 30) * np.arange(1, 5)[:, None])

# A layer of LSTM whose weights are integers: what the real ones give. One scale for each direction, or for each column.
for scales_shape in ((2,), (2, 12)):
    weights = {"w": integers(np.int8, 2, 5, 12), "r": integers(np.int8, 2, 3, 12)}
    parameters = {key: random.uniform(0.001, 0.01, scales_shape).astype(F32) for key in ("ws", "rs")}
    parameters.update({key: integers(np.int8, *scales_shape) for key in ("wz", "rz")})
    bias = {"b": random.standard_normal((2, 24)).astype(F32)}
    x = random.standard_normal((4, 2, 5)).astype(F32)
    inputs = ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"]
    lstm = {"direction": "bidirectional", "hidden_size": 3}
    got = run([helper.make_node("DynamicQuantizeLSTM", inputs, ["y"], "m", domain=MS, **lstm)], {"x": x},
              {**weights, **parameters, **bias}, MS)
    beside = {key: value.reshape(2, 1, -1) for key, value in parameters.items()}
    real = {key: ((weights[key].astype(F32) - beside[key + "z"]) * beside[key + "s"]).transpose(0, 2, 1) for key in "wr"}
    expected = run([helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], "m", **lstm)], {"x": x}, {**real, **bias})
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)

# Pools and choices.
x, y, chosen = integers(np.uint8, 1, 6, 9, 9), integers(np.uint8, 1, 6, 9, 9), random.integers(0, 2, (9, 1)).astype(bool)
scales = {"s": F32(0.1), "z": np.uint8(9), "t": F32(0.07), "u": np.uint8(3)}
real = (x.astype(F32) - 9) * F32(0.1)
for is_last in (0, 1):
    got = run([
        helper.make_node("QLinearAveragePool", ["x", "s", "z", "t", "u"], ["y"],
                         "p",
                         domain=MS,
                         kernel_shape=[3, 3],
                         strides=[2, 2],
                         channels_last=is_last)
    ], {"x": x.transpose(0, 2, 3, 1).copy() if is_last else x}, scales, MS)
    windows = np.lib.stride_tricks.sliding_window_view(real, (3, 3), (2, 3))[:, :, ::2, ::2].mean((-1, -2), dtype=np.float64)
    want = quantized(windows, F32(0.07), 3, np.uint8).astype(int)
    assert np.abs((got.transpose(0, 3, 1, 2) if is_last else got).astype(int) - want).max() <= 1
got = run([helper.make_node("QLinearWhere", ["c", "x", "s", "z", "w", "t", "u", "t", "u"], ["y"], "w", domain=MS)], {
    "c": chosen,
    "x": x,
    "w": y
}, scales, MS)
np.testing.assert_array_equal(got, quantized(np.where(chosen, real, (y.astype(F32) - 3) * F32(0.07)), F32(0.07), 3,
                                             np.uint8))
got = run([helper.make_node("QLinearSoftmax", ["x", "s", "z", "t", "u"], ["y"], "f", domain=MS, axis=1, opset=13)], {"x": x},
          {
              **scales, "t": F32(1 / 256)
          }, MS)
powers = np.exp(real.astype(np.float64))
want = quantized(powers / powers.sum(1, keepdims=True), F32(1 / 256), 3, np.uint8)
assert np.abs(got.astype(int) - want.astype(int)).max() <= 1


def refused(node, inputs, constants, words, domain=""):
    try:
        run([node], inputs, constants, domain)
    except tegula.CompileError as error:
        assert words in str(error) and node.name in str(error), error
    else:
        raise AssertionError(f"{node.op_type} is not refused")


# Parameters that fit no axis, missing ones, 4 bits where only bytes are read.
x = np.zeros((2, 5), F32)
refused(helper.make_node("QuantizeLinear", ["x", "s"], ["y"], "quant", axis=1), {"x": x}, {"s": np.ones(4, F32)}, "T0202")
refused(helper.make_node("QLinearAdd", ["x", "s"], ["y"], "sum", domain=MS), {"x": x.astype(np.int8)}, {"s": F32(1)},
        "T0201", MS)
refused(helper.make_node("Slice", ["w", "s", "s"], ["y"], "view"), {"x": x}, {"w": fours["w"], "s": np.array([1])}, "4 bits")
refused(helper.make_node("QLinearSigmoid", ["x", "s", "", "t"], ["y"], "sigma", domain=MS), {"x": integers(np.int8, 3)}, {
    "s": np.ones(3, F32),
    "t": F32(1)
}, "as a whole", MS)
refused(helper.make_node("MatMulNBits", ["x", "b", "s"], ["y"], "few", domain=MS, K=5, N=2, block_size=16),
        {"x": x.astype(F32)[0, 0]}, {
            "b": np.zeros((2, 1, 7), np.uint8),
            "s": np.ones(2, F32)
        }, "T0202", MS)
# No schema has looked at operators of com.microsoft.
refused(helper.make_node("QuantizeLinear", ["x"], ["y"], "bare", domain=MS), {"x": x.astype(F32)}, {}, "T0201", MS)
refused(helper.make_node("DequantizeLinear", ["x", "s"], ["y"], "odd", domain=MS), {"x": integers(np.int8, 3)},
        {"s": np.int8(1)}, "T0202", MS)
