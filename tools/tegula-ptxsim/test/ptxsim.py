"""What the tests share: make a kernel, run it with ptxsim-run, look at what came out."""
import json
import os
import re
import subprocess
import tempfile

import numpy as np

RUN = os.environ.get("PTXSIM_RUN", "ptxsim-run")
HEAD = ".version 8.7\n.target sm_{sm}\n.address_size 64\n"


class Failure(Exception):
    pass


def kernel(body, parameters, registers="", sm=90, before="", name="k", head=None):
    """A text with one kernel; parameters are types (".u64 p0")."""
    listed = ",\n".join(f"  .param {p}" for p in parameters)
    return (head or HEAD.format(sm=sm)) + f"{before}\n.visible .entry {name}(\n{listed}\n)\n{{\n{registers}\n{body}\n}}\n"


def run(ptx, arguments, grid=(1, 1, 1), block=(32, 1, 1), shared=0, name="k", settings=None, outputs=None):
    """Runs a kernel. Arguments are strings for ptxsim-run, arrays (in and out) or ("out", dtype, count). Returns the
    report and the arrays after the run, in order."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "k.ptx")
        with open(path, "w") as f:
            f.write(ptx)
        words, arrays = [], []
        for number, argument in enumerate(arguments):
            if isinstance(argument, str):
                words.append(argument)
                continue
            file = os.path.join(folder, f"{number}.bin")
            if isinstance(argument, tuple):
                _, dtype, count = argument
                words.append(f"out:{file}:{np.dtype(dtype).itemsize * count}")
                arrays.append((file, np.dtype(dtype), (count,)))
            else:
                argument.tofile(file)
                words.append(f"inout:{file}")
                arrays.append((file, argument.dtype, argument.shape))
        sizes = [",".join(str(x) for x in s) for s in (grid, block)]
        command = [RUN, path, name, "--grid", sizes[0], "--block", sizes[1], "--shared", str(shared), "--json"] + words
        environment = dict(os.environ, **(settings or {}))
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode not in (0, 1):
            raise Failure(done.stderr.strip() or f"status {done.returncode}")
        report = json.loads(done.stdout)
        return report, [np.fromfile(f, t).reshape(s) for f, t, s in arrays]


def check(ptx):
    """What `--check-only` says, empty if all is well."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as f:
        f.write(ptx)
        f.flush()
        done = subprocess.run([RUN, f.name, "--check-only"], capture_output=True, text=True)
        return done.stderr.strip()


def assemble(ptx, sm):
    """ptxas's complaints about a text; empty without ptxas (in $PTXAS) or if it has none."""
    ptxas = os.environ.get("PTXAS")
    if not ptxas:
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as f:
        f.write(ptx)
        f.flush()
        done = subprocess.run([ptxas, f"-arch=sm_{sm}", f.name, "-o", "/dev/null"], capture_output=True, text=True)
        return done.stderr.strip() if done.returncode else ""


def kinds(report):
    return sorted({f["kind"] for f in report["faults"]})
