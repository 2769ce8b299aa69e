#!/usr/bin/env python3
"""Checks the rules of the house that a program can check; prints each offence with its place.

Ends with `N passed, N failed, N skipped`, one test a rule. A rule is a function that yields offences as (path, line, text);
its docstring is what the report says. Exceptions stand in EXCEPTIONS with their reason.
"""

import functools
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARIES = ("compiler/", "dialects/", "targets/", "runtime/")
VERBS = ("Bind", "Choose", "Convert", "Emit", "Externalize", "Fold", "Fuse", "Hoist", "Lower", "Outline", "Pack", "Peel",
         "Place", "Plan", "Prefetch", "Quantize", "Reuse", "Simplify", "Split", "Tile", "Transpose", "Unroll", "Vectorize",
         "Verify")

# (rule, path) -> why the rule does not hold there.
EXCEPTIONS = {
    ("no_exceptions", "compiler/import/OnnxLibrary.cpp"): "wraps ONNX's library, which throws",
    ("no_exceptions", "tools/tegula-quantize/OnnxVersion.cpp"): "wraps ONNX's converter, which throws",
    ("targets_stay_at_home", "compiler/Options.h"): "names the default device",
}


@functools.lru_cache(maxsize=None)
def files():
    """Every file of the source tree, tracked or not, that git does not ignore."""
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"], check=True,
                             stdout=subprocess.PIPE).stdout.decode()
    return sorted(name for name in set(listing.split("\0")) if name and os.path.isfile(os.path.join(ROOT, name)))


def sources(*suffixes, under=""):
    return [name for name in files() if name.endswith(suffixes) and name.startswith(under)]


@functools.lru_cache(maxsize=None)
def text(name):
    """The file's text; empty if it is not text."""
    with open(os.path.join(ROOT, name), "rb") as file:
        data = file.read()
    try:
        return "" if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def lines(name):
    return enumerate(text(name).split("\n"), 1)


def code_lines(name):
    """Lines of C or C++ without // comments and the contents of strings (good enough for the words sought here)."""
    for number, line in lines(name):
        line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        yield number, re.sub(r"//.*|/\*.*?\*/", "", line)


def find(names, pattern, message, read=lines):
    for name in names:
        for number, line in read(name):
            match = re.search(pattern, line)
            if match:
                yield name, number, message.format(*match.groups(), match=match.group())


def kebab(name):
    """FuseConvBias -> fuse-conv-bias"""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def passes():
    """Folder, class, flag, line and record of each pass."""
    for name in sources("Passes.td"):
        for match in re.finditer(r'^def (\w+)\s*:\s*(?:Interface)?Pass<"([^"]*)"(.*?)^}', text(name), re.M | re.S):
            line = text(name)[:match.start()].count("\n") + 1
            yield name, line, os.path.dirname(name), match.group(1), match.group(2), match.group(3)


def ops():
    """Path, line, mnemonic and record of each op."""
    for name in sources(".td", under="dialects/"):
        for match in re.finditer(r'^def \w+Op\s*:\s*\w+<"([\w.]+)"(.*?)^}', text(name), re.M | re.S):
            yield name, text(name)[:match.start()].count("\n") + 1, match.group(1), match.group(2)


# The rules.


def file_length():
    """Files are short: sources 800 lines, .td 600, compiler/Pipeline.cpp 250"""
    for name in sources(".cpp", ".h", ".c", ".td", ".py"):
        limit = 250 if name == "compiler/Pipeline.cpp" else 600 if name.endswith(".td") else 800
        count = text(name).count("\n")
        if count > limit:
            yield name, limit, f"has {count} lines, at most {limit}"


def speaking_names():
    """No file or folder is named Utils, Common, Misc or Helpers"""
    for name in files():
        for part in name.split("/"):
            if re.fullmatch(r"(utils?|common|misc|helpers?)", part.split(".")[0], re.I):
                yield name, 0, f"'{part}' says nothing about what is inside"


def depth():
    """At most four folders deep"""
    for name in files():
        if name.count("/") > 4:
            yield name, 0, f"lies {name.count('/')} folders deep"


