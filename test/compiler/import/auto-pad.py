# auto_pad over extents of the run pads as it does over the same extents known at compile time.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)


def model(op, mode, kernel, strides):
    attributes = {"auto_pad": mode, "strides": strides}
    weights = []
    if op == "Conv":
        weights.append(numpy_helper.from_array(random.standard_normal((4, 3, *kernel)).astype(np.float32), "w"))
    else:
        attributes["kernel_shape"] = kernel
    node = helper.make_node(op, ["x"] + [weight.name for weight in weights], ["y"], op, **attributes)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


checked = 0
for op in ("Conv", "MaxPool"):
    for mode in ("SAME_UPPER", "SAME_LOWER"):
        for kernel, strides in (([3, 3], [2, 1]), ([2, 5], [3, 4])):
            onnx.save(model(op, mode, kernel, strides), "m.onnx")
            artifact = f"{op}{mode}{strides[0]}"
            tegula.compile("m.onnx", f"{artifact}.so")
            free = tegula.load(f"{artifact}.so")
            for shape in ((1, 3, 9, 11), (2, 3, 10, 8)):
                name = f"{artifact}_{shape[0]}.so"
                tegula.compile("m.onnx", name, shapes={"x": shape})
                x = random.standard_normal(shape).astype(np.float32)
                np.testing.assert_allclose(free.run({"x": x})["y"], tegula.load(name).run({"x": x})["y"], rtol=1e-5)
                checked += 1
assert checked == 16
