# Quantized convolutions and products are sums of integers, the same bits on every instruction set and thread count: those of
# integers exact, those of dequantized numbers the nearest integers to the real result.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import itertools
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(1)
NAMES = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8, np.int32: TensorProto.INT32, np.float32: TensorProto.FLOAT}
# CPUs without such instructions, with pairs of 16 bits, with four bytes; what the loops have, also for weights of 9 bits and
# for those of 4 bits alone.
CPUS = {"x86-64": ("", "", ""), "x86-64-v3": ("vpmaddwd", "vpmaddwd", "vpmaddubsw"),
        "x86-64-v4": ("vpmaddwd", "vpmaddwd", "vpmaddubsw"), "znver4": ("vpdpbusd", "vpdpwssd", "vpdpbusd")}
SEEN = set()  # CPUs and forms whose instructions were looked at
CALLS = itertools.count()


def integers(kind, shape):
    info = np.iinfo(kind)
    return random.integers(info.min, info.max + 1, shape).astype(kind)


def convolve(x, w, group, strides, pads):
    """Of numbers in double precision, exact for integers of this size."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    high, wide = ((x.shape[2 + i] - w.shape[2 + i]) // strides[i] + 1 for i in (0, 1))
    n, m, reads = x.shape[0], w.shape[0], w.shape[1]
    y = np.zeros((n, m, high, wide))
    for g in range(group):
        part, rows = x[:, g * reads:(g + 1) * reads], slice(g * m // group, (g + 1) * m // group)
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                window = part[:, :, i:i + strides[0] * high:strides[0], j:j + strides[1] * wide:strides[1]]
                y[:, rows] += np.einsum("nchw,mc->nmhw", window, w[rows, :, i, j].astype(np.float64))
    return y


class Model:
    def __init__(self):
        self.nodes, self.weights, self.inputs = [], [], {}

    def constant(self, value, name):
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def save(self, output):
        inputs = [helper.make_tensor_value_info(name, NAMES[value.dtype.type], value.shape)
                  for name, value in self.inputs.items()]
        graph = helper.make_graph(self.nodes, "g", inputs, [helper.make_empty_tensor_value_info(output)], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "m.onnx")


def runs(inputs, form, is_close=None):
    """The result, the same for 1, 2 and 4 threads and those of CPUS that this one can stand for, or `is_close` on each: in
    each call the plain one and another in turn. `form` is the place of the instruction that is looked for, None for none."""
    first, ran, turn = None, 0, next(CALLS) % (len(CPUS) - 1) + 1
    for number, (cpu, instructions) in enumerate(CPUS.items()):
        if number not in (0, turn) and (form is None or (cpu, form) in SEEN):
            continue
        target = ["--target=x86_64-linux-gnu", f"-mcpu={cpu}", "-O3"]
        if form is not None and (cpu, form) not in SEEN:
            SEEN.add((cpu, form))
            subprocess.run([sys.argv[1], "m.onnx", *target, "-o", "m.s"], check=True)
            with open("m.s", encoding="utf-8") as file:
                assert instructions[form] in file.read(), (cpu, instructions[form])
        subprocess.run([sys.argv[1], "m.onnx", *target, "-o", f"m-{cpu}.so"], check=True)
        first = None if is_close else first
        for threads in (1, 2, 4):
            try:
                model = tegula.load(f"m-{cpu}.so", threads=threads)
            except tegula.RunError as error:
                assert "lacks" in str(error) or "CPU" in str(error), error
                break
            y = next(iter(model.run(inputs).values()))
            assert first is None or first.tobytes() == y.tobytes(), (cpu, threads)
            first, ran = y, ran + 1
            assert is_close is None or is_close(y), (cpu, y)
    assert ran > 0, "this machine can run none of the CPUs"
    return first


def check(model, output, real, kind, form):
    """`real` is the exact result, quantized to `kind` if that is not None; a tie may go either way."""
    model.save(output)
    got = runs(model.inputs, form)
    if kind is None:
        assert np.array_equal(got, real), np.abs(got - real).max()
        return
    info = np.iinfo(kind)
    want = np.clip(np.rint(real), info.min, info.max)
    isTie = np.abs(np.abs(real - np.floor(real)) - 0.5) < 2e-4
    assert got.dtype == kind and np.array_equal(got[~isTie], want[~isTie]), np.abs(got.astype(float) - want).max()
    assert np.abs(got.astype(float) - want).max() <= 1 and isTie.mean() < 0.01


SHAPES = (  # channels in and out, groups, kernel, strides, pads, extents
    (32, 48, 1, (3, 3), (1, 1), (1, 1, 1, 1), (9, 10)), (3, 20, 1, (3, 3), (2, 2), (0, 1, 1, 0), (11, 9)),
    (17, 33, 1, (1, 1), (1, 1), (0, 0, 0, 0), (5, 7)), (24, 24, 24, (3, 3), (1, 1), (1, 1, 1, 1), (8, 8)),
    (16, 32, 2, (3, 1), (1, 1), (1, 0, 1, 0), (6, 7)), (32, 32, 2, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1)))
TYPES = ((np.uint8, np.int8, False), (np.int8, np.int8, False), (np.uint8, np.uint8, True), (np.int8, np.int8, True))

for number, (c, m, group, kernel, strides, pads, extents) in enumerate(SHAPES):
    for x_type, w_type, has_zero in TYPES[number % 4:number % 4 + 1] if number else TYPES:
        x, w = integers(x_type, (1, c, *extents)), integers(w_type, (m, c // group, *kernel))
        x_zero = integers(x_type, ())
        w_zero = w_type(131 if w_type is np.uint8 else -3) if has_zero else w_type(0)
        exact = convolve(x.astype(np.int32) - np.int32(x_zero), w.astype(np.int32) - np.int32(w_zero), group, strides, pads)
        attributes = dict(group=group, strides=strides, pads=pads)
        form = int(has_zero) if group == 1 else None

        model = Model()
        model.inputs = {"x": x}
        names = ["x", model.constant(w, "w"), model.constant(x_zero, "xz"), model.constant(w_zero, "wz")]
        model.node("ConvInteger", names, "y", **attributes)
        check(model, "y", exact.astype(np.int32), None, form)

        # Dequantized, a scale for each output, a bias, ReLU, and quantized again.
        scales, bias = random.uniform(1e-3, 2e-3, m).astype(np.float32), random.standard_normal(m).astype(np.float32)
        x_scale, y_scale, y_zero = np.float32(0.02), np.float32(0.05), np.uint8(7)
        model = Model()
        model.inputs = {"x": x}
        model.node("DequantizeLinear", ["x", model.constant(x_scale, "xs"), model.constant(x_zero, "xz")], "a")
        model.node("DequantizeLinear", [model.constant(w, "w"), model.constant(scales, "ws"),
                                        model.constant(np.full(m, w_zero, w_type), "wz")], "b", axis=0)
        model.node("Conv", ["a", "b", model.constant(bias, "bias")], "c", **attributes)
        model.node("Relu", ["c"], "r")
        model.node("QuantizeLinear", ["r", model.constant(y_scale, "ys"), model.constant(y_zero, "yz")], "y")
        real = exact * (scales.astype(np.float64) * x_scale)[:, None, None] + bias[:, None, None]
        check(model, "y", np.maximum(real, 0) / y_scale + y_zero, np.uint8, form)

for number, (rows, k, columns) in enumerate(((7, 64, 40), (33, 130, 17), (1, 61, 65))):
    for x_type, w_type, has_zero in TYPES[number % 4:number % 4 + 1] if number else TYPES:
        x, w, x_zero = integers(x_type, (2, rows, k)), integers(w_type, (k, columns)), integers(x_type, ())
        w_zero = w_type(131 if w_type is np.uint8 else -3) if has_zero else w_type(0)
        exact = (x.astype(np.int64) - x_zero) @ (w.astype(np.int64) - w_zero)
        model = Model()
        model.inputs = {"x": x, "xz": np.asarray(x_zero)}  # as of a dynamic quantization
        model.node("MatMulInteger", ["x", model.constant(w, "w"), "xz", model.constant(w_zero, "wz")], "y")
        check(model, "y", exact.astype(np.int32), None, int(has_zero))

        y_scale, y_zero = np.float32(0.3), np.int8(-5)
        model = Model()
        model.inputs = {"x": x}
        model.node("DequantizeLinear", ["x", model.constant(np.float32(0.02), "xs"), model.constant(x_zero, "xz")], "a")
        model.node("DequantizeLinear", [model.constant(w, "w"), model.constant(np.float32(0.003), "ws"),
                                        model.constant(w_zero, "wz")], "b")
        model.node("MatMul", ["a", "b"], "c")
        model.node("QuantizeLinear", ["c", model.constant(y_scale, "ys"), model.constant(y_zero, "yz")], "y")
        check(model, "y", exact * (np.float64(np.float32(0.02)) * np.float32(0.003)) / y_scale + y_zero, np.int8,
              int(has_zero))

# Weights with a zero point for each output: sums of 16-bit numbers.
x, x_zero = integers(np.uint8, (1, 17, 9, 8)), np.uint8(99)
w, zeros = integers(np.uint8, (20, 17, 3, 3)), integers(np.uint8, (20, ))
exact = convolve(x.astype(np.int32) - np.int32(x_zero), w.astype(np.int32) - zeros.astype(np.int32)[:, None, None, None], 1,
                 (1, 1), (1, 1, 1, 1))
model = Model()
model.inputs = {"x": x}
model.node("DequantizeLinear", ["x", model.constant(np.float32(0.02), "xs"), model.constant(x_zero, "xz")], "a")
model.node("DequantizeLinear", [model.constant(w, "w"), model.constant(np.full(20, 0.002, np.float32), "ws"),
                                model.constant(zeros, "wz")], "b", axis=0)
model.node("Conv", ["a", "b"], "c", pads=(1, 1, 1, 1))
model.node("QuantizeLinear", ["c", model.constant(np.float32(0.4), "ys"), model.constant(np.uint8(128), "yz")], "y")
check(model, "y", exact * (np.float64(np.float32(0.02)) * np.float32(0.002)) / np.float32(0.4) + 128, np.uint8, 1)
x, w, zeros = integers(np.int8, (2, 7, 64)), integers(np.int8, (64, 40)), integers(np.int8, (40, ))
model = Model()
model.inputs = {"x": x}
names = ["x", model.constant(w, "w"), model.constant(np.int8(-9), "xz"), model.constant(zeros, "wz")]
model.node("MatMulInteger", names, "y")
check(model, "y", (x.astype(np.int32) + 9) @ (w.astype(np.int32) - zeros), None, 1)

# Both sides constant, of numbers that need nine bits without their zero points.
x, w = np.asarray([[0, 255, 7, 9]], np.uint8), np.asarray([[1], [2], [-128], [127]], np.int8)
model = Model()
model.inputs = {"c": np.asarray([[5]], np.int32)}
model.node("MatMulInteger", [model.constant(x, "x"), model.constant(w, "w"), model.constant(np.uint8(255), "xz")], "p")
model.node("Add", ["c", "p"], "y")
check(model, "y", (x.astype(np.int32) - 255) @ w.astype(np.int32) + 5, None, None)

# Weights alone quantized: few rows, many, and as many as the run has; blocks of 4 and of 8 bits, of 32, 16, 8 and 4
# neighbours at a time, whole columns, zero points; blocks that do not fill words.
for rows, known, block, k, columns, low, high, has_zero in (
        (1, True, 32, 96, 40, -8, 7, False), (3, True, 16, 64, 33, -100, 100, True), (20, True, 32, 96, 70, -8, 7, True),
        (9, False, 0, 60, 40, -128, 127, True), (5, False, 6, 66, 20, 0, 7, False), (2, True, 64, 128, 20, -8, 7, True),
        (1, True, 8, 24, 17, 0, 7, False), (4, True, 0, 60, 40, -128, 127, True), (3, True, 12, 36, 9, -8, 7, False),
        (2, True, 16, 32, 24, 0, 7, "far")):
    w = random.integers(low, high + 1, (k, columns)).astype(np.int8)
    shape = (k // block, columns) if block else (columns,)
    scale = random.uniform(0.01, 0.02, shape).astype(np.float32)
    zero = random.integers(low // 4, high // 4 + 1, shape).astype(np.int8) if has_zero else np.zeros(shape, np.int8)
    zero -= np.int8(60 if has_zero == "far" else 0)
    spread = (lambda value: np.repeat(value, block, axis=0)) if block else (lambda value: value)
    a = random.standard_normal((2, rows, k)).astype(np.float32)
    model = Model()
    model.inputs = {"a": a}
    names = [model.constant(w, "w"), model.constant(scale, "s"), model.constant(zero, "z")]
    model.node("DequantizeLinear", names, "b", axis=0 if block else 1, **({"block_size": block} if block else {}))
    model.node("MatMul", ["a", "b"], "y")
    model.save("y")
    if not known:
        loaded = onnx.load("m.onnx")
        loaded.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "rows"
        onnx.save(loaded, "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "-O3", "--stop-after=graph", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    bits = 4 if block % 8 == 0 and -8 <= low and high <= 7 and has_zero != "far" else 8
    assert f"bits = {bits} " in text if (block or k) % 4 == 0 else "block_matmul" not in text, text
    want = a.astype(np.float64) @ ((w.astype(np.float64) - spread(zero)) * spread(scale))
    is_few = bits == 4 and known and 2 * rows <= 8
    runs(model.inputs, 2 if is_few else None, lambda y, want=want: np.abs(y - want).max() < 2e-6 * np.abs(want).max())

# Both sides computed at run time, as of attention: a transposed right side, one that is not, one for several left ones,
# extents that fill no group or vector; from integers, and from quantized numbers.
for number, (left, right, is_turned) in enumerate((((3, 20, 32), (3, 32, 48), True), ((2, 2, 19, 37), (2, 2, 37, 45), True),
                                                   ((2, 13, 41), (2, 41, 30), False), ((3, 9, 64), (64, 9), True),
                                                   ((17, 24), (24, 16), False), ((2, 9, 7), (2, 7, 70), False))):
    for x_type, w_type, has_zero in TYPES[number % 4:number % 4 + 1] if number else TYPES:
        x, w, x_zero = integers(x_type, left), integers(w_type, right), integers(x_type, ())
        w_zero = integers(w_type, ()) if has_zero or w_type is np.uint8 else w_type(0)
        x_zero = x_zero if number % 3 else x_type(0)
        exact = (x.astype(np.int64) - x_zero) @ (w.astype(np.int64) - w_zero)
        turn = [*range(len(right) - 2), len(right) - 1, len(right) - 2]
        for is_integer in (True, False) if number < 2 else (number % 2 == 0,):
            model = Model()
            model.inputs = {"x": x, "w": np.ascontiguousarray(w.transpose(turn)) if is_turned else w}
            zeros = [model.constant(x_zero, "xz"), model.constant(w_zero, "wz")]
            if is_integer:
                w_name = model.node("Transpose", ["w"], "t", perm=turn) if is_turned else "w"
                model.node("MatMulInteger", ["x", w_name, *zeros], "y")
                check(model, "y", exact.astype(np.int32), None, 0)
                continue
            model.node("DequantizeLinear", ["x", model.constant(np.float32(0.02), "xs"), zeros[0]], "a")
            b = model.node("DequantizeLinear", ["w", model.constant(np.float32(0.003), "ws"), zeros[1]], "b")
            b = model.node("Transpose", [b], "t", perm=turn) if is_turned else b
            model.node("MatMul", ["a", b], "c")
            y_names = [model.constant(np.float32(0.3), "ys"), model.constant(np.int8(-5), "yz")]
            model.node("QuantizeLinear", ["c", *y_names], "y")
            real = exact * (np.float64(np.float32(0.02)) * np.float32(0.003)) / np.float32(0.3) - 5
            check(model, "y", real, np.int8, 0)
