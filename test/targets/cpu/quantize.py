# Quantization divides as the standard says, to the last bit: ties, infinities, NaN, the smallest and largest numbers.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
f32 = np.float32
scales = [0.1, 1 / 3, 0.00784313771, 1.99999988, 1.00000012, 7.3e-12, 9.9e11, 0.5, 2.5]
types = [(np.uint8, 0), (np.uint8, 131), (np.int8, -7), (np.uint16, 40000), (np.int16, 3)]
cases = [(f32(scale), kind, zero) for scale in scales for kind, zero in types]
nodes, weights = [], {}
for i, (scale, kind, zero) in enumerate(cases):
    weights |= {f"s{i}": np.array(scale), f"z{i}": np.array(zero, kind)}
    nodes.append(helper.make_node("QuantizeLinear", ["x", f"s{i}", f"z{i}"], [f"y{i}"]))
x = []
for scale, kind, zero in cases:
    # Halves between two integers, their neighbours in f32, and what is beyond the type.
    ties = ((np.arange(-300, 300) + f32(0.5)) * scale).astype(f32)
    x += [ties, np.nextafter(ties, f32(np.inf)), np.nextafter(ties, f32(-np.inf)),
          (random.integers(-70000, 70000, 300) * scale).astype(f32), random.uniform(-400, 400, 500).astype(f32) * scale]
x.append(np.array([np.inf, -np.inf, np.nan, 0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, 1.17549435e-38], f32))
x = np.concatenate(x).astype(f32)
graph = helper.make_graph(
    nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
    [helper.make_tensor_value_info(f"y{i}", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), x.shape)
     for i, (scale, kind, zero) in enumerate(cases)], [numpy_helper.from_array(v, k) for k, v in weights.items()])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "m.onnx")
for cpu in ("x86-64", "x86-64-v3", "native"):
    tegula.compile("m.onnx", f"m.{cpu}.so", cpu=cpu)
    got = tegula.load(f"m.{cpu}.so").run({"x": x})
    for i, (scale, kind, zero) in enumerate(cases):
        with np.errstate(all="ignore"):
            rounded = np.rint(x / scale).astype(np.float64) + zero
        want = np.clip(rounded, np.iinfo(kind).min, np.iinfo(kind).max)
        isNumber = ~np.isnan(x)
        assert (got[f"y{i}"][~isNumber] == np.iinfo(kind).min).all(), (cpu, scale, kind, zero)
        wrong = got[f"y{i}"].astype(np.float64)[isNumber] != want[isNumber]
        assert not wrong.any(), (cpu, scale, kind, zero, x[isNumber][wrong][:5], got[f"y{i}"][isNumber][wrong][:5])
