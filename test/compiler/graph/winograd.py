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
