"""Products by matrix instructions, of each family of GPUs and where it has none: as exact as the number of products allows,
and exact where all numbers are whole. The instructions are there, and large tiles fit into the registers.

  matrix-products.py MODELS BUILD [--all]     in an empty folder; MODELS is the folder of emulated.py, BUILD that of the
                                              build; --all: each on all its GPUs
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s %source/test/models %build

import re
import sys

import ml_dtypes
import numpy as np
import onnx
import tegula
from onnx import helper, numpy_helper

sys.path.insert(0, sys.argv[1])
import emulated  # noqa: E402

RANDOM = np.random.Generator(np.random.PCG64(11))
F16, BF16, F32 = np.float16, ml_dtypes.bfloat16, np.float32
I8, U8, I16, I32 = np.int8, np.uint8, np.int16, np.int32
# Chip, and the seed of the order that warps run in (0: as they come).
RUNS = ((70, 0), (75, 3), (80, 5), (90, 0))
# The chips whose code has matrix instructions, by the type of the factors.
MATRICES = {F16: {70, 75, 80}, BF16: {80}, F32: {80}, I8: {75, 80}, I16: set()}
# Those that cases are compiled for, and run on; sm_90 takes the code of sm_80.
CHIPS = {F16: (70, 75, 80), BF16: (75, 80), F32: (75, 80), I8: (75, 80), I16: (75, 80)}
ALL = (70, 75, 80, 90)
CHIPS_OF = {"even": ALL, "even_bf16": ALL, "signed": ALL}

# How far products are from exact ones, where factors are rounded before: f32 to 11 bits (tf32, with --fp=fast).
ROUNDED = {F16: 0, BF16: 0, F32: 2.0**-10 + 2.0**-22}

CASES = []


class Case:
    """A model with the values of its runs. `factors` is the type that is multiplied, `nodes` make "y" of the inputs of a run
    and of the weights; `expected` of the values of both is the result, and how far from it one may be."""

    def __init__(self, name, factors, nodes, result, weights, runs, expected, shapes=None):
        self.name, self.factors, self.chips = name, factors, CHIPS_OF.get(name, CHIPS[factors])
        self.runs, self.expected = runs, [expected({**run, **weights}) for run in runs]
        shapes = shapes or {key: value.shape for key, value in runs[0].items()}

        def typed(key, element, shape):
            return helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(np.dtype(element)), shape)

        graph = helper.make_graph(nodes, name, [typed(key, value.dtype, shapes[key]) for key, value in runs[0].items()],
                                  [typed("y", result, [None] * self.expected[0][0].ndim)],
                                  [numpy_helper.from_array(value, key) for key, value in weights.items()])
        # Shapes of outputs are inferred; version 22 is the first with convolutions of bf16.
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), name + ".onnx")
        CASES.append(self)


def fractions(element, *shape):
    return RANDOM.standard_normal(shape).astype(element)


def wholes(element, *shape):
    """Their products add up exactly, in any order."""
    return RANDOM.integers(-4, 5, shape).astype(element)


def node(op, inputs, output="y", **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


def conv(x, w, stride=1, pad=1):
    """NCHW."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", windows, w, optimize=True)


