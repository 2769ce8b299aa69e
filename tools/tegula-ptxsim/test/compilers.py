"""The kernels of compilers.c, made by clang and emulated, against the same functions compiled for the host."""
import ctypes
import os
import subprocess
import sys
import tempfile

import numpy as np

import ptxsim

CLANG = os.environ.get("CLANG", "clang-22")
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compilers.c")
KERNELS = ("integers", "collatz", "locals", "floats")

# A frame around the host's copy: every thread of every block.
HOST = """
#define HOST
#include "{source}"
#define RUN(name) void run_##name(const u32 *in, u32 *out, int n) {{ \\
  sizeX = 128; for (blockX = 0; blockX < 8; blockX++) for (threadX = 0; threadX < 128; threadX++) name(in, out, n); }}
{runs}
"""


def main():
    wrong = 0
    data = np.random.default_rng(5).integers(0, 2**32, 1000, dtype=np.uint64).astype(np.uint32)
    with tempfile.TemporaryDirectory() as folder:
        host, library = os.path.join(folder, "host.c"), os.path.join(folder, "host.so")
        with open(host, "w") as f:
            f.write(HOST.format(source=SOURCE, runs="\n".join(f"RUN({k})" for k in KERNELS)))
        subprocess.run([CLANG, "-w", "-O1", "-ffp-contract=off", "-mfma", "-mf16c", "-shared", "-fPIC", host, "-o",
            library], check=True)
        functions = ctypes.CDLL(library)
        for sm in (70, 90):
            for level in ("-O0", "-O3"):
                device = os.path.join(folder, "device.ptx")
                subprocess.run([CLANG, "-w", "-x", "cuda", "-nocudainc", "-nocudalib", "--cuda-device-only",
                  f"--cuda-gpu-arch=sm_{sm}",
                                "-ffp-contract=off", level, "-S", SOURCE, "-o", device], check=True)
                text = open(device).read()
                for name in KERNELS:
                    wanted = np.zeros(1000, np.uint32)
                    getattr(functions, "run_" + name)(data.ctypes.data_as(ctypes.c_void_p),
                      wanted.ctypes.data_as(ctypes.c_void_p), 1000)
                    report, arrays = ptxsim.run(text, [data, np.zeros(1000, np.uint32), "i32:1000"], grid=(8, 1, 1),
                      block=(128, 1, 1), name=name)
                    different = int((arrays[1] != wanted).sum())
                    if different or report["faults"]:
                        print(f"{name} {level} sm_{sm}: {different} of 1000 differ, {report['faults'][:1]}")
                        wrong += 1
    print(f"{len(KERNELS) * 4} kernels, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
