# Wrong and hostile models: one clear message each, the exit code of its kind, and no output.
# RUN: rm -rf %t && mkdir %t && %python %s %tegulac %t
import os
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

tegulac, folder = sys.argv[1:]


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(nodes, inputs=(("x", [2, 3]),), outputs=(("y", None),), weights=(), functions=(), domains=(), info=()):
    graph = helper.make_graph(nodes, "g", [value(*i) for i in inputs], [value(*o) for o in outputs], list(weights),
                              value_info=[value(*i) for i in info])
    opsets = [helper.make_opsetid("", 21)] + [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, inputs, outputs, name="bad", **attributes)


def laughs(depth):
    """Functions that call the next one twice: 2^depth nodes."""
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("loc", 1)]
    functions = []
    for i in range(depth):
        calls = [helper.make_node(f"f{i + 1}", [a], [b], domain="loc") for a, b in (("a", "t"), ("t", "b"))]
        functions.append(helper.make_function("loc", f"f{i}", ["a"], ["b"], calls, opsets))
    last = [helper.make_node("Neg", ["a"], ["b"])]
    functions.append(helper.make_function("loc", f"f{depth}", ["a"], ["b"], last, opsets))
    return model([node("f0", ["x"], domain="loc")], functions=functions, domains=["loc"])


def changed(base, change):
    change(base)
    return base


def external(location, **more):
    tensor = weight("w", np.zeros(3, np.float32))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in dict(more, location=location).items():
        tensor.external_data.add(key=key, value=text)
    return model([node("Add", ["x", "w"])], weights=[tensor])


def relu():
    return model([node("Relu", ["x"])])


# Name, model, exit code, what the message says.
CASES = [
    ("ir_version", changed(relu(), lambda m: setattr(m, "ir_version", 999)),
     1, "ir_version 999 is not known; expected 1 to"),
    ("opset", changed(relu(), lambda m: setattr(m.opset_import[0], "version", 999)), 1, "opset 999 of ai.onnx"),
    ("two_opsets", changed(relu(), lambda m: m.opset_import.add(version=13)),
     1, "imports two opsets of ai.onnx: 21 and 13"),
    ("cycle", model([node("Add", ["x", "t"], ["u"]), helper.make_node("Relu", ["u"], ["t"], name="back"),
                     helper.make_node("Neg", ["t"], ["y"])]), 1,
     "node 'bad' (#0, Add): error[T0201]: input 't' is made only later, by node 'back'"),
    ("undefined", model([node("Add", ["x", "nowhere"])]), 1, "input 'nowhere' is made by no node"),
    ("ssa", model([node("Relu", ["x"]), node("Neg", ["x"])]),
     1, "(#1, Neg): error[T0201]: output 'y' is defined a second time"),
    ("two_weights", model([node("Add", ["x", "w"])], weights=[weight("w", np.float32(1))] * 2),
     1, "'w' is defined a second time"),
    ("weight_input", model([node("Add", ["x", "w"])], (("x", [2, 3]), ("w", [9])), weights=[weight("w", np.float32(1))]),
     1, "'w' has another type than the input of the same name"),
    ("declared", model([node("Relu", ["x"], ["t"]), node("Neg", ["t"])], info=[("t", [7, 3])]), 1,
     "'t' is declared as 'tensor<7x3xf32>', but the model computes 'tensor<2x3xf32>'"),
    ("declared_output", model([node("Relu", ["x"])], outputs=(("y", [2, 4]),)), 1, "'y' is declared as"),
    # Exporters get the number of axes of outputs wrong: a warning.
    ("declared_rank", model([node("Relu", ["x"])], outputs=(("y", [6]),)), 0, "warning[T0202]: 'y' is declared as"),
    ("laughs", laughs(60), 4, "expand to more than 65536 nodes"),
    ("chain_of_functions", laughs(12), 0, ""),
    ("strides", model([node("MaxPool", ["x"], kernel_shape=[2], strides=[0])], (("x", [1, 1, 9]),)),
     1, "strides holds 0; expected 1 to"),
    ("word", model([node("Gelu", ["x"], approximate="no")]), 1, "approximate is 'no'; expected one of: none, tanh"),
    ("perm", model([node("Transpose", ["x"], perm=[0, 0])]), 1, "perm"),
    ("index", model([node("Gather", ["x", "i"])], weights=[weight("i", np.int64(7))]),
     1, "index 7 is out of range for extent 2"),
    ("types", model([node("Not", ["x"])]), 1, "(#0, Not): error[T0202]"),
    ("huge", model([node("ConstantOfShape", ["s"])], weights=[weight("s", np.array([1 << 40]))]),
     4, "more than 2^36 elements"),
    ("huge_vector", model([node("Add", ["x", "x"])], (("x", [1 << 30]),)), 0, ""),
    ("escape", external("../secret"), 1, "stays in the model's folder"),
    ("link", external("link"), 1, "'link', which is a link"),
    ("pipe", external("pipe"), 1, "not a plain file"),
    ("short", external("data", offset="4"), 1, "which has 12 bytes, but 12 from 4 on are needed"),
    ("external", external("data"), 0, ""),
]

os.chdir(folder)
np.arange(3, dtype=np.float32).tofile("data")
os.symlink("data", "link")
os.mkfifo("pipe")
failures = 0
for name, proto, code, text in CASES:
    with open("m.onnx", "wb") as file:
        file.write(proto.SerializeToString())
    command = [tegulac, "m.onnx", "--stop-after=import", "-o", "out.mlir"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    good = done.returncode == code and text in done.stderr and os.path.exists("out.mlir") == (code == 0)
    if not good:
        failures += 1
        print(f"{name}: exit code {done.returncode}, expected {code} and '{text}'; got:\n{done.stderr}")
    if os.path.exists("out.mlir"):
        os.remove("out.mlir")
sys.exit(failures > 0)
