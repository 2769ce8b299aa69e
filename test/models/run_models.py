"""Compiles the networks of networks.py, and compares their outputs with a reference.

  run_models.py --out DIR [--only NAME]

Tolerance: 1e-4 of the standard deviation of each output. Each network is run at -O0, -O2 and -O3 for the same CPU.
"""

import argparse
import os
import sys

import numpy as np
import onnx

import compare
import networks

TOLERANCE = 1e-4


def check(path, folder, name, level, inputs, expected):
    artifact = os.path.join(folder, f"{name}_O{level}.so")
    outputs, compile_s, run_s = compare.compile_and_run(path, artifact, inputs, opt=level, timeout=300)
    assert len(outputs) == len(expected), f"{len(expected)} outputs expected, got {len(outputs)}"
    error = max(compare.relative_error(got, want) for got, want in zip(outputs.values(), expected))
    return error, f", compiled in {compile_s:.1f} s, ran in {run_s * 1e3:.2f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--only")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    tally = compare.Tally()
    for name, make, draw in networks.NETWORKS:
        if args.only and args.only != name:
            continue
        path = os.path.join(args.out, name + ".onnx")
        model = make()
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
        inputs = draw(np.random.Generator(np.random.PCG64(7)))
        expected = compare.reference(path, inputs)
        for level in (0, 2, 3):
            tally.check(f"{name} -O{level}", TOLERANCE,
                        lambda: check(path, args.out, name, level, inputs, expected))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
