"""Whole networks, from the first to the last node as CUDA, for each family of GPUs: right, the same each time, without a
fault that the emulation finds, in the order of warps that it would take and in others. Kernels assemble without spills.

  networks.py MODELS BUILD     MODELS is the folder of emulated.py and networks.py, BUILD that of the build
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s %source/test/models %build

import os
import subprocess
import sys

import numpy as np
import onnx
import tegula

sys.path.insert(0, sys.argv[1])
import compare  # noqa: E402
import emulated  # noqa: E402
import networks  # noqa: E402

TOLERANCE = 1e-4
# Of each network the chips, and the seed of the order that warps run in; 0: as they come.
RUNS = {
    "mlp_batch_dynamic": ((70, 5), ),
    "resnet": ((75, 0), ),
    "encoder_dynamic": ((80, 3), ),
    "lstm": ((90, 5), ),
}
CHIPS = (70, 75, 80, 90)

CHECK = """
import sys, numpy as np, tegula
inputs = dict(np.load("inputs.npz"))
model = tegula.load(sys.argv[1])
first, second, third = (list(model.run(inputs).values()) for _ in range(3))
assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(first, second, third)), "runs differ"
np.savez("outputs.npz", *first)
"""


def run(artifact, chip, order):
    """In a process of its own: what is emulated is chosen when the driver starts."""
    subprocess.run([sys.executable, "-c", CHECK, artifact], check=True, env=emulated.environment_of(chip, order))
    with np.load("outputs.npz") as outputs:
        return [outputs[name] for name in outputs.files]


def main():
    have_run = set()
    for name, make, draw in (network for network in networks.NETWORKS if network[0] in RUNS):
        path = name + ".onnx"
        onnx.save(make(), path)
        inputs = draw(np.random.Generator(np.random.PCG64(7)))
        np.savez("inputs.npz", **inputs)
        expected = compare.reference(path, inputs)
        artifact = os.path.abspath(name + ".so")
        tegula.compile(path, artifact, device="cuda:" + ",".join(f"sm_{chip}" for chip in CHIPS))
        for chip, order in RUNS[name]:
            outputs = run(artifact, chip, order)
            error = max(compare.relative_error(got, want) for got, want in zip(outputs, expected))
            assert error < TOLERANCE, f"{name} on sm_{chip}: error {error}"
            have_run.add((name, chip))
        texts = emulated.texts_of(artifact)
        assert sorted(texts) == list(CHIPS), f"{name}: PTX for {sorted(texts)}"
        for chip, text in texts.items():
            emulated.assemble(name, chip, text, sys.argv[2], most=168)
        print(f"{name}: passed")
    assert have_run == {(name, chip) for name, runs in RUNS.items() for chip, _ in runs}, f"only {have_run} ran"
    assert {chip for _, chip in have_run} == set(CHIPS), "a family of GPUs was left out"


main()