def real(name, element, nodes, shapes, product, depth, weights=(), after=None, draws=(fractions, wholes), dynamic=None,
         more=()):
    """A run of each of `draws` and of `more` shapes; weights are whole numbers. `product` of the values in double precision
    is exact; `after` is what follows (a second rounding), at most as steep as its argument."""
    def expected(values):
        wide = {key: value.astype(np.float64) for key, value in values.items()}
        exact = product(wide)
        result = after(exact, wide) if after else exact
        unit = float(ml_dtypes.finfo(element).eps) / 2  # of a rounding to nearest
        is_whole = all((value == np.rint(value)).all() for value in wide.values())
        # A product of two elements is exact in f32; a GPU may cut off where it adds. Products with zeros beyond the
        # depth add nothing.
        positive = product({key: np.abs(value) for key, value in wide.items()})
        added = 0 if is_whole else (depth * 2.0**-23 + ROUNDED[element]) * positive
        least = float(ml_dtypes.finfo(element).smallest_subnormal) / 2
        return result, added * (1 + 2 * unit) + unit * (np.abs(exact) + (np.abs(result) if after else 0)) + least

    constants = {key: wholes(element, *shapes[key]) for key in weights}
    shaped = [(draw, shapes) for draw in draws] + [(fractions, {**shapes, **other}) for other in more]
    runs = [{key: draw(element, *shape) for key, shape in all.items() if key not in weights} for draw, all in shaped]
    Case(name, element, nodes, element, constants, runs, expected, dynamic)


def integer(name, nodes, result, inputs, weights, exact, factors=I8):
    """A run whose result is `exact` of the values in wide types."""
    def expected(values):
        return exact({key: value.astype(np.float64 if value.dtype == F32 else np.int64) for key, value in values.items()}), 0

    Case(name, factors, nodes, result, weights, [inputs], expected)


def draw_bytes(element, *shape):
    limits = np.iinfo(element)
    return RANDOM.integers(limits.min, limits.max + 1, shape).astype(element)


def rounded(value, zero, element):
    limits = np.iinfo(element)
    return np.clip(np.rint(value) + zero, limits.min, limits.max).astype(np.int64)


def scales(*exponents):
    """Powers of two: what is scaled by them is exact, ties included."""
    return np.array([2.0**exponent for exponent in exponents], F32).reshape((-1, ) if len(exponents) > 1 else ())


def define_real():
    multiply = [node("MatMul", "x w")]

    def product(values):
        return values["x"] @ values["w"]

    for element, suffix in ((F16, ""), (BF16, "_bf16")):
        real("even" + suffix, element, multiply, {"x": (64, 96), "w": (96, 64)}, product, 96, weights=("w", ))
        real("odd" + suffix, element, multiply, {"x": (77, 35), "w": (35, 90)}, product, 35)
    # The largest tiles, beyond whose ends rows, columns and depth have blocks, for they are many.
    real("batch", F16, multiply, {"x": (80, 100, 104), "w": (80, 104, 120)}, product, 104, draws=(wholes, ))
    real("batch_odd", F16, multiply, {"x": (80, 99, 37), "w": (80, 37, 121)}, product, 37, draws=(wholes, ))
    real("middle", F16, multiply, {"x": (640, 100), "w": (100, 520)}, product, 100)
    real("turned", F16, [node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "x t")], {"x": (72, 80), "w": (56, 80)},
         lambda values: values["x"] @ values["w"].T, 80)
    real("turned_left", F16, [node("Transpose", "x", "t", perm=[1, 0]), node("MatMul", "t w")],
         {"x": (80, 72), "w": (80, 56)}, lambda values: values["x"].T @ values["w"], 80)
    real("epilogue", F16, [node("MatMul", "x w", "p"), node("Add", "p b", "s"), node("Relu", "s")],
         {"x": (50, 200), "w": (200, 72), "b": (72, )}, product, 200, weights=("w", "b"),
         after=lambda exact, values: np.maximum(exact + values["b"], 0))
    real("rows_dynamic", F16, multiply, {"x": (40, 64), "w": (64, 64)}, product, 64, weights=("w", ),
         dynamic={"x": ["m", 64]}, more=[{"x": (rows, 64)} for rows in (0, 1, 65)])
    real("all_dynamic", F16, multiply, {"x": (40, 64), "w": (64, 50)}, product, 129,
         dynamic={"x": ["m", "k"], "w": ["k", "n"]}, more=[{"x": (33, depth), "w": (depth, 17)} for depth in (0, 1, 129)])
    for stride in (1, 2):
        real(f"conv_{stride}", F16, [node("Conv", "x w", pads=[1] * 4, strides=[stride] * 2)],
             {"x": (2, 16, 11, 12), "w": (32, 16, 3, 3)},
             lambda values, stride=stride: conv(values["x"], values["w"], stride), 144)
    real("conv_bf16", BF16, [node("Conv", "x w", pads=[1] * 4)], {"x": (1, 16, 9, 8), "w": (32, 16, 3, 3)},
         lambda values: conv(values["x"], values["w"]), 144, weights=("w", ))


