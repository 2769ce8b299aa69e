# Matrix registers (AMX) give the bits that vectors give: the artifact's own instructions run, by the CPU or, where it has
# none, by Inputs/amx.c, which also refuses what a CPU would. Whole tiles of rows, rests, short last panels, several steps of
# channels, strides and dilations, rows whose number is known at run time only; and the hot loop has nothing but loads and
# products.
# REQUIRES: x86_64
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %cc %source/test/targets/cpu/Inputs/amx.c %source/test/models
import os
import re
import subprocess
import sys

import numpy as np
import onnx

import tegula

sys.path.insert(0, sys.argv[3])
import networks  # noqa: E402

AMX = ("amx-int8", "amx-tile")
# Features of the same length, which a CPU with VNNI has: stand for AMX's in the artifact where it is emulated.
STANDS_FOR = ("avx512bw", "avx512vl")


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
for name, make in (("convolutions", networks.quantized_convolutions), ("products", networks.quantized_products)):
    onnx.save(make(), f"{name}.onnx")
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
    for rows in (1, 7, 16, 50) if name == "products" else (0,):
        x = np.random.Generator(np.random.PCG64(rows)).standard_normal((rows, 192) if rows else (1, 3, 45, 73))
        x = x.astype(np.float32)
        want = list(tegula.load(f"{name}_vectors.so").run({"x": x}).values())[0]
        got, products = run(f"{name}.so", x)
        assert want.std() > 0.4, "results that tell nothing"
        np.testing.assert_array_equal(got, want, f"{name} {rows}")
        assert products != 0 or rows in (1, 7), (name, rows, products)
