# Artifacts for other machines run (in emulation) and give what this machine's give: a network of floats nearly, one of 8
# bits exactly, whichever instructions sum its products. Pairs of bf16 are summed by another instruction, nearly the same.
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
# Triple, emulator, CPUs.
MACHINES = [("aarch64-linux-gnu", ["qemu-aarch64", "-cpu", "max,sve-max-vq=2"],
             ["cortex-a53", "neoverse-n1", "neoverse-v1"]),
            ("riscv64-linux-gnu", ["qemu-riscv64", "-cpu", "rv64,v=true,vlen=512"], [None, "sifive-x280"])]
BYTES = {"neoverse-n1": "sdot", "neoverse-v1": "usmmla"}
# Name, network, its input, the instructions that sum products there, precision, and the error allowed, of the deviation:
# on CPUs that multiply pairs of bf16 both factors are rounded.
NETWORKS = [("resnet", networks.resnet, (1, 3, 32, 32), {}, None, 1e-4),
            ("resnet-bf16", networks.resnet, (1, 3, 32, 32), {"neoverse-v1": "bfdot"}, "bf16", 5e-2),
            ("convolutions", networks.quantized_convolutions, (1, 3, 45, 73), BYTES, None, 1e-4),
            ("attention", networks.quantized_attention, (1, 70, 96), BYTES, None, 1e-4),
            ("packed", networks.packed_weights, (3, 192), {"neoverse-n1": "sdot"}, None, 1e-4),
            ("products", lambda: networks.quantized_products(50), (50, 192), BYTES, None, 1e-4)]

for name, make, shape, instructions, precision, bound in NETWORKS:
    onnx.save(make(), f"{name}.onnx")
    x = np.random.Generator(np.random.PCG64(3)).standard_normal(shape).astype(np.float32)
    x.tofile("input.f32")
    tegula.compile(f"{name}.onnx", f"{name}.so", precision=precision)
    model = tegula.load(f"{name}.so")
    want = model.run({model.inputs[0].name: x})[model.outputs[0].name]
    # One step of a quantized tensor is more than a hundredth.
    assert want.std() < 2, "steps would be too small to be seen"
    want.tofile("expected.f32")
    for triple, emulator, cpus in MACHINES:
        for cpu in cpus:
            for output in ("net.o", "net.h", "net.s"):
                tegula.compile(f"{name}.onnx", output, target=triple, cpu=cpu, precision=precision,
                               extra=["--name=net"])
            if cpu in instructions:
                with open("net.s", encoding="utf-8") as file:
                    assert f"\t{instructions[cpu]}\t" in file.read(), (name, cpu)
            subprocess.run(["clang", f"--target={triple}", "-static", "-fuse-ld=lld", "-O1", "-DRUNS=1",
                            f"-DBOUND={bound}", "-I.", PROGRAM, "net.o", "-o", "program", "-lm", "-pthread"], check=True)
            subprocess.run([*emulator, "./program", "alone"], check=True)
            print(f"{name} {triple} {cpu}: the same")
