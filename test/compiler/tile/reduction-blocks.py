# Long reductions in blocks: right with residuals, activations and rests, the same bits for every thread count.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import re
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)


def draw(*shape, scale=1.0):
    return (scale * random.standard_normal(shape)).astype(np.float32)


def product():
    """With bias, activation and a residual that is computed, so that its memory might be taken for the result."""
    x, w, bias, residual = draw(130, 5000), draw(5000, 333, scale=0.02), draw(333), draw(130, 333)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "b"], ["c"]),
             helper.make_node("Relu", ["c"], ["d"]), helper.make_node("Neg", ["r"], ["e"]),
             helper.make_node("Add", ["d", "e"], ["y"])]
    want = np.maximum(x.astype(np.float64) @ w + bias, 0) - residual
    return nodes, {"w": w, "b": bias}, {"x": x, "r": residual}, want


def batch():
    a, b = draw(3, 130, 5001), draw(3, 5001, 45, scale=0.02)
    return [helper.make_node("MatMul", ["a", "b"], ["y"])], {}, {"a": a, "b": b}, a.astype(np.float64) @ b


def convolution():
    x, w = draw(1, 640, 20, 20), draw(100, 640, 3, 3, scale=0.02)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    want = sum(np.einsum("nchw,mc->nmhw", padded[:, :, i:i + 19:2, j:j + 19:2], w[:, :, i, j].astype(np.float64))
               for i in range(3) for j in range(3))
    return [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2])], {"w": w}, {"x": x}, want


for make in (product, batch, convolution):
    nodes, weights, feeds, want = make()
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, want.shape)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    for cpu in ("x86-64-v3", "native"):
        if cpu != "native" and "x86_64" not in subprocess.run(["uname", "-m"], capture_output=True, text=True).stdout:
            continue
        text = subprocess.run([sys.argv[1], "m.onnx", "-mcpu=" + cpu, "--stop-after=tile", "-o", "-"], capture_output=True,
                              text=True, check=True).stdout
        # The sums of a block go on where those before it ended.
        assert re.search(r"scf\.if .*-> \((vector<[0-9]+xf32>(, )?)+\)", text), make.__name__
        tegula.compile("m.onnx", f"{make.__name__}.{cpu}.so", cpu=cpu)
        first = tegula.load(f"{make.__name__}.{cpu}.so", threads=1).run(feeds)["y"]
        error = np.abs(first - want).max() / want.std()
        assert error < 1e-4, (make.__name__, cpu, error)
        for threads in (2, 4):
            again = tegula.load(f"{make.__name__}.{cpu}.so", threads=threads).run(feeds)["y"]
            assert first.tobytes() == again.tobytes(), (make.__name__, cpu, threads)
