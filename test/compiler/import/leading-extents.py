# Leading extents of a matrix product that are known at run time only: equal ones multiply, others are an error of the run.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

random = np.random.default_rng(2)
node = helper.make_node("MatMul", ["a", "b"], ["y"], "product")
ports = [helper.make_tensor_value_info("a", TensorProto.FLOAT, [3, 4, 5]),
         helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n", 5, 6])]
graph = helper.make_graph([node], "g", ports, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 4, 6])])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "m.onnx")
tegula.compile("m.onnx", "m.so")
model = tegula.load("m.so")
a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((3, 4, 5), (3, 5, 6)))
np.testing.assert_allclose(model.run({"a": a, "b": b})["y"], a @ b, rtol=1e-5, atol=1e-5)
try:
    model.run({"a": a, "b": b[:1]})
except tegula.RunError as error:
    assert "product" in str(error) and "leading extents" in str(error), error
else:
    raise AssertionError("one matrix was taken for three")