def define_singles():
    """f32 with --fp=fast."""
    multiply = [node("MatMul", "x w")]

    def product(values):
        return values["x"] @ values["w"]

    real("singles", F32, multiply, {"x": (64, 96), "w": (96, 64)}, product, 96, weights=("w", ))
    real("singles_odd", F32, multiply, {"x": (77, 35), "w": (35, 90)}, product, 35)
    real("singles_variable", F32, multiply, {"x": (40, 64), "w": (64, 50)}, product, 129,
         dynamic={"x": ["m", "k"], "w": ["k", "n"]}, more=[{"x": (33, depth), "w": (depth, 17)} for depth in (0, 1, 129)])
    real("singles_turned", F32, [node("Transpose", "x", "t", perm=[1, 0]), node("MatMul", "t w")],
         {"x": (80, 72), "w": (80, 56)}, lambda values: values["x"].T @ values["w"], 80)
    real("singles_conv", F32, [node("Conv", "x w", pads=[1] * 4)], {"x": (1, 16, 9, 8), "w": (32, 16, 3, 3)},
         lambda values: conv(values["x"], values["w"]), 144, weights=("w", ))


def define_integer():
    multiply = [node("MatMulInteger", "x w zx zw")]

    def product(values):
        return (values["x"] - values.get("zx", 0)) @ (values["w"] - values.get("zw", 0))

    plain = [node("MatMulInteger", "x w")]
    integer("signed", plain, I32, {"x": draw_bytes(I8, 64, 96)}, {"w": draw_bytes(I8, 96, 64)}, product)
    integer("signed_variable", plain, I32, {"x": draw_bytes(I8, 77, 45), "w": draw_bytes(I8, 45, 90)}, {}, product)
    integer("signed_batch", plain, I32,
            {"x": draw_bytes(I8, 80, 100, 80), "w": draw_bytes(I8, 80, 80, 116)}, {}, product)
    # The compiler takes the zero point off the weights, which then have 16 bits.
    integer("signed_zeros", multiply, I32, {"x": draw_bytes(I8, 50, 100)},
            {"w": draw_bytes(I8, 100, 72), "zx": np.array(-7, I8), "zw": np.array(5, I8)}, product, factors=I16)
    integer("unsigned", multiply, I32, {"x": draw_bytes(U8, 64, 80)},
            {"w": draw_bytes(I8, 80, 64), "zx": np.array(131, U8), "zw": np.array(0, I8)}, product)
    integer("unsigned_variable", multiply, I32, {"x": draw_bytes(U8, 33, 64), "w": draw_bytes(I8, 64, 48)},
            {"zx": np.array(3, U8), "zw": np.array(-4, I8)}, product)
    integer("quantized", [node("QLinearMatMul", "x sx zx w sw zw sy zy")], U8, {"x": draw_bytes(U8, 60, 64)},
            {"sx": scales(-6), "zx": np.array(120, U8), "w": draw_bytes(I8, 64, 72), "sw": scales(*(-8, -7, -6) * 24),
             "zw": np.zeros(72, I8), "sy": scales(-4), "zy": np.array(99, U8)},
            lambda v: rounded(product(v) * v["sx"] * v["sw"] / v["sy"], v["zy"], U8))
    integer("dequantized", [node("DequantizeLinear", "x sx zx", "a"), node("DequantizeLinear", "w sw zw", "b", axis=1),
                            node("MatMul", "a b", "p"), node("QuantizeLinear", "p sy zy")], I8,
            {"x": draw_bytes(I8, 60, 64)},
            {"sx": scales(-6), "zx": np.array(-3, I8), "w": draw_bytes(I8, 64, 72), "sw": scales(*(-8, -7, -6) * 24),
             "zw": np.zeros(72, I8), "sy": scales(-4), "zy": np.array(9, I8)},
            lambda v: rounded(product(v) * v["sx"] * v["sw"] / v["sy"], v["zy"], I8))

    def convolved(v):
        s = conv(v["x"] - v["zx"], v["w"]) + v["b"].reshape(-1, 1, 1)
        return rounded(np.maximum(s * v["sx"] * v["sw"].reshape(-1, 1, 1), 0) / v["sy"], v["zy"], U8)

    sw = scales(*(-8, -7) * 16)
    integer("dequantized_conv", [node("DequantizeLinear", "x sx zx", "a"), node("DequantizeLinear", "w sw zw", "k", axis=0),
                                 node("DequantizeLinear", "b sb zb", "c", axis=0), node("Conv", "a k c", "p", pads=[1] * 4),
                                 node("Relu", "p", "r"), node("QuantizeLinear", "r sy zy")], U8,
            {"x": draw_bytes(U8, 2, 16, 9, 10)},
            {"sx": scales(-6), "zx": np.array(120, U8), "w": draw_bytes(I8, 32, 16, 3, 3), "sw": sw, "zw": np.zeros(32, I8),
             "b": RANDOM.integers(-9999, 9999, 32).astype(I32), "sb": (sw * 2.0**-6).astype(F32), "zb": np.zeros(32, I32),
             "sy": scales(-3), "zy": np.array(11, U8)}, convolved)


