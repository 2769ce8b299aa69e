# Transpositions move squares of as many rows as a vector has lanes, and what is left by squares that reach back.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

random = np.random.default_rng(0)
FLOAT, INT16, UINT8 = TensorProto.FLOAT, TensorProto.INT16, TensorProto.UINT8
# Type, shape, order, axis of unknown extent, side of the squares.
for number, (type, shape, perm, dynamic, side) in enumerate((
        (FLOAT, (3, 70, 64), (0, 2, 1), None, 8), (FLOAT, (2, 33, 5, 32), (0, 2, 3, 1), 1, 8),
        (FLOAT, (130, 48), (1, 0), None, 8), (FLOAT, (4, 7, 9, 16), (3, 1, 2, 0), None, 4),
        (FLOAT, (2, 50, 13), (0, 2, 1), None, 8), (FLOAT, (2, 48, 13), (0, 2, 1), None, 8),
        (FLOAT, (1, 12, 513, 64), (0, 1, 3, 2), 2, 8), (FLOAT, (2, 3, 64), (0, 2, 1), None, None),
        (FLOAT, (2, 64, 3), (0, 2, 1), None, None), (INT16, (1, 4, 61, 70), (0, 2, 3, 1), None, 4),
        (INT16, (200, 64), (1, 0), None, 8), (UINT8, (1, 4, 7, 33), (0, 2, 3, 1), None, 4),
        (UINT8, (3, 160, 100), (0, 2, 1), None, 16), (UINT8, (3, 21, 100), (0, 2, 1), None, 16))):
    extents = [None if axis == dynamic else extent for axis, extent in enumerate(shape)]
    graph = helper.make_graph([helper.make_node("Transpose", ["x"], ["y"], "t", perm=perm)], "g",
                              [helper.make_tensor_value_info("x", type, extents)],
                              [helper.make_tensor_value_info("y", type, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    text = subprocess.run([sys.argv[1], "m.onnx", "-mcpu=haswell", "--stop-after=tile", "-o", "-"], capture_output=True,
                          text=True, check=True).stdout
    element = {FLOAT: "f32", INT16: "i16", UINT8: "i8"}[type]
    assert ("vector.shuffle" in text) == (side is not None), text
    assert side is None or f"vector<{side}x{element}>, vector<{side}x{element}>" in text, (shape, side, text)
    x = random.integers(0, 256, shape).astype(helper.tensor_dtype_to_np_dtype(type))
    for cpu in ("haswell", "native"):
        tegula.compile("m.onnx", f"m{number}{cpu}.so", cpu=cpu)
        for threads in (1, 2):
            y = tegula.load(f"m{number}{cpu}.so", threads=threads).run({"x": x})["y"]
            assert np.array_equal(y, x.transpose(perm)), (shape, perm, threads)
