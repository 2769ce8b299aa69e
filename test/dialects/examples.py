# The example in each op's description parses, prints as it parses, and lowers to linalg.
# RUN: %python %s %source %tegula-opt
import os
import re
import subprocess
import sys

source, opt = sys.argv[1:]
LOWER = "--pass-pipeline=builtin.module(func.func(tegula-lower-to-linalg))"


def run(text, *words):
    """Standard output, and what went wrong."""
    done = subprocess.run([opt, *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.stdout, done.stderr if done.returncode else ""


def problem_of(name, example):
    if name not in example:
        return f"does not show {name}"
    once, error = run(example)
    if error:
        return error
    twice, error = run(once)
    if error or once != twice:
        return error or f"prints as\n{once}and then as\n{twice}"
    # Blanks apart, the example is written as the op prints.
    written, printed = (re.search(rf".* {re.escape(name)} .*", text).group().split(" : ")[-1] for text in (example, once))
    if written.replace(" ", "") != printed.replace(" ", ""):
        return f"is written as\n{written}\nbut prints as\n{printed}"
    lowered, error = run(example, LOWER)
    return error or (f"is not lowered:\n{lowered}" if name in lowered else "")


def main():
    count = failed = 0
    folder = os.path.join(source, "dialects", "nn")
    for file in sorted(name for name in os.listdir(folder) if name.endswith(".td")):
        with open(os.path.join(folder, file), encoding="utf-8") as stream:
            text = stream.read()
        for op in re.finditer(r'^def \w+Op\s*:\s*\w+<"([\w.]+)"(.*?)^}', text, re.M | re.S):
            examples = re.findall(r"```mlir\n(.*?)```", op.group(2), re.S)
            count += 1
            problems = [problem_of("nn." + op.group(1), example) for example in examples] or ["has no example"]
            for problem in filter(None, problems):
                failed += 1
                print(f"{file}: the example of {op.group(1)} {problem}")
    print(f"{count} ops, {failed} problems")
    return 1 if failed or count < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
