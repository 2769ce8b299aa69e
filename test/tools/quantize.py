# Properties of the quantizer: what it writes is standard ONNX that ONNX Runtime and the compiler answer alike, the same
# bytes however often and on however many threads; its report names every node; it refuses with one message.
# RUN: %python %s %tegula %tegulac %t

import io
import json
import os
import subprocess
import sys
import xml.dom.minidom
import zipfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import tegula

TEGULA, TEGULAC, FOLDER = sys.argv[1:]
os.makedirs(FOLDER, exist_ok=True)
random = np.random.Generator(np.random.PCG64(3))


class Graph:
    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, *shape, scale=1.0, mean=0.0):
        array = (random.standard_normal(shape) * scale + mean).astype(np.float32)
        self.weights.append(numpy_helper.from_array(array, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def op(self, kind, *inputs, **attributes):
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [f"v{len(self.nodes)}"], name=name, **attributes))
        return self.nodes[-1].output[0]

    def save(self, name, x, y, opset=17):
        ports = [[helper.make_tensor_value_info(key, TensorProto.FLOAT, shape)] for key, shape in (x, y)]
        graph = helper.make_graph(self.nodes, name, *ports, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        path = os.path.join(FOLDER, name + ".onnx")
        onnx.save(model, path)
        return path


def image_net(opset=17):
    """A residual block with a depthwise convolution, whose channels differ by a factor of 100, and a classifier."""
    g = Graph()
    x = g.op("Relu", g.op("Conv", "x", g.constant(16, 3, 3, 3, scale=0.2), g.constant(16), pads=[1] * 4))
    spread = numpy_helper.to_array(g.weights[0]) * np.logspace(-1, 1, 16).reshape(-1, 1, 1, 1).astype(np.float32)
    g.weights[0].CopyFrom(numpy_helper.from_array(spread, "w0"))
    y = g.op("Relu", g.op("Conv", x, g.constant(16, 16, 1, 1, scale=0.2), pads=[0] * 4))
    y = g.op("Conv", y, g.constant(16, 1, 3, 3, scale=0.3), g.constant(16), pads=[1] * 4, group=16)
    y = g.op("Relu", g.op("Add", x, y))
    y = g.op("Flatten", g.op("GlobalAveragePool", y))
    y = g.op("Gemm", y, g.constant(10, 16, scale=0.1), g.constant(10), transB=1)
    return g.save(f"image{opset}", ("x", [1, 3, 12, 12]), (g.op("Softmax", y, axis=1), [1, 10]), opset)


def text_net():
    """Two products after a normalization with one outlying channel, and a Gelu, whose tensor nothing can scale."""
    g = Graph()
    gain = g.constant(32, mean=1.0, scale=0.1)
    values = numpy_helper.to_array(g.weights[0]).copy()
    values[5] = 40
    g.weights[0].CopyFrom(numpy_helper.from_array(values, gain))
    x = g.op("LayerNormalization", "x", gain, g.constant(32, scale=0.1))
    y = g.op("Add", g.op("MatMul", x, g.constant(32, 64, scale=0.2)), g.constant(64))
    y = g.op("Mul", y, g.op("Sigmoid", y))
    y = g.op("MatMul", y, g.constant(64, 32, scale=0.2))
    both = g.op("MatMul", y, g.op("Transpose", x, perm=[0, 2, 1]))
    return g.save("text", ("x", [1, 7, 32]), (both, [1, 7, 7]))


def samples(shape, count):
    return [{"x": random.standard_normal(shape).astype(np.float32)} for _ in range(count)]


def reference(path, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, feed)[0] for feed in feeds])


def distance(x, y):
    return np.sqrt(np.mean((x - y) ** 2)) / np.std(x)


def check_model(path, shape, opset, bound, kind="int8", quantized_kinds=("UINT8", "INT8"), asymmetric=False):
    calibration, tests = samples(shape, 12), samples(shape, 4)
    out = path.replace(".onnx", f"_{kind}_{asymmetric}.onnx")
    report = tegula.quantize(path, out, iter(calibration), quant=kind, asymmetric=asymmetric)
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= opset, model.opset_import
    types = {TensorProto.DataType.Name(t.data_type) for t in model.graph.initializer}
    assert set(quantized_kinds) <= types, types
    original, quantized = reference(path, tests), reference(out, tests)
    error = distance(original, quantized)
    print(f"{os.path.basename(out)}: error {error:.4f}, on the samples {report['error']['rms']:.4f}")
    assert error < bound and report["error"]["rms"] < bound, (error, report["error"])
    # Standard: the compiler and ONNX Runtime answer alike.
    artifact = tegula.load(tegula.compile(out, out.replace(".onnx", ".so"), opt=2))
    compiled = np.stack([list(artifact.run(feed).values())[0] for feed in tests])
    assert distance(quantized, compiled) < 0.1 * error + 1e-4, (distance(quantized, compiled), error)
    names = [node["node"] for node in report["nodes"]]
    assert names == [node.name for node in onnx.load(path).graph.node], names
    assert all(node["decision"] and node["reason"] for node in report["nodes"])
    # The user's nodes are there still, under their names.
    assert set(names) <= {node.name for node in model.graph.node}, names
    return out, report


