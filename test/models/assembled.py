"""Assembles the kernels of models for each GPU with NVIDIA's assembler, and checks what comes out.

  assembled.py --build DIR --models DIR --out DIR [--only REGEX] [--part K/N] [--jobs N] [--time-limit S]

Of each kernel, what it calls included:
  - no register is spilled and nothing else is on the stack either, which is as far away as global memory
  - a block takes no more registers than a multiprocessor has, and no more shared memory than a kernel may name
  - each mma.sync of the PTX is in the machine code (more are, where loops were unrolled)
A model most of whose weights are f16, bf16 or bytes and that has a product of 16 rows has such instructions for the
GPUs that know them. Models are the files *.onnx of a folder and those in it; --part 1/6 takes every sixth, from the
first on. A test is a model for one GPU; the PTX of one that fails stays in --out.
"""

import argparse
import concurrent.futures
import functools
import glob
import itertools
import math
import os
import pathlib
import re
import struct
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto

import compare

CHIPS = (70, 75, 80, 90)
CORES = {TensorProto.FLOAT16: CHIPS, TensorProto.BFLOAT16: (80, 90), TensorProto.INT8: (75, 80, 90),
         TensorProto.UINT8: (75, 80, 90)}
SM_REGISTERS, SHARED_BYTES = 65536, 48 * 1024
THREADS = 256  # of a block at most, where the PTX does not say how many it has
# From sm_70 on an instruction has 16 bytes, and its lowest 12 bits say which: HMMA.884, IMMA and the later HMMA.
MATRIX_OPCODES = (0x236, 0x237, 0x23c)


def has_rows(model):
    """Whether a product has 16 rows; those of a convolution are places. Convolutions in groups do not count."""
    graph, found = onnx.shape_inference.infer_shapes(model).graph, False
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
              for value in [*graph.value_info, *graph.output]}
    for node in graph.node:
        shape = shapes.get(node.output[0], ())
        grouped = any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
        if re.search("Conv|Gemm|MatMul", node.op_type) and not grouped and len(shape) > 1 and all(shape):
            found |= math.prod(shape) // shape[1 if "Conv" in node.op_type else -1] >= 16
    return found


def chips_with_cores(path):
    """The GPUs for which the model must have matrix instructions."""
    model, elements = onnx.load(path), {}
    constants = [attribute.t for node in model.graph.node if node.op_type == "Constant" for attribute in node.attribute]
    for tensor in [*model.graph.initializer, *constants]:
        elements[tensor.data_type] = elements.get(tensor.data_type, 0) + math.prod(tensor.dims)
    chips = CORES.get(max(elements, key=elements.get, default=None), ())
    return chips if chips and has_rows(model) else ()


def read_ptx(text):
    """Kernel -> threads of a block, number of mma.sync, names of the functions that it consists of."""
    pattern = r"^(?:\.\w+ )*\.(entry|func)\s+(?:\([^)]*\)\s*)?(\w+)\s*\([^;{]*\{.*?^\}"
    bodies = {match[2]: match for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL)}

    def parts_of(name):
        called = re.findall(r"\bcall[^;]*?\b(\w+),\s*\(", bodies[name][0])
        return {name}.union(*(parts_of(other) for other in called if other in bodies))

    kernels = {}
    for name in [name for name, match in bodies.items() if match[1] == "entry"]:
        parts, limit = parts_of(name), re.search(r"^\.(?:max|req)ntid ([\d, ]+)", bodies[name][0], re.MULTILINE)
        threads = math.prod(int(extent) for extent in limit[1].split(",")) if limit else THREADS
        kernels[name] = threads, sum(bodies[part][0].count("mma.sync") for part in parts), parts
    return kernels


