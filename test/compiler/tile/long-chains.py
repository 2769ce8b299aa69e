# A chain of 2,000 ops becomes a few units with bodies of bounded length: one body would be copied at each of its steps.
# RUN: %python %s %tegulac
import re
import subprocess
import sys

LENGTH = 2000
text = ('func.func @chain(%v0: tensor<8xf32>) -> tensor<8xf32> attributes {tgl.inputs = ["x"], tgl.outputs = ["y"], '
        "tgl.input_types = [tensor<8xf32>], tgl.output_types = [tensor<8xf32>]} {\n")
for i in range(LENGTH):
    kind = "sin" if i % 2 else "cos"
    text += f"  %v{i + 1} = nn.unary {kind} %v{i} : (tensor<8xf32>) -> tensor<8xf32>\n"
text += f"  return %v{LENGTH} : tensor<8xf32>\n}}\n"
tiled = subprocess.run([sys.argv[1], "-", "--start-after=import", "--stop-after=tile", "-o", "-"], input=text, check=True,
                       stdout=subprocess.PIPE, text=True, timeout=60).stdout
bodies = [len(re.findall(r"math\.(?:sin|cos) ", unit)) for unit in tiled.split("scf.forall (")[1:]]
assert sum(bodies) == LENGTH, sum(bodies)
assert LENGTH / 128 <= len(bodies) <= LENGTH / 16 and max(bodies) <= 128, bodies
