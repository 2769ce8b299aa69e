"""Compile ONNX models to native artifacts and run them.

    import tegula
    tegula.compile("model.onnx", "model.so", cpu="native", shapes={"x": (1, 3, 224, 224)})
    model = tegula.load("model.so", threads=2)
    y = model.run({"x": x})["y"]
    tegula.quantize("model.onnx", "q.onnx", [{"x": x}])

A thin layer: `compile` calls the driver `tegulac`, `quantize` the quantizer, `load` opens an artifact through its C
interface (runtime/tegula.h).
"""

from .driver import CompileError, CompilerCrash, compile, quantize
from .model import Model, RunError, TensorInfo, load

__version__ = "0.1.0"
__all__ = ["compile", "quantize", "load", "Model", "TensorInfo", "CompileError", "CompilerCrash", "RunError", "backend"]


def __getattr__(name):
    # Imported on first use: it needs the package onnx, which running an artifact does not.
    if name == "backend":
        import importlib

        return importlib.import_module(".backend", __name__)
    raise AttributeError(f"module 'tegula' has no attribute {name!r}")