def matrix_instructions(path):
    """How many a cubin has, by the name of the kernel or function."""
    cubin = pathlib.Path(path).read_bytes()
    start, = struct.unpack_from("<Q", cubin, 40)
    bytes_each, count, names = struct.unpack_from("<HHH", cubin, 58)
    sections = [struct.unpack_from("<IIQQQQ", cubin, start + i * bytes_each) for i in range(count)]
    counts = {}
    for begin, _, _, _, offset, size in sections:
        begin += sections[names][4]
        name = cubin[begin:cubin.index(b"\0", begin)].decode()
        if name.startswith(".text."):
            opcodes = np.frombuffer(cubin, "<u8", size // 8, offset)[::2] & 0xfff
            counts[name[len(".text."):]] = int(np.isin(opcodes, MATRIX_OPCODES).sum())
    return counts


def check(chip, ptx, log, found, needs_cores):
    """What is wrong, a text each, and a summary. `log`: what ptxas says; `found`: matrix instructions of the cubin."""
    pattern = (r"Function properties for (\S+)\n\s*(\d+) bytes stack frame, (\d+) bytes spill stores, "
               r"(\d+) bytes spill loads(?:\n.*: Used (\d+) registers(?:.*?, (\d+) bytes smem)?)?")
    told = {match[0]: [int(number or 0) for number in match[1:]] for match in re.findall(pattern, log)}
    kernels, most, most_shared, wrong = read_ptx(ptx), 0, 0, []
    for name, (stack, stores, loads, registers, shared) in told.items():
        threads = kernels[name][0] if name in kernels else 0
        most, most_shared = max(most, registers), max(most_shared, shared)
        if stack or stores or loads:
            wrong.append(f"{name}: {stack} bytes of stack, spills of {stores} bytes stored and {loads} loaded")
        # Each thread is given a multiple of eight.
        if registers > 255 or threads * math.ceil(registers / 8) * 8 > SM_REGISTERS:
            wrong.append(f"{name}: {registers} registers for each of {threads} threads")
        if shared > SHARED_BYTES:
            wrong.append(f"{name}: {shared} bytes of shared memory")
    for name, (_, written, parts) in kernels.items():
        got, want = sum(found.get(part, 0) for part in parts), written * (4 if chip == 70 else 1)  # m8n8k4: four steps
        if got < want:
            wrong.append(f"{name}: {got} matrix instructions instead of {want}")
    if not kernels or not kernels.keys() <= told.keys():
        wrong.append(f"ptxas tells of {len(told)} kernels instead of {len(kernels)}")
    written = sum(count for _, count, _ in kernels.values())
    if needs_cores and not written:
        wrong.append("no mma.sync, though most weights are of a type that has it")
    return wrong, (f"{len(kernels)} kernels, {most} registers and {most_shared} bytes of shared memory at most, "
                   f"{written} mma.sync became {sum(found.values())}")


def assemble(args, path, name, chip, needs_cores):
    """Verdict and text of a model for one GPU."""
    ptx, cubin = (os.path.join(args.out, f"{name}_sm_{chip}.{kind}") for kind in ("ptx", "cubin"))
    run = functools.partial(subprocess.run, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=args.time_limit, env=dict(os.environ, TEGULA_PTXAS=""))
    tool = functools.partial(os.path.join, args.build, "bin")
    try:
        run([tool("tegulac"), path, f"--device=cuda:sm_{chip}", "-o", ptx])
        log = run([tool("ptxas"), "-O3", "-v", f"-arch=sm_{chip}", ptx, "-o", cubin]).stdout
        wrong, text = check(chip, pathlib.Path(ptx).read_text(), log, matrix_instructions(cubin), needs_cores)
    except subprocess.SubprocessError as problem:
        told = str(problem.output or "")
        if "is not defined for option 'gpu-name'" in told:
            return "skipped", "ptxas does not know this GPU"
        end = getattr(problem, "returncode", "the time limit")
        return "failed", f"{os.path.basename(problem.cmd[0])} ended with {end}: {' '.join(told.split())[:300]}"
    finally:
        compare.remove(cubin)
    compare.remove(*([] if wrong else [ptx]))
    return ("failed", "; ".join(wrong)) if wrong else ("passed", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--build", "--models", "--out"):
        parser.add_argument(name, required=True)
    for name, value in (("--only", ""), ("--part", "1/1"), ("--jobs", 2), ("--time-limit", 300.0)):
        parser.add_argument(name, type=type(value), default=value)
    args = parser.parse_args()
    tally = compare.Tally()
    first, step = (int(number) for number in args.part.split("/"))
    files = glob.glob("**/*.onnx", root_dir=args.models, recursive=True)
    files = sorted(file for file in files if re.search(args.only, file))[first - 1::step]
    if not files or not os.path.exists(os.path.join(args.build, "bin", "ptxas")):
        tally.add("skipped", "models", "there is no ptxas in the build" if files else f"none in {args.models}")
        return tally.finish()
    os.makedirs(args.out, exist_ok=True)

    def run(file):
        path, name = os.path.join(args.models, file), file[:-len(".onnx")].replace(os.sep, "_")
        cores = chips_with_cores(path)
        return [(f"{name} sm_{chip}", *assemble(args, path, name, chip, chip in cores)) for chip in CHIPS]

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name, verdict, text in itertools.chain.from_iterable(pool.map(run, files)):
            tally.add(verdict, name, text)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
