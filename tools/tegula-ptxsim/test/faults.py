"""Wrong kernels, each with the finding that it must lead to, beside right ones that must lead to none."""
import sys

import numpy as np

import ptxsim

REGISTERS = ".reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<40>; .reg .f32 %f<20>; .reg .b64 %d<20>;"
START = """ld.param.u64 %d0, [a]; ld.param.u64 %d1, [b];
mov.u32 %r0, %tid.x; mul.wide.u32 %d2, %r0, 4; add.s64 %d3, %d0, %d2; add.s64 %d4, %d1, %d2;
mov.u32 %r1, s; shl.b32 %r2, %r0, 2; add.s32 %r3, %r1, %r2;
"""
SHARED = ".shared .align 16 .b8 s[1024];"

# name, body, expected findings, number of threads
CASES = [
    ("neighbour through shared memory", """ld.global.u32 %r4, [%d3]; st.shared.u32 [%r3], %r4; {barrier}
        xor.b32 %r5, %r0, 33; shl.b32 %r5, %r5, 2; add.s32 %r5, %r5, %r1; ld.shared.u32 %r6, [%r5];
        st.global.u32 [%d4], %r6;""", {"barrier": ("bar.sync 0;", "")}, ["race", "uninitialised"], 64),
    ("read, then write by others", """st.shared.u32 [%r3], %r0; bar.sync 0; ld.shared.u32 %r6, [%r1]; {barrier}
        setp.eq.u32 %p1, %r0, 40; @%p1 st.shared.u32 [%r1], %r0; st.global.u32 [%d4], %r6;""",
     {"barrier": ("bar.sync 0;", "")}, ["race"], 64),
    ("lanes of a warp", """st.shared.u32 [%r3], %r0; {sync} xor.b32 %r5, %r0, 1; shl.b32 %r5, %r5, 2;
            add.s32 %r5, %r5, %r1;
        ld.shared.u32 %r6, [%r5]; st.global.u32 [%d4], %r6;""", {"sync": ("bar.warp.sync -1;", "")}, ["race"], 32),
    ("lanes of half a warp", """st.shared.u32 [%r3], %r0; and.b32 %r7, %r0, 16; shl.b32 %r8, 0xffff, %r7; {sync}
        xor.b32 %r5, %r0, {other}; shl.b32 %r5, %r5, 2; add.s32 %r5, %r5, %r1; ld.shared.u32 %r6, [%r5];
            st.global.u32 [%d4], %r6;""",
     {"sync": ("bar.warp.sync %r8;",) * 2, "other": ("5", "16")}, ["race"], 32),
    ("halfwords of one word", """cvt.u16.u32 %h0, %r0; shl.b32 %r5, %r0, 1; add.s32 %r5, %r5, %r1;
            st.shared.b16 [%r5], %h0; bar.sync 0;
        xor.b32 %r6, %r0, {other}; shl.b32 %r6, %r6, 1; add.s32 %r6, %r6, %r1; ld.shared.b16 %h1, [%r6]; {after}
        st.shared.b16 [%r5], %h0;""", {"other": ("33", "33"), "after": ("bar.sync 0;", "")}, ["race"], 64),
    ("named barriers of two warps", """setp.lt.u32 %p1, %r0, 32; @%p1 bra PRODUCE; bar.sync {id}, 64;
            ld.shared.u32 %r6, [%r3+-128];
        st.global.u32 [%d4], %r6; bra DONE; PRODUCE: st.shared.u32 [%r3], %r0; {arrive} DONE:""",
     {"id": ("1", "1"), "arrive": ("bar.arrive 1, 64;", "bar.arrive 2, 64;")}, ["barrier"], 64),
    ("one past the end", """ld.global.u32 %r4, [%d3{offset}]; st.global.u32 [%d4], %r4;""", {"offset": ("", "+4")},
        ["bounds"], 64),
    ("one before the start", """ld.global.u32 %r4, [%d3{offset}]; st.global.u32 [%d4], %r4;""", {"offset": ("",
        "+-4")}, ["bounds"], 64),
    ("store past shared memory", """st.shared.u32 [%r3+{offset}], %r0;""", {"offset": ("768", "772")}, ["bounds"], 64),
    ("generic address of shared memory", """cvta.shared.u64 %d5, s; add.s64 %d5, %d5, %d2;
            st.u32 [%d5{offset}], %r0; ld.u32 %r4, [%d5];
        st.global.u32 [%d4], %r4;""", {"offset": ("", "+1020")}, ["bounds", "uninitialised"], 32),
    ("vector load", """and.b32 %r5, %r0, 7; mul.wide.u32 %d5, %r5, 16; add.s64 %d5, %d5, %d0;
            ld.global.v4.f32 {{%f0, %f1, %f2, %f3}}, [%d5{offset}];
        st.global.f32 [%d4], %f0;""", {"offset": ("", "+4")}, ["alignment"], 64),
    ("shared memory nobody wrote", """{write} bar.sync 0; ld.shared.u32 %r4, [%r3]; st.global.u32 [%d4], %r4;""",
     {"write": ("st.shared.u32 [%r3], %r0;", "")}, ["uninitialised"], 64),
    ("global memory nobody wrote", """{write} ld.global.u32 %r4, [%d4];""", {"write": ("st.global.u32 [%d4], %r0;",
        "")}, ["uninitialised"], 64),
    ("local memory nobody wrote", """{write} ld.local.u32 %r4, [l];""", {"write": ("st.local.u32 [l], %r0;", "")},
        ["uninitialised"], 64),
    ("local memory, outside", """st.local.u32 [l+{offset}], %r0;""", {"offset": ("12", "16")}, ["bounds"], 64),
    ("copy in the background", """setp.lt.u32 %p1, %r0, 16; shl.b32 %r5, %r0, 4; add.s32 %r6, %r1, %r5;
            cvt.u64.u32 %d5, %r5; add.s64 %d5, %d0, %d5;
        @%p1 cp.async.cg.shared.global [%r6], [%d5], 16; cp.async.commit_group; {wait} bar.sync 0;
        ld.shared.u32 %r7, [%r3]; st.global.u32 [%d4], %r7;""", {"wait": ("cp.async.wait_group 0;",
            "cp.async.wait_group 1;")}, ["async-wait"], 64),
    ("copy waited for, no barrier", """shl.b32 %r5, %r0, 2; add.s32 %r6, %r1, %r5;
            cp.async.ca.shared.global [%r6], [%d3], 4; cp.async.wait_all; {barrier}
        xor.b32 %r7, %r5, 128; add.s32 %r7, %r1, %r7; ld.shared.u32 %r7, [%r7]; st.global.u32 [%d4], %r7;""",
     {"barrier": ("bar.sync 0;", "")}, ["async-wait"], 64),
    ("write over a copy", """cp.async.ca.shared.global [%r3], [%d3], 4; {wait} st.shared.u32 [%r3], %r0;
            cp.async.wait_all;""",
     {"wait": ("cp.async.wait_all;", "")}, ["async-wait"], 64),
    ("barrier in a branch", """setp.lt.u32 %p1, %r0, {limit}; @!%p1 bra SKIP; bar.sync 0; SKIP: {after}""",
     {"limit": ("64", "40"), "after": ("", "bar.warp.sync -1;")}, ["barrier"], 64),
    ("barrier that a warp leaves out", """setp.lt.u32 %p1, %r0, {limit}; @!%p1 bra SKIP; bar.sync 0, 64; SKIP:""",
     {"limit": ("64", "32")}, ["barrier"], 64),
    ("shuffle without a lane", """setp.lt.u32 %p1, %r0, {limit}; @!%p1 bra SKIP;
            shfl.sync.bfly.b32 %r4, %r0, 1, 31, -1; SKIP:""",
     {"limit": ("32", "31")}, ["barrier"], 32),
    ("shuffle from outside its mask", """setp.lt.u32 %p1, %r0, 16; @!%p1 bra SKIP;
            shfl.sync.idx.b32 %r4, %r0, {lane}, 31, 0xffff; SKIP:""",
     {"lane": ("3", "20")}, ["barrier"], 32),
    ("lanes that come late", """setp.lt.u32 %p1, %r0, 16; @%p1 bra ONE; add.s32 %r4, %r0, 1;
            shfl.sync.bfly.b32 %r5, %r4, 1, 31, {mask}; bra DONE;
        ONE: shfl.sync.bfly.b32 %r5, %r0, 1, 31, 0x0000ffff; DONE: st.global.u32 [%d4], %r5;""",
     {"mask": ("0xffff0000", "0xffffffff")}, ["barrier"], 32),
    ("row addresses of ldmatrix", """st.shared.u32 [%r3], %r0; st.shared.u32 [%r3+128], %r0; bar.warp.sync -1;
            and.b32 %r5, %r0, 7; shl.b32 %r5, %r5, {shift};
        add.s32 %r5, %r5, %r1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%r6}}, [%r5];
            st.global.u32 [%d4], %r6;""",
     {"shift": ("4", "3")}, ["alignment"], 32),
    ("many blocks, one counter", """{add}""", {"add": ("atom.global.add.u32 %r4, [%d0], 1;", """ld.global.u32 %r4, [%d0];
            add.s32 %r4, %r4, 1; st.global.u32 [%d0], %r4;""")},
     ["race"], 1),
    ("trap", """setp.eq.u32 %p1, %r0, {which}; @%p1 trap;""", {"which": ("99", "9")}, ["other"], 64),
    ("read-only sharing", """ld.global.u32 %r4, [%d0]; {write} st.global.u32 [%d4], %r4;""",
     {"write": ("", "setp.eq.u32 %p1, %r0, 63; @%p1 st.global.u32 [%d0], %r4;")}, ["race"], 64),
    ("all write one value", """st.shared.u32 [%r1], {value};""", {"value": ("5", "%r0")}, ["race"], 32),
]


