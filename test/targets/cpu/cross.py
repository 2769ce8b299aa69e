# A whole network for other machines: the object is of that machine, and the assembly has its multiply-adds: full vectors
# where it has vectors. Nothing is run here.
# RUN: %python %s %source %tegulac %t
import os
import re
import shutil
import struct
import subprocess
import sys

import onnx

source, tegulac, folder = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "test", "models"))
import networks  # noqa: E402

X86, ARM, RISCV = 62, 183, 243  # e_machine of the ELF header
# Options, machine, what a multiply-add looks like, and how often it is there at least.
TARGETS = [
    (["--target=x86_64-linux-gnu"], X86, r"vfmadd\d+ps\t.*%ymm\d+$", 40),
    (["--target=x86_64-linux-gnu", "-mcpu=x86-64-v4"], X86, r"vfmadd\d+ps\t.*%zmm\d+$", 40),
    (["--target=aarch64-linux-gnu"], ARM, r"fmla\tv\d+\.4s, ", 40),
    (["--target=aarch64-linux-gnu", "-mcpu=cortex-a72"], ARM, r"fmla\tv\d+\.4s, ", 40),
    (["--target=riscv64-linux-gnu", "-mattr=+v"], RISCV, r"vfmacc\.vf\t", 40),
    (["--target=riscv64-linux-gnu"], RISCV, r"fmadd\.s\t", 40),
]

shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
model, assembly, built = (os.path.join(folder, name) for name in ("net.onnx", "net.s", "net.o"))
onnx.save(next(make for name, make, _ in networks.NETWORKS if name == "resnet")(), model)
for options, machine, pattern, least in TARGETS:
    for output in (assembly, built):
        subprocess.run([tegulac, model, *options, "-o", output], check=True)
    with open(built, "rb") as file:
        header = file.read(20)
    assert header[:4] == b"\x7fELF" and struct.unpack_from("<H", header, 18)[0] == machine, options
    with open(assembly, encoding="utf-8") as file:
        count = len(re.findall(pattern, file.read(), re.M))
    assert count >= least, f"{' '.join(options)}: only {count} of {pattern}"
