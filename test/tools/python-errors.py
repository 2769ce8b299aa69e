# The Python package over the real compiler: what CompileError and RunError carry.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper


def save(path, nodes):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    with open(path, "wb") as file:
        file.write(helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString())
    return path


def caught(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


bad = save("bad.onnx", [helper.make_node("Frob", ["x"], ["a"], name="one", domain="com.acme"),
                        helper.make_node("Wobble", ["a"], ["b"], name="two", domain="com.acme"),
                        helper.make_node("Frob", ["x"], ["y"], name="three", domain="com.acme")])
error = caught(tegula.CompileError, tegula.compile, bad, "bad.so")
assert error.exit_code == 1, error.exit_code
assert [record["node"] for record in error.diagnostics] == ["one", "two", "three"], error.diagnostics
first = error.diagnostics[0]
assert (first["file"], first["op"], first["index"], first["code"], first["severity"]) == \
    ("bad.onnx", "com.acme::Frob", 0, "T0101", "error"), first
assert first["help"] and "not supported" in first["message"], first
assert str(error).startswith("bad.onnx: node 'one' (#0, com.acme::Frob): error[T0101]: "), str(error)
assert caught(tegula.CompileError, tegula.compile, "none.onnx", "none.so").exit_code == 3
assert caught(tegula.CompileError, tegula.compile, bad, "bad.so", cpu="frob").exit_code == 2
assert caught(tegula.CompileError, tegula.compile, bad, "bad.so", extra=["--frob"]).exit_code == 2

good = save("good.onnx", [helper.make_node("Relu", ["x"], ["y"])])
assert tegula.compile(good, "good.so", dims={"n": 2}, opt=1, threads=1) == "good.so"
model = tegula.load("good.so", threads=1)
assert model.inputs[0].shape == (2, 3)
np.testing.assert_array_equal(model.run({"x": -np.ones((2, 3), np.float32)})["y"], np.zeros((2, 3)))
error = caught(tegula.RunError, model.run, {"x": np.ones((3, 3), np.float32)})
assert "input 'x': expected shape [2, 3], got [3, 3]" in str(error), error
assert "expected float32, got float64" in str(caught(tegula.RunError, model.run, {"x": np.ones((2, 3))}))
assert "is missing" in str(caught(tegula.RunError, model.run, {}))

# A dynamic extent, given as None.
tegula.compile(good, "free.so", shapes={"x": (None, 3)})
model = tegula.load("free.so")
assert model.inputs[0].shape == (None, 3)
assert model.run([np.ones((5, 3), np.float32)])["y"].shape == (5, 3)
error = caught(tegula.RunError, tegula.load, "good.onnx")
assert "not an artifact" in str(error), error

# A recurrent layer's initial state with one row, at a sequence of any batch: right where they agree, else refused.
weights = [numpy_helper.from_array(np.full((1, 6, columns), 0.5, np.float32), name)
           for columns, name in ((3, "w"), (2, "r"))]
inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, "n", 3]),
          helper.make_tensor_value_info("h0", TensorProto.FLOAT, [1, 1, 2])]
graph = helper.make_graph([helper.make_node("GRU", ["x", "w", "r", "", "", "h0"], ["y"], name="layer", hidden_size=2)], "g",
                          inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "gru.onnx")
tegula.compile("gru.onnx", "gru.so")
model = tegula.load("gru.so")
feeds = {"x": np.ones((4, 1, 3), np.float32), "h0": np.zeros((1, 1, 2), np.float32)}
assert model.run(feeds)["y"].shape == (4, 1, 1, 2)
error = caught(tegula.RunError, model.run, {**feeds, "x": np.ones((4, 3, 3), np.float32)})
assert "node 'layer': the initial state has another batch than the sequence" in str(error), error
