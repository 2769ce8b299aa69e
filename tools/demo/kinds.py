"""The kind of a file from its bytes: magika's model and its way to cut the bytes out of a file."""

import io
import json
import struct
import zlib

import numpy as np


def features(data, config):
    """bytes: [1, 2048] int32, the first and last 1024 bytes without surrounding white space, padded with 256."""
    block = min(config["block_size"], len(data))
    begin = data[:block].lstrip()[:config["beg_size"]]
    end = data[len(data) - block:].rstrip()[-config["end_size"]:]
    x = np.full(config["beg_size"] + config["end_size"], config["padding_token"], np.int32)
    x[:len(begin)] = np.frombuffer(begin, np.uint8)
    x[x.size - len(end):] = np.frombuffer(end, np.uint8)
    return x[None]


def load_config(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def png(width=64, height=48):
    """A small picture as PNG bytes."""
    rows = b"".join(b"\0" + bytes((x * 4 + c * y) & 255 for x in range(width) for c in range(3)) for y in range(height))
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, io.SEEK_END)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        out.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return out.getvalue()
