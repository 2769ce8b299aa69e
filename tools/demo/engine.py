"""One way to open a model for the demo: compile it with Tegula, or hand it to ONNX Runtime for comparison."""

import os
import time

import numpy as np

COMPILE_LIMIT_S = 300


class Engine:
    """A model ready to run, with the times that it took. `name`: what the report calls it."""

    def __init__(self, name, path, shapes, folder, peer=None, threads=0):
        self.name, self.runs = name, []
        begin = time.perf_counter()
        if peer == "ort":
            import onnxruntime

            self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            self.compile_s, self.load_s, self.bytes = 0.0, time.perf_counter() - begin, os.path.getsize(path)
            return
        import tegula

        artifact = os.path.join(folder, os.path.splitext(os.path.basename(path))[0] + ".so")
        tegula.compile(path, artifact, cpu="native", shapes=shapes, opt=3, timeout=COMPILE_LIMIT_S)
        self.compile_s = time.perf_counter() - begin
        begin = time.perf_counter()
        self.session = tegula.load(artifact, threads=threads)
        self.load_s, self.bytes = time.perf_counter() - begin, os.path.getsize(artifact)

    def __call__(self, x):
        """Runs the model on its one input; returns its one output."""
        begin = time.perf_counter()
        if hasattr(self.session, "get_inputs"):
            y = self.session.run(None, {self.session.get_inputs()[0].name: x})[0]
        else:
            y = next(iter(self.session.run([x]).values()))
        self.runs.append(time.perf_counter() - begin)
        return np.asarray(y)

    def row(self):
        """Name, KB, and milliseconds to compile, load and run (median)."""
        return (self.name, self.bytes / 1024, self.compile_s * 1e3, self.load_s * 1e3,
                float(np.median(self.runs)) * 1e3 if self.runs else float("nan"))
