# Matrix registers (AMX) give the bits that vectors give, of bf16 nearly: the artifact's own instructions run, by the CPU
# or, where it has none, by Inputs/amx.c, which also refuses what a CPU would. Whole tiles of rows, rests, short last
# panels, several steps of channels, strides and dilations, rows whose number is known at run time only; and the hot loop
# has nothing but loads and products.
# REQUIRES: x86_64
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %cc %source/test/targets/cpu/Inputs/amx.c %source/test/models
import os
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import tegula

sys.path.insert(0, sys.argv[3])
import networks  # noqa: E402

AMX = ("amx-int8", "amx-tile", "amx-bf16")
# Features of the same length, which a CPU with VNNI has: stand for AMX's in the artifact where it is emulated.
STANDS_FOR = ("avx512bw", "avx512vl", "avx512cd")


def has(features):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        known = set(next(line for line in file if line.startswith("flags")).split())
    return all(feature in known for feature in features)


def run(artifact, x):
    """On one thread: the others block the signals that the emulation answers."""
    np.save("x.npy", x)
    program = ("import sys, numpy, tegula; x = numpy.load('x.npy'); model = tegula.load(sys.argv[1], threads=1); "
               "numpy.save('y.npy', list(model.run({model.inputs[0].name: x}).values())[0])")
    environment = dict(os.environ, AMX_COUNT="1")
    if not has(feature.replace("-", "_") for feature in AMX):
        environment["LD_PRELOAD"] = os.path.abspath("libamx.so")
    done = subprocess.run([sys.executable, "-c", program, artifact], env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return np.load("y.npy"), int((re.search(r"(\d+) products", done.stderr) or [0, -1])[1])


def real_products():
    """Two products of any number of rows, one with a rest of its last panel, one with a rest of the depth of a tile."""
    random = np.random.Generator(np.random.PCG64(4))
    weights = [numpy_helper.from_array((random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32), name)
               for name, shape in (("a", (192, 200)), ("b", (200, 72)))]
    nodes = [helper.make_node("MatMul", ["x", "a"], ["h"]), helper.make_node("Relu", ["h"], ["r"]),
             helper.make_node("MatMul", ["r", "b"], ["y"])]
    ports = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])]
             for name, width in (("x", 192), ("y", 72))]
    return helper.make_model(helper.make_graph(nodes, "g", *ports, weights),
                             opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


subprocess.run([sys.argv[1], "-O2", "-shared", "-fPIC", sys.argv[2], "-o", "libamx.so", "-lm"], check=True)
for name, make, product, vectors in (("convolutions", networks.quantized_convolutions, "tdpbusd", "vpdpbusd"),
                                     ("products", networks.quantized_products, "tdpbusd", "vpdpbusd"),
                                     ("attention", networks.quantized_attention, "tdpbusd", "vpdpbusd"),
                                     ("resnet", networks.resnet, "tdpbf16ps", "vdpbf16ps"),
                                     ("reals", real_products, "tdpbf16ps", "vdpbf16ps")):
    onnx.save(make(), f"{name}.onnx")
    isReal = product == "tdpbf16ps"
    target = {"target": "x86_64-linux-gnu", "cpu": "cooperlake", "threads": 1, "precision": "bf16" if isReal else None}
    attributes = ",".join(f"+{feature}" for feature in AMX)
    tegula.compile(f"{name}.onnx", f"{name}.s", **target, attr=attributes, opt=3)
    with open(f"{name}.s", encoding="utf-8") as file:
        text = file.read()
    assert product in text and vectors in text, name
    # Loops from a label to the branch back to it.
    loops = [loop[2] for loop in re.finditer(r"(\.LBB\w+):((?:(?!\.LBB\w+:).)*?)\tj\w+\t\1\n", text, re.DOTALL)]
    hot = [loop for loop in loops if product in loop and "tilestored" not in loop]
    if name in ("convolutions", "reals"):
        assert hot and all("zmm" not in loop and "ymm" not in loop for loop in hot), (name, hot)
        assert any(loop.count(product) == 4 and loop.count("tileloadd") == 4 for loop in hot), (name, hot)
    if not has(["avx512_vnni", "avx512vl", "avx512_bf16"]):
        print(f"{name}: not run, the CPU lacks AVX-512 VNNI or BF16")
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
    for rows in (1, 7, 16, 50) if name in ("products", "reals") else (0,):
        shape = (1, 70, 96) if name == "attention" else (1, 3, 32, 32) if isReal else (1, 3, 45, 73)
        shape = (rows, 192) if rows else shape
        x = np.random.Generator(np.random.PCG64(rows)).standard_normal(shape).astype(np.float32)
        model = tegula.load(f"{name}_vectors.so")
        want = list(model.run({model.inputs[0].name: x}).values())[0]
        got, products = run(f"{name}.so", x)
        # Sums of bf16 are taken in another order; what is rounded to bf16 again may become the next one.
        assert want.std() > 0.01 if isReal else 0.4, "results that tell nothing"
        assert np.abs(got - want).max() <= (0.02 * want.std() if isReal else 0), (name, rows, got - want)
        assert products != 0 or rows in (1, 7), (name, rows, products)