def check_instructions(case):
    matrices = {chip: b"mma.sync" in text for chip, text in emulated.texts_of(case.name + ".so").items()}
    expected = {chip: chip in MATRICES[case.factors] for chip in case.chips if chip <= 80}
    assert matrices == expected, f"{case.name}: matrix instructions on {matrices}, expected {expected}"


def check_large(chip, instruction, count):
    """Tiles of 128 x 128, 32 deep; warps have 64 x 64 of them."""
    ptx = f"large-{chip}.ptx"
    tegula.compile("large.onnx", ptx, device=f"cuda:sm_{chip}")
    with open(ptx) as file:
        text = file.read()
    found = len(re.findall(r"mma\.sync\S*" + instruction, text)), text.count("mma.sync"), text.count("ldmatrix")
    assert found == (count, count, 16), f"sm_{chip}: {found} products, products of any kind and ldmatrix"
    emulated.assemble("large", chip, text.encode(), sys.argv[2])


def main():
    define_real()
    define_singles()
    define_integer()
    attempt = emulated.Attempts()
    if "--all" not in sys.argv:
        emulated.take_turns(CASES)
    for case in CASES:
        device = "cuda:" + ",".join(f"sm_{chip}" for chip in case.chips if chip <= 80)
        tegula.compile(case.name + ".onnx", case.name + ".so", device=device, fp="fast")
        emulated.save_runs(case.name, case.runs)
        attempt(check_instructions, case)
    for chip, order in RUNS:
        cases = [case for case in CASES if chip in case.chips]
        emulated.run_all(chip, order, [case.name for case in cases])
        for case in cases:
            attempt(emulated.check, case.name, chip, case.expected)
        print(f"sm_{chip}: {len(cases)} products")
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT16, shape)
              for name, shape in (("x", [4096, 4096]), ("w", [4096, 4096]), ("y", [4096, 4096]))]
    graph = helper.make_graph([node("MatMul", "x w")], "large", values[:2], values[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), "large.onnx")
    for chip, instruction, count in ((75, "m16n8k8", 128), (80, "m16n8k16", 64), (90, "m16n8k16", 64)):
        attempt(check_large, chip, instruction, count)
    attempt.end()


main()
