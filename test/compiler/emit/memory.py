# Compiling a large model takes at most two and a half times its weights on top of what any model takes, mapped files
# included: no stage keeps a copy it does not need.
# RUN: rm -rf %t && mkdir -p %t && %python %s make %t && %python %s %tegulac %t && rm -rf %t
import os
import resource
import subprocess
import sys

tegulac, folder = sys.argv[1:]
WIDTH = 4096  # 64 MiB a layer
LAYERS = 4


def make(width, layers):
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, name = [], [], "x"
    for layer in range(layers):
        values = np.full((width, width), 1.0 / width, np.float32)
        values[layer] = 1
        weights.append(numpy_helper.from_array(values, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{layer}"], [f"y{layer}"], f"layer{layer}"))
        name = f"y{layer}"
    shape = [8, width]
    graph = helper.make_graph(
        nodes, "layers", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, os.path.join(folder, f"{width}.onnx"))


def peak_bytes(width):
    """The peak of compiling so far: run the small model first. A child starts with the size of its parent, which
    therefore makes no models."""
    command = [tegulac, os.path.join(folder, f"{width}.onnx"), "-o", os.path.join(folder, "model.so")]
    subprocess.run(command, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


if tegulac == "make":
    make(64, LAYERS)
    make(WIDTH, LAYERS)
    sys.exit(0)
base, peak = peak_bytes(64), peak_bytes(WIDTH)
weights = WIDTH * WIDTH * 4 * LAYERS
print(f"{base >> 20} MiB for a small model, {peak >> 20} for {weights >> 20} MiB of weights")
assert weights < peak - base < 2.5 * weights
