# An imported op carries its ONNX node's name, to the last stage.
# RUN: %python %s %t.onnx
# RUN: %tegulac %t.onnx --stop-after=import -o - | FileCheck %s
# RUN: %tegulac %t.onnx --stop-after=emit -o - | FileCheck %s --check-prefix=EMIT
# CHECK: nn.unary relu
# CHECK: loc("act"
# EMIT: node = "act"
import sys

from onnx import TensorProto, helper

node = helper.make_node("Relu", ["x"], ["y"], name="act")
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy"]
graph = helper.make_graph([node], "g", values[:1], values[1:])
with open(sys.argv[1], "wb") as file:
    file.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
