# An artifact for another architecture or CPU is refused in clear words: with exit code 3, and 1.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac %tegula %S/../driver/Inputs/add.mlir
import platform
import subprocess
import sys

import tegula

compiler, tool, source = sys.argv[1:]
other = "x86_64" if platform.machine() == "aarch64" else "aarch64"
here = platform.machine()


def refusal(code, path):
    """The error of run, bench and the package, which is the same."""
    texts = []
    for command in (["run", path, "--in=x=random:1"], ["bench", path]):
        done = subprocess.run([tool, *command], capture_output=True, text=True)
        assert done.returncode == code, done
        assert done.stderr.startswith("tegula: error: ") and done.stderr.count("\n") == 1, done
        texts.append(done.stderr.strip()[len("tegula: error: "):])
    assert texts[0] == texts[1], texts
    return texts[0]


subprocess.run([compiler, "--start-after=import", source, "-o", "other.so", f"--target={other}-linux-gnu"], check=True)
text = refusal(3, "other.so")
assert text == f"other.so: not an artifact that this machine can load: it is for {other}, and this machine is {here}", text

if here == "x86_64":
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next(line for line in file if line.startswith("flags")).replace("_", "-").split()
    isOld = "amx-int8" not in flags
    subprocess.run([compiler, "--start-after=import", source, "-o", "add.so", "-mcpu=x86-64-v3"], check=True)
    with open("add.so", "rb") as file:
        data = file.read()
    assert data.count(b"\0avx2,fma\0") == 1
    # Stands for an artifact of a newer CPU: the word is as long.
    if isOld:
        with open("newer.so", "wb") as file:
            file.write(data.replace(b"\0avx2,fma\0", b"\0amx-int8\0"))
        text = refusal(1, "newer.so")
        assert text.startswith("newer.so: this CPU, or its operating system, lacks ") and text.endswith(": amx-int8"), text
        try:
            tegula.load("newer.so")
            raise AssertionError("loaded")
        except tegula.RunError as error:
            assert str(error).endswith("lacks what the model was compiled for: amx-int8"), error
