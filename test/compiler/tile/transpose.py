# Transpositions move squares of as many rows as a vector has lanes, and what is left element by element.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

random = np.random.default_rng(0)
# Shape, order, axis of unknown extent, whether there are squares (the last axis of x is a multiple of a vector).
for number, (shape, perm, dynamic, isSquare) in enumerate((
        ((3, 70, 64), (0, 2, 1), None, True), ((2, 33, 5, 32), (0, 2, 3, 1), 1, True), ((130, 48), (1, 0), None, True),
        ((4, 7, 9, 16), (3, 1, 2, 0), None, False), ((2, 50, 13), (0, 2, 1), None, False),
        ((1, 12, 513, 64), (0, 1, 3, 2), 2, True))):
    extents = [None if axis == dynamic else extent for axis, extent in enumerate(shape)]
    graph = helper.make_graph([helper.make_node("Transpose", ["x"], ["y"], "t", perm=perm)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, extents)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "--stop-after=tile", "-o", "-"], capture_output=True, text=True,
                          check=True).stdout
    assert ("vector.shuffle" in text) == isSquare, text
    tegula.compile("m.onnx", f"m{number}.so")
    x = random.standard_normal(shape).astype(np.float32)
    for threads in (1, 2):
        y = tegula.load(f"m{number}.so", threads=threads).run({"x": x})["y"]
        assert np.array_equal(y, x.transpose(perm)), (shape, perm, threads)
