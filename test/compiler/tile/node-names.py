# A unit carries the names and operators of every node fused into it, and of no other: not of what it reads.
# RUN: %python %s %t.onnx
# RUN: %tegulac %t.onnx --stop-after=emit -o - | FileCheck %s
# CHECK: node = "mul, tanh, out, act"
# CHECK-SAME: op = "MatMul, Tanh, Add, Relu"
# CHECK: node = "sums"
# CHECK: node = "half, shift"
# CHECK-SAME: op = "Mul, Add"
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

nodes = [helper.make_node("MatMul", ["a", "b"], ["p"], name="mul"), helper.make_node("Tanh", ["c"], ["t"], name="tanh"),
         helper.make_node("Add", ["p", "t"], ["s"], name="out"), helper.make_node("Relu", ["s"], ["r"], name="act"),
         helper.make_node("ReduceSum", ["r"], ["sums"], keepdims=0, name="sums"),
         helper.make_node("Mul", ["r", "scalar"], ["h"], name="half"),
         helper.make_node("Add", ["h", "sums"], ["y"], name="shift")]
shapes = {"a": [8, 4], "b": [4, 16], "c": [8, 16], "y": [8, 16]}
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
graph = helper.make_graph(nodes, "g", values[:3], values[3:], [numpy_helper.from_array(np.float32(0.5), "scalar")])
with open(sys.argv[1], "wb") as file:
    file.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
