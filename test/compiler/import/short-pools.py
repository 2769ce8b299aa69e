# A pool has one window over an axis shorter than it by less than a stride, of the elements that are there, whether the
# extent is known at compile time or not; none over one that is shorter still.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

random = np.random.default_rng(0)


def save(nodes):
    """Pools of one x; each as (name of its output, operator, attributes)."""
    image = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, "h", "w"])]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name, _, _ in nodes]
    pools = [helper.make_node(op, ["x"], [name], name, **attributes) for name, op, attributes in nodes]
    graph = helper.make_graph(pools, "g", image, results)
    # The places of the first pool's maxima too.
    graph.node[0].output.append("places")
    graph.output.append(helper.make_tensor_value_info("places", TensorProto.INT64, None))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), "m.onnx")


checked = 0
# kernel, stride, pads at either end; an x with one window
for kernel, stride, pads, shape in ((2, 2, 0, (3, 2, 1, 2)), (3, 3, 0, (1, 2, 2, 1)), (5, 3, 1, (1, 2, 1, 1)),
                                    (4, 3, 0, (2, 2, 4, 2))):
    nodes = []
    for ceil in (0, 1):
        window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pads] * 4, "ceil_mode": ceil}
        nodes += [(f"max{ceil}", "MaxPool", window), (f"mean{ceil}", "AveragePool", window),
                  (f"padded{ceil}", "AveragePool", {**window, "count_include_pad": 1}),
                  (f"norm{ceil}", "LpPool", window)]
    save(nodes)
    x = random.standard_normal(shape).astype(np.float32)
    total = x.sum((2, 3), keepdims=True)
    expected = {"max": x.max((2, 3), keepdims=True), "mean": total / np.float32(shape[2] * shape[3]),
                "padded": total / np.float32((shape[2] + 2 * pads) * (shape[3] + 2 * pads)),
                "norm": np.sqrt((x ** 2).sum((2, 3), keepdims=True))}
    for name, shapes in (("free", {}), ("known", {"x": shape})):
        tegula.compile("m.onnx", f"{name}{checked}.so", shapes=shapes)
        result = tegula.load(f"{name}{checked}.so").run({"x": x})
        np.testing.assert_array_equal(x.reshape(-1)[result["places"]], expected["max"])
        for node, _, _ in nodes:
            np.testing.assert_allclose(result[node], expected[node[:-1]], rtol=1e-5, atol=1e-6,
                                       err_msg=f"{node} of {kernel}, stride {stride}, pads {pads}, {name}")
            checked += 1

# Where a whole stride is missing there is no window, which is refused if it is known.
save([("y", "MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]})])
tegula.compile("m.onnx", "none.so")
assert tegula.load("none.so").run({"x": np.ones((1, 2, 1, 5), np.float32)})["y"].shape == (1, 2, 0, 2)
try:
    tegula.compile("m.onnx", "none.so", shapes={"x": (1, 2, 1, 5)})
    raise SystemExit("compiled")
except tegula.CompileError as error:
    assert "the kernel covers 3 elements of spatial axis 0, but the padded input has 1" in str(error), error
assert checked == 64
