# The arena is at most 10 % larger than the peak of the bytes alive, computed here from the text of the stage, no two
# buffers alive at once share memory but for a result that takes its input's place, and `tegula inspect` says how
# large it is.
# RUN: %python %s %source %tegulac %tegula %t
# Public models, where they lie beside the source: arena-public.test.
import json
import os
import re
import shutil
import subprocess
import sys

import onnx

source, tegulac, tegula, folder, *public = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "test", "models"))
import networks  # noqa: E402

ALIGN = 64  # of every buffer
VIEWS = re.compile(r"memref\.(subview|expand_shape|collapse_shape|cast|reinterpret_cast|reshape)\b")
BYTES = {"i1": 1, "i8": 1, "ui8": 1, "f16": 2, "bf16": 2, "i16": 2, "f32": 4, "i32": 4, "f64": 8, "i64": 8, "index": 8}


def bytes_of(type):
    *extents, element = type.split("x")
    size = BYTES[element]
    for extent in extents:
        size *= int(extent)
    return -(-size // ALIGN) * ALIGN


class Entry:
    """The entry function: its arena's size, and of each buffer in it offset, bytes, first and last op that touches it."""

    def __init__(self, path):
        self.numbers, self.buffers, self.lives = {}, {}, {}
        self.constants, self.roots, self.now = {}, {}, 0
        self.touched = set()
        with open(path, encoding="utf-8") as lines:
            inside = False
            for line in lines:
                line = line[:4096].rstrip()  # weights are long, ops are not
                if "func.func" in line and "tgl.workspace_bytes" in line:
                    inside = True
                    for word in ("workspace", "live"):
                        self.numbers[word] = int(re.search(rf"tgl\.{word}_bytes = (\d+)", line).group(1))
                elif inside and line.startswith("  }"):
                    break
                elif inside:
                    self.read(line)

    def read(self, line):
        if re.match(r"    [^ }]", line):  # an op of the body, not of a region in it
            self.now += 1
            self.touched = set()
        text = line.split(" loc(")[0]
        result = re.match(r"\s*(%\w+)(?::\d+)? = ", text)
        constant = re.match(r"\s*(%\w+) = arith\.constant (\d+) : index", text)
        view = re.match(r"\s*(%\w+) = memref\.view %\w+\[(%\w+)\]\[\] : memref<\?xi8> to memref<(\w+)>", text)
        if constant:
            self.constants[constant.group(1)] = int(constant.group(2))
        elif view:
            name, offset, type = view.groups()
            self.buffers[name] = (self.constants[offset], bytes_of(type))
            self.roots[name] = {name}
        else:
            names = re.findall(r"%\w+", text[result.end():] if result else text)
            roots = set().union(*(self.roots.get(name, set()) for name in names))
            if result and VIEWS.search(text):
                self.roots[result.group(1)] = roots
                return
            self.touch(roots)
            # What a loop or a branch hands on may be any buffer it touched.
            if result:
                self.roots[result.group(1)] = set(self.touched) if re.search("->.*memref<", text) else set()

    def touch(self, roots):
        self.touched |= roots
        for root in roots:
            first, _ = self.lives.get(root, (self.now, self.now))
            self.lives[root] = (first, self.now)

    def memories(self):
        """Offset, bytes, first and last op, name; a result that an op writes over an input is one memory with it."""
        merged = []
        for name, (first, last) in sorted(self.lives.items(), key=lambda item: item[1]):
            place = self.buffers[name]
            before = next((other for other in merged if other[:2] == [*place] and other[3] == first), None)
            if before:
                before[3] = last
            else:
                merged.append([*place, first, last, name])
        return merged

    def peak(self):
        memories = self.memories()
        return max((sum(size for _, size, first, last, _ in memories if first <= at <= last)
                    for at in range(self.now + 1)), default=0)

    def collisions(self):
        places = self.memories()
        for i, (offset, size, first, last, name) in enumerate(places):
            for offset2, size2, first2, last2, name2 in places[:i]:
                if offset < offset2 + size2 and offset2 < offset + size and first <= last2 and first2 <= last:
                    yield f"{name} and {name2} share memory while both are alive"


def problems_of(name, path):
    text, artifact = (os.path.join(folder, name + suffix) for suffix in (".mlir", ".so"))
    subprocess.run([tegulac, path, "--stop-after=buffer", "-o", text, "--threads=2"], check=True)
    entry = Entry(text)
    arena, live, peak = entry.numbers["workspace"], entry.numbers["live"], entry.peak()
    print(f"{name}: {len(entry.lives)} buffers, arena {arena}, peak of live bytes {peak}", flush=True)
    yield from entry.collisions()
    if any(offset + size > arena for offset, size in entry.buffers.values()):
        yield "a buffer leaves the arena"
    if peak != live:
        yield f"tgl.live_bytes is {live}"
    if arena > 1.1 * peak:
        yield f"the arena is {arena / peak - 1:.1%} above the peak"
    if public:
        return
    subprocess.run([tegulac, text, "--start-after=buffer", "-o", artifact], check=True)
    said = subprocess.run([tegula, "inspect", artifact, "--json"], check=True, stdout=subprocess.PIPE).stdout
    if json.loads(said)["workspace_bytes"] != arena:
        yield "tegula inspect says another size of the workspace"


def models():
    """Name and path; of public models, NAME is made from shared/models/NAME.onnx."""
    for name in public[1:]:
        path = os.path.join(folder, name + ".onnx")
        materialize = os.path.join(public[0], "models", "materialize.py")
        command = [sys.executable, materialize, os.path.join(public[0], "models", name + ".onnx"), path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield name, path
    if public:
        return
    for name, make, _ in networks.NETWORKS:
        path = os.path.join(folder, name + ".onnx")
        onnx.save(make(), path)
        yield name, path


def main():
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    failed = 0
    for name, path in models():
        for problem in problems_of(name, path):
            failed += 1
            print(f"FAILED {name}: {problem}", flush=True)
    shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
