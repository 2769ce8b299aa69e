"""Compiling a model, running it, and comparing with a reference: what the programs of this folder share."""

import os
import time

import numpy as np
import onnx


def reference(path, inputs):
    """Outputs in order, by ONNX Runtime where it is installed and by ONNX's reference otherwise."""
    try:
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return session.run(None, inputs)
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(onnx.load(path)).run(None, inputs)


def relative_error(got, expected):
    """The largest error in units of the expected output's standard deviation; infinite for another shape or a NaN."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape:
        return np.inf
    if not expected.size:
        return 0.0
    error = np.nan_to_num(np.abs(got - expected), nan=np.inf).max()
    return float(error / (expected.std() + 1e-30)) if error else 0.0


def compile_and_run(path, artifact, inputs, **options):
    """Outputs by name, seconds to compile and to run."""
    import tegula

    begin = time.perf_counter()
    tegula.compile(path, artifact, **options)
    middle = time.perf_counter()
    model = tegula.load(artifact, threads=2)
    loaded = time.perf_counter()
    outputs = model.run(inputs)
    return outputs, middle - begin, time.perf_counter() - loaded


class Tally:
    """Prints a line a test, and the counts at the end."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def add(self, verdict, name, text):
        self.counts[verdict] += 1
        print(f"{verdict.upper() if verdict == 'failed' else verdict:8} {name:28} {text}", flush=True)

    def check(self, name, tolerance, run, unit="of the standard deviation"):
        """`run()` returns the relative error, or another number in `unit`, and a remark."""
        try:
            error, remark = run()
        except Exception as problem:  # a test that breaks is a test that fails; the others go on
            self.add("failed", name, f"{type(problem).__name__}: {problem}")
            return
        verdict = "passed" if error <= tolerance else "failed"
        self.add(verdict, name, f"error {error:.1e} {unit} (at most {tolerance:g}){remark}")

    def finish(self):
        """Prints the counts; returns the exit code."""
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts))
        return 1 if self.counts["failed"] else 0


def remove(*paths):
    for path in paths:
        if os.path.exists(path):
            os.remove(path)
