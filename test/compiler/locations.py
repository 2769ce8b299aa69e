# Whole networks: after each stage, every op or unit names the ONNX nodes it computes, and every node that computes something
# is named, fused or not. A stage's error names the node too.
# RUN: %python %s %source %tegulac %tegula %t
import json
import os
import re
import shutil
import subprocess
import sys

import onnx

source, tegulac, tegula, folder = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "test", "models"))
import networks  # noqa: E402

NAMES = ["resnet", "mobilenet", "encoder", "lstm", "unet"]
# Nodes that only move data may be gone: views, what was evaluated when compiling, what two moves cancel.
MOVES = {"Cast", "Concat", "Constant", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Split",
         "Squeeze", "Transpose", "Unsqueeze"}
problems = []


def expect(claim, text):
    if not claim:
        problems.append(text)
        print("FAILED", text, flush=True)


def text_after(stage, path):
    command = [tegulac, path, f"--stop-after={stage}", "-o", "-", "--threads=2"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def names_of(text, nodes):
    """Alias -> the nodes it names."""
    bodies = dict(re.findall(r"^(#loc\d*) = loc\((.*)\)$", text, re.M))
    known = {}

    def resolve(alias):
        if alias not in known:
            body = bodies.get(alias, "")
            known[alias] = {name for name in re.findall(r'"([^"]*)"', body) if name in nodes}
            for part in re.findall(r"#loc\d*", body):
                known[alias] |= resolve(part)
        return known[alias]

    for alias in bodies:
        resolve(alias)
    return known


def places(stage, text):
    """What each op (each unit, once there are units) is and its location's alias."""
    if stage in ("import", "graph"):
        return [match.groups() for match in re.finditer(r"= nn\.(?!constant)(\w+).*loc\((#loc\d*)\)$", text, re.M)]
    found, indent = [], None
    for line in text.split("\n"):
        line = line[:100] + line[-100:]
        start = re.match(r"( *)(?:%\S+ = )?scf\.forall", line)
        if start and indent is None:
            indent = start.group(1)
        elif indent is not None and line.startswith(indent + "}"):
            found.append(("unit", re.search(r"loc\((#loc\d*)\)$", line).group(1)))
            indent = None
    return found


def check(name, model):
    path = os.path.join(folder, name + ".onnx")
    onnx.save(model, path)
    nodes = {node.name: node.op_type for node in model.graph.node}
    computing = {node for node, kind in nodes.items() if kind not in MOVES}
    for stage in ("import", "graph", "tile", "buffer"):
        text = text_after(stage, path)
        names, seen = names_of(text, nodes), set()
        found = places(stage, text)
        expect(len(found) >= 10, f"{name} after {stage}: only {len(found)} ops or units found")
        for what, alias in found:
            expect(names.get(alias), f"{name} after {stage}: a {what} at {alias} names no node")
            seen |= names.get(alias, set())
        expect(computing <= seen, f"{name} after {stage}: nobody names {sorted(computing - seen)}")
    artifact = os.path.join(folder, name + ".so")
    subprocess.run([tegulac, path, "-o", artifact], check=True)
    said = subprocess.run([tegula, "inspect", artifact, "--json"], check=True, stdout=subprocess.PIPE).stdout
    for unit in json.loads(said)["units"]:
        words = set(unit["node"].split(", "))
        expect(words and words <= set(nodes), f"{name}: a unit of the artifact is called '{unit['node']}'")


def check_error():
    """An op that its verifier refuses: the message names the node and its number."""
    text = ('func.func @f(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {\n'
            '  %y = nn.matmul %x, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32> '
            'loc("head/fc"(fused<"MatMul">["m.onnx":7:1]))\n'
            '  return %y : tensor<2x3xf32>\n}\n')
    done = subprocess.run([tegulac, "-", "--start-after=graph", "-o", os.path.join(folder, "x.so")], input=text,
                          stderr=subprocess.PIPE, text=True)
    expect(done.returncode == 1 and "node 'head/fc' (#6, MatMul): error" in done.stderr, f"{done.returncode}: {done.stderr}")


def main():
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name, make, _ in networks.NETWORKS:
        if name in NAMES:
            check(name, make())
    check_error()
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
