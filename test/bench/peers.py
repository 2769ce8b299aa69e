"""The engines that are compared: each is opened on a model, and called for one run.

An engine keeps its inputs, so that a run measures the network alone; `outputs()` gives those of the last run, in the
order of the model. One that is not installed raises ImportError when it is opened.
"""

import json
import os
import subprocess


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


PEERS = {"ort": OnnxRuntime, "openvino": OpenVino}


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
