"""Runs of one instance with changing extents, products of all kinds of numbers, and branches that only copy, against ONNX's
reference.

  runs.py     in an empty folder
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

RANDOM = np.random.Generator(np.random.PCG64(3))
TYPES = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16, np.int8: TensorProto.INT8,
         np.int32: TensorProto.INT32}


def value(name, element, shape):
    return helper.make_tensor_value_info(name, TYPES[element], shape)


def draw(element, *shape):
    if element is np.int8:
        return RANDOM.integers(-128, 128, shape).astype(element)
    return RANDOM.standard_normal(shape).astype(element)


def check(name, nodes, inputs, outputs, runs, tolerance=1e-5):
    """`runs` are dicts of inputs, for one instance after the other."""
    graph = helper.make_graph(nodes, name, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, name + ".onnx")
    tegula.compile(name + ".onnx", name + ".so", device="cuda:sm_75")
    artifact, reference = tegula.load(name + ".so"), ReferenceEvaluator(model)
    for feeds in runs:
        for got, want in zip(artifact.run(feeds).values(), reference.run(None, feeds)):
            np.testing.assert_allclose(np.asarray(got, np.float64), np.asarray(want, np.float64), rtol=tolerance,
                                       atol=tolerance * 10, err_msg=name)
    print(f"{name}: passed")


F32 = np.float32
# The result's shape is known, but not what is launched: nothing may be replayed.
check("sum", [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)], [value("x", F32, ["n", 64])], [value("y", F32, [])],
      [{"x": draw(F32, n, 64)} for n in (4, 4, 4, 2, 100, 0)], 1e-4)
# With a known shape the third run is a replayed one.
check("still", [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("Relu", ["t"], ["y"])],
      [value("x", F32, [33, 40]), value("w", F32, [40, 70])], [value("y", F32, [33, 70])],
      [{"x": draw(F32, 33, 40), "w": draw(F32, 40, 70)} for _ in range(4)])
# Tiles of elements of two bytes and of one.
F16, I8 = np.float16, np.int8
check("halves", [helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", F16, [64, 64]), value("w", F16, [64, 64])],
      [value("y", F16, [64, 64])], [{"x": draw(F16, 64, 64), "w": draw(F16, 64, 64)}], 1e-2)
check("bytes", [helper.make_node("MatMulInteger", ["x", "w"], ["y"])], [value("x", I8, [64, 64]), value("w", I8, [64, 64])],
      [value("y", np.int32, [64, 64])], [{"x": draw(I8, 64, 64), "w": draw(I8, 64, 64)}], 0)
check("half_convolution", [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
      [value("x", F16, [1, 32, 8, 8]), value("w", F16, [32, 32, 3, 3])], [value("y", F16, [1, 32, 8, 8])],
      [{"x": draw(F16, 1, 32, 8, 8), "w": draw(F16, 32, 32, 3, 3)}], 2e-2)
check("empty", [helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", F32, [40, "k"]), value("w", F32, ["k", 40])],
      [value("y", F32, [40, 40])], [{"x": draw(F32, 40, k), "w": draw(F32, k, 40)} for k in (0, 5, 0, 40)])
# The branches only copy.
yes = helper.make_graph([helper.make_node("Concat", ["x", "x"], ["a"], axis=0)], "yes", [], [value("a", F32, [8, 6])])
no = helper.make_graph([helper.make_node("Concat", ["z", "x"], ["b"], axis=0)], "no", [], [value("b", F32, [8, 6])])
check("branches", [helper.make_node("If", ["c"], ["t"], then_branch=yes, else_branch=no),
                   helper.make_node("Add", ["t", "t"], ["y"])],
      [helper.make_tensor_value_info("c", TensorProto.BOOL, []), value("x", F32, [4, 6]), value("z", F32, [4, 6])],
      [value("y", F32, [8, 6])],
      [{"c": np.array(which), "x": draw(F32, 4, 6), "z": draw(F32, 4, 6)} for which in (True, False)])
