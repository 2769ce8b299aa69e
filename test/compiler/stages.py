# The text of each stage prints as it parses, is legal, and leads to the same artifact as the model itself; the artifact
# does not depend on where it is compiled and on how many cores, and computes what the reference computes.
# RUN: %python %s %source %tegulac %t
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx

source, tegulac, folder = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "test", "models"))
import compare  # noqa: E402
import networks  # noqa: E402

# Dense layers; convolutions with a residual; a loop; attention with dynamic shapes.
NAMES = ["mlp", "resnet", "lstm", "encoder_dynamic"]
STAGES = ["import", "graph", "tile", "buffer", "emit"]
problems = []


def expect(claim, text):
    if not claim:
        problems.append(text)
        print("FAILED", text, flush=True)


def compile(*words, text=None, cwd=folder, one_core=False):
    """What tegulac prints; the plans reckon with two threads on every machine."""
    command = [tegulac, "--threads=2", *words]
    if one_core:
        command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command]
    done = subprocess.run(command, input=text, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    expect(done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}")
    return done.stdout


def bytes_of(name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def check(name, make, draw):
    path = os.path.join(folder, name + ".onnx")
    onnx.save(make(), path)
    compile(path, "-o", "direct.so", f"--name={name}")
    direct = bytes_of("direct.so")
    for stage in STAGES:
        text = compile(path, f"--stop-after={stage}", "-o", "-", f"--name={name}")
        again = compile("-", f"--start-after={stage}", f"--stop-after={stage}", "-o", "-", text=text)
        expect(text and text == again, f"{name}: the text after {stage} does not print as it parses")
        compile("-", f"--start-after={stage}", "-o", f"{stage}.so", f"--name={name}", text=text)
        expect(direct == bytes_of(f"{stage}.so"), f"{name}: from the text after {stage} comes another artifact")
    elsewhere = os.path.join(folder, "else where")
    os.makedirs(elsewhere, exist_ok=True)
    shutil.copy(path, elsewhere)
    compile(name + ".onnx", "-o", "second.so", f"--name={name}", cwd=elsewhere, one_core=True)
    expect(direct == bytes_of("else where/second.so"), f"{name}: two compilations differ")

    import tegula

    inputs = draw(np.random.Generator(np.random.PCG64(7)))
    outputs = tegula.load(os.path.join(folder, "direct.so"), threads=2).run(inputs)
    for got, want in zip(outputs.values(), compare.reference(path, inputs)):
        error = compare.relative_error(got, want)
        expect(error <= 1e-4, f"{name}: error {error:.1e} of the standard deviation")


def main():
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name, make, draw in networks.NETWORKS:
        if name in NAMES:
            check(name, make, draw)
    # What a stage leaves behind is not legal after another one.
    text = compile("mlp.onnx", "--stop-after=graph", "-o", "-")
    done = subprocess.run([tegulac, "-", "--start-after=tile", "-o", "illegal.so"], input=text, cwd=folder,
                          stderr=subprocess.PIPE)
    expect(done.returncode == 1 and b"is not legal after stage tile" in done.stderr, done.stderr.decode())
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
