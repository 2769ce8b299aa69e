# A depthwise convolution in the bands of the 1x1 convolution behind it: right for every stride, padding and batch, and the
# same bits on 1 and 2 threads.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)

# Images, extents, channels, stride, dilation, whether in bands: even bands; rows of a prime number; a batch of small images.
CASES = ((1, (96, 90), 40, 1, 1, True), (2, (97, 61), 48, 1, 2, True), (1, (130, 127), 64, 2, 1, True),
         (20, (14, 14), 96, 1, 1, True), (1, (14, 14), 96, 1, 1, False))
for images, (height, width), channels, stride, dilation, is_banded in CASES:
    weights = {"d": random.standard_normal((channels, 1, 3, 3)), "b": random.standard_normal(24),
               "p": random.standard_normal((24, channels, 1, 1)) / channels}
    nodes = [helper.make_node("Conv", ["x", "d"], ["t"], "deep", group=channels, strides=[stride] * 2,
                              dilations=[dilation] * 2, pads=[dilation] * 4),
             helper.make_node("Relu", ["t"], ["u"], "relu"), helper.make_node("Conv", ["u", "p", "b"], ["y"], "point")]
    shape = (images, channels, height, width)
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(value.astype(np.float32), name)
                               for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "--stop-after=tile", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert ("tgl.bands" in text) == is_banded, shape
    tegula.compile("m.onnx", "m.so")
    x = random.standard_normal(shape).astype(np.float32)
    got = tegula.load("m.so", threads=1).run({"x": x})["y"]
    np.testing.assert_allclose(got, ReferenceEvaluator(model).run(None, {"x": x})[0], rtol=1e-4, atol=2e-5)
    assert got.tobytes() == tegula.load("m.so", threads=2).run({"x": x})["y"].tobytes()
