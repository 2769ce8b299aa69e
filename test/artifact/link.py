# A C program includes the header and links the object, and the archive, of a whole network; as C and as C++, without a
# warning, without an allocation in the run call, clean under valgrind, and with 8 threads under ThreadSanitizer.
# RUN: %python %s %source %tegulac %cc %t
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

source, tegulac, cc, folder = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "test", "models"))
import networks  # noqa: E402

PROGRAM = os.path.join(source, "test", "artifact", "program.c")
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", f"-I{folder}"]


def at(name):
    return os.path.join(folder, name)


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
    return done.stdout


def program(name, linked, *options, language=("-std=c11",)):
    run(cc, *language, *STRICT, *options, PROGRAM, *(["-x", "none"] if "-x" in language else []), at(linked), "-lm",
        "-lpthread", *(["-lstdc++"] if "c++" in language else []), "-o", at(name))
    return at(name)


shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
_, make, draw = next(entry for entry in networks.NETWORKS if entry[0] == "resnet")
model = make()
onnx.save(model, at("net.onnx"))
feed = draw(np.random.Generator(np.random.PCG64(1)))
expected = ReferenceEvaluator(model).run(None, feed)[0]
data = (at("input.bin"), at("expected.bin"))
next(iter(feed.values())).tofile(data[0])
expected.astype(np.float32).tofile(data[1])
for name in ("net.h", "net.o", "net.a"):
    run(tegulac, at("net.onnx"), "-o", at(name))

for name, linked in (("with_object", "net.o"), ("with_archive", "net.a")):
    assert "0 of 1" in run(program(name, linked), *data)
assert "0 of 1" in run(program("counting", "net.o", "-DCOUNT_ALLOCATIONS"), *data)
assert "0 of 1" in run(program("as_cpp", "net.o", language=("-x", "c++", "-std=c++17")), *data)
assert "0 of 8" in run(program("racing", "net.o", "-DTHREADS=8", "-g", "-fsanitize=thread"), *data)
# The references must be able to fail.
expected[...] += 1
expected.astype(np.float32).tofile(data[1])
assert subprocess.run([at("with_object"), *data], stdout=subprocess.DEVNULL).returncode == 1
expected[...] -= 1
expected.astype(np.float32).tofile(data[1])
if shutil.which("valgrind"):
    run("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", at("with_object"), *data)
else:
    print("skipped: valgrind is not installed")
