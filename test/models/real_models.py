"""Compiles networks with real weights, those of the demo, and compares their outputs with a reference.

  real_models.py --models DIR --out DIR        DIR/*.onnx are downloaded where they are missing

Tolerance: 1e-3 of the standard deviation of each output. Inputs are small; those of the text models are text.
"""

import argparse
import os
import sys

import numpy as np

import compare

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "demo"))
import ocr  # noqa: E402
import packages  # noqa: E402

TOLERANCE = 1e-3
# The text models get text. On noise the detector answers about 1e-7 everywhere, and ONNX Runtime's sigmoid is inexact by
# as much (at -20 it gives 0 for 2.1e-9), so that a comparison would show nothing.
MODELS = [
    ("ppocrv4_det", "x", lambda random: ocr.tensor(ocr.draw(["Tegula 2026"], (320, 96)))),
    ("ppocrv4_rec", "x", lambda random: ocr.line_tensor(ocr.draw(["Tegula 2026"], (320, 80)))[..., :320]),
    ("ppocr_cls", "x", lambda random: random.standard_normal((1, 3, 48, 192)).astype(np.float32)),
    ("magika_v3_3", "bytes", lambda random: random.integers(0, 257, (2, 2048)).astype(np.int32)),
]


def check(path, artifact, shapes, inputs):
    expected = compare.reference(path, inputs)
    outputs, compile_s, run_s = compare.compile_and_run(path, artifact, inputs, shapes=shapes, timeout=300)
    error = max(compare.relative_error(got, want) for got, want in zip(outputs.values(), expected))
    return error, f", compiled in {compile_s:.1f} s, ran in {run_s * 1e3:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    packages.fetch(args.models)
    tally = compare.Tally()
    for name, key, draw in MODELS:
        inputs = {key: np.ascontiguousarray(draw(np.random.Generator(np.random.PCG64(7))))}
        shapes = {key: inputs[key].shape}
        path = os.path.join(args.models, name + ".onnx")
        tally.check(name, TOLERANCE, lambda: check(path, os.path.join(args.out, name + ".so"), shapes, inputs))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
