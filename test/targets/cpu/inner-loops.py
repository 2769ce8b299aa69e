# The hot loops of a whole network on each instruction set: the innermost loops with the most multiply-adds have vector
# ones only, as many as a tile of registers holds, and leave the stack alone; nothing gathers. By llvm-mca's models of some
# cores they run at the rate of the multiply-adds. Objects are of the machine
# that was asked for.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac %source/test/models
import re
import subprocess
import sys

import numpy as np
import onnx

tool = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import networks  # noqa: E402

# Flags; the ELF machine (e_machine); what a vector multiply-add is, and a scalar one; how many the tile needs at least.
TARGETS = {
    "avx2": (["--target=x86_64-linux-gnu", "-mcpu=x86-64-v3"], 62, r"vfmadd231ps\s.*%ymm\d+$", r"vfmadd\d+ss\s", 8),
    "avx512": (["--target=x86_64-linux-gnu", "-mcpu=x86-64-v4"], 62, r"vfmadd231ps\s.*%zmm\d+$", r"vfmadd\d+ss\s", 8),
    "neon": (["--target=aarch64-linux-gnu"], 183, r"fmla\s+v\d+\.4s, v\d+\.4s, v\d+\.(4s|s\[\d\])$", r"fmadd\s", 8),
    "sve": (["--target=aarch64-linux-gnu", "-mcpu=neoverse-v1"], 183, r"fmla\s+z\d+\.s, p\d/m, ", r"fmadd\s|fmla\s+v", 16),
    "rvv": (["--target=riscv64-linux-gnu", "-mattr=+v"], 243, r"vfmacc\.v[fv]\s+v\d+, ", r"fmadd\.s\s", 8),
    # No vectors without the extension V.
    "riscv": (["--target=riscv64-linux-gnu"], 243, r"fmadd\.s\s", r"v(set|f|le)\w*[\s.]", 4),
}
# A core of the kind, vector multiply-adds that it starts in a cycle, and how much slower than that its best and its worst
# loop may be. With AVX-512 those of one vector a row (16 channels) wait for their reads; on AArch64 each element of the left
# side takes a vector pipe to be spread (ld1r, mov).
CORES = {"avx2": ("x86_64", "znver3", 2, 1.1, 1.5), "avx512": ("x86_64", "znver4", 1, 1.1, 1.6),
         "neon": ("aarch64", "neoverse-n1", 2, 1.5, 2.4), "sve": ("aarch64", "neoverse-v1", 2, 1.6, 1.8)}
GATHER = re.compile(r"\bvp?gather|\bvl[uo]xei\d|\bvlse\d+\.v|\bld1[wd]\s.*z\d+\.[sd], [us]xtw")
STACK = re.compile(r"\(sp\)|\[sp\b|\(%rsp")
BRANCH = re.compile(r"\s(?:j[a-z]+|b|b\.\w+|cbn?z|tbn?z|b[a-z]+)\s(?:.*[ \t,])?(\.L\w+)$")


def innermost_loops(lines):
    """The bodies of loops that hold no other loop: from a label to the last branch back to it."""
    labels, loops = {}, {}
    for number, line in enumerate(lines):
        label = re.match(r"(\.L\w+):", line)
        if label:
            labels[label[1]] = number
        branch = BRANCH.search(line)
        if branch and branch[1] in labels:
            loops[labels[branch[1]]] = number
    for begin, end in loops.items():
        if not any(begin < other <= end for other in loops):
            yield lines[begin:end + 1]


def clean(line, comment):
    return line.split(comment)[0].rstrip() if not line.startswith("\t.") else ""


def count(pattern, lines):
    return sum(bool(re.search(r"\s" + pattern, line)) for line in lines)


def cycles(loop, triple, core):
    """Of one iteration, by llvm-mca."""
    done = subprocess.run(["llvm-mca-22", f"-mtriple={triple}", f"-mcpu={core}", "-iterations=200"],
                          input="\n".join(loop), capture_output=True, text=True, check=True)
    return int(re.search(r"Total Cycles:\s+(\d+)", done.stdout)[1]) / 200


onnx.save(networks.resnet(), "resnet.onnx")
for name, (flags, machine, vector, scalar, least) in TARGETS.items():
    for output in (f"{name}.s", f"{name}.o"):
        subprocess.run([tool, "resnet.onnx", *flags, "-o", output], check=True)
    with open(f"{name}.o", "rb") as file:
        header = file.read(20)
    assert header[:4] == b"\x7fELF" and header[4] == 2, header
    assert int.from_bytes(header[16:18], "little") == 1, (name, "not relocatable", header)
    assert int.from_bytes(header[18:20], "little") == machine, (name, machine, header)
    with open(f"{name}.s", encoding="utf-8") as file:
        lines = [clean(line, "//" if name in ("neon", "sve") else "#") for line in file]
    gathers = [line for line in lines if GATHER.search(line)]
    assert not gathers, (name, gathers)
    loops = sorted(innermost_loops(lines), key=lambda loop: count(vector, loop), reverse=True)
    hot = [loop for loop in loops if count(vector, loop) >= least]
    # The network has seven convolutions of three by three.
    assert len(hot) >= 3, (name, [count(vector, loop) for loop in loops])
    for loop in hot:
        assert not count(scalar, loop), (name, "\n".join(loop))
        assert not any(STACK.search(line) for line in loop), (name, "\n".join(loop))
    if name in CORES:
        *core, rate, best, worst = CORES[name]
        excess = sorted(cycles(loop, *core) * rate / count(vector, loop) for loop in hot)
        assert excess[0] < best and excess[-1] < worst, (name, excess)

