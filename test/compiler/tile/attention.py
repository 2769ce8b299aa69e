# Attention and large softmaxes band by band: right with masks, scales and rows that no band divides, the same bits for every
# thread count, and no scores of all rows in memory.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import re
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

random = np.random.default_rng(0)


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


# Batch, heads, queries, keys, depth of a head; mask's shape or None. 97 and 131 have no divisors. A mask of 128 x 128, which
# the model computes, has the shape of the scores of one band.
for b, h, m, n, d, mask in ((1, 4, 256, 256, 64, None), (2, 3, 97, 131, 32, (1, 1, 97, 131)),
                            (1, 2, 300, 700, 64, (1, 1, 1, 700)), (1, 12, 1, 700, 64, None), (1, 1, 1500, 1500, 64, None),
                            (1, 12, 128, 128, 64, (1, 1, 128, 128))):
    q, k, v = (random.standard_normal((b, h, rows, d)).astype(np.float32) for rows in (m, n, n))
    inputs = {"q": q, "k": k, "v": v}
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], "transpose", perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["s"], "scores"),
        helper.make_node("Mul", ["s", "scale"], ["t"], "scale")
    ]
    if mask:
        inputs["mask"] = np.where(random.random(mask) < .2, -1e9, 0).astype(np.float32)
        nodes.append(helper.make_node("Neg", ["mask"], ["negative"], "negative"))
        nodes.append(helper.make_node("Sub", ["t", "negative"], ["masked"], "mask"))
    nodes += [
        helper.make_node("Softmax", ["masked" if mask else "t"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["y"], "values")
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name, x in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (["y", "negative"] if mask else ["y"])],
        [helper.make_tensor("scale", TensorProto.FLOAT, [], [d**-.5])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "--stop-after=tile", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert ("tgl.bands" in text) == (b * h * m * n * d >= 500e3), (b, h, m, n, d)
    whole = re.search(rf"tensor<(1x)*{b * h * m}x{n}xf32>|tensor<{b}x{h}x{m}x{n}xf32>", text)
    assert not whole or mask or "tgl.bands" not in text, whole
    tegula.compile("m.onnx", f"m{m}.so")
    wide = {name: x.astype(np.float64) for name, x in inputs.items()}
    want = softmax(wide["q"] @ wide["k"].swapaxes(-1, -2) * d**-.5 + wide.get("mask", 0)) @ wide["v"]
    first = tegula.load(f"m{m}.so", threads=1).run(inputs)["y"]
    assert np.abs(first - want).max() < 1e-5 * max(want.std(), .1), (b, h, m, n, d, np.abs(first - want).max())
    for threads in (2, 4):
        again = tegula.load(f"m{m}.so", threads=threads).run(inputs)["y"]
        assert first.tobytes() == again.tobytes(), (threads, b, h, m, n, d)
