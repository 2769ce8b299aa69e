# What the rank of a value depends on at run time only: the run ends with an error where the model was compiled for the
# other rank, and is right where it was not.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)


def info(name, shape, element=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], output, **attributes)


def build(nodes, inputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, [info("y", None)], list(initializers))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")


def compiled(code=0):
    done = subprocess.run([sys.argv[1], "m.onnx", "-o", "m.so"], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr


def fails(network, inputs, words):
    try:
        network.run(inputs)
    except tegula.RunError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"the run passed; expected: {words}")


def ones(*shape):
    return np.ones(shape, np.float32)


# Squeeze without axes: the unknown extents are no 1.
build([node("Squeeze", ["x"], "y")], [info("x", ["n", 1, 3, "m"])])
assert compiled() == ""
network = tegula.load("m.so")
assert network.run({"x": ones(2, 1, 3, 4)})["y"].shape == (2, 3, 4)
fails(network, {"x": ones(2, 1, 3, 1)}, "node 'y': the model was compiled for extents that Squeeze without axes keeps")

# What exporters make of squeeze(x, 1): the graph follows the branch that squeezes.
squeeze = helper.make_graph([node("Squeeze", ["x", "axis"], "a")], "then", [], [info("a", None)])
keep = helper.make_graph([node("Identity", ["x"], "a")], "else", [], [info("a", None)])
weights = random.standard_normal((4, 5)).astype(np.float32)
build([node("Shape", ["x"], "shape"), node("Gather", ["shape", "one"], "extent"),
       node("Equal", ["extent", "one"], "is_one"), node("If", ["is_one"], "z", then_branch=squeeze, else_branch=keep),
       node("Gemm", ["z", "w"], "y")], [info("x", ["n", "m", 4])],
      [numpy_helper.from_array(np.array(1), "one"), numpy_helper.from_array(np.array([1]), "axis"),
       numpy_helper.from_array(weights, "w")])
assert "node 'z' (#3, If): warning: a run that takes else_branch ends with an error: its output 0 has rank 3, that of " \
       "then_branch 2" in compiled()
network = tegula.load("m.so")
x = random.standard_normal((3, 1, 4)).astype(np.float32)
np.testing.assert_allclose(network.run({"x": x})["y"], x[:, 0] @ weights, rtol=1e-5, atol=1e-6)
fails(network, {"x": ones(3, 2, 4)}, "node 'z': the model was compiled for runs that do not take else_branch: ")

# A branch that the input's shape forbids (a detector for two rates); names inside both are the same.
rates = [helper.make_graph([node("MatMul", ["x", f"w{rows}"], "p"), node("Relu", ["p"], "q")], f"r{rows}", [],
                           [info("q", None)]) for rows in (4, 8)]
tables = [numpy_helper.from_array(random.standard_normal((rows, 3)).astype(np.float32), f"w{rows}") for rows in (4, 8)]
branches = node("If", ["c"], "y", then_branch=rates[0], else_branch=rates[1])
for width, good, bad in ((4, "then_branch", "else_branch"), (8, "else_branch", "then_branch")):
    build([branches], [info("c", [], TensorProto.BOOL), info("x", [2, width])], tables)
    text = compiled()
    assert f"a run that takes {bad} ends with an error: node 'y/p': " in text, text
    network = tegula.load("m.so")
    x = random.standard_normal((2, width)).astype(np.float32)
    table = numpy_helper.to_array(tables[width == 8])
    np.testing.assert_allclose(network.run({"c": np.array(width == 4), "x": x})["y"], np.maximum(x @ table, 0), rtol=1e-5)
    fails(network, {"c": np.array(width != 4), "x": x}, f"node 'y': the model was compiled for runs that do not take {bad}")

# Neither branch fits; an operator that is not supported stays one, and so does another element type.
build([branches], [info("c", [], TensorProto.BOOL), info("x", [2, 5])], tables)
assert "error[T0202]: neither branch can run: node 'y/p': " in compiled(1)
unknown = helper.make_graph([helper.make_node("Frob", ["x"], ["p"], "p", domain="org.none")], "g", [], [info("p", None)])
build([node("If", ["c"], "y", then_branch=rates[0], else_branch=unknown)],
      [info("c", [], TensorProto.BOOL), info("x", [2, 4])], tables)
assert "Frob" in compiled(1)
other = helper.make_graph([node("Cast", ["x"], "p", to=TensorProto.INT64)], "g", [], [info("p", None)])
build([node("If", ["c"], "y", then_branch=rates[0], else_branch=other)],
      [info("c", [], TensorProto.BOOL), info("x", [2, 4])], tables)
assert "error[T0202]: the branches give output 0 as " in compiled(1)

# A condition that folding finds constant picks its branch.
build([node("ReduceMax", ["w4"], "top"), node("Greater", ["top", "high"], "c"), branches], [info("x", [2, 8])],
      [*tables, numpy_helper.from_array(np.float32(1e9), "high")])
compiled()
assert tegula.load("m.so").run({"x": ones(2, 8)})["y"].shape == (2, 3)