def text(body, choices, which):
    body = body.format(**{name: pair[which] for name, pair in choices.items()})
    return ptxsim.kernel(START + body + "\nret;", [".u64 a", ".u64 b"], REGISTERS + " .local .align 16 .b8 l[16];",
        before=SHARED)


# The last block to finish adds up what all have left: ordered by a fence and an atomic operation.
LAST_BLOCK = START + """
mov.u32 %r10, %ctaid.x; mov.u32 %r11, %nctaid.x; mul.wide.u32 %d6, %r10, 4; add.s64 %d6, %d1, %d6;
st.global.u32 [%d6], %r10; {fence} atom.global.add.u32 %r12, [%d0], 1; sub.s32 %r11, %r11, 1;
setp.ne.u32 %p1, %r12, %r11; @%p1 bra DONE; mov.u32 %r13, 0; mov.u32 %r14, 0;
LOOP: mul.wide.u32 %d7, %r13, 4; add.s64 %d7, %d1, %d7; ld.global.u32 %r15, [%d7]; add.s32 %r14, %r14, %r15;
add.s32 %r13, %r13, 1; setp.le.u32 %p2, %r13, %r11; @%p2 bra LOOP; st.global.u32 [%d0+4], %r14; DONE: ret;"""


def main():
    wrong = runs = 0

    def expect(what, found, wanted):
        nonlocal wrong, runs
        runs += 1
        if found != wanted:
            print(f"{what}: expected {wanted}, found {found}")
            wrong += 1

    orders = [{}, {"PTXSIM_ORDER": "1"}]
    for name, body, choices, wanted, threads in CASES:
        for which in (0, 1):
            ptx = text(body, choices, which)
            complaints = ptxsim.assemble(ptx, 90)
            if complaints:
                print(name, complaints)
                wrong += 1
            for settings in orders:
                grid = (4, 1, 1) if threads == 1 else (1, 1, 1)
                arguments = [np.zeros(64, np.uint32), "buffer:512" if "nobody" in name else np.zeros(128, np.uint32)]
                if "nobody" in name and not which:
                    arguments[1] = np.zeros(128, np.uint32)
                report, _ = ptxsim.run(ptx, arguments, grid=grid, block=(threads, 1, 1), settings=settings)
                found = ptxsim.kinds(report)
                if which and set(found) & set(wanted):
                    found = wanted
                expect(f"{name} ({'wrong' if which else 'right'} {settings})", found, wanted if which else [])
    for fence, wanted in (("membar.gl;", []), ("", ["race"])):
        ptx = ptxsim.kernel(LAST_BLOCK.format(fence=fence), [".u64 a", ".u64 b"], REGISTERS, before=SHARED)
        report, arrays = ptxsim.run(ptx, [np.zeros(64, np.uint32), np.zeros(64, np.uint32)], grid=(8, 1, 1),
            block=(1, 1, 1))
        expect(f"last block, fence '{fence}'", ptxsim.kinds(report), wanted)
        expect("sum", int(arrays[0][1]), 28)
    report, _ = ptxsim.run(text(*CASES[0][1:3], 1), [np.zeros(64, np.uint32), np.zeros(64, np.uint32)], block=(64, 1, 1),
                           settings={"PTXSIM_CHECK": "0"})
    expect("checks off", ptxsim.kinds(report), [])
    for bad, message in (("add.s32 %r0, %r1;", "wrong number"), ("frob.b32 %r0, %r1;", "unknown instruction"),
                         ("add.rn.s32.foo %r0, %r1, %r2;", "does not take the modifier .foo"),
                           ("add.s8 %r0, %r1, %r2;", "does not take the type"),
                         ("bra NOWHERE;", "unknown label"), ("mov.u32 %r0, %r99;", "unknown register"),
                           ("add.s32 %r0, %r1, ;", "expected")):
        said = ptxsim.check(ptxsim.kernel(bad, [".u64 a", ".u64 b"], REGISTERS))
        expect(bad, message in said and "line " in said, True)
    print(f"{runs} checks, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
