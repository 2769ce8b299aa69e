"""Compiles the public models that may lie beside the source (../shared/models), and compares with their references.

  shared_models.py --out DIR [--only REGEX] [--shared DIR] [--time-limit S]

Tolerance: 1e-3 of the standard deviation of each output; where activations are quantised 0.4, as deep networks amplify a
step of rounding (other engines differ by 0.2 to 0.3), 0.15 with f16 and 0.6 with bf16, whose references are those of f32.
Everything is skipped where the folder is missing. Those of real.py are compiled for the shapes of their reference inputs,
the others as they are, dynamic dimensions included. Each model is compiled and run in a process of its own; its files are
removed.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import re
import subprocess
import sys

import numpy as np
import onnx

import compare

TOLERANCE, F16_TOLERANCE, BF16_TOLERANCE, QUANTISED_TOLERANCE = 1e-3, 0.15, 0.6, 0.4
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def load_module(path):
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tolerance_of(entry):
    if {"QuantizeLinear", "DynamicQuantizeLinear"} & set(entry["ops"]):
        return QUANTISED_TOLERANCE
    types = entry["params_by_dtype"]
    return BF16_TOLERANCE if "BFLOAT16" in types else F16_TOLERANCE if "FLOAT16" in types else TOLERANCE


def check(path, artifact, reference, inputs, materialize, limit, shapes=None):
    outputs, compile_s, run_s = compare.compile_and_run(path, artifact, inputs, shapes=shapes, timeout=limit)
    errors = materialize.compare(reference, outputs)
    assert errors, "the reference names no output"
    error = max(relative for _, relative in errors.values())
    return error, f", compiled in {compile_s:.1f} s, ran in {run_s * 1e3:.1f} ms"


def stripped(args, name, channel):
    """One model whose weights are made from recipes."""
    materialize = load_module(os.path.join(args.shared, "models", "materialize.py"))
    model = materialize.load(os.path.join(args.shared, "models", name + ".onnx"))
    inputs = materialize.make_inputs(model)
    path, artifact = os.path.join(args.out, name + ".onnx"), os.path.join(args.out, name + ".so")
    onnx.save(materialize.materialize(model)[0], path)
    del model
    reference = os.path.join(args.shared, "models", name + ".npz")
    report(channel, lambda: check(path, artifact, reference, inputs, materialize, args.time_limit))


def real(args, name, channel):
    """One model of real.py, which has written it to args.out; compiled for the shapes of its reference inputs."""
    materialize = load_module(os.path.join(args.shared, "models", "materialize.py"))
    reference = os.path.join(args.shared, "models", "real", name + ".npz")
    with np.load(reference, allow_pickle=False) as arrays:
        inputs = {key[3:]: arrays[key] for key in arrays.files if key.startswith("in/")}
    path, artifact = os.path.join(args.out, name + ".onnx"), os.path.join(args.out, name + ".so")
    shapes = {key: array.shape for key, array in inputs.items()}
    report(channel, lambda: check(path, artifact, reference, inputs, materialize, args.time_limit, shapes))


def report(channel, run):
    import tegula

    try:
        channel.send(run())
    except (tegula.CompileError, tegula.RunError, AssertionError, KeyError) as problem:
        channel.send(f"{type(problem).__name__}: {problem}")


def isolated(work, args, name):
    """Runs work(args, name, channel) in a process of its own; its result, or AssertionError with what went wrong."""
    channel, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(args, name, other))
    process.start()
    other.close()
    try:
        result = channel.recv() if channel.poll(args.time_limit + 300) else "not done in time"
    except EOFError:
        result = None
    process.kill() if result == "not done in time" else None
    process.join()
    compare.remove(*(os.path.join(args.out, name + suffix) for suffix in (".onnx", ".so")))
    assert result is not None, f"the process that ran it ended with {process.exitcode}"
    assert not isinstance(result, str), result
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--shared", default=os.path.join(ROOT, "..", "shared"))
    parser.add_argument("--time-limit", type=float, default=300)
    args = parser.parse_args()
    tally = compare.Tally()
    listing = os.path.join(args.shared, "models", "models.json")
    if not os.path.exists(listing):
        tally.add("skipped", "public models", "the folder shared does not lie beside the source")
        return tally.finish()
    os.makedirs(args.out, exist_ok=True)
    with open(listing, encoding="utf-8") as file:
        entries = json.load(file)
    for entry in entries:
        name = entry["name"]
        if not re.search(args.only, name):
            continue
        tally.check(name, tolerance_of(entry), lambda: isolated(stripped, args, name))
    names = sorted(file[:-4] for file in os.listdir(os.path.join(args.shared, "models", "real")) if file.endswith(".npz"))
    names = [name for name in names if re.search(args.only, name)]
    if names:
        subprocess.run([sys.executable, os.path.join(args.shared, "models", "real.py"), args.out], check=True,
                       stdout=subprocess.DEVNULL)
    for name in names:
        tally.check(name, TOLERANCE, lambda: isolated(real, args, name))
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