image, text = image_net(), text_net()
image_out, image_report = check_model(image, (1, 3, 12, 12), 13, 0.05)
text_out, text_report = check_model(text, (1, 7, 32), 13, 0.05)
check_model(image_net(opset=11), (1, 3, 12, 12), 13, 0.05)
check_model(text, (1, 7, 32), 13, 0.01, kind="int8w", quantized_kinds=("INT8",))
check_model(text, (1, 7, 32), 21, 0.2, kind="int4b32", quantized_kinds=("INT4",))
check_model(text, (1, 7, 32), 21, 0.01, kind="int8b16", quantized_kinds=("INT8",))

# Weights with zero points, which lean to one side: closer so.
g = Graph()
leaning = g.op("MatMul", g.op("Relu", g.op("MatMul", "x", g.constant(64, 64, scale=0.1, mean=0.2))),
               g.constant(64, 24, scale=0.1, mean=-0.1))
lean = g.save("lean", ("x", [5, 64]), (leaning, [5, 24]))
for kind, opset, bound in (("int8", 13, 0.06), ("int8w", 13, 0.01), ("int4b32", 21, 0.15), ("int8b16", 21, 0.01)):
    symmetric = check_model(lean, (5, 64), opset, bound, kind, ("INT4",) if "4" in kind else ("INT8",))
    out, asymmetric = check_model(lean, (5, 64), opset, bound, kind, ("INT4",) if "4" in kind else ("INT8",), True)
    zeros = [numpy_helper.to_array(tensor) for tensor in onnx.load(out).graph.initializer
             if tensor.name.startswith("w") and "zero" in tensor.name]
    assert zeros and all(zero.astype(int).any() for zero in zeros), (kind, zeros)
    assert kind == "int8" or asymmetric["error"]["rms"] < 0.8 * symmetric[1]["error"]["rms"], (kind, asymmetric["error"])
check_model(image, (1, 3, 12, 12), 13, 0.05, asymmetric=True)

# Each decision has its reason; a tensor of images that a residual sum reads is read as integers there too.
decisions = {node["op"]: node for node in image_report["nodes"]}
convolutions = [node for node in image_report["nodes"] if node["op"] == "Conv"]
assert [node["decision"] for node in convolutions] == ["int8", "int8", "float"], convolutions
assert decisions["Gemm"]["decision"] == "int8"
assert decisions["Add"]["decision"] == "follows" and "conv" in decisions["Add"]["reason"], decisions["Add"]
assert "--all" in convolutions[-1]["reason"], convolutions
assert decisions["Softmax"]["decision"] == "float"
assert "both vary" in [node for node in text_report["nodes"] if node["op"] == "MatMul"][-1]["reason"]
# The outlying channel goes into the weights; without that the error is larger.
scaled = [node for node in text_report["nodes"] if node.get("channels_scaled")]
assert scaled, text_report["nodes"]


