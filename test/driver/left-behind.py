# What goes wrong ends with its exit code and one message that names what is concerned, and leaves no file; an output of
# before stays as it was.
# RUN: %python %s %tegulac %t
import os
import shutil
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

tegulac, folder = sys.argv[1:]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)


def at(name):
    return os.path.join(folder, name)


def model(op="Add", domain="", weights=None):
    weights = weights or numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    node = helper.make_node(op, ["x", "w"], ["y"], name="head", domain=domain)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy"]
    graph = helper.make_graph([node], "net", values[:1], values[1:], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)],
                             ir_version=8)


def external():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="missing.bin")
    return tensor


save(model(), at("good.onnx"))
save(model("Frob", "com.acme"), at("unknown.onnx"))
save(model(weights=external()), at("external.onnx"))
with open(at("good.onnx"), "rb") as file:
    whole = file.read()
with open(at("cut.onnx"), "wb") as file:
    file.write(whole[:len(whole) // 2])
os.makedirs(at("folder.so"))

# Input, further words, exit code, what the message says.
CASES = [
    ("good.onnx", [], 0, ""),
    ("unknown.onnx", [], 1, "node 'head' (#0, com.acme::Frob): error[T0101]"),
    ("external.onnx", [], 1, "'w' keeps its data in 'missing.bin', which does not exist"),
    ("cut.onnx", [], 1, "error[T0001]"),
    ("good.onnx", ["--shape", "x:2x4"], 1, "node 'head' (#0, Add): error: extents 4 and 3 do not broadcast"),
    ("good.onnx", ["--shape", "z:2x3"], 1, "'z'"),
    ("good.onnx", ["--frob"], 2, "--frob"),
    ("good.onnx", ["--device=abacus"], 2, "abacus"),
    ("good.onnx", ["-o", at("nowhere/out.so")], 3, "nowhere"),
    ("good.onnx", ["-o", at("folder.so")], 3, "folder.so"),
    ("none.onnx", [], 3, "cannot read"),
]
for name, words, code, message in CASES:
    before = sorted(os.listdir(folder))
    for old in (None, b"as it was"):
        output = at("out.so")
        if old:
            with open(output, "wb") as file:
                file.write(old)
        done = subprocess.run([tegulac, at(name), *([] if "-o" in words else ["-o", output]), *words],
                              stderr=subprocess.PIPE, text=True)
        case = f"{name} {words}: {done.returncode}, {done.stderr}"
        assert done.returncode == code and message in done.stderr, case
        if code and old:
            with open(output, "rb") as file:
                assert file.read() == old, case
        if os.path.exists(output):
            assert old or code == 0, case
            os.remove(output)
        assert sorted(os.listdir(folder)) == before, f"{case}: left {sorted(os.listdir(folder))}"
