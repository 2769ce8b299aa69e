# Each exit code of the driver: which problem has it, what the message names, and that nothing is left behind.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import json
import os
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

tool = sys.argv[1]


def save(path, nodes, weights=(), x=("n", 3), y=("n", 3)):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", x), ("y", y))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], list(weights))
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    with open(path, "wb") as file:
        file.write(helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString())


def external(name, location, length):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[3, 3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def compile(code, *arguments, out="out.so"):
    """Compiles; the exit code is `code`, and the folder's files are what they were. Returns the errors' text."""
    before = {path: os.stat(path).st_mtime_ns for path in os.listdir(".")}
    done = subprocess.run([tool, *arguments, *(["-o", out] if out else [])], capture_output=True, text=True)
    assert done.returncode == code, (arguments, done)
    assert not code or (done.stderr and not done.stdout), (arguments, done)
    after = {path: os.stat(path).st_mtime_ns for path in os.listdir(".")}
    assert not code or before == after, (arguments, before, after)
    return done.stderr


def records(code, *arguments):
    """The errors as JSON records: (node, index, op, code, message)."""
    lines = map(json.loads, compile(code, *arguments, "--diagnostics=json").splitlines())
    return [tuple(line.get(key) for key in ("node", "index", "op", "code", "message"))
            for line in lines if line["severity"] == "error"]


def node(kind, *inputs, output="y", **attributes):
    return helper.make_node(kind, list(inputs), [output], **attributes)


save("good.onnx", [node("Relu", "x", name="act")])
with open("good.onnx", "rb") as whole, open("cut.onnx", "wb") as cut:
    cut.write(whole.read()[:-9])
with open("text.onnx", "w", encoding="utf-8") as text:
    text.write("not a model")
save("frob.onnx", [node("FrobnicateX", "x", output="a", name="head/frob", domain="com.acme"),
                   node("Wobble", "a", name="tail", domain="com.acme")])
save("shape.onnx", [node("MatMul", "x", "w", name="fc")], [numpy_helper.from_array(np.ones((4, 3), np.float32), "w")])
save("absent.onnx", [node("MatMul", "x", "w", name="fc")], [external("w", "absent.bin", 36)])
save("short.onnx", [node("MatMul", "x", "w", name="fc")], [external("w", "short.bin", 36)])
with open("short.bin", "wb") as short:
    short.write(bytes(35))
save("rank.onnx", [node("Relu", "x", name="act")], x=[1] * 17, y=[1] * 17)
save("huge.onnx", [node("Expand", "x", "size", name="grow")],
     [numpy_helper.from_array(np.array([2**40, 2**20, 3]), "size")], x=[1, 3], y=[None] * 3)
save("huge_and_wrong.onnx", [node("Expand", "x", "size", output="a", name="grow"),
                             node("Wobble", "x", name="tail", domain="com.acme")],
     [numpy_helper.from_array(np.array([2**40, 2**20, 3]), "size")], x=[1, 3], y=[None] * 3)
os.mkdir("folder.so")
with open("out.so", "w", encoding="utf-8") as old:
    old.write("of an earlier compilation")

# 1: the model is wrong or not supported.
for path in ("cut", "text"):
    (record,) = records(1, f"{path}.onnx")
    assert record[3] == "T0001" and f"'{path}.onnx' is not an ONNX model" in record[4], record
first, second = records(1, "frob.onnx")
assert first == ("head/frob", 0, "com.acme::FrobnicateX", "T0101",
                 "operator com.acme::FrobnicateX is not supported"), first
assert second == ("tail", 1, "com.acme::Wobble", "T0101", "operator com.acme::Wobble is not supported"), second
text = compile(1, "frob.onnx")
assert text.startswith("frob.onnx: node 'head/frob' (#0, com.acme::FrobnicateX): error[T0101]: "), text
assert "note: input 0 'x' is " in text and "help: " in text, text
(record,) = records(1, "shape.onnx")
assert record[:4] == ("fc", 0, "MatMul", "T0202") and "3" in record[4] and "4" in record[4], record
for path in ("absent", "short"):
    (record,) = records(1, f"{path}.onnx")
    assert record[3] == "T0301" and record[4].startswith(f"tensor 'w' keeps its data in '{path}.bin', which "), record
(record,) = records(1, "good.onnx", "--shape", "z:2x3")
assert record[3:] == ("T0201", "--shape names no input: 'z'"), record
assert ("T0202", "--shape gives input 'x' 3 axes, but the model declares 2") in \
    [record[3:] for record in records(1, "good.onnx", "--shape", "x:2x3x4")]

# A machine without a runtime of its own: no .so, but all that its user can link. One that no object is written for: text.
for triple, out, code, words in (
        ("powerpc64le-linux-gnu", "ppc.so", 1, "no runtime for powerpc64le-unknown-linux-gnu is built in; .o, .a, .s and"),
        ("powerpc64le-linux-gnu", "ppc.o", 0, "warning: no runtime for powerpc64le-unknown-linux-gnu is built in: compile"),
        ("powerpc64le-linux-gnu", "ppc.s", 0, ""), ("s390x-linux-gnu", "z.s", 0, ""),
        ("s390x-linux-gnu", "z.o", 1, "objects are written for 64-bit little-endian ELF machines only"),
        ("x86_64-pc-windows-msvc", "w.a", 1, "; .s and .ll can be had for it")):
    text = compile(code, "good.onnx", f"--target={triple}", out=out)
    assert words in text and os.path.exists(out) == (code == 0), text

# 2: usage.
for arguments, words in ((["--frob"], "--frob"), (["--shape", "x:2xq"], "--shape=x:2xq is not NAME:1x3x224x224"),
                         (["-O7"], "-O7 is not a level"), (["--dim", "n"], "--dim=n is not NAME=VALUE"),
                         (["--target=frob"], "unknown target triple 'frob'"), (["-mcpu=frob"], "unknown CPU 'frob'"),
                         (["--target=riscv64-linux-gnu", "-mcpu=generic-rv64"], "say so with -mattr=+m,+a,+f,+d,+c"),
                         (["--device=frob"], "--device=frob"), (["--emit=frob"], "--emit=shared, obj")):
    text = compile(2, "good.onnx", *arguments)
    assert words in text, (arguments, text)
assert "no output given; use -o model.so" in compile(2, "good.onnx", out=None)
assert "no model given" in compile(2)
assert "cannot tell what to write from 'out.frob'" in compile(2, "good.onnx", out="out.frob")

# 3: reading or writing.
(record,) = records(3, "none.onnx")
assert record[3:] == ("T0001", "cannot read 'none.onnx': No such file or directory"), record
for out in ("nowhere/out.so", "folder.so", "nowhere/out.s", "folder.so/none/out.h"):
    assert f"cannot write '{out}': " in compile(3, "good.onnx", out=out)
assert os.listdir("folder.so") == []
if os.path.exists("/dev/full"):
    assert "cannot write '/dev/full': " in compile(3, "good.onnx", "--emit=asm", out="/dev/full")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([tool, "good.onnx", "--stop-after=import", "-o", "-"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 3 and "cannot write '-': " in done.stderr, done

# 4: a limit; a model that is also wrong is wrong first.
(record,) = records(4, "rank.onnx")
assert record[3:] == ("T0401", "input 'x' has 17 axes; at most 16 are supported"), record
(record,) = records(4, "huge.onnx")
assert record == ("grow", 0, "Expand", "T0401", "a result has more than 2^36 elements"), record
assert [record[3] for record in records(1, "huge_and_wrong.onnx")] == ["T0401", "T0101"]

# 0, at last: the earlier file is replaced, and nothing else appears.
names = sorted(os.listdir("."))
assert compile(0, "good.onnx") == ""
assert sorted(os.listdir(".")) == names
with open("out.so", "rb") as new:
    assert new.read(4) == b"\x7fELF"
assert subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.startswith("tegulac 0.1.0")