def quantize(*words, code=0):
    done = subprocess.run([TEGULA, "quantize", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return done.stdout + done.stderr


# The same bytes on one and on two threads, from an archive with all samples in one array, stored or packed.
data = os.path.join(FOLDER, "calibration.npz")
stacked = np.concatenate([sample["x"] for sample in samples((1, 3, 12, 12), 6)])
files = []
for number, save in enumerate((np.savez, np.savez_compressed, np.savez)):
    save(data, x=stacked.astype(np.float64) if number == 2 else stacked)
    files.append(os.path.join(FOLDER, f"same{number}.onnx"))
    quantize(image, "-o", files[-1], "--calib", data, f"--threads={1 + number % 2}", "--progress=none")
assert len({open(file, "rb").read() for file in files}) == 1

# Without the scaling of channels, with one method.
report = os.path.join(FOLDER, "report.json")
quantize(image, "-o", files[0], "--calib", data, "--all", "--no-scaling", "--calib-method=minmax", "--report", report)
plain = json.load(open(report))
assert plain["method"] == "minmax" and list(plain["errors_of_methods"]) == ["minmax"], plain["errors_of_methods"]
assert not any(node.get("channels_scaled") for node in plain["nodes"])
assert all(node["decision"] == "int8" for node in plain["nodes"] if node["op"] == "Conv")
ranges = [node for node in plain["nodes"] if "range" in node]
assert all(abs(a - b) <= node["scale"] for node in ranges for a, b in zip(node["range"], node["seen"])), ranges

# Nodes that are kept, and those that a budget keeps; the page is well-formed.
page = os.path.join(FOLDER, "report.html")
quantize(image, "-o", files[0], "--calib", data, "--keep-fp=conv_*", "--report", page)
assert not [node for node in onnx.load(files[0]).graph.node if node.op_type == "DequantizeLinear" and "w0" in node.input[0]]
text_of_page = open(page).read()
assert "asked for by --keep-fp" in text_of_page
xml.dom.minidom.parseString(text_of_page.replace("<!DOCTYPE html>", ""))
quantize(image, "-o", files[0], "--calib", data, "--accuracy-budget=rms<=0.001", "--report", report)
budgeted = json.load(open(report))
assert budgeted["error"]["rms"] <= 0.001, budgeted["error"]
kept = [node for node in budgeted["nodes"] if node["decision"] == "float" and "error_alone" in node]
assert kept and "rms<=0.001" in kept[0]["reason"], kept

# The driver quantizes before it compiles.
direct = os.path.join(FOLDER, "direct.so")
subprocess.run([TEGULAC, image, "-o", direct, "--quant=int8", f"--calib={data}", "-O1"], check=True)
answer = list(tegula.load(direct).run({"x": stacked[:1]}).values())[0]
assert distance(reference(image, [{"x": stacked[:1]}]), answer) < 0.05

# A model with its data beside it.
beside = os.path.join(FOLDER, "beside.onnx")
onnx.save(onnx.load(image), beside, save_as_external_data=True, location="beside.bin", size_threshold=0)
quantize(beside, "-o", files[1], "--calib", data)
quantize(image, "-o", files[2], "--calib", data)
assert open(files[1], "rb").read() == open(files[2], "rb").read()

# Refusals, each with a way out, and nothing written.
absent = os.path.join(FOLDER, "absent.onnx")
assert "no such file" in quantize(image, "-o", absent, "--calib", "nowhere.npz", code=3)
assert "--calib" in quantize(image, "-o", absent, code=2)
assert "weights alone" in quantize(text, "-o", absent, "--calib", data, "--quant=int8w", "--accuracy-budget=0.1", code=2)
assert "int4bN" in quantize(image, "-o", absent, "--calib", data, "--quant=int3", code=2)
np.savez(os.path.join(FOLDER, "wrong.npz"), x=np.zeros((1, 3, 5, 12), np.float32))
assert "expects float32[1, 3, 12, 12]" in quantize(image, "-o", absent, "--calib", os.path.join(FOLDER, "wrong.npz"), code=1)
np.savez(os.path.join(FOLDER, "other.npz"), y=stacked, z=stacked)
assert "no array for input 'x'" in quantize(image, "-o", absent, "--calib", os.path.join(FOLDER, "other.npz"), code=1)
np.savez(os.path.join(FOLDER, "nan.npz"), x=np.full((1, 3, 12, 12), np.nan, np.float32))
assert "not a finite tensor" in quantize(image, "-o", absent, "--calib", os.path.join(FOLDER, "nan.npz"), code=1)
assert "nothing can be quantized" in quantize(image_out, "-o", absent, "--calib", data, code=1)
# A cycle: what is wrong is said by the compiler, of the user's file and node.
cyclic = onnx.load(image)
cyclic.graph.node[0].input[0] = cyclic.graph.node[1].output[0]
onnx.save(cyclic, os.path.join(FOLDER, "cyclic.onnx"))
said = quantize(os.path.join(FOLDER, "cyclic.onnx"), "-o", absent, "--calib", data, code=1)
assert "cyclic.onnx: node 'conv_0'" in said, said
# Arrays that claim more than the archive has.
broken = os.path.join(FOLDER, "claims.npz")
with zipfile.ZipFile(broken, "w") as archive:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10 ** 9, 3, 12, 12)})
    archive.writestr("x.npy", stream.getvalue())
assert "does not hold" in quantize(image, "-o", absent, "--calib", broken, code=3)
with open(broken, "wb") as file:
    file.write(b"PK\x03\x04" + bytes(100))
assert "not a .npz archive" in quantize(image, "-o", absent, "--calib", broken, code=3)
with open(os.path.join(FOLDER, "broken.onnx"), "wb") as file:
    file.write(open(image, "rb").read()[:-100])
assert "not an ONNX model" in quantize(os.path.join(FOLDER, "broken.onnx"), "-o", absent, "--calib", data, code=1)
assert not os.path.exists(absent)
print("quantize: everything right")
