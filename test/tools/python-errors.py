# The Python package over the real compiler: what CompileError and RunError carry.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import tegula
from onnx import TensorProto, helper


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
