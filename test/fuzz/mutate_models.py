"""Small models with random damage: tegulac must say what is wrong or compile them, never crash, hang or stay silent.

  mutate_models.py TEGULAC FOLDER [--seed N] [--count N] [--stop-after STAGE]

Every mutant is changed in a field or two that protobuf still reads (numbers, names, types, removed or doubled parts),
a quarter of them in bytes, too. A failing mutant stays in FOLDER as seed-number.onnx.
"""

# RUN: rm -rf %t && mkdir %t && %python %s %tegulac %t --count 120

import argparse
import os
import random
import resource
import struct
import subprocess
import sys

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from onnx import TensorProto, helper, numpy_helper

NUMBERS = [0, 1, -1, 2, -2, 3, 7, 99, -99, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63)]


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, weights):
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [value(*i) for i in inputs], [value("y", None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def bases():
    node, ones, ints = helper.make_node, lambda *s: np.ones(s, np.float32), lambda *v: np.array(v, np.int64)
    convolution = [node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], group=1),
                   node("BatchNormalization", ["c", "b", "b", "b", "b"], ["n"]), node("Relu", ["n"], ["r"]),
                   node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2], dilations=[1, 1]),
                   node("Flatten", ["p"], ["f"], axis=1), node("Gemm", ["f", "g"], ["y"], transB=1)]
    yield model(convolution, [("x", [1, 2, 8, 8])], {"w": ones(4, 2, 3, 3), "b": ones(4), "g": ones(5, 16)})
    shapes = [node("Shape", ["x"], ["s"]), node("Gather", ["s", "i"], ["d"], axis=0),
              node("Concat", ["d", "m"], ["t"], axis=0), node("Reshape", ["x", "t"], ["r"]),
              node("Transpose", ["r"], ["q"], perm=[1, 0]), node("Slice", ["q", "b", "e", "a", "k"], ["l"]),
              node("Pad", ["l", "p"], ["z"], mode="constant"), node("ReduceMean", ["z", "a"], ["y"], keepdims=1)]
    vectors = {"i": ints(0), "m": ints(-1), "b": ints(0), "e": ints(4), "a": ints(0), "k": ints(2), "p": ints(0, 1, 0, 1)}
    yield model(shapes, [("x", ["N", 2, 3])], vectors)
    select = [node("TopK", ["x", "k"], ["v", "j"], axis=-1), node("GatherElements", ["x", "j"], ["h"], axis=1),
              node("Split", ["h"], ["u", "w"], axis=0, num_outputs=2), node("Expand", ["u", "s"], ["o"]),
              node("Tile", ["o", "r"], ["t"]), node("Resize", ["t", "", "c"], ["y"], mode="nearest")]
    yield model(select, [("x", [2, 4])], {"k": ints(2), "s": ints(3, 2), "r": ints(1, 2), "c": np.float32([1, 2])})
    recurrent = [node("LSTM", ["x", "w", "r"], ["h"], hidden_size=3, direction="forward"),
                 node("Squeeze", ["h", "a"], ["q"]), node("LayerNormalization", ["q", "g"], ["n"], axis=-1),
                 node("Einsum", ["n", "n"], ["e"], equation="tbh,tbk->bhk"), node("Softmax", ["e"], ["y"], axis=2)]
    yield model(recurrent, [("x", [4, 1, 2])], {"w": ones(1, 12, 2), "r": ones(1, 12, 3), "a": ints(1), "g": ones(3)})


def messages(proto):
    """The message and all inside it."""
    yield proto
    for field, content in proto.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in content if hasattr(content, "append") or hasattr(content, "add") else [content]:
                yield from messages(inner)


def damage(proto, draw):
    """Changes one field somewhere."""
    places = [(m, f) for m in messages(proto) for f, _ in m.ListFields() if f.name != "doc_string"]
    message, field = draw.choice(places)
    # Most damage to names and to whole messages is found at once; numbers get further.
    coarse = field.type in (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING)
    if coarse and draw.random() < 0.85:
        return damage(proto, draw)
    content = getattr(message, field.name)
    repeated = not isinstance(content, (int, float, str, bytes)) and hasattr(content, "__len__")
    names = [o for n in proto.graph.node for o in [*n.input, *n.output, n.op_type]] + ["", "nowhere"]
    if repeated and draw.random() < 0.4:
        at = draw.randrange(len(content))
        if draw.random() < 0.5:
            del content[at]
        else:
            content.append(content[at])
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        message.ClearField(field.name)
    else:
        text = draw.choice(names)
        real = draw.choice([0.0, -1.0, 1e30, float("nan")])
        # Raw data keeps its length mostly: one of its elements changes.
        element = struct.pack("<q", draw.choice(NUMBERS)) if draw.random() < 0.7 else struct.pack("<ff", real, real)
        raw = element + content[8:] if isinstance(content, bytes) and len(content) >= 8 else draw.randbytes(5)
        new = {"str": text, "bytes": raw, "float": real}
        sample = content[0] if repeated else content
        wide = field.type in (FieldDescriptor.TYPE_INT64,)
        number = draw.choice(NUMBERS if wide else [n for n in NUMBERS if abs(n) < 1 << 31])
        if field.type == FieldDescriptor.TYPE_ENUM:
            number = draw.randrange(0, 12)
        fresh = new.get(type(sample).__name__, number)
        if repeated:
            content[draw.randrange(len(content))] = fresh
        else:
            setattr(message, field.name, fresh)


def damage_bytes(data, draw):
    data = bytearray(data)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(data))
        data[at] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])
    return bytes(data)


def mutant(seed):
    draw = random.Random(seed)
    proto = draw.choice(list(bases()))
    for _ in range(draw.choice([1, 1, 1, 2])):
        try:
            damage(proto, draw)
        except (ValueError, TypeError):  # a number that the field does not take
            pass
    data = proto.SerializeToString()
    return damage_bytes(data, draw) if data and draw.random() < 0.25 else data


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 22))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tegulac")
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--stop-after", default="import")
    arguments = parser.parse_args()
    failures, codes = 0, {}
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        path = os.path.join(arguments.folder, f"seed-{seed}.onnx")
        with open(path, "wb") as file:
            file.write(mutant(seed))
        command = [arguments.tegulac, path, f"--stop-after={arguments.stop_after}", "-o", "/dev/null"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", preexec_fn=limit)
        codes[done.returncode] = codes.get(done.returncode, 0) + 1
        if done.returncode not in (0, 1, 4) or (done.returncode != 0 and "error[T" not in done.stderr):
            failures += 1
            print(f"{path}: exit code {done.returncode}: {done.stderr[:300]}")
        else:
            os.remove(path)
    print(f"exit codes: {dict(sorted(codes.items()))}")
    sys.exit(failures > 0 or len(codes) < 2)  # damage that never shows would test nothing


if __name__ == "__main__":
    main()
