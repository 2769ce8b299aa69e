"""How lit runs the tests of this folder: *.mlir and *.test by their RUN lines, *.py likewise.

Substitutions: %tegulac %tegula %tegula-opt (the tools of this build), %python (with numpy and onnx, finds the package
tegula), %cc (a C compiler), %runtime (the folder of tegula.h), %source (the root of the sources), %build (that of the
build), %cuda (variables that name CUDA's driver, for `env`), %shared (the folder of public models; tests that need it
say REQUIRES: shared), %exits N COMMAND (passes if the command's exit code is N). FileCheck, not, count and split-file are
LLVM's.
"""

import os
import platform
import shutil
import sys

import lit.formats

source, binary = config.tegula_source_dir, config.tegula_binary_dir

config.name = "Tegula"
config.test_format = lit.formats.ShTest()
config.suffixes = [".mlir", ".test", ".py"]
# Python files without RUN lines are programs that other tests call.
config.excludes = ["lit.cfg.py", "lit.site.cfg.py", "Inputs", "models", "onnx", "python_package.py", "tool.py", "bench"]
config.test_source_root = os.path.join(source, "test")
config.test_exec_root = os.path.join(binary, "test", "lit")

environment = os.path.join(binary, "venv", "bin", "python")
python = environment if os.path.exists(environment) else sys.executable
shared = os.path.join(os.path.dirname(source), "shared")
compiler = shutil.which("cc") or os.path.join(config.llvm_tools_dir, "clang")

config.environment["PATH"] = os.pathsep.join([config.llvm_tools_dir, config.environment.get("PATH", "")])
config.environment["PYTHONPATH"] = os.path.join(binary, "python")
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
# A test must not depend on the user's flags.
config.environment.pop("TEGULA_FLAGS", None)

# The GPU's own driver where there is one, else the emulation, of sm_75.
emulation = os.path.join(binary, "lib", "ptxsim", "libcuda.so.1")
cuda = "TEGULA_CUDA_DRIVER=" + ("libcuda.so.1" if os.path.exists("/dev/nvidia0") else emulation + " PTXSIM_SM=75")

# The longer name first: lit replaces one after the other.
tools = os.path.join(binary, "bin")
config.substitutions += [
    ("%tegula-opt", os.path.join(tools, "tegula-opt")),
    ("%tegulac", os.path.join(tools, "tegulac")),
    ("%tegula", os.path.join(tools, "tegula")),
    ("%python", python),
    ("%cc", compiler),
    ("%runtime", os.path.join(source, "runtime")),
    ("%source", source),
    ("%build", binary),
    ("%shared", shared),
    ("%cuda", cuda),
    ("%exits", python + " -c 'import subprocess, sys; sys.exit(subprocess.call(sys.argv[2:]) != int(sys.argv[1]))'"),
]

config.available_features.add(platform.machine().lower().replace("amd64", "x86_64"))
if os.path.isdir(os.path.join(shared, "models")):
    config.available_features.add("shared")
for name, feature in (("valgrind", "valgrind"), ("qemu-aarch64", "qemu-aarch64"), ("qemu-riscv64", "qemu-riscv64")):
    if shutil.which(name):
        config.available_features.add(feature)
