"""The engines that are compared: each is opened on a model, and called for one run.

An engine keeps its inputs, so that a run measures the network alone; `outputs()` gives those of the last run, in the
order of the model. One that is not installed raises ImportError when it is opened.
"""

import json
import os
import subprocess
import sys


class Tegula:
    """An artifact, compiled for this machine."""

    def __init__(self, path, threads, inputs):
        import tegula

        self.model, self.inputs = tegula.load(path, threads=threads), inputs
        self.names = [tensor.name for tensor in self.model.outputs]
        self.results = self.model.run(inputs)

    def __call__(self):
        self.results = self.model.run(self.inputs, out=self.results)

    def outputs(self):
        return [self.results[name] for name in self.names]


class OnnxRuntime:
    def __init__(self, path, threads, inputs):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        # Threads that go on spinning after a run would take the next engine's turn.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in inputs.items()}
        for name, value in self.values.items():
            self.binding.bind_ortvalue_input(name, value)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name, "cpu")

    def __call__(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.binding.copy_outputs_to_cpu()


class OpenVino:
    def __init__(self, path, threads, inputs):
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        # It is faster with static shapes; the artifact is compiled for them as well.
        ports = {name: port for port in model.inputs for name in port.get_names()}
        model.reshape({ports[name].get_any_name(): list(array.shape) for name, array in inputs.items()})
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1",
                   "INFERENCE_NUM_THREADS": str(threads)}
        compiled = core.compile_model(model, "CPU", options)
        self.request, self.count = compiled.create_infer_request(), len(compiled.outputs)
        self.tensors = {name: openvino.Tensor(array, shared_memory=True) for name, array in inputs.items()}
        for name, tensor in self.tensors.items():
            self.request.set_tensor(name, tensor)

    def __call__(self):
        self.request.infer()

    def outputs(self):
        return [self.request.get_output_tensor(i).data.copy() for i in range(self.count)]


class Iree:
    """Compiled once, beside the model, for the shapes of the inputs; its tools are programs beside the interpreter."""

    FLAGS = ("--iree-input-type=onnx", "--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=llvm-cpu",
             "--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3", "--iree-opt-data-tiling",
             "--iree-llvmcpu-stack-allocation-limit=262144")  # the default is too small for LayerNormalization at O3
    COMPILE_SECONDS = 120

    def __init__(self, path, threads, inputs):
        import iree.runtime as runtime

        if threads > 1:
            runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
        config = runtime.Config("local-sync" if threads == 1 else "local-task")
        context = runtime.SystemContext(config=config)
        module = runtime.VmModule.mmap(context.instance, self.compiled(path, inputs))
        context.add_vm_module(module)
        name = next(n for n in module.function_names if not n.startswith("__") and not n.endswith("$async"))
        self.function = context.modules[module.name][name]
        self.values = [runtime.asdevicearray(config.device, array) for array in inputs.values()]
        self.results = None

    @classmethod
    def compiled(cls, path, inputs):
        import onnx

        base = os.path.splitext(path)[0]
        output, static, text = base + ".vmfb", base + ".static.onnx", base + ".iree.mlir"
        if os.path.exists(output):
            return output
        if os.path.exists(text):
            raise RuntimeError("not compiled before")
        model = onnx.load(path)
        weights = {tensor.name for tensor in model.graph.initializer}
        order = [value.name for value in model.graph.input if value.name not in weights]
        if order != list(inputs):
            raise RuntimeError(f"inputs in another order: {order}")
        for value in model.graph.input:
            if value.name in inputs:
                shape = value.type.tensor_type.shape
                for dim, extent in zip(shape.dim, inputs[value.name].shape):
                    dim.dim_value = extent
        del model.graph.value_info[:]
        onnx.save(onnx.shape_inference.infer_shapes(model, data_prop=True), static)
        tool = os.path.join(os.path.dirname(sys.executable), "iree-")
        opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        for command in ([tool + "import-onnx", static, "-o", text, *(["--opset-version", "17"] if opset < 17 else [])],
                        [tool + "compile", text, *cls.FLAGS, "-o", output]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=cls.COMPILE_SECONDS)
            if done.returncode:
                raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
        os.remove(static)
        return output

    def __call__(self):
        self.results = self.function(*self.values)

    def outputs(self):
        results = self.results if isinstance(self.results, (list, tuple)) else [self.results]
        return [result.to_host() for result in results]


PEERS = {"ort": OnnxRuntime, "openvino": OpenVino, "iree": Iree}


def profile(artifact, inputs, folder):
    """What `tegula bench` says of one run on one thread: floating-point operations, peak, nodes."""
    import numpy

    from tegula import driver

    arguments = []
    for i, (name, array) in enumerate(inputs.items()):
        file = os.path.join(folder, f"bench_input{i}.npy")
        numpy.save(file, array)
        arguments += ["--in", f"{name}=@{file}"]
    command = [driver.find_tool("tegula"), "bench", artifact, "--threads", "1", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