# Of 8 bits: an image of three channels, whose loop over the channels (filled up to four) is unrolled, then many. Weights
# are read as wide as they are multiplied, and the sums stay in registers.
SUMS = {"x86-64-v3": (r"vpmaddwd\s.*%ymm\d+$", (24, 12)), "znver4": (r"vpdpbusd\s.*%zmm\d+$", (8, 8))}


def quantized_convolutions():
    random = np.random.Generator(np.random.PCG64(5))
    tensors = {"s": np.float32(0.05), "z": np.uint8(7), "t": np.float32(0.01), "u": np.float32(0.5)}
    tensors["w1"] = random.integers(-127, 128, (48, 3, 3, 3)).astype(np.int8)
    tensors["w2"] = random.integers(-127, 128, (48, 48, 3, 3)).astype(np.int8)
    nodes, value = [], "x"
    for number in (1, 2):
        nodes += [onnx.helper.make_node("DequantizeLinear", [value, "s", "z"], [f"a{number}"]),
                  onnx.helper.make_node("DequantizeLinear", [f"w{number}", "t"], [f"b{number}"]),
                  onnx.helper.make_node("Conv", [f"a{number}", f"b{number}"], [f"c{number}"], f"conv{number}"),
                  onnx.helper.make_node("QuantizeLinear", [f"c{number}", "u", "z"], [f"y{number}"])]
        value = f"y{number}"
    ports = [onnx.helper.make_tensor_value_info(key, onnx.TensorProto.UINT8, shape)
             for key, shape in (("x", [1, 3, 36, 36]), (value, [1, 48, 32, 32]))]
    initializers = [onnx.numpy_helper.from_array(np.asarray(array), key) for key, array in tensors.items()]
    graph = onnx.helper.make_graph(nodes, "quantized", ports[:1], ports[1:], initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


onnx.save(quantized_convolutions(), "quantized.onnx")
for cpu, (sum_, counts) in SUMS.items():
    target = ["--target=x86_64-linux-gnu", f"-mcpu={cpu}", "-O3"]
    subprocess.run([tool, "quantized.onnx", *target, "-o", f"{cpu}.s"], check=True)
    with open(f"{cpu}.s", encoding="utf-8") as file:
        lines = [clean(line, "#") for line in file]
    hot = [loop for loop in innermost_loops(lines) if count(sum_, loop) >= min(counts)]
    found = sorted({count(sum_, loop) for loop in hot}, reverse=True)
    assert all(any(number >= least for number in found) for least in counts), (cpu, found)
    for loop in hot:
        assert not count(r"vpmovsx", loop), (cpu, "\n".join(loop))
        # Two steps side by side may have one sum of twelve wait outside: by llvm-mca's model they are not slower for it.
        assert sum(bool(STACK.search(line)) for line in loop) <= (2 if count(sum_, loop) > 12 else 0), "\n".join(loop)

# Depthwise: four places of the window at a time with VNNI, two with AVX2 and the like, weights that stay in registers.
g = networks.Quantized("depthwise", 4)
onnx.save(g.end(g.layer("Conv", g.start([1, 96, 30, 30]), 96, 1, 3, 3, group=96), [1, 96, 28, 28]), "depthwise.onnx")
for flags, sum_, least, scattered in (
        (["--target=x86_64-linux-gnu", "-mcpu=x86-64-v3"], r"vpmaddwd\s", 10, r"vpmulld"),
        (["--target=x86_64-linux-gnu", "-mcpu=znver4"], r"vpdpbusd\s", 12, r"vpmulld|vpmaddwd"),
        (["--target=aarch64-linux-gnu", "-mcpu=neoverse-v1"], r"usdot\s", 12, r"s?ml[as]l?2?\s")):
    subprocess.run([tool, "depthwise.onnx", *flags, "-O3", "-o", "depthwise.s"], check=True)
    with open("depthwise.s", encoding="utf-8") as file:
        lines = [clean(line, "//" if "aarch64" in flags[0] else "#") for line in file]
    hot = [loop for loop in innermost_loops(lines) if count(sum_, loop) >= least]
    assert hot and not any(count(scattered, loop) for loop in hot), (flags, len(hot))
