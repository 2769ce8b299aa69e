"""onnx.backend.base.Backend over the compiler, so that ONNX's own test-suite drives it.

    model = tegula.backend.prepare(onnx.load("model.onnx"))     # a ModelProto or a path
    outputs = model.run([x])
"""

import os
import shutil
import tempfile

import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep

from .driver import compile
from .model import load


class TegulaRep(BackendRep):
    """A compiled model. `run` takes a list or a dict of arrays and returns a tuple in the order of the outputs."""

    def __init__(self, model):
        self.model = model

    def run(self, inputs, **kwargs):
        if not isinstance(inputs, (dict, list, tuple)):
            inputs = [inputs]
        return tuple(self.model.run(inputs, **kwargs).values())


class TegulaBackend(Backend):
    """Compiles for the CPU, or for NVIDIA's GPUs: "CUDA", or "CUDA:sm_75" for one kind of them. What the compiler refuses
    raises tegula.CompileError with its message."""

    @classmethod
    def supports_device(cls, device):
        return device.split(":")[0] in ("CPU", "CUDA")

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model, device="CPU", threads=1, **options):
        """`options` are those of tegula.compile. The artifact's file is gone afterwards; its mapping stays."""
        if not cls.supports_device(device):
            raise ValueError(f"device {device!r} is not supported, only 'CPU' and 'CUDA'")
        folder = tempfile.mkdtemp(prefix="tegula-")
        try:
            if isinstance(model, onnx.ModelProto):
                path = os.path.join(folder, "model.onnx")
                with open(path, "wb") as file:
                    file.write(model.SerializeToString())
            else:
                path = os.fspath(model)
            kind, _, chips = device.partition(":")
            options.setdefault("device", kind.lower() + (":" + chips if kind == "CUDA" and chips else ""))
            artifact = compile(path, os.path.join(folder, "model.so"), name="model", **options)
            return TegulaRep(load(artifact, threads=threads, name="model"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, opset_version=None, **kwargs):
        """Runs one node; its inputs' types are those of the arrays, `outputs_info` a list of (dtype, shape)."""
        names = [name for name in node.input if name]
        values = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                  for name, array in zip(names, inputs)]
        if outputs_info:
            results = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)
                       for name, (dtype, shape) in zip(node.output, outputs_info)]
        else:
            results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "node", values, results)
        opset = helper.make_opsetid(node.domain, opset_version or onnx.defs.onnx_opset_version())
        model = helper.make_model(graph, opset_imports=[opset])
        if not outputs_info:
            model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        return cls.run_model(model, list(inputs), device, **kwargs)


prepare = TegulaBackend.prepare
run_model = TegulaBackend.run_model
run_node = TegulaBackend.run_node
supports_device = TegulaBackend.supports_device
is_compatible = TegulaBackend.is_compatible
