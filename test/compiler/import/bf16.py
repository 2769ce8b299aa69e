# bf16 in operators of an opset that did not have it yet: converters of types write such models.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import ml_dtypes
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

BF16 = ml_dtypes.bfloat16
random = np.random.default_rng(0)
x, w = random.standard_normal((1, 3, 9, 9)).astype(BF16), random.standard_normal((4, 3, 3, 3)).astype(BF16)
nodes = [
    helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
    helper.make_node("GlobalAveragePool", ["c"], ["y"], "pool"),
]
graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.BFLOAT16, x.shape)],
                          [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, (1, 4, 1, 1))],
                          [numpy_helper.from_array(w, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.save(model, "m.onnx")
tegula.compile("m.onnx", "m.so")
got = tegula.load("m.so").run({"x": x})["y"].view(BF16).astype(np.float32)
windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float32), (3, 3), (2, 3))
sums = np.einsum("nchwij,mcij->nmhw", windows, w.astype(np.float32)).astype(BF16).astype(np.float32)
np.testing.assert_allclose(got, sums.mean((2, 3), keepdims=True), rtol=2**-7, atol=2**-7)

# Integers are still refused where the standard has none.
graph.input[0].type.tensor_type.elem_type = TensorProto.INT16
graph.initializer[0].CopyFrom(numpy_helper.from_array(w.astype(np.int16), "w"))
graph.output[0].type.tensor_type.elem_type = TensorProto.INT16
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), "m.onnx")
try:
    tegula.compile("m.onnx", "m.so")
except tegula.CompileError as error:
    assert "T0202" in str(error) and "conv" in str(error), error
else:
    raise AssertionError("not refused")
