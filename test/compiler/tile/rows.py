# Rows at places that are computed (Gather, Resize) are read as vectors: right for rests, types and layouts.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)


def gather(shape, axis, indices, dtype):
    data = random.integers(0, 100, shape).astype(dtype)
    return [helper.make_node("Gather", ["w", "i"], ["y"], axis=axis)], {"w": data}, {"i": np.array(indices, np.int64)}


def embedding():
    words, places = (random.standard_normal((n, 37)).astype(np.float32) for n in (50, 8))
    nodes = [helper.make_node("Gather", ["words", "i"], ["a"]), helper.make_node("Gather", ["places", "k"], ["b"]),
             helper.make_node("Add", ["a", "b"], ["y"])]
    feeds = {"i": np.array([[3, -1, 49, 0, -50]]), "k": np.array([[0, 1, 7, 3, 2]])}
    return nodes, {"words": words, "places": places}, feeds


def resize(channels, to, **attributes):
    """Between convolutions, so that channels are last."""
    x = random.standard_normal((1, 4, 9, 11)).astype(np.float32)
    weights = {"v": random.standard_normal((channels, 4, 1, 1)).astype(np.float32), "s": np.array([1, channels, *to]),
               "w": random.standard_normal((4, channels, 1, 1)).astype(np.float32)}
    nodes = [helper.make_node("Conv", ["x", "v"], ["a"]),
             helper.make_node("Resize", ["a", "", "", "s"], ["b"], **attributes),
             helper.make_node("Conv", ["b", "w"], ["y"])]
    return nodes, weights, {"x": x}


models = {
    "gather_rows": gather((20, 34), 0, [[0, -1, 5], [19, -20, 7]], np.float32),
    "gather_bytes": gather((20, 70), 0, [1, 0, -2], np.int8),
    "gather_longs": gather((6, 5, 10), 0, [2, -1], np.int64),
    "gather_halves": gather((3, 20, 21), 1, [4, -3, 19], np.float16),
    "embedding": embedding(),
    "linear": resize(19, (13, 20), mode="linear"),
    "linear_down": resize(8, (5, 23), mode="linear", coordinate_transformation_mode="align_corners"),
    "cubic": resize(5, (17, 7), mode="cubic"),
    "nearest": resize(35, (14, 16), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
}
for name, (nodes, weights, feeds) in models.items():
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
                     for k, v in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(value, k) for k, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.save(model, f"{name}.onnx")
    want = ReferenceEvaluator(model).run(None, feeds)[0]
    for cpu in ("x86-64-v3", "native"):
        tile = subprocess.run([sys.argv[1], f"{name}.onnx", "-mcpu=" + cpu, "--stop-after=tile", "-o", "-"],
                              capture_output=True, text=True, check=True).stdout
        assert "vector.transfer_read" in tile and "scf.for" in tile, name
        # No element by itself; the check of indices, before the last unit, is one.
        checksIndices = any(node.op_type == "Gather" for node in nodes)
        units = tile[tile.rindex("scf.forall (") :] if checksIndices else tile
        assert "tensor.insert " not in units, name
        tegula.compile(f"{name}.onnx", f"{name}.{cpu}.so", cpu=cpu)
        got = tegula.load(f"{name}.{cpu}.so", threads=2).run(feeds)["y"]
        assert got.dtype == want.dtype and got.shape == want.shape, (name, got.shape, want.shape)
        if np.issubdtype(want.dtype, np.integer):
            assert (got == want).all(), name
        else:
            assert np.abs(got.astype(np.float64) - want).max() < 1e-4 * max(want.std(), 1), (name, cpu)
