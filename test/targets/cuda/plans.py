"""Plans from a file: each that a product may have gives the right result on each family of GPUs, without a fault; others are
refused. The plans that are chosen without a file follow what there is to do.

  plans.py MODELS     in an empty folder; MODELS is the folder of emulated.py
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s %source/test/models

import json
import re
import subprocess
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

sys.path.insert(0, sys.argv[1])
import emulated  # noqa: E402

# Rows and columns of a block, then of a warp.
MATRIX_TILES = ((128, 128, 64, 64), (128, 64, 64, 32), (64, 128, 32, 64), (64, 64, 32, 32), (64, 32, 32, 16),
                (32, 64, 16, 32), (32, 32, 16, 16), (16, 64, 16, 16))


def make_model(path, rows, columns, depth, element=TensorProto.FLOAT16):
    shapes = {"x": (rows, depth), "w": (depth, columns), "y": (rows, columns)}
    x, w, y = (helper.make_tensor_value_info(name, element, shape) for name, shape in shapes.items())
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "product", [x, w], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def plan_text(rows, columns, depth, own_rows, own_columns, threads, dot):
    return (f"#tgl.plan<vectorLoop = -1, lanes = 1, vectors = {own_columns}, unrollLoop = -1, unroll = {own_rows}, "
            f"block = [{rows}, {columns}, {depth}] over {threads}, dot = {dot}>")


def stage_with(plan, kernel, device):
    """The tile stage with a plan of a file, and the warnings."""
    with open("plans.json", "w", encoding="utf-8") as file:
        json.dump({"plans": [{"machine": device, "kernel": kernel, "plan": plan}]}, file)
    command = [tegula.driver.find_tool("tegulac"), "product.onnx", "--device=" + device, "--fp=fast", "--tune-db=plans.json",
               "--stop-after=tile", "-o", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def check_each(chips, element, operands, depth_of_tile):
    """Some of the chips may have no matrix instructions for the element."""
    rows, columns, depth = 77, 90, 70
    device = "cuda:" + ",".join(f"sm_{chip}" for chip in chips)
    make_model("product.onnx", rows, columns, depth, helper.np_dtype_to_tensor_dtype(np.dtype(element)))
    kernel = f"p{rows} p{columns} r{depth} {operands}"
    random = np.random.Generator(np.random.PCG64(3))
    x, w = (random.integers(-4, 5, shape).astype(element) for shape in ((rows, depth), (depth, columns)))
    emulated.save_runs("product", [{"x": x, "w": w}])
    exact = x.astype(np.int64) @ w.astype(np.int64)
    for number, (*block, own_rows, own_columns) in enumerate(MATRIX_TILES):
        threads = block[0] // own_rows * (block[1] // own_columns) * 32
        plan = plan_text(*block, depth_of_tile, own_rows, own_columns, threads, depth_of_tile // 2)
        stage, said = stage_with(plan, kernel, device)
        assert "tgl.plan = " + plan in stage and not said, (plan, said)
        tegula.compile("product.onnx", "product.so", device=device, fp="fast", tune_db="plans.json")
        chip = chips[number % len(chips)]
        emulated.run_all(chip, number, ["product"])
        emulated.check("product", chip, [(exact, 0)])
    for plan in (plan_text(48, 48, 32, 16, 16, 288, 16), plan_text(128, 128, 32, 64, 64, 64, 16),
                 "#tgl.plan<vectorLoop = 1, lanes = 8, vectors = 2, unrollLoop = 0, unroll = 6, block = [48, 0]>"):
        stage, said = stage_with(plan, kernel, device)
        assert "tgl.plan = " + plan not in stage and "[T0003]" in said and "does not suit" in said, said


def chosen(device, rows, columns, depth):
    """Rows and columns of a block, and how many parts the depth has."""
    make_model("product.onnx", rows, columns, depth)
    text = subprocess.run([tegula.driver.find_tool("tegulac"), "product.onnx", "--device=" + device, "--stop-after=tile",
                           "-o", "-"], capture_output=True, text=True, check=True).stdout
    block = re.search(r"block = \[(\d+), (\d+), \d+\] over", text)
    parts = re.search(rf"tensor<(\d+)x{rows}x{columns}xf32>", text)
    return int(block[1]), int(block[2]), int(parts[1]) if parts else 1


def check_choice():
    for device in ("cuda:sm_75", "cuda:sm_80", "cuda:sm_90", "cuda"):
        # Much work: the largest tiles; little: smaller ones, for more blocks; a deep sum of few results: parts of it.
        assert chosen(device, 4096, 4096, 4096) == (128, 128, 1), device
        few = chosen(device, 256, 256, 256)
        assert few[0] * few[1] < 128 * 128 and few[2] == 1, (device, few)
        deep = chosen(device, 128, 128, 16384)
        assert deep[2] > 4, (device, deep)
        # No rows of nothing.
        assert chosen(device, 16, 8192, 1024)[0] == 16, device


if __name__ == "__main__":
    check_each((70, 75, 80), np.float16, "f16(d0, d2) f16(d2, d1) -> f32(d0, d1) extf extf mulf addf", 32)
    check_each((75, 80), np.float32, "f32(d0, d2) f32(d2, d1) -> f32(d0, d1) mulf addf", 16)
    check_choice()
