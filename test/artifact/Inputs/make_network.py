"""Writes a seeded network, an input and its reference output for the C programs of this folder.

  make_network.py NAME   ->   NAME.onnx, and input.f32, expected.f32 (raw little-endian floats)
"""

import os
import sys

import numpy as np
import onnx

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models"))
import compare  # noqa: E402
import networks  # noqa: E402


def main():
    name, make, draw = next(network for network in networks.NETWORKS if network[0] == sys.argv[1])
    onnx.save(make(), name + ".onnx")
    inputs = draw(np.random.Generator(np.random.PCG64(7)))
    (x,), (y,) = inputs.values(), compare.reference(name + ".onnx", inputs)
    x.tofile("input.f32")
    y.tofile("expected.f32")


main()
