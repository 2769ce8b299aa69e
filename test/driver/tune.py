# --tune measures plans and writes them; --tune-db reads them back: the same code again, plans for other machines aside.
# What is wrong with the file of plans is said.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac %source/test/models
import json
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import reference

tool = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import compare  # noqa: E402
import networks  # noqa: E402
import tegula  # noqa: E402

HOST = ["-mcpu=native", "--threads=1"]
model = networks.resnet()
onnx.save(model, "net.onnx")


def compiled(output, *flags, code=0):
    """Standard error; the bytes that were written are in `output`."""
    done = subprocess.run([tool, "net.onnx", "-o", output, *flags], capture_output=True, text=True)
    assert done.returncode == code, (flags, done.returncode, done.stderr)
    return done.stderr


def content(path):
    with open(path, "rb") as file:
        return file.read()


said = compiled("tuned.so", *HOST, "--tune=5", "--name=net", "--progress=plain")
assert "tuning: " in said and "kernels faster" in said, said
with open("tuned.plans.json", encoding="utf-8") as file:
    plans = json.load(file)["plans"]
assert len(plans) > 5 and all(plan["plan"].startswith("#tgl.plan<") for plan in plans), plans
assert not [name for name in os.listdir() if name.endswith(".json") and name != "tuned.plans.json"], os.listdir()

# The tuned artifact is right, and made again from the plans alone.
feeds = dict(next(draw for name, _, draw in networks.NETWORKS if name == "resnet")(np.random.default_rng(0)))
want = reference.ReferenceEvaluator(model).run(None, feeds)
got = tegula.load("tuned.so").run(feeds)
for value, expected in zip(got.values(), want):
    assert compare.relative_error(value, expected) < 1e-3
compiled("again.so", *HOST, "--tune-db=tuned.plans.json", "--name=net")
assert content("again.so") == content("tuned.so")

# Plans are for machines of their kind.
baseline = ["--target=x86_64-linux-gnu", "-mcpu=x86-64-v2", "--threads=3"]
compiled("plain.o", *baseline, "--name=net")
compiled("other.o", *baseline, "--name=net", "--tune-db=tuned.plans.json")
assert content("plain.o") == content("other.o")

for text, words in (
        ("[]", "is not a file of plans: no list \"plans\""),
        ("{", "is not a file of plans"),
        ('{"plans": [{}]}', "an entry needs"),
        (json.dumps({"plans": [{**plans[0], "plan": "#tgl.plan<>"}]}), "is not a plan")):
    with open("bad.json", "w", encoding="utf-8") as file:
        file.write(text)
    said = compiled("bad.so", *HOST, "--tune-db=bad.json", code=3)
    assert "[T0003]" in said and "bad.json" in said and words in said, said
assert "cannot read the plans in 'missing.json'" in compiled("bad.so", *HOST, "--tune-db=missing.json", code=3)
assert "is not a number of seconds" in compiled("bad.so", "--tune=soon", code=2)
# What does not run here cannot be measured here.
said = compiled("bad.so", "--target=aarch64-linux-gnu", "--tune=1", code=6)
assert "cannot run the model here to tune it" in said, said
assert not os.path.exists("bad.so")
