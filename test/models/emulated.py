"""What tests of CUDA share: models that run in a process of their own (what is emulated is chosen when the driver starts),
the PTX of artifacts, and NVIDIA's assembler.
"""

import os
import re
import subprocess
import sys

import numpy as np
import tegula

# Models by name, NAME.so on NAME.npz, into NAME-got.npz: real numbers in double precision.
RUN = """
import sys, numpy as np, ml_dtypes, tegula
for name in sys.argv[1:]:
    model = tegula.load(name + ".so")
    feeds = dict(np.load(name + ".npz"))
    for key, value in feeds.items():
        if value.dtype.kind == "V":  # NumPy forgets the name of this type
            feeds[key] = value.view(ml_dtypes.bfloat16)
    runs = sorted({key.split("/")[0] for key in feeds})
    got = [model.run({key.split("/")[1]: feeds[key] for key in feeds if key.startswith(run + "/")}) for run in runs]
    outputs = [np.asarray(next(iter(one.values()))) for one in got]
    np.savez(name + "-got.npz", *(y if y.dtype.kind in "iu" else y.astype(np.float64) for y in outputs))
"""


def environment_of(chip, order):
    """Variables for a process that emulates `chip`, with warps in the order of the seed `order` (0: as they come)."""
    return dict(os.environ, PTXSIM_SM=str(chip), **({"PTXSIM_ORDER": str(order)} if order else {}))


def save_runs(name, runs):
    """The values of the inputs by name, of each run."""
    np.savez(name + ".npz", **{f"{number}/{key}": value for number, run in enumerate(runs) for key, value in run.items()})


def run_all(chip, order, names):
    subprocess.run([sys.executable, "-c", RUN, *names], check=True, env=environment_of(chip, order))


def check(name, chip, expected):
    """`expected` has the result of each run, and how far from it one may be; what is not a number is none there either."""
    with np.load(name + "-got.npz") as outputs:
        assert len(outputs.files) == len(expected)
        for number, (file, (want, bound)) in enumerate(zip(outputs.files, expected)):
            got, where = outputs[file], f"{name}, sm_{chip}, run {number}"
            assert got.shape == want.shape, f"{where}: {got.shape} instead of {want.shape}"
            wrong = ~(np.abs(got - want) <= bound) & ~(np.isnan(got) & np.isnan(want))
            margin = np.broadcast_to(bound, wrong.shape)
            assert not wrong.any(), (f"{where}: {wrong.sum()} of {wrong.size} wrong, first at {np.argwhere(wrong)[0]}: "
                                     f"{got[wrong][0]} instead of {want[wrong][0]} +- {margin[wrong][0]}")


def take_turns(cases, every=6):
    """Leaves each case one of its chips, in turn, and every sixth all of them."""
    for number, case in enumerate(cases):
        own = [chip for chip in case.chips if chip <= 80]
        if number % every:
            case.chips = (own[number % len(own)], )


def texts_of(artifact):
    """The PTX of each chip, which the artifact holds as text."""
    with open(artifact, "rb") as file:
        texts = re.findall(rb"(\.version .*?)\0", file.read(), re.DOTALL)
    return {int(re.search(rb"\.target sm_(\d+)", text).group(1)): text for text in texts}


def assemble(name, chip, text, build, most=255):
    """Checks that the kernels have no spills and `most` registers at most."""
    ptxas = os.path.join(build, "bin", "ptxas")
    if not os.path.exists(ptxas):
        print(f"{name}, sm_{chip}: not assembled, there is no ptxas in the build")
        return
    with open("kernels.ptx", "wb") as file:
        file.write(text)
    told = subprocess.run([ptxas, f"-arch=sm_{chip}", "-v", "kernels.ptx", "-o", "kernels.cubin"], check=True,
                          stderr=subprocess.PIPE, text=True).stderr
    spills = [int(count) for count in re.findall(r"(\d+) bytes spill", told)]
    registers = [int(count) for count in re.findall(r"Used (\d+) registers", told)]
    assert spills and not any(spills), f"{name}, sm_{chip}: spilled registers"
    assert max(registers) <= most, f"{name}, sm_{chip}: {max(registers)} registers"


class Attempts:
    """Calls that may fail, of which all are told at the end."""

    def __init__(self):
        self.failures = []

    def __call__(self, function, *arguments):
        try:
            function(*arguments)
            return True
        except (AssertionError, tegula.CompileError, tegula.CompilerCrash, subprocess.CalledProcessError) as problem:
            self.failures.append(str(problem))
            return False

    def end(self):
        sys.exit("\n".join(self.failures) or 0)
