# Convolutions by Winograd's method: right at every size of the borders and bands, the same bits for every thread count.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)


def expected(x, w, pads):
    """In double precision."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    high, wide = x.shape[2] - 2, x.shape[3] - 2
    return sum(np.einsum("nchw,mc->nmhw", x[:, :, i:i + high, j:j + wide], w[:, :, i, j].astype(np.float64))
               for i in range(3) for j in range(3))


# Batch, channels in and out, extents, pads, whether the batch is known. Those of 64 rows and more need several bands, one
# with a rest; the last has more kernel than image and takes it in parts.
for n, c, m, high, wide, pads, known in ((1, 48, 64, 32, 32, (1, 1, 1, 1), True), (2, 64, 40, 25, 30, (0, 0, 0, 0), True),
                                         (1, 33, 65, 21, 43, (2, 0, 1, 3), True), (1, 64, 64, 64, 48, (1, 1, 1, 1), True),
                                         (1, 64, 64, 51, 70, (1, 0, 1, 1), True), (3, 48, 64, 32, 33, (1, 1, 1, 1), False),
                                         (2, 64, 64, 51, 71, (1, 0, 1, 1), False), (3, 64, 64, 50, 72, (1, 1, 1, 1), True),
                                         (1, 128, 160, 13, 15, (1, 1, 1, 0), True)):
    x = random.standard_normal((n, c, high, wide)).astype(np.float32)
    w = (random.standard_normal((m, c, 3, 3)) / np.sqrt(9 * c)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=pads), helper.make_node("Relu", ["c"], ["y"], "relu")],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape if known else ("n",) + x.shape[1:])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(w, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "-O3", "--stop-after=graph", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert "nn.winograd_conv" in text
    assert ("x3x3x128x" in text) == (m == 160), text
    tegula.compile("m.onnx", f"m{wide}.so", opt=3)
    want = np.maximum(expected(x, w, pads), 0)
    first = tegula.load(f"m{wide}.so", threads=1).run({"x": x})["y"]
    error = np.abs(first - want).max()
    assert error < 1e-4 * want.std(), (c, m, high, wide, error)
    for threads in (2, 4):
        again = tegula.load(f"m{wide}.so", threads=threads).run({"x": x})["y"]
        assert first.tobytes() == again.tobytes(), (threads, c, m, high, wide)

# Quantized ones on a CPU that multiplies pairs of 16-bit integers: the same bits as directly, also at the ends of the
# ranges.
for n, c, m, high, wide, zero, largest in ((1, 64, 64, 30, 31, 3, False), (1, 66, 72, 13, 21, 0, True),
                                           (3, 64, 64, 17, 18, 255, True), (1, 128, 128, 11, 9, 128, False)):
    w = random.integers(-128, 128, (m, c, 3, 3)).astype(np.int8)
    if largest:
        w = np.where(w < 0, -128, 127).astype(np.int8)
    floats = {"xs": np.float32(0.02), "ws": random.uniform(0.001, 0.01, m).astype(np.float32), "ys": np.float32(0.7)}
    constants = floats | {"w": w, "xz": np.uint8(zero), "yz": np.uint8(117)}
    graph = helper.make_graph(
        [helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["a"]),
         helper.make_node("DequantizeLinear", ["w", "ws"], ["b"], axis=0),
         helper.make_node("Conv", ["a", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
         helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["y"])],
        "g", [helper.make_tensor_value_info("x", TensorProto.UINT8, [n, c, high, wide])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "q.onnx")
    text = subprocess.run([sys.argv[1], "q.onnx", "-O3", "-mcpu=haswell", "--stop-after=graph", "-o", "-"],
                          capture_output=True, text=True, check=True).stdout
    assert "nn.winograd_conv" in text, (c, high)
    x = random.choice(np.array([0, 255], np.uint8), (n, c, high, wide)) if largest else \
        random.integers(0, 256, (n, c, high, wide)).astype(np.uint8)
    results = []
    for level in (2, 3):
        tegula.compile("q.onnx", f"q{c}_{high}_{level}.so", opt=level, cpu="haswell")
        results.append(tegula.load(f"q{c}_{high}_{level}.so").run({"x": x})["y"])
    assert results[0].std() > 10 and (results[0] == results[1]).all(), (c, high)
