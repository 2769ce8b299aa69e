# `tegula report`: the page holds every node, is well-formed, escapes what models call their nodes, and is the same twice;
# what is not there is said; nothing is left of a page that could not be written.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac %tegula
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as tree

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

tegulac, tegula = sys.argv[1:]
ODD = "<b>&\"'\x01 ä"


def run(*words, code=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr if code else done.stdout


def refused(code, *words):
    """The one line that says why."""
    text = run(tegula, *words, code=code)
    assert text.startswith("tegula: error: ") and text.count("\n") == 1, text
    return text


def page(path):
    """The text of the page, after checks that hold for each: well-formed, nothing from elsewhere."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("<!DOCTYPE html>\n") and "http" not in text and "src=" not in text, text[:200]
    root = tree.fromstring(text[text.index("\n"):])
    return text, "\n".join(root.itertext()), root


def save(path, nodes, shape, weights):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


weights = [numpy_helper.from_array(np.ones(shape, np.float32), name) for shape, name in (((64, 64), "w"), ((64,), "b"))]
save("model.onnx", [helper.make_node("MatMul", ["x", "w"], ["p"], name="dense"),
                    helper.make_node("Add", ["p", "b"], ["q"], name="bias"),
                    helper.make_node("Relu", ["q"], ["r"], name=ODD),
                    helper.make_node("MatMul", ["r", "w"], ["s"], name="second"),
                    helper.make_node("Add", ["s", "r"], ["t"], name="residual"),
                    helper.make_node("Softmax", ["t"], ["u"], name="shares"),
                    helper.make_node("MatMul", ["u", "w"], ["y"], name="last")], [64, 64], weights)
run(tegulac, "model.onnx", "-o", "model.so", "--progress=none")
run(tegulac, "model.onnx", "--emit=report", "-o", "model.json", "--progress=none")
with open("bench.json", "w", encoding="utf-8") as file:
    file.write(run(tegula, "bench", "model.so", "--json", "--repeat=3", "--report=measured.html"))
with open("model.json", encoding="utf-8") as file:
    compiled = json.load(file)

# What the compiler says: reasons, and buffers whose sum is at most what the planner found.
why = {", ".join(unit["nodes"]): unit["ends_because"] for unit in compiled["units"]}
first = [names for names in why if names.startswith("dense")]
assert len(first) == 1 and first[0].startswith("dense, bias, ") and why[first[0]] == ["2 others read its result"], why
assert why["second, residual"][0].endswith(" others read its result"), why
assert why["last"] == ["its result is an output of the model"], why
assert all(len(reasons) == 1 for reasons in why.values()), why
live = [0] * len(compiled["steps"])
for buffer in compiled["buffers"]:
    assert buffer["offset"] + buffer["bytes"] <= compiled["workspace_bytes"], buffer
    for step in range(buffer["first"], buffer["last"] + 1):
        live[step] += buffer["bytes"]
assert max(live) == compiled["live_bytes"] > 0, (live, compiled["live_bytes"])

# The page of both.
run(tegula, "report", "model.json", "--bench", "bench.json", "-o", "page.html")
text, words, root = page("page.html")
for name in ("dense", "bias", "second", "residual", "shares", "last", "MatMul", "Softmax"):
    assert name in words, name
assert "<b>&\"'\ufffd ä" in words and "&lt;b&gt;&amp;&quot;" in text and ODD not in text
for heading in ("Time per node", "Roofline", "Memory over time", "Nodes and units", "p90", "% of", "2 others read"):
    assert heading in words, heading
assert len(root.findall(".//svg")) == 2 and "Not measured" not in words
assert len(root.findall(".//rect")) == len(compiled["buffers"])
titles = [title.text for title in root.iter("title")]
assert any(title.startswith("dense, bias, ") and "FLOP/byte" in title for title in titles), titles
run(tegula, "report", "model.json", "--bench=bench.json", "-o", "again.html")
assert page("again.html")[0] == text
assert run(tegula, "report", "model.json", "--bench=bench.json", "-o", "-") == text

# Without measurements, and without the compiler's report.
run(tegula, "report", "model.json", "-o", "page.html")
_, words, root = page("page.html")
assert "Not measured." in words and "tegula bench ARTIFACT --json" in words and "Roofline" not in words
assert len(root.findall(".//svg")) == 1 and "2 others read its result" in words
_, words, root = page("measured.html")
assert "tegulac MODEL --emit=report" in words and "Time per node" in words and len(root.findall(".//svg")) == 1

# Extents of the run: what is not known is said.
save("free.onnx", [helper.make_node("Relu", ["x"], ["y"], name="act")], ["n", 8], [])
run(tegulac, "free.onnx", "-o", "free.so", "--progress=none")
run(tegulac, "free.onnx", "--emit=report", "-o", "free.json", "--progress=none")
run(tegula, "bench", "free.so", "--shape=x:4x8", "--repeat=3", "--report=free.html")
assert "unknown" in page("free.html")[1]
run(tegula, "report", "free.json", "-o", "free.html")
assert "No buffer of known size" in page("free.html")[1]

# Refusals: one line that names the file, the exit codes of the other commands, and nothing written.
open("page.html", "w", encoding="utf-8").write("old")
for name, content in (("bad.json", "{"), ("list.json", "[1]"), ("other.json", '{"nodes": []}')):
    with open(name, "w", encoding="utf-8") as file:
        file.write(content)
    assert name in refused(3, "report", name, "-o", "page.html")
    assert name in refused(3, "report", "model.json", "--bench", name, "-o", "page.html")
assert "none.json" in refused(3, "report", "none.json", "-o", "page.html")
assert "bench.json" in refused(3, "report", "bench.json", "-o", "page.html")
assert "free.json" in refused(1, "report", "free.json", "--bench=bench.json", "-o", "page.html")
assert "none/page.html" in refused(3, "report", "model.json", "-o", "none/page.html")
assert "/dev/full" in refused(3, "report", "model.json", "-o", "/dev/full")
os.mkdir("folder")
assert "folder" in refused(3, "report", "model.json", "-o", "folder")
refused(2, "report", "model.json")
refused(2, "report", "-o", "page.html")
refused(2, "report", "model.json", "--frob", "-o", "page.html")
assert open("page.html", encoding="utf-8").read() == "old"
assert not [name for name in os.listdir(".") if ".tmp" in name]

# Why products of a quantized network are of real numbers.
weights = [numpy_helper.from_array(value, name) for name, value in (
    ("s", np.float32(0.1)), ("z", np.uint8(9)), ("w8", np.ones((64, 64), np.int8)))]
save("quantized.onnx", [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
                        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["a"]),
                        helper.make_node("DequantizeLinear", ["w8", "s"], ["b"]),
                        helper.make_node("MatMul", ["a", "b"], ["c"], name="integers"),
                        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["d"]),
                        helper.make_node("DequantizeLinear", ["d", "s", "z"], ["e"]),
                        helper.make_node("MatMul", ["e", "a"], ["f"], name="variables"),
                        helper.make_node("MatMul", ["f", "b"], ["y"], name="weights")], [64, 64], weights)
run(tegulac, "quantized.onnx", "--target=x86_64-linux-gnu", "-mcpu=x86-64-v3", "--emit=report", "-o", "quantized.json",
    "--progress=none")
with open("quantized.json", encoding="utf-8") as file:
    real = {node["node"]: node["real_because"] for node in json.load(file)["nodes"] if node["op"] == "MatMul"}
assert real == {"integers": [], "variables": [], "weights": ["its input is not quantized to 8 bits"]}, real
run(tegula, "report", "quantized.json", "-o", "quantized.html")
assert "computed with real numbers: its input is not quantized to 8 bits" in page("quantized.html")[1]

# JSON that holds what it should not makes a page all the same.
strange = {"nodes": [1, {"node": 2, "units": [99, -1, "x"], "outputs": 3}, {"node": "a", "units": [0]}],
           "units": [{"nodes": ["a"], "ends_because": [5]}, None], "workspace_bytes": 1e300, "steps": [[], 7],
           "buffers": [{"offset": -5, "bytes": 1e308, "first": 0, "last": 1}, {"first": 3, "last": 9}, {}]}
measured = {"nodes": [{"node": "a", "ms": 1e-300, "flops": 1e29, "bytes": 1}, {"ms": 1e308}, {}], "latency_ms": {"p50": "x"},
            "machine_peak": {"gflops": 1e-9, "memory_gbytes_per_s": 1e9}}
for name, content in (("strange.json", strange), ("measured.json", measured)):
    with open(name, "w", encoding="utf-8") as file:
        json.dump(content, file)
run(tegula, "report", "strange.json", "--bench=measured.json", "-o", "strange.html")
text = page("strange.html")[0].split("</style>")[1].lower()
assert ":inf" not in text and '"inf' not in text and "inf " not in text and "nan" not in text
