"""Matrix instructions against numpy. Which element a lane holds is written down here once more, element by element as
the PTX ISA gives it, and not taken from the emulator."""
import sys

import numpy as np

import lanes
from lanes import launch, same

RANDOM = np.random.default_rng(1)


def bf16_bits(x):
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def bf16_values(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def e4m3(x):
    """Multiples of 1/8 up to 1.875 in e4m3: exponent 0 or subnormal-free small ones."""
    bits = np.zeros(x.shape, np.uint8)
    for code in range(128):
        exponent, mantissa = code >> 3, code & 7
        value = (1 + mantissa / 8) * 2.0 ** (exponent - 7) if exponent else mantissa / 8 * 2.0**-6
        bits[np.abs(x) == value] = code
    return bits | np.where(x < 0, 128, 0).astype(np.uint8)


def numbers(kind, shape):
    """Random numbers of a type: values, and their bits as unsigned integers."""
    if kind in ("s8", "u8", "s4", "u4"):
        width = int(kind[1])
        low, high = (-(1 << width - 1), 1 << width - 1) if kind[0] == "s" else (0, 1 << width)
        values = RANDOM.integers(low, high, shape)
        return values, (values & ((1 << width) - 1)).astype(np.uint32)
    if kind == "e4m3":
        values = RANDOM.integers(-8, 8, shape) / 8.0
        return values, e4m3(values).astype(np.uint32)
    if kind == "e5m2":
        values = RANDOM.integers(-4, 4, shape) / 4.0
        return values, (values.astype(np.float16).view(np.uint16) >> 8).astype(np.uint32)
    values = RANDOM.standard_normal(shape)
    if kind == "f16":
        half = values.astype(np.float16)
        return half.astype(np.float64), half.view(np.uint16).astype(np.uint32)
    if kind == "bf16":
        bits = bf16_bits(values)
        return bf16_values(bits).astype(np.float64), bits.astype(np.uint32)
    if kind == "tf32":
        bits = values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)
        return bits.view(np.float32).astype(np.float64), bits
    if kind == "f32":
        single = values.astype(np.float32)
        return single.astype(np.float64), single.view(np.uint32)
    if kind == "s32":
        values = RANDOM.integers(-1000, 1000, shape)
        return values, (values & 0xFFFFFFFF).astype(np.uint32)
    return values, values.view(np.uint64)


BITS = {"f16": 16, "bf16": 16, "tf32": 32, "f32": 32, "s32": 32, "f64": 64, "s8": 8, "u8": 8, "s4": 4, "u4": 4,
    "e4m3": 8, "e5m2": 8}


