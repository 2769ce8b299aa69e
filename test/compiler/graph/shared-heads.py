# Attention whose heads share keys and values, repeated for each by Expand as exporters write it: with few rows of the run's
# past they are not repeated, with many they may be; the results are the standard's.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import tegula

HEADS, SHARED, DEPTH = 6, 2, 16


def attention(batch, rows):
    """Rows of q [batch, HEADS, rows, DEPTH] on k and v [batch, SHARED, past, DEPTH]."""
    constants = {"axis": [2], "repeat": [1, 1, HEADS // SHARED, 1, 1], "joined": [batch, HEADS, -1, DEPTH]}
    nodes = []
    for name in "kv":
        nodes += [helper.make_node("Unsqueeze", [name, "axis"], [name + "1"]),
                  helper.make_node("Expand", [name + "1", "repeat"], [name + "2"]),
                  helper.make_node("Reshape", [name + "2", "joined"], [name + "3"])]
    nodes += [helper.make_node("Transpose", ["k3"], ["kt"], perm=[0, 1, 3, 2]),
              helper.make_node("MatMul", ["q", "kt"], ["s"]), helper.make_node("Softmax", ["s"], ["p"]),
              helper.make_node("MatMul", ["p", "v3"], ["y"])]
    shapes = {"q": [batch, HEADS, rows, DEPTH], "k": [batch, SHARED, "past", DEPTH], "v": [batch, SHARED, "past", DEPTH]}
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes["q"])
    weights = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", ports, [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


random = np.random.default_rng(2)
for batch, rows in ((1, 1), (2, 3), (1, 20)):
    model = attention(batch, rows)
    onnx.save(model, "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "--stop-after=graph", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert ("nn.expand" in text) == (rows > 8), (batch, rows)
    tegula.compile("m.onnx", "m.so")
    for past in (1, 2, 33):
        inputs = {name: random.standard_normal((batch, heads, length, DEPTH)).astype(np.float32)
                  for name, heads, length in (("q", HEADS, rows), ("k", SHARED, past), ("v", SHARED, past))}
        want = ReferenceEvaluator(model).run(None, inputs)[0]
        got = tegula.load("m.so").run(inputs)["y"]
        np.testing.assert_allclose(got, want, atol=1e-5, err_msg=f"{batch} {rows} {past}")
