"""Fat binaries have the layout of NVIDIA's tools; those that are compressed hold the same and run the same.

  fatbin.py MODELS     in an empty folder; MODELS is the folder of emulated.py
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s %source/test/models

import struct
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

sys.path.insert(0, sys.argv[1])
import emulated  # noqa: E402

COMPRESSED, OPTIONS = 0x8000, struct.pack("<IIQ", 72, 0, 0)


def entries_of(path):
    """Chip, flags, bytes that are there and that they stand for, and the bytes, of each entry: all of PTX."""
    with open(path, "rb") as file:
        data = file.read()
    magic, version, header, size = struct.unpack_from("<IHHQ", data)
    assert (magic, version, header, size) == (0xBA55ED50, 1, 16, len(data) - 16)
    at, entries = 16, []
    while at < len(data):
        kind, version, header, padded, packed, options, minor, major, chip, _, _, flags, _, plain = struct.unpack_from(
            "<HHIQIIHHIIIQQQ", data, at)
        assert (kind, version, header, options) == (1, 0x101, 80, 64) and data[at + 64:at + 80] == OPTIONS
        assert padded % 8 == 0 and flags & ~COMPRESSED == 0x11 and (major, minor) >= (6, 4)
        entries.append((chip, bool(flags & COMPRESSED), packed, plain, data[at + header:at + header + padded]))
        at += header + padded
    return entries


x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 32]) for name in "xy")
graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"])], "softmax", [x], [y])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), "softmax.onnx")
tegula.compile("softmax.onnx", "plain.fatbin", device="cuda:sm_70,sm_90,sm_120")
tegula.compile("softmax.onnx", "packed.fatbin", device="cuda:sm_70,sm_90,sm_120", extra=["--compress"])
plain_entries, packed_entries = entries_of("plain.fatbin"), entries_of("packed.fatbin")
assert [entry[0] for entry in plain_entries] == [entry[0] for entry in packed_entries] == [70, 90, 120]
for (chip, is_packed, _, _, text), (other, *sizes, _) in zip(plain_entries, packed_entries):
    # Every driver for sm_120 reads zstd.
    assert chip == other and is_packed == (chip == 120) and sizes[0], (chip, other, is_packed)
    if not is_packed:
        plain = text[:text.index(b"\0") + 1]
        assert plain.startswith(b"//") and sizes[2] == len(plain) and sizes[1] < len(plain) / 2, (chip, sizes, len(plain))
values = np.random.Generator(np.random.PCG64(1)).standard_normal((4, 32)).astype(np.float32)
powers = np.exp(values.astype(np.float64))
for name, flags in (("plain", []), ("packed", ["--compress"])):
    tegula.compile("softmax.onnx", name + ".so", device="cuda:sm_70,sm_75", extra=flags)
    emulated.save_runs(name, [{"x": values}])
for chip in (70, 75, 80):
    emulated.run_all(chip, 0, ["plain", "packed"])
    for name in ("plain", "packed"):
        emulated.check(name, chip, [(powers / powers.sum(-1, keepdims=True), 1e-6)])
