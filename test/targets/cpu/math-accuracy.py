# Math functions at full vector width against the exact values: at most so many units in the last place, which the README of
# the target states; what is not finite comes out as it must.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import math
import platform

import numpy as np
import onnx
from onnx import TensorProto, helper

import tegula

# operator: exact function, interval, units in the last place
BOUNDS = {
    "Exp": (math.exp, -87, 88, 2),
    "Log": (math.log, 1e-30, 1e30, 2),
    "Sqrt": (math.sqrt, 0, 1e30, 0.5),
    "Erf": (math.erf, -6, 6, 2),
    "Sin": (math.sin, -1e5, 1e5, 3),
    "Cos": (math.cos, -1e5, 1e5, 3),
    "Tanh": (math.tanh, -12, 12, 4.5),
    "Sigmoid": (lambda x: 1 / (1 + math.exp(-x)), -30, 30, 3),
}
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan], np.float32)


def samples(low, high):
    rng = np.random.default_rng(0)
    spread = rng.uniform(low, high, 20000)
    near = rng.choice([-1, 1], 20000) * 2.0 ** rng.uniform(-30, 4, 20000)
    values = np.concatenate([spread, near[(near > low) & (near < high)]]).astype(np.float32)
    return np.concatenate([values, SPECIAL])


for name, (exact, low, high, bound) in BOUNDS.items():
    x = samples(low, high)
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    graph = helper.make_graph([helper.make_node(name, ["x"], ["y"])], "g", [value],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "m.onnx")
    for cpu in ["native"] + (["x86-64-v2"] if platform.machine() == "x86_64" else []):
        tegula.compile("m.onnx", f"{name}_{cpu}.so", cpu=cpu)
        y = tegula.load(f"{name}_{cpu}.so").run({"x": x})["y"]
        finite = x[:-len(SPECIAL)]
        want = np.array([exact(float(v)) for v in finite])
        ulps = np.abs(y[:-len(SPECIAL)] - want) / np.spacing(np.abs(want).astype(np.float32))
        worst = int(ulps.argmax())
        print(f"{name} {cpu}: {ulps[worst]:.2f} ulp at {finite[worst]!r}")
        assert ulps[worst] <= bound, (name, cpu)
        with np.errstate(all="ignore"):
            function = {"Erf": np.vectorize(math.erf), "Sigmoid": lambda v: 1 / (1 + np.exp(-v))}.get(
                name, getattr(np, name.lower(), None))
            special = function(SPECIAL.astype(np.float64))
        np.testing.assert_array_equal(y[-len(SPECIAL):], special.astype(np.float32), name)
