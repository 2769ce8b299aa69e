# Operators that split or join axes, with extents that only the run knows.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)
vectors = [numpy_helper.from_array(random.standard_normal(8).astype(np.float32), name) for name in "sb"]


def compiled(op, inputs, opset, shape, **attributes):
    graph = helper.make_graph([helper.make_node(op, inputs, ["y"], "node", **attributes)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], vectors[:len(inputs) - 1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, "m.onnx")
    tegula.compile("m.onnx", "m.so")
    return model, tegula.load("m.so")


for op, inputs, opset, attributes in (("InstanceNormalization", "xsb", 17, {}),
                                      ("GroupNormalization", "xsb", 21, {"num_groups": 4}),
                                      ("Softmax", "x", 11, {"axis": 2}), ("LogSoftmax", "x", 11, {"axis": 1}),
                                      ("LRN", "x", 13, {"size": 3}),
                                      ("DepthToSpace", "x", 13, {"blocksize": 2}),
                                      ("DepthToSpace", "x", 13, {"blocksize": 2, "mode": "CRD"}),
                                      ("SpaceToDepth", "x", 13, {"blocksize": 2})):
    for shape in (("n", 8, 4, 6), ("n", 8, "h", "w")):
        model, network = compiled(op, list(inputs), opset, shape, **attributes)
        for images in (1, 3):
            x = random.standard_normal((images, 8, 4, 6)).astype(np.float32)
            want = ReferenceEvaluator(model).run(None, {"x": x})[0]
            if opset == 11:  # over all axes from `axis` on
                axes = tuple(range(attributes["axis"], 4))
                powers = np.exp(x)
                want = powers / powers.sum(axes, keepdims=True)
                want = np.log(want) if op == "LogSoftmax" else want
            if op == "LRN":  # the reference is wrong for fewer images than channels
                padded = np.pad(x * x, ((0, 0), (1, 1), (0, 0), (0, 0)))
                want = x / (1 + 1e-4 / 3 * (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]))**0.75
            np.testing.assert_allclose(network.run({"x": x})["y"], want, rtol=1e-5, atol=1e-5, err_msg=op)

# Rows that blocks do not divide are an error of the run.
try:
    network.run({"x": np.zeros((1, 8, 5, 6), np.float32)})
except tegula.RunError as error:
    assert "node" in str(error), error
else:
    raise AssertionError("5 rows are no blocks of 2")
