"""Kernels with a mistake put into their PTX: the emulation or the numbers tell of each.

  mutants.py     in an empty folder
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda TEGULA_PTXAS= %python %s

import os
import re
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import helper

RANDOM = np.random.Generator(np.random.PCG64(5))

# Runs artifacts one after the other: those whose numbers are those of the first, or that fail, by number.
RUN = """
import sys, numpy as np, tegula
feeds, wanted = dict(np.load("feeds.npz")), None
for number, path in enumerate(sys.argv[1:]):
    try:
        got = next(iter(tegula.load(path).run(feeds).values())).astype(np.float64)
    except Exception as problem:
        print(number, "fault", str(problem).splitlines()[0])
        continue
    if wanted is None:
        wanted = got
    print(number, "same" if np.array_equal(wanted, got) else "differs")
"""


def node(op, inputs, output="y", **attributes):
    return helper.make_node(op, inputs.split(), [output], name=op, **attributes)


def model(name, nodes, element, **shapes):
    types = helper.np_dtype_to_tensor_dtype(np.dtype(element))
    values = [helper.make_tensor_value_info(key, types, shape) for key, shape in shapes.items()]
    graph = helper.make_graph(nodes, name, values[:-1], values[-1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), name + ".onnx")
    np.savez(name + ".npz", **{key: RANDOM.standard_normal(shape).astype(element)
                               for key, shape in list(shapes.items())[:-1]})


def blank(text):
    return lambda match: match.group(0).replace(text, b" " * len(text), 1)


def further(match):
    """The number, greater by one; of as many digits."""
    number = str(int(match.group(2)) + 1).encode()
    return match.group(1) + number if len(number) == len(match.group(2)) else match.group(0)


def beside(match):
    """A place 16 bytes off; of as many digits."""
    number = str(int(match.group(2)) ^ 16).encode()
    return match.group(1) + number if len(number) == len(match.group(2)) else match.group(0)


# What is looked for in the PTX, and what takes its place, of the same length. Each occurrence makes a mutant.
MISTAKES = {
    "a barrier is missing": (rb"\tbar\.sync \t0;", lambda match: b" " * len(match.group(0))),
    "a wait is too short": (rb"(cp\.async\.wait_group\s+)(\d+)", further),
    "a matrix is not transposed": (rb"\.trans\.shared\.b16[^;]*;",
                                   lambda match: match.group(0).replace(b".trans", b"", 1) + b" " * 6),
    "a matrix is read beside its place": (rb"(ldmatrix[^;]*\+)(\d+)\]", lambda match: beside(match) + b"]"),
    "a copy goes beside its place": (rb"(cp\.async\.c[ga]\.shared\.global \[%\w+\+)(\d+)", beside),
    "a store goes beside its place": (rb"(st\.shared\.\w+(?:\.\w+)? \t\[%\w+\+)(\d+)", beside),
    "lanes exchange with others": (rb"(shfl\.sync\.bfly\.b32 \t[^;]*, )([124])(?=, 31)",
                                   lambda match: match.group(1) + {b"1": b"8", b"2": b"1", b"4": b"2"}[match.group(2)]),
}


def mutants_of(name, chip, kinds, most):
    """Paths of artifacts that have one mistake each, with what it is."""
    tegula.compile(name + ".onnx", f"{name}.so", device=f"cuda:sm_{chip}")
    with open(f"{name}.so", "rb") as file:
        image = file.read()
    found = []
    for kind in kinds:
        pattern, change = MISTAKES[kind]
        for match in list(re.finditer(pattern, image))[:most]:
            changed = change(match)
            assert len(changed) == len(match.group(0)), (kind, match.group(0), changed)
            if changed == match.group(0):
                continue
            path = f"{name}-{len(found)}.so"
            with open(path, "wb") as file:
                file.write(image[:match.start()] + changed + image[match.end():])
            found.append((path, kind))
    return found


def check(name, chip, kinds, most=3):
    mutants = mutants_of(name, chip, kinds, most)
    os.replace(name + ".npz", "feeds.npz")
    environment = dict(os.environ, PTXSIM_SM=str(chip), PTXSIM_FAIL="1", PTXSIM_QUIET="1")
    told = subprocess.run([sys.executable, "-c", RUN, f"{name}.so", *(path for path, _ in mutants)], check=True,
                          env=environment, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    assert len(told) == len(mutants) + 1 and told[0] == "0 same", f"{name}: {told}"
    lives = [kind for line, (_, kind) in zip(told[1:], mutants) if line.endswith("same")]
    missing = set(kinds) - {kind for _, kind in mutants}
    print(f"{name}, sm_{chip}: {len(mutants)} mutants")
    return [f"{name}, sm_{chip}: nobody noticed that {kind}" for kind in lives] + \
        [f"{name}, sm_{chip}: nowhere can it be that {kind}" for kind in missing]


def main():
    failures = []
    product = [node("MatMul", "x w")]
    for name, chip, kinds in (("ahead", 80, ("a barrier is missing", "a wait is too short", "a matrix is not transposed",
                                             "a copy goes beside its place")),
                              ("turns", 75, ("a barrier is missing", "a matrix is not transposed",
                                             "a matrix is read beside its place", "a store goes beside its place"))):
        model(name, product, np.float16, x=[70, 160], w=[160, 96], y=[70, 96])
        failures += check(name, chip, kinds)
    attention = [node("MatMul", "q k", "s"), node("Softmax", "s", "p", axis=-1), node("MatMul", "p v")]
    model("attention", attention, np.float16, q=[2, 64, 64], k=[2, 64, 192], v=[2, 192, 64], y=[2, 64, 64])
    failures += check("attention", 80, ("a barrier is missing", "a wait is too short", "a matrix is not transposed",
                                        "lanes exchange with others"), most=4)
    model("few", product, np.float32, x=[2, 512], w=[512, 64], y=[2, 64])
    failures += check("few", 75, ("a barrier is missing", "lanes exchange with others"))
    sys.exit("\n".join(failures) or 0)


main()
