# --precision: weights of f16 and bf16, sums of f32, on every CPU; pairs of bf16 where the CPU multiplies them.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac %source/test
import os
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, os.path.join(sys.argv[2], "models"))
import networks  # noqa: E402

random = np.random.Generator(np.random.PCG64(5))
onnx.save(networks.resnet(), "resnet.onnx")

# A table, products with an odd and an even number of columns and of rows known at run time only, and one of two variables.
weights = {"table": (300, 64), "a": (64, 33), "b": (33, 512), "c": (512, 20)}
nodes = [helper.make_node("Gather", ["table", "i"], ["g"], "gather"), helper.make_node("MatMul", ["g", "a"], ["h"], "ha"),
         helper.make_node("MatMul", ["h", "b"], ["k"], "hb"), helper.make_node("Relu", ["k"], ["r"]),
         helper.make_node("MatMul", ["r", "c"], ["l"], "lc"), helper.make_node("Transpose", ["l"], ["t"], perm=[1, 0]),
         helper.make_node("MatMul", ["l", "t"], ["y"], "both")]
graph = helper.make_graph(
    nodes, "g", [helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    [numpy_helper.from_array((random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32), name)
     for name, shape in weights.items()])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "products.onnx")

INPUTS = {"resnet": random.standard_normal((1, 3, 32, 32)).astype(np.float32), "products": random.integers(0, 300, 11)}
# Of rounding each weight, and each factor.
BOUNDS = {"f16": 2e-3, "bf16": 2e-2}
for name, x in INPUTS.items():

    def run(output, **options):
        tegula.compile(f"{name}.onnx", output, **options)
        model = tegula.load(output)
        return model.run({model.inputs[0].name: x})[model.outputs[0].name]

    want = run(f"{name}.so")
    for precision, bound in BOUNDS.items():
        for options in ({}, {"cpu": "native"}, {"opt": 3}, {"opt": 0}):
            label = "-".join(map(str, [name, precision, *options.values()]))
            error = np.sqrt(np.mean((run(f"{label}.so", precision=precision, **options) - want)**2)) / want.std()
            print(label, error)
            assert bound / 1000 < error < bound, (label, error)
        assert os.path.getsize(f"{name}-{precision}.so") < os.path.getsize(f"{name}.so") - 20000, (name, precision)
    for cpu, target, instruction in (("sapphirerapids", "x86_64-linux-gnu", "vdpbf16ps"),
                                     ("haswell", "x86_64-linux-gnu", None),
                                     ("neoverse-v1", "aarch64-linux-gnu", "bfdot")):
        tegula.compile(f"{name}.onnx", "m.s", precision="bf16", cpu=cpu, target=target)
        with open("m.s", encoding="utf-8") as file:
            text = file.read()
        assert instruction is None or f"\t{instruction}\t" in text, (name, cpu)
        assert instruction or "bf16ps" not in text, (name, cpu)

done = subprocess.run([sys.argv[1], "resnet.onnx", "-o", "m.so", "--precision=int8"], capture_output=True, text=True)
assert done.returncode == 2 and "--quant" in done.stderr and not os.path.exists("m.so"), (done.returncode, done.stderr)
done = subprocess.run([sys.argv[1], "resnet.onnx", "-o", "m.so", "--fp=exact"], capture_output=True, text=True)
assert done.returncode == 2 and "--fp expects contract or fast" in done.stderr, (done.returncode, done.stderr)
