"""Products read and write shared memory without conflicts of banks: by matrix instructions and one by one, whatever the
order of the operands' axes.

  bank-conflicts.py MODELS     in an empty folder; MODELS is the folder of emulated.py
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s %source/test/models

import json
import os
import sys

import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper

sys.path.insert(0, sys.argv[1])
import emulated  # noqa: E402

CHIPS = (70, 75, 80)
# tf32 is what --fp=fast makes of f32.
ELEMENTS = {"f32": (TensorProto.FLOAT, np.float32), "tf32": (TensorProto.FLOAT, np.float32),
            "f16": (TensorProto.FLOAT16, np.float16)}
SIZES = ((64, 64, 64), (40, 72, 33))


def make(number, element, shapes, nodes):
    """The model's name, and the chip that it is compiled for: each in turn, of which only the last has tf32."""
    name, chip = f"{element}_{number}", 80 if element == "tf32" else CHIPS[number % 3]
    x, w = (helper.make_tensor_value_info(key, ELEMENTS[element][0], shapes[key]) for key in "xw")
    y = helper.make_tensor_value_info("y", ELEMENTS[element][0], None)
    graph = helper.make_graph(nodes, name, [x, w], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), name + ".onnx")
    emulated.save_runs(name, [{key: np.ones(shape, ELEMENTS[element][1]) for key, shape in shapes.items()}])
    tegula.compile(name + ".onnx", name + ".so", device=f"cuda:sm_{chip}", fp="fast" if element == "tf32" else None)
    return name, chip


def products():
    """Shapes of the operands, and the node."""
    for rows, columns, depth in SIZES:
        for turned in ("", "x", "w", "xw"):
            shapes = {"x": (depth, rows) if "x" in turned else (rows, depth),
                      "w": (columns, depth) if "w" in turned else (depth, columns)}
            yield shapes, helper.make_node("Gemm", ["x", "w"], ["y"], transA="x" in turned, transB="w" in turned)
    yield {"x": (1, 24, 20, 20), "w": (40, 24, 3, 3)}, helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)


def main():
    wrong = []
    os.environ["PTXSIM_REPORT"] = "report.json"
    for element in ELEMENTS:
        for number, (shapes, node) in enumerate(products()):
            name, chip = make(number, element, shapes, [node])
            emulated.run_all(chip, 0, [name])
            with open("report.json", encoding="utf-8") as file:
                kernels = json.load(file)["kernels"].values()
            where = f"{element}, {shapes}, sm_{chip}"
            assert sum(kernel["shared_load_bytes"] for kernel in kernels) > 0, f"{where}: no tile in shared memory"
            count = sum(kernel["shared_bank_conflicts"] for kernel in kernels)
            wrong += [f"{where}: {count} conflicts"] if count else []
    assert not wrong, "\n".join(wrong)


main()
