"""Runs the cases of cases.txt: all of them in one kernel, each with its operands from memory."""
import os
import re
import struct
import sys

import numpy as np

import ptxsim

WIDTH = {"pred": 4, "b8": 1, "s8": 1, "u8": 1, "b16": 2, "s16": 2, "u16": 2, "f16": 2, "bf16": 2, "e4m3x2": 2,
    "e5m2x2": 2,
         "b32": 4, "s32": 4, "u32": 4, "f32": 4, "f16x2": 4, "bf16x2": 4, "u16x2": 4, "s16x2": 4, "tf32": 4,
         "b64": 8, "s64": 8, "u64": 8, "f64": 8}
WIDER = {"s16": "s32", "u16": "u32", "s32": "s64", "u32": "u64"}


def signature(mnemonic):
    """Types of the sources and of the result."""
    parts = mnemonic.split(".")
    name, types = parts[0], [p for p in parts if p in WIDTH]
    first = types[0]
    if ".wide." in mnemonic:
        return ([first, first] + ([WIDER[first]] if name == "mad" else []), WIDER[first])
    if mnemonic.startswith("cvt.pack"):
        return ([types[1], types[1]] + (["b32"] if len(types) == 3 else []), "b32")
    if name == "cvt":
        two = first.endswith("x2") and types[1] == "f32"
        return ([types[1]] * (2 if two else 1), first)
    if name in ("shl", "shr", "bmsk", "szext"):
        return ([first, "u32"], first)
    if name == "bfe":
        return ([first, "u32", "u32"], first)
    if name == "bfi":
        return ([first, first, "u32", "u32"], first)
    if name in ("bfind", "clz", "popc"):
        return ([first], "u32")
    if name == "fns":
        return (["b32", "b32", "s32"], "b32")
    if name == "set":
        return ([types[1]] * 2, first)
    if name in ("setp", "testp"):
        return ([first] * (2 if name == "setp" else 1), "pred")
    if name == "slct":
        return ([first, first, types[1]], first)
    if name in ("dp4a", "dp2a"):
        return (["b32", "b32", "b32"], "s32" if "s32" in types else "u32")
    return ([first] * 4, first)


def bits(text, type):
    """The bits of a number as one of `type`."""
    if text.startswith("0x"):
        return int(text, 16)
    if type in ("f32", "tf32", "f64"):
        value = float(text)
        if type == "f64":
            return struct.unpack("<Q", struct.pack("<d", value))[0]
        with np.errstate(over="ignore"):
            return int(np.float32(value).view(np.uint32))
    return int(text) & ((1 << 8 * WIDTH[type]) - 1)


def is_right(found, expected, type):
    if expected == "nan" or expected.startswith("~"):
        value = struct.unpack("<f", struct.pack("<I", found))[0] if type == "f32" else struct.unpack("<d",
            struct.pack("<Q", found))[0]
        if expected == "nan":
            return value != value
        wanted = float(expected[1:])
        return abs(value - wanted) <= abs(wanted) * 2.0**-20
    return found == bits(expected, type)


def parse(path):
    cases = []
    for number, line in enumerate(open(path), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        mnemonic, rest = line.split(None, 1)
        sources, result = signature(mnemonic)
        override = re.match(r"\[(.*)->(.*)\]", rest)
        if override:
            sources = [t.strip() for t in override[1].split(",")]
            result = override[2].strip()
            rest = rest[override.end():]
        left, right = rest.split("->")
        cases.append((number, mnemonic, left.split(), sources, right.strip(), result))
    return cases


def register(kind, width):
    return f"%{kind}{'h' if width < 4 else 'w' if width == 4 else 'd'}"


def emit(index, case):
    """The instructions of a case: loads, the instruction, a store."""
    _, mnemonic, operands, sources, _, result = case
    lines, names = [], []
    immediate = 1 if mnemonic.startswith("lop3") else 0
    for k, operand in enumerate(operands):
        if immediate and k == len(operands) - 1:
            names.append(operand)
            continue
        width = WIDTH[sources[k]]
        name = f"{register('s', width)}{k}"
        load = {1: "u8", 2: "b16", 4: "b32", 8: "b64"}[width]
        lines.append(f"ld.global.{load} {name}, [%in+{index * 40 + 8 * k}];")
        names.append(name)
    if result == "pred":
        lines.append(f"{mnemonic} %p, {', '.join(names)};")
        lines.append("selp.b32 %rw, 1, 0, %p;")
    else:
        lines.append(f"{mnemonic} {register('r', WIDTH[result])}, {', '.join(names)};")
    width = WIDTH[result]
    store = {1: "u8", 2: "b16", 4: "b32", 8: "b64"}[width]
    lines.append(f"st.global.{store} [%out+{index * 8}], {register('r', width)};")
    return "\n".join(lines)


def main():
    cases = parse(os.path.join(os.path.dirname(__file__), "cases.txt"))
    inputs = np.zeros((len(cases), 5), np.uint64)
    for index, (_, mnemonic, operands, sources, _, _) in enumerate(cases):
        for k, operand in enumerate(operands):
            if not (mnemonic.startswith("lop3") and k == 3):
                inputs[index, k] = bits(operand, sources[k])
    registers = """.reg .pred %p; .reg .b64 %in, %out; .reg .b16 %rh, %sh<5>; .reg .b32 %rw, %sw<5>;
            .reg .b64 %rd, %sd<5>;"""
    body = "ld.param.u64 %in, [a];\nld.param.u64 %out, [b];\n" + "\n".join(emit(i, c) for i,
        c in enumerate(cases)) + "\nret;"
    text = ptxsim.kernel(body, [".u64 a", ".u64 b"], registers)
    complaints = ptxsim.assemble(text, 90)
    if complaints:
        print(complaints)
        return 1
    report, arrays = ptxsim.run(text, [inputs, np.zeros(len(cases), np.uint64)], block=(1, 1, 1))
    wrong = 0
    if report["faults"]:
        print(report["faults"])
        wrong += 1
    for index, (number, mnemonic, operands, _, expected, result) in enumerate(cases):
        found = int(arrays[1][index]) & ((1 << 8 * WIDTH[result]) - 1)
        if not is_right(found, expected, result):
            print(f"cases.txt:{number}: {mnemonic} {' '.join(operands)}: expected {expected}, got {found:#x}")
            wrong += 1
    print(f"{len(cases)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
