# Matrix registers (AMX) give the bits that vectors give: the artifact's own instructions run, by the CPU or, where it has
# none, by Inputs/amx.c, which also refuses what a CPU would. Whole tiles of rows, rests, short last panels, several steps of
# channels, strides and dilations, rows whose number is known at run time only; and the hot loop has nothing but loads and
# products.
# REQUIRES: x86_64
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %cc %source/test/targets/cpu/Inputs/amx.c
import os
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import tegula

AMX = ("amx-int8", "amx-tile")
# Features of the same length, which a CPU with VNNI has: stand for AMX's in the artifact where it is emulated.
STANDS_FOR = ("avx512bw", "avx512vl")


def network(rows):
    """Convolutions of 8-bit tensors, or a product of `rows` rows."""
    random = np.random.Generator(np.random.PCG64(7))
    tensors = {"s": np.float32(0.05), "z": np.uint8(131), "t": np.float32(0.01)}
    nodes = []

    def layer(number, value, weights, op, **attributes):
        tensors[f"w{number}"] = random.integers(-127, 128, weights).astype(np.int8)
        summed = np.prod(weights[:-1] if op == "MatMul" else weights[1:])
        tensors[f"u{number}"] = np.float32(0.035 * np.sqrt(summed))
        nodes.extend([helper.make_node("DequantizeLinear", [value, "s", "z"], [f"a{number}"]),
                      helper.make_node("DequantizeLinear", [f"w{number}", "t"], [f"b{number}"]),
                      helper.make_node(op, [f"a{number}", f"b{number}"], [f"c{number}"], **attributes),
                      helper.make_node("QuantizeLinear", [f"c{number}", f"u{number}", "z"], [f"y{number}"])])
        return f"y{number}"

    if rows:
        value = layer(1, layer(0, "x", (192, 40), "MatMul"), (40, 100), "MatMul")
        shapes = ["rows", 192], ["rows", 100]
    else:
        value = layer(0, "x", (64, 3, 3, 3), "Conv", pads=[1, 1, 1, 1])
        value = layer(1, value, (40, 64, 3, 3), "Conv", strides=[2, 2])
        value = layer(2, value, (24, 40, 1, 1), "Conv")
        value = layer(3, value, (72, 24, 3, 3), "Conv", dilations=[2, 2])
        value = layer(4, value, (17, 72, 1, 1), "Conv")
        shapes = [1, 3, 45, 73], [1, 17, 18, 32]
    ports = [helper.make_tensor_value_info(name, TensorProto.UINT8, shape)
             for name, shape in zip(("x", value), shapes)]
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def has(features):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        known = set(next(line for line in file if line.startswith("flags")).split())
    return all(feature in known for feature in features)


def run(artifact, x):
    """On one thread: the others block the signals that the emulation answers."""
    np.save("x.npy", x)
    program = ("import sys, numpy, tegula; x = numpy.load('x.npy'); model = tegula.load(sys.argv[1], threads=1); "
               "numpy.save('y.npy', list(model.run({'x': x}).values())[0])")
    environment = dict(os.environ, AMX_COUNT="1")
    if not has(feature.replace("-", "_") for feature in AMX):
        environment["LD_PRELOAD"] = os.path.abspath("libamx.so")
    done = subprocess.run([sys.executable, "-c", program, artifact], env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return np.load("y.npy"), int((re.search(r"(\d+) products", done.stderr) or [0, -1])[1])


subprocess.run([sys.argv[1], "-O2", "-shared", "-fPIC", sys.argv[2], "-o", "libamx.so"], check=True)
for name, rows in (("convolutions", 0), ("products", 1)):
    onnx.save(network(rows), f"{name}.onnx")
    target = {"target": "x86_64-linux-gnu", "cpu": "icelake-server", "threads": 1}
    attributes = ",".join(f"+{feature}" for feature in AMX)
    tegula.compile(f"{name}.onnx", f"{name}.s", **target, attr=attributes, opt=3)
    with open(f"{name}.s", encoding="utf-8") as file:
        text = file.read()
    assert "tdpbusd" in text and "vpdpbusd" in text, name
    # Loops from a label to the branch back to it.
    loops = [loop[2] for loop in re.finditer(r"(\.LBB\w+):((?:(?!\.LBB\w+:).)*?)\tj\w+\t\1\n", text, re.DOTALL)]
    hot = [loop for loop in loops if "tdpbusd" in loop and "tilestored" not in loop]
    if name == "convolutions":
        assert hot and all("zmm" not in loop and "ymm" not in loop for loop in hot), (name, hot)
        assert any(loop.count("tdpbusd") == 4 and loop.count("tileloadd") == 4 for loop in hot), (name, hot)
    if not has(["avx512_vnni", "avx512vl"]):
        print(f"{name}: not run, the CPU lacks AVX-512 VNNI")
        continue
    tegula.compile(f"{name}.onnx", f"{name}_vectors.so", **target, opt=3)
    tegula.compile(f"{name}.onnx", f"{name}.so", **target, attr=attributes, opt=3)
    if not has(feature.replace("-", "_") for feature in AMX):
        with open(f"{name}.so", "rb") as file:
            data = file.read()
        for feature, other in zip(AMX, STANDS_FOR):
            assert feature.encode() in data
            data = data.replace(feature.encode(), other.encode())
        with open(f"{name}.so", "wb") as file:
            file.write(data)
    for count in (1, 7, 16, 50) if rows else (0,):
        random = np.random.Generator(np.random.PCG64(count))
        x = random.integers(0, 256, (count, 192) if rows else (1, 3, 45, 73)).astype(np.uint8)
        want = list(tegula.load(f"{name}_vectors.so").run({"x": x}).values())[0]
        got, products = run(f"{name}.so", x)
        assert want.std() > 20, "results that tell nothing"
        np.testing.assert_array_equal(got, want, f"{name} {count}")
        assert products != 0 or count in (1, 7), (name, count, products)
