# Softmax over tensors larger than a cache goes band by band; its values are those of small ones, whatever the threads.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

random = np.random.default_rng(0)

# Even bands; rows that only small bands divide; a prime number of rows, which is done at once.
for op, shape, is_banded in (("Softmax", (2, 3, 700, 700), True), ("LogSoftmax", (1250, 1000), True),
                             ("Softmax", (1223, 1000), False)):
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], "s", axis=-1)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "--stop-after=tile", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert ("tgl.bands" in text) == is_banded
    name = f"{op}{shape[0]}.so"
    tegula.compile("m.onnx", name)
    x = (10 * random.standard_normal(shape)).astype(np.float32)
    given = x.copy()
    got = tegula.load(name, threads=1).run({"x": x})["y"]
    assert x.tobytes() == given.tobytes()  # bands replace a copy of the input, not the input
    wide = x.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    sums = np.exp(wide).sum(axis=-1, keepdims=True)
    want = np.exp(wide) / sums if op == "Softmax" else wide - np.log(sums)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-7 if op == "Softmax" else 2e-6)
    assert got.tobytes() == tegula.load(name, threads=2).run({"x": x})["y"].tobytes()