def folder_size():
    """At most 30 sources in a folder"""
    folders = {}
    for name in sources(".cpp", ".c"):
        folders.setdefault(os.path.dirname(name), []).append(name)
    for folder, names in folders.items():
        if len(names) > 30:
            yield folder, 0, f"holds {len(names)} sources: two ideas"


def pass_names():
    """A pass has one name: class, file, flag and test"""
    for path, line, folder, name, flag, _ in passes():
        if flag != "tegula-" + kebab(name):
            yield path, line, f"the flag of {name} is '{flag}', expected 'tegula-{kebab(name)}'"
        if name.endswith("Pass"):
            yield path, line, f"{name} ends with 'Pass'"
        if not name.startswith(VERBS):
            yield path, line, f"{name} does not begin with one of the verbs {', '.join(VERBS)}"
        if f"{folder}/{name}.cpp" not in files():
            yield path, line, f"{folder}/{name}.cpp is missing"
        test = f"test/{folder}/{kebab(name)}.mlir"
        if test not in files():
            yield path, line, f"{test} is missing"


def pass_documents():
    """A pass has a summary and a description, and its file says what it needs and leaves"""
    for path, line, folder, name, _, record in passes():
        for word in ("summary", "description"):
            if not re.search(rf"let {word}\s*=", record):
                yield path, line, f"{name} has no {word}"
        source = f"{folder}/{name}.cpp"
        head = text(source).split("#include")[0] if source in files() else "Needs: Leaves:"
        for word in ("Needs:", "Leaves:"):
            if word not in head:
                yield source, 1, f"the comment at the top has no '{word}'"


def op_documents():
    """An op has a summary, a description and an example"""
    for path, line, name, record in ops():
        for word, pattern in (("summary", r"let summary"), ("description", r"let description"), ("example", r"```mlir")):
            if not re.search(pattern, record):
                yield path, line, f"{name} has no {word}"


def constraints():
    """A constraint of an op, `(C1)` in its description, has a check, `// op C1`, and a test, `@op_C1_case`"""
    stated = set()
    for path, line, name, record in ops():
        folder = os.path.dirname(path)
        checks = "\n".join(text(file) for file in sources(".cpp", ".td", under=folder + "/"))
        tests = "\n".join(text(file) for file in sources(".mlir", under=f"test/{folder}/"))
        tags = sorted(set(re.findall(r"^\s*\((C\d+)\)", record, re.M)))
        stated.update(f"{name} {tag}" for tag in tags)
        for tag in tags:
            if not re.search(rf"// {name} {tag}\b", checks):
                yield path, line, f"no check carries the tag '// {name} {tag}'"
            if not re.search(rf"@{name}_{tag}_\w+\(", tests):
                yield path, line, f"no test is named '@{name}_{tag}_...'"
    for name in sources(".cpp", ".td", under="dialects/"):
        for number, line in lines(name):
            tag = re.search(r"// (\w+ C\d+)\b", line)
            if tag and tag.group(1) not in stated:
                yield name, number, f"'{tag.group(1)}' is stated in no description"


def stage_names():
    """A stage is an enum case, a folder and a test folder of one name"""
    match = re.search(r"enum class Stage \{([^}]*)\}", text("compiler/Stages.h"))
    for word in re.findall(r"\w+", match.group(1)) if match else ():
        for folder in (f"compiler/{word.lower()}/", f"test/compiler/{word.lower()}/"):
            if not any(name.startswith(folder) for name in files()):
                yield "compiler/Stages.h", 0, f"stage {word} has no folder {folder}"


def readmes():
    """Stages, dialects, targets, the runtime and the project have a README.md"""
    folders = {"", "compiler/", "dialects/", "targets/", "runtime/"}
    for name in files():
        parts = name.split("/")
        if parts[0] in ("compiler", "dialects", "targets") and len(parts) > 2:
            folders.add(f"{parts[0]}/{parts[1]}/")
    for folder in sorted(folders):
        if folder + "README.md" not in files():
            yield folder or ".", 0, "has no README.md"


def no_options_in_libraries():
    """Libraries have no cl::opt"""
    names = [name for name in sources(".cpp", ".h") if name.startswith(LIBRARIES)]
    return find(names, r"\bcl::(opt|list|bits|alias)\b", "{match} in a library", code_lines)