def place_a(shape, kind, lane, i):
    g, t = lane >> 2, lane % 4
    if shape == "m16n8k16" and BITS[kind] == 16:
        return (g if i < 2 or 4 <= i < 6 else g + 8), t * 2 + (i & 1) + (8 if i >= 4 else 0)
    if shape == "m16n8k8" and BITS[kind] == 16:
        return (g if i < 2 else g + 8), t * 2 + (i & 1)
    if shape == "m16n8k4":
        return (g if i == 0 else g + 8), t
    if shape == "m16n8k8":
        return (g if i in (0, 2) else g + 8), (t if i < 2 else t + 4)
    if shape == "m16n8k16" and BITS[kind] == 64:
        return (g if i % 2 == 0 else g + 8), t + 4 * (i // 2)
    if shape == "m16n8k16":
        return (g if i < 4 else g + 8), t * 4 + (i & 3)
    if shape == "m16n8k32" and BITS[kind] == 8:
        return (g if i < 4 or 8 <= i < 12 else g + 8), t * 4 + (i & 3) + (16 if i >= 8 else 0)
    if shape == "m16n8k32":
        return (g if i < 8 else g + 8), t * 8 + (i & 7)
    if shape == "m16n8k64":
        return (g if i < 8 or 16 <= i < 24 else g + 8), t * 8 + (i & 7) + (32 if i >= 16 else 0)
    if shape == "m8n8k16":
        return g, t * 4 + i
    if shape == "m8n8k32":
        return g, t * 8 + i
    return g, t  # m8n8k4 f64


def place_b(shape, kind, lane, i):
    g, t = lane >> 2, lane % 4
    per = max(1, 32 // BITS[kind])
    return t * per + i % per + i // per * 4 * per, g


def place_c(shape, kind, lane, i):
    g, t = lane >> 2, lane % 4
    return (g if i < 2 else g + 8), t * 2 + (i & 1)


def quad_pairs(layout_a, layout_b):
    """mma.m8n8k4 with f16: places of A, B and C in the product of a lane's quad pair."""
    def a(shape, kind, lane, i):
        high = 0 if lane < 16 else 4
        return (lane % 4 + high, i) if layout_a == "row" else (i % 4 + high, lane % 4)

    def b(shape, kind, lane, i):
        high = 0 if lane < 16 else 4
        return (i, lane % 4 + high) if layout_b == "col" else (lane % 4, i + high)

    def c(shape, kind, lane, i):
        high = 0 if lane < 16 else 4
        if kind == "f16":
            return lane % 4 + high, i
        return (lane & 1) + (i & 2) + high, (i & 4) + (lane & 2) + (i & 1)

    return a, b, c


def fragment(bits, kind, place, shape, each, part=lambda lane: 0):
    """Registers of 32 lanes: [register, lane], from matrices [part, row, column]."""
    per = max(1, 32 // BITS[kind])
    out = np.zeros((each // per, 32), np.uint64 if BITS[kind] == 64 else np.uint32)
    for lane in range(32):
        for i in range(each):
            row, column = place(shape, kind, lane, i)
            out[i // per, lane] |= out.dtype.type(int(bits[part(lane), row, column]) << (i % per * BITS[kind]))
    return out


def mma(shape, a, b, c, layouts=("row", "col"), modifier="", sm=90):
    m, n, k = (int(x) for x in shape.replace("m", "").replace("n", " ").replace("k", " ").split())
    is_quad = shape == "m8n8k4" and a == "f16"
    places = quad_pairs(*layouts) if is_quad else (place_a, place_b, place_c)
    parts, threads = (4, 8) if is_quad else (1, 32)
    part = (lambda lane: lane % 16 // 4) if is_quad else (lambda lane: 0)
    values, registers = [], []
    for kind, place, size in ((a, places[0], (m, k)), (b, places[1], (k, n)), (c, places[2], (m, n))):
        value, bits = numbers(kind, (parts,) + size)
        values.append(value)
        registers.append(fragment(bits, kind, place, shape, size[0] * size[1] // threads, part))
    wanted = values[0] @ values[1] + values[2]
    if c == "f16":
        bits = wanted.astype(np.float16).view(np.uint16)
    elif c == "f32":
        bits = wanted.astype(np.float32).view(np.uint32)
    elif c == "s32":
        bits = (wanted & 0xFFFFFFFF).astype(np.uint32)
    else:
        bits = wanted.view(np.uint64)
    wanted = fragment(bits, c, places[2], shape, m * n // threads, part)
    body, names, number = "", [], 0
    for k2, regs in enumerate(registers):
        wide = regs.dtype == np.uint64
        group = []
        body += f"mul.wide.u32 %d10, %r0, {8 if wide else 4}; add.s64 %d10, %d10, %d{k2};\n"
        for r in range(regs.shape[0]):
            kind = "d" if c == "f64" else "f" if (a == "tf32" or k2 == 2) and c == "f32" and k2 == 2 else "r"
            name = f"%x{kind}{number}"
            number += 1
            body += f"ld.global.{'b64' if wide else 'b32'} {name}, [%d10+{r * 32 * (8 if wide else 4)}];\n"
            group.append(name)
        names.append(group)
    results = [name.replace("%x", "%y") for name in names[2]]
    braces = lambda group: "{" + ", ".join(group) + "}"
    kind_of_layout = f"{layouts[0]}.{layouts[1]}"
    operands = ", ".join(braces(group) for group in (results, *names))
    body += f"mma.sync.aligned.{shape}.{kind_of_layout}.{modifier}{c}.{a}.{b}.{c} {operands};\n"
    size = 8 if c == "f64" else 4
    body += f"mul.wide.u32 %d10, %r0, {size}; add.s64 %d10, %d10, %d3;\n"
    for r, name in enumerate(results):
        body += f"st.global.b{size * 8} [%d10+{r * 32 * size}], {name};\n"
    extra = "".join(f".reg .{t} %{x}{k}<40>; " for x in "xy" for k, t in (("d", "f64"), ("f", "f32"), ("r", "b32")))
    out = launch(f"mma {shape} {a}", body, registers, [(wanted.dtype, wanted.size)], registers=extra, sm=sm)
    if not out:
        return
    name = f"mma {shape} {layouts} {c} {a} {b}"
    if a == "f64":
        same(name, np.allclose(out[0].view(np.float64), wanted.reshape(-1).view(np.float64), rtol=1e-14), True)
    else:
        # numpy adds doubles in another order; a last bit may differ where the sum is rounded.
        found, expected = out[0].astype(np.int64), wanted.reshape(-1).astype(np.int64)
        same(name, (np.abs(found - expected) <= (0 if c == "s32" else 1)).all(), True)


def move_matrices():
    data = RANDOM.integers(0, 65536, (4, 8, 8)).astype(np.uint16)
    for count in (1, 2, 4):
        for transposed in (False, True):
            for store in (False, True):
                regs = ", ".join(f"%r{10 + k}" for k in range(count))
                trans = ".trans" if transposed else ""
                copy_in = """mul.wide.u32 %d5, %r0, 16; add.s64 %d6, %d0, %d5;
                ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d6]; shl.b32 %r5, %r0, 4; mov.u32 %r6, s;
                add.u32 %r5, %r5, %r6; st.shared.v4.u32 [%r5], {%r1, %r2, %r3, %r4}; bar.sync 0;"""
                if store:
                    loads = "".join(f"ld.global.u32 %r{10 + k}, [%d7+{k * 128}];" for k in range(count))
                    body = f"""mul.wide.u32 %d5, %r0, 4; add.s64 %d7, %d0, %d5; {loads} shl.b32 %r5, %r0, 4;
                mov.u32 %r6, s; add.u32 %r5, %r5, %r6;
                stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 [%r5], {{{regs}}}; bar.sync 0;"""
                    body += f"""setp.lt.u32 %p1, %r0, {count * 8};
                @%p1 ld.shared.v4.u32 {{%r1, %r2, %r3, %r4}}, [%r5]; mul.wide.u32 %d5, %r0, 16;
                add.s64 %d6, %d1, %d5; @%p1 st.global.v4.u32 [%d6], {{%r1, %r2, %r3, %r4}};"""
                else:
                    stores = "".join(f"st.global.u32 [%d7+{k * 128}], %r{10 + k};" for k in range(count))
                    body = copy_in + f"""ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {{{regs}}}, [%r5];
                mul.wide.u32 %d5, %r0, 4; add.s64 %d7, %d1, %d5; {stores}"""
                out = launch(f"ldmatrix x{count}", body, [data], [(np.uint16, 64 * count)],
                  before=".shared .align 16 .b8 s[512];")
                shown = data[:count].transpose(0, 2, 1) if transposed else data[:count]
                if out:
                    same(f"matrix x{count} transposed {transposed} store {store}", out[0], shown.reshape(-1))
    out = launch("movmatrix", """mul.wide.u32 %d5, %r0, 4; add.s64 %d6, %d0, %d5; ld.global.u32 %r1, [%d6];
            movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r1; add.s64 %d7, %d1, %d5; st.global.u32 [%d7], %r2;""",
                 [data[0]], [(np.uint16, 64)])
    same("movmatrix", out[0], data[0].T.reshape(-1))


def wmma(shape, a, c, layout_a, layout_b, layout_c):
    m, n, k = (int(x) for x in shape.replace("m", "").replace("n", " ").replace("k", " ").split())
    registers = {"f16": (8, 8), "bf16": {"m16n16k16": (4, 4), "m8n32k16": (2, 8), "m32n8k16": (8, 2)}.get(shape),
                 "s8": {"m16n16k16": (2, 2), "m8n32k16": (1, 4), "m32n8k16": (4, 1)}.get(shape)}
    registers["u8"] = registers["s8"]
    values, stored = [], []
    for kind, size, layout in ((a, (m, k), layout_a), (a, (k, n), layout_b), (c, (m, n), layout_c)):
        value, bits = numbers(kind, size)
        values.append(value)
        memory = bits if layout == "row" else bits.T
        stored.append(np.ascontiguousarray(memory).astype({8: np.uint8, 16: np.uint16, 32: np.uint32}[BITS[kind]]))
    wanted = values[0] @ values[1] + values[2]
    count_c = 4 if c == "f16" else 8
    group = lambda name, count: "{" + ", ".join(f"%{name}{r}" for r in range(count)) + "}"
    kind_c = "cf" if c == "f32" else "cr"
    leading = lambda size, layout: size[1] if layout == "row" else size[0]
    types = f"{c}.{c}" if a == "f16" else f"{c}.{a}.{a}.{c}"
    fa, fb = group("ar", registers[a][0]), group("br", registers[a][1])
    fc, fd = group(kind_c, count_c), group("d" + kind_c, count_c)
    body = f"""wmma.load.a.sync.aligned.{layout_a}.{shape}.global.{a} {fa}, [%d0], {leading((m, k), layout_a)};
wmma.load.b.sync.aligned.{layout_b}.{shape}.global.{a} {fb}, [%d1], {leading((k, n), layout_b)};
wmma.load.c.sync.aligned.{layout_c}.{shape}.global.{c} {fc}, [%d2], {leading((m, n), layout_c)};
wmma.mma.sync.aligned.{layout_a}.{layout_b}.{shape}.{types} {fd}, {fa}, {fb}, {fc};
wmma.store.d.sync.aligned.{layout_c}.{shape}.global.{c} [%d3], {fd}, {leading((m, n), layout_c)};"""
    extra = ".reg .b32 %ar<9>, %br<9>, %cr<9>, %dcr<9>; .reg .f32 %cf<9>, %dcf<9>;"
    dtype = {"f32": np.float32, "f16": np.float16, "s32": np.int32}[c]
    out = launch(f"wmma {shape} {a}", body, stored, [(dtype, m * n)], registers=extra)
    if not out:
        return
    found = out[0].reshape(m, n) if layout_c == "row" else out[0].reshape(n, m).T
    same(f"wmma {shape} {a} {c} {layout_a} {layout_b} {layout_c}", np.allclose(found.astype(np.float64), wanted,
        rtol=1e-3 if c == "f16" else 1e-6, atol=1e-6), True)


def main():
    for shape in ("m16n8k8", "m16n8k16"):
        for a, c in (("f16", "f32"), ("f16", "f16"), ("bf16", "f32")):
            mma(shape, a, a, c)
    for shape in ("m16n8k4", "m16n8k8"):
        mma(shape, "tf32", "tf32", "f32")
    for shape in ("m8n8k16", "m16n8k16", "m16n8k32"):
        for a, b in (("s8", "s8"), ("u8", "s8"), ("u8", "u8")):
            mma(shape, a, b, "s32", modifier="satfinite." if a == b else "")
    for shape in ("m8n8k32", "m16n8k32", "m16n8k64"):
        mma(shape, "s4", "u4", "s32", sm=80)
    for shape in ("m8n8k4", "m16n8k4", "m16n8k8", "m16n8k16"):
        mma(shape, "f64", "f64", "f64")
    for a in ("e4m3", "e5m2"):
        mma("m16n8k32", a, a, "f32")
    for layout_a in ("row", "col"):
        for layout_b in ("row", "col"):
            for c in ("f32", "f16"):
                mma("m8n8k4", "f16", "f16", c, (layout_a, layout_b), sm=70)
    move_matrices()
    for shape in ("m16n16k16", "m8n32k16", "m32n8k16"):
        wmma(shape, "f16", "f32", "row", "col", "row")
        wmma(shape, "f16", "f16", "col", "row", "col")
        wmma(shape, "bf16", "f32", "row", "row", "row")
        wmma(shape, "s8", "s32", "row", "col", "row")
        wmma(shape, "u8", "s32", "col", "col", "col")
    print(f"{lanes.checks} checks, {lanes.wrong} wrong")
    return 1 if lanes.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
