# `tegula inspect MODEL`: nodes and what each becomes; --check: all reasons why a model cannot be compiled.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
# RUN: %tegula inspect good.onnx | FileCheck %s
# CHECK: producer   a test 1.5 (IR 8, ai.onnx 17)
# CHECK: input      x: f32[?, 8]  dynamic: the_number_of_samples_in_a_batch
# CHECK: output     y: f32[?, 4]
# CHECK: parameters 0.000 M
# CHECK: nodes      3 in the file, 2 compute something
# CHECK: ?          ?          36{{.*}}fc (Gemm): f32[?, 4] <- nn.matmul, nn.binary add
# CHECK: act (Relu): f32[?, 4] <- nn.unary relu
# With the extent fixed the work is known: 5 * 4 * (2 * 8 + 1) and 5 * 4.
# RUN: %tegula inspect good.onnx --dim the_number_of_samples_in_a_batch=5 --json | FileCheck %s --check-prefix=JSON
# JSON: "flops": 360
# JSON: "parameters": 36
# RUN: %tegula inspect good.onnx --check | FileCheck %s --check-prefix=GOOD
# GOOD: good.onnx: can be compiled
# RUN: not %tegula inspect bad.onnx --check 2> bad.txt; FileCheck %s --check-prefix=BAD --input-file=bad.txt
# BAD: bad.onnx: node 'one' (#0, com.acme::Frob): error[T0101]: operator com.acme::Frob is not supported
# BAD: help: tegulac --supported-ops
# BAD: bad.onnx: node 'two' (#1, com.acme::Wobble): error[T0101]
# BAD: tegula: error: bad.onnx cannot be compiled: 2 problems
# RUN: not %tegula inspect bad.onnx --check --json 2> /dev/null | FileCheck %s --check-prefix=BADJSON
# BADJSON: "compiles": false
# BADJSON: "code": "T0101"
# BADJSON: "node": "two"
# What is no model at all, or is not there, and exit codes: 1 the model, 2 usage, 3 files.
# RUN: %exits 1 %tegula inspect bad.onnx
# RUN: %exits 3 %tegula inspect none.onnx
# RUN: %exits 2 %tegula inspect good.onnx --shape q
# Nothing is written.
# RUN: ls | count 3
import numpy as np
from onnx import TensorProto, helper, numpy_helper


def save(path, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    model = helper.make_model(graph, opset_imports=sets[:1] if weights else sets, ir_version=8, producer_name="a test",
                              producer_version="1.5")
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def value(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


zeros = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in (("w", (8, 4)), ("b", (4,)))]
save("good.onnx", [helper.make_node("Gemm", ["x", "w", "b"], ["p"], name="fc"),
                   helper.make_node("Identity", ["p"], ["q"], name="same"),
                   helper.make_node("Relu", ["q"], ["y"], name="act")],
     [value("x", "the_number_of_samples_in_a_batch", 8)],
     [value("y", "the_number_of_samples_in_a_batch", 4)], zeros)
save("bad.onnx", [helper.make_node("Frob", ["x"], ["a"], name="one", domain="com.acme"),
                  helper.make_node("Wobble", ["x"], ["b"], name="two", domain="com.acme"),
                  helper.make_node("Add", ["a", "b"], ["y"], name="sum")], [value("x", 4)], [value("y", 4)])