def no_iostream():
    """No <iostream>"""
    return find(sources(".cpp", ".h"), r"#include <(iostream|fstream|sstream)>", "<{0}>: use raw_ostream", lines)


def no_exceptions():
    """No exceptions, no RTTI"""
    names = [name for name in sources(".cpp", ".h") if name.startswith(LIBRARIES + ("tools/",))]
    return find(names, r"\b(try\s*\{|throw\b|dynamic_cast\b|typeid\b)", "'{0}'", code_lines)


def include_style():
    """Own headers are included by full path, never by ../, and exist"""
    for name in sources(".cpp", ".h"):
        for number, line in lines(name):
            match = re.match(r'\s*#\s*include "([^"]+)"', line)
            if not match:
                continue
            # The runtime is compiled by itself, without the root of the sources among its include folders.
            if match.group(1).startswith("../") and not name.startswith(("runtime/", "test/runtime/")):
                yield name, number, f"includes {match.group(1)} by way of its parent"
            own = match.group(1)[len("tegula/"):] if match.group(1).startswith("tegula/") else ""
            if own.endswith(".h") and own not in files():
                yield name, number, f"includes {match.group(1)}, which does not exist"


def header_guards():
    """Headers have a guard"""
    for name in sources(".h"):
        guard = re.search(r"^#ifndef (\w+)\s*\n\s*#define (\w+)", text(name), re.M)
        if "#pragma once" not in text(name) and (not guard or guard.group(1) != guard.group(2)):
            yield name, 1, "has no guard"


def no_paths_of_machines():
    """No absolute paths of somebody's machine"""
    pattern = r"(?<![\w.$}~/-])/(?:work|root|home|tmp|Users)/"
    return find(files(), pattern, "absolute path '{match}'")


def targets_stay_at_home():
    """A target is not named outside its folder"""
    targets = {name.split("/")[1] for name in files() if re.fullmatch(r"targets/\w+/Target\.cpp", name)} - {"TEMPLATE"}
    for target in sorted(targets):
        names = [name for name in sources(".cpp", ".h", "CMakeLists.txt") if not name.startswith(f"targets/{target}/")]
        names = [name for name in names if not name.startswith(("test/", "runtime/"))]
        yield from find(names, rf'"{target}"|targets/{target}/|TegulaTarget_{target}\b', "names the target: {match}")


def sources_by_pattern():
    """CMake finds sources of the compiler by pattern"""
    names = [name for name in sources("CMakeLists.txt") if name.startswith(("compiler/", "dialects/", "targets/"))]
    return find(names, r"(?<![*\w}}])(\w+\.cpp)\b(?! *CONTENT)", "lists {0}: use file(GLOB ... CONFIGURE_DEPENDS *.cpp)",
                lambda name: ((n, line) for n, line in lines(name) if not re.search(r"GLOB|generated|^\s*#|\"", line)))


def conditional_todos():
    """A TODO carries a condition that ends it"""
    names = [name for name in sources(".cpp", ".h", ".c", ".td", ".py", ".sh") if name != "tools/check-house.py"]
    return find(names, r"\bTODO\b(?!.*\b(until|when|once|after)\b)|\bFIXME\b|\bXXX\b", "{match} without a condition")


def python_width():
    """Python and shell lines are at most 125 wide"""
    return find(sources(".py", ".sh"), r"^.{126,}$", "more than 125 characters")


RULES = [file_length, speaking_names, depth, folder_size, pass_names, pass_documents, op_documents, constraints,
         stage_names, readmes, no_options_in_libraries, no_iostream, no_exceptions, include_style, header_guards,
         no_paths_of_machines, targets_stay_at_home, sources_by_pattern, conditional_todos, python_width]


def main():
    if sys.argv[1:]:
        print(__doc__)
        return 2
    failed = 0
    for rule in RULES:
        offences = [offence for offence in rule() or () if (rule.__name__, offence[0]) not in EXCEPTIONS]
        print(f"{'FAILED' if offences else 'passed'}  {rule.__doc__}")
        for path, line, message in offences:
            print(f"        {path}{f':{line}' if line else ''}: {message}")
        failed += bool(offences)
    print(f"{len(RULES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
