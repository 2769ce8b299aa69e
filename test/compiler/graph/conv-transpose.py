# Transposed convolutions of any kernel, stride and padding, with extents known at compile time and at run time only.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)
for kernel, strides, pads, more in (((2, 2), (2, 2), (0, 0, 0, 0), (0, 0)), ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1)),
                                    ((4, 4), (2, 2), (1, 1, 1, 1), (0, 0)), ((5, 3), (3, 2), (2, 0, 1, 1), (1, 0)),
                                    ((2, 3), (3, 3), (0, 1, 0, 0), (0, 0)), ((3, 3), (1, 1), (1, 1, 1, 1), (0, 0))):
    w = random.standard_normal((6, 5) + kernel).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=strides, pads=pads, output_padding=more)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 6, "h", "w_"))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "m.onnx")
    reference = ReferenceEvaluator(model)
    text = subprocess.run([sys.argv[1], "m.onnx", "--stop-after=graph", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert "nn.conv_transpose" not in text
    for shape, fixed in (((1, 6, 7, 9), ["--shape=x:1x6x7x9"]), ((2, 6, 5, 4), []), ((1, 6, 1, 8), [])):
        name = f"m{'x'.join(map(str, kernel + strides + pads + shape))}.so"
        subprocess.run([sys.argv[1], "m.onnx", "-o", name, *fixed], check=True)
        x = random.standard_normal(shape).astype(np.float32)
        want, = reference.run(None, {"x": x})
        got = tegula.load(name).run({"x": x})["y"]
        assert got.shape == want.shape, (kernel, strides, pads, got.shape, want.shape)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
