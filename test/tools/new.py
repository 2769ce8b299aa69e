# `tools/new.py`: what it starts is configured, generated and compiles, in a copy of the tree, and keeps the rules.
# RUN: %python %s %source %build %t
import json
import os
import shlex
import shutil
import subprocess
import sys

source, build, copy = sys.argv[1:]


def run(*words, code=0, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=copy, **options)
    assert done.returncode == code, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
    return done.stdout


def edit(path, old, new):
    path = os.path.join(copy, path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert old in text, path
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))


shutil.rmtree(copy, ignore_errors=True)
listing = subprocess.run(["git", "-C", source, "ls-files", "-co", "--exclude-standard", "-z"], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
for name in listing.split("\0"):
    if os.path.isfile(os.path.join(source, name)) and name:
        os.makedirs(os.path.dirname(os.path.join(copy, name)), exist_ok=True)
        shutil.copy(os.path.join(source, name), os.path.join(copy, name))
run("git", "init", "-q", ".")

new = (sys.executable, "tools/new.py")
assert "left to do" in run(*new, "target", "my_chip")
assert "exists" in run(*new, "target", "my_chip", code=1)
run(*new, "pass", "my_chip/LowerThings")
run(*new, "pass", "graph/FuseThings")
run(*new, "op", "Linear/FooBar")
assert "has a Passes.td" in run(*new, "pass", "nowhere/FuseThings", code=1)
assert "does not exist" in run(*new, "op", "Nowhere/FooBar", code=1)
run(*new, "pass", "FuseThings", code=2)
run(sys.executable, "tools/docs.py", "--build", os.path.join(copy, "none"))
# The rules hold, and no file outside its folder names the target.
assert ", 0 failed, " in run(sys.executable, "tools/check-house.py").splitlines()[-1]
made = ["targets/my_chip/Target.cpp", "targets/my_chip/Passes.h", "targets/my_chip/LowerThings.cpp",
        "compiler/graph/FuseThings.cpp", "dialects/nn/Linear.cpp"]
run("clang-format-22", "--dry-run", "-Werror", *made)

# CMake finds the target by its folder; the generators take the new records; the sources compile.
run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DTEGULA_DEPS={build}/deps", "-DCMAKE_CXX_COMPILER=clang++-22",
    "-DCMAKE_C_COMPILER=clang-22")
with open(os.path.join(copy, "build/generated/tegula/targets/Registry.cpp"), encoding="utf-8") as file:
    assert "targets.push_back(createTarget_my_chip());" in file.read()
run("ninja", "-C", "build", "TegulaMyChipGen", "TegulaGraphGen", "TegulaTglGen", "TegulaNnGen",
    "TegulaNnInterfaceGen")
with open(os.path.join(copy, "build/compile_commands.json"), encoding="utf-8") as file:
    commands = {os.path.relpath(entry["file"], os.path.realpath(copy)): entry for entry in json.load(file)}
for name in made:
    if not name.endswith(".cpp"):
        continue
    words = shlex.split(commands[name]["command"])
    words = words[next(i for i, word in enumerate(words) if "clang" in word):]
    # Without the precompiled header (all that -Xclang is there for), which takes longer to make than the check.
    plain = [word for i, word in enumerate(words) if "-Xclang" not in (word, words[i - 1])]
    run(*plain, "-fsyntax-only")

# A target that is named elsewhere is found out.
edit("compiler/Stages.cpp", "namespace tegula {", 'namespace tegula {\nstatic const char favourite[] = "my_chip";')
text = run(sys.executable, "tools/check-house.py", code=1)
assert 'compiler/Stages.cpp:7: names the target: "my_chip"' in text, text
