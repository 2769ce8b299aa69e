# Artifacts for other machines run (in emulation) and give what this machine's give: a network of floats nearly, one of 8
# bits exactly, whichever instructions sum its products.
# REQUIRES: qemu-aarch64, qemu-riscv64
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %source/test
import os
import subprocess
import sys

import numpy as np
import onnx

import tegula

sys.path.insert(0, os.path.join(sys.argv[1], "models"))
import networks  # noqa: E402

PROGRAM = os.path.join(sys.argv[1], "artifact", "Inputs", "run_network.c")
# Triple, emulator, CPUs, and the instruction that sums products of bytes there.
MACHINES = [("aarch64-linux-gnu", ["qemu-aarch64", "-cpu", "max,sve-max-vq=2"],
             {"cortex-a53": None, "neoverse-n1": "sdot", "neoverse-v1": "usdot"}),
            ("riscv64-linux-gnu", ["qemu-riscv64", "-cpu", "rv64,v=true,vlen=512"], {None: None, "sifive-x280": None})]
NETWORKS = [("resnet", networks.resnet, (1, 3, 32, 32)),
            ("convolutions", networks.quantized_convolutions, (1, 3, 45, 73)),
            ("products", lambda: networks.quantized_products(50), (50, 192))]

for name, make, shape in NETWORKS:
    onnx.save(make(), f"{name}.onnx")
    x = np.random.Generator(np.random.PCG64(3)).standard_normal(shape).astype(np.float32)
    x.tofile("input.f32")
    tegula.compile(f"{name}.onnx", f"{name}.so")
    model = tegula.load(f"{name}.so")
    want = model.run({model.inputs[0].name: x})[model.outputs[0].name]
    # The program allows a ten-thousandth of the deviation; one step of a quantized tensor is more than a hundredth.
    assert want.std() < 2, "steps would be too small to be seen"
    want.tofile("expected.f32")
    for triple, emulator, cpus in MACHINES:
        for cpu, instruction in cpus.items():
            for output in ("net.o", "net.h", "net.s"):
                tegula.compile(f"{name}.onnx", output, target=triple, cpu=cpu, extra=["--name=net"])
            if instruction and name != "resnet":
                with open("net.s", encoding="utf-8") as file:
                    assert f"\t{instruction}\t" in file.read(), (name, cpu)
            subprocess.run(["clang", f"--target={triple}", "-static", "-fuse-ld=lld", "-O1", "-DRUNS=1", "-I.", PROGRAM,
                            "net.o", "-o", "program", "-lm", "-pthread"], check=True)
            subprocess.run([*emulator, "./program", "alone"], check=True)
            print(f"{name} {triple} {cpu}: the same")
