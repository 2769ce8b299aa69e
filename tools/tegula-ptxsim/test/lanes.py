"""Instructions in which lanes, threads or blocks have to do with each other, and the larger shapes of operands."""
import sys

import numpy as np

import ptxsim

LANES = np.arange(32, dtype=np.uint32)
REGISTERS = ".reg .pred %p<9>; .reg .b16 %h<20>; .reg .b32 %r<60>; .reg .f32 %f<20>; .reg .b64 %d<20>; .reg .f64 %e<20>;"
checks = wrong = 0


def same(name, found, wanted):
    global checks, wrong
    checks += 1
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape or not np.array_equal(found, wanted):
        wrong += 1
        bad = np.argwhere(found.reshape(-1) != wanted.reshape(-1))[:3].tolist() if found.shape == wanted.shape else "shape"
        print(f"{name}: wrong at {bad}: {found.reshape(-1)[:8]} instead of {wanted.reshape(-1)[:8]}")


def launch(name, body, inputs, outputs, sm=90, before="", block=(32, 1, 1), grid=(1, 1, 1), shared=0, registers="",
    may=()):
    """Pointers to the inputs and outputs are in %d0, %d1, ...; the lane in %r0."""
    count = len(inputs) + len(outputs)
    start = "".join(f"ld.param.u64 %d{k}, [p{k}];\n" for k in range(count)) + "mov.u32 %r0, %tid.x;\n"
    ptx = ptxsim.kernel(start + body + "\nret;", [f".u64 p{k}" for k in range(count)], REGISTERS + registers, sm, before)
    complaints = ptxsim.assemble(ptx, sm)
    if complaints:
        same(name + " " + complaints, 0, 1)
        return None
    try:
        report, arrays = ptxsim.run(ptx, list(inputs) + [("out", t, n) for t, n in outputs], grid=grid, block=block,
            shared=shared)
    except ptxsim.Failure as failure:
        same(f"{name}: {failure}", 0, 1)
        return None
    if [k for k in ptxsim.kinds(report) if k not in may]:
        same(f"{name}: {report['faults'][0]}", 0, 1)
    return arrays[len(inputs):]


def one_word(name, body, wanted, inputs=(), **more):
    """A body that leaves %r9 in each thread."""
    n = len(inputs)
    threads = more.get("block", (32, 1, 1))[0]
    out = launch(name, body + f"\nmul.wide.u32 %d9, %r0, 4; add.s64 %d9, %d9, %d{n}; st.global.u32 [%d9], %r9;", inputs,
                 [(np.uint32, threads)], **more)
    if out:
        same(name, out[0], np.asarray(wanted, np.uint32) & 0xFFFFFFFF)


def shuffles():
    def model(mode, b, c):
        result, inside = [], []
        for lane in range(32):
            clamp, segment = c & 31, c >> 8 & 31
            most, least = (lane & segment) | (clamp & ~segment), lane & segment
            source = {"up": lane - b, "down": lane + b, "bfly": lane ^ b, "idx": least | (b & ~segment & 31)}[mode]
            ok = source >= most if mode == "up" else source <= most
            result.append(100 + (source if ok else lane))
            inside.append(1 if ok else 0)
        return np.array(result), np.array(inside)

    for mode in ("up", "down", "bfly", "idx"):
        for b in (1, 7):
            for c in ((0, 0x1800) if mode == "up" else (31, 0x181F)):
                value, inside = model(mode, b, c)
                body = f"""add.u32 %r1, %r0, 100; shfl.sync.{mode}.b32 %r2|%p1, %r1, {b}, {c}, -1;
                selp.b32 %r3, 1, 0, %p1; mad.lo.u32 %r9, %r3, 1000, %r2;"""
                one_word(f"shfl.{mode} {b} {c}", body, value + 1000 * inside)


def votes():
    odd = "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 1;"
    one_word("ballot", odd + "vote.sync.ballot.b32 %r9, %p1, -1;", np.full(32, 0xAAAAAAAA))
    for mode, wanted in (("all", 0), ("any", 1), ("uni", 0)):
        one_word("vote " + mode, odd + f"""vote.sync.{mode}.pred %p2, %p1, -1; selp.b32 %r9, 1, 0, %p2;""",
            np.full(32, wanted))
    one_word("vote of odd lanes", odd + """@!%p1 bra A; vote.sync.all.pred %p2, %p1, 0xaaaaaaaa;
            selp.b32 %r9, 1, 0, %p2; A: @!%p1 mov.u32 %r9, 7;""",
             np.where(LANES & 1, 1, 7))
    one_word("match any", "and.b32 %r1, %r0, 3; match.any.sync.b32 %r9, %r1, -1;", 0x11111111 << (LANES & 3))
    one_word("match all", "match.all.sync.b32 %r9|%p1, 5, -1; @!%p1 mov.u32 %r9, 0;", np.full(32, 0xFFFFFFFF))
    one_word("match all, differing", "match.all.sync.b32 %r9|%p1, %r0, -1;", np.zeros(32))
    one_word("active", odd + "mov.u32 %r9, 0; @%p1 bra A; activemask.b32 %r9; A:", np.where(LANES & 1, 0, 0x55555555))
    for op, wanted in (("add.s32", 496 - 320), ("min.s32", -10), ("max.u32", 0xFFFFFFFF), ("and.b32", 0), ("or.b32",
        0xFFFFFFFF), ("xor.b32", None)):
        if wanted is None:
            wanted = int(np.bitwise_xor.reduce((LANES.astype(np.int64) - 10) & 0xFFFFFFFF))
        one_word("redux " + op, f"sub.s32 %r1, %r0, 10; redux.sync.{op} %r9, %r1, -1;", np.full(32, wanted))
    one_word("elect", "elect.sync %r1|%p1, -1; selp.b32 %r9, 5, 6, %p1;", np.where(LANES == 0, 5, 6))
    one_word("lane masks", """mov.u32 %r1, %lanemask_lt; mov.u32 %r2, %lanemask_ge; xor.b32 %r3, %r1, %r2;
            mov.u32 %r4, %laneid; add.u32 %r9, %r3, %r4;""",
             LANES.astype(np.int64) - 1)


def scalar_odds():
    one_word("carry", "add.cc.u32 %r1, -1, %r0; addc.cc.u32 %r2, -1, 0; addc.u32 %r9, 0, 0;", np.where(LANES > 0, 1, 0))
    one_word("borrow", "sub.cc.u32 %r1, 3, %r0; subc.u32 %r9, 10, 0;", np.where(LANES > 3, 9, 10))
    one_word("wide product", """mad.lo.cc.u32 %r1, %r0, -1, 1; madc.hi.u32 %r9, %r0, -1, 0;""", np.where(LANES > 1,
        LANES.astype(np.int64) - 1, np.where(LANES == 1, 1, 0)))
    one_word("pack", """mov.b64 %d5, {%r0, 7}; mov.b64 {%r1, %r2}, %d5; mov.b32 {%h1, %h2}, %r2;
            cvt.u32.u16 %r3, %h1; add.u32 %r9, %r3, %r1;""", LANES + 7)
    one_word("unpack to nothing", "mov.b32 %r1, 0x00050009; mov.b32 {_, %h2}, %r1; cvt.u32.u16 %r9, %h2;", np.full(32, 5))
    one_word("two predicates", """setp.lt.u32 %p1|%p2, %r0, 5; selp.b32 %r1, 1, 0, %p1; selp.b32 %r2, 2, 0, %p2;
            add.u32 %r9, %r1, %r2;""", np.where(LANES < 5, 1, 2))
    one_word("combined", """setp.lt.u32 %p1, %r0, 20; setp.gt.and.u32 %p2, %r0, 5, %p1;
            setp.eq.or.u32 %p3, %r0, 31, %p2; setp.ge.xor.u32 %p4, %r0, 10, !%p3; selp.b32 %r9, 1, 0, %p4;""",
             (LANES >= 10) ^ ~(((LANES > 5) & (LANES < 20)) | (LANES == 31)))
    one_word("guards", """mov.u32 %r9, 1; setp.lt.u32 %p1, %r0, 9; @%p1 mov.u32 %r9, 2;
            @!%p1 add.u32 %r9, %r9, %r0;""", np.where(LANES < 9, 2, LANES + 1))
    one_word("loops of different length", """mov.u32 %r9, 0; mov.u32 %r1, 0; L: setp.ge.u32 %p1, %r1, %r0;
            @%p1 bra E; add.u32 %r9, %r9, %r1; add.u32 %r1, %r1, 1; bra L; E:""",
             LANES * (LANES.astype(np.int64) - 1) // 2)
    one_word("jump by list", """and.b32 %r1, %r0, 3; ts: .branchtargets A, B, C, D; brx.idx %r1, ts;
            A: mov.u32 %r9, 10; bra E; B: mov.u32 %r9, 11; bra E; C: mov.u32 %r9, 12; bra E; D: mov.u32 %r9, 13;
            E:""",
             10 + (LANES & 3))
    function = """.func (.param .b32 r) twice(.param .b32 x) { .reg .b32 %r<3>; .reg .pred %p;
            ld.param.u32 %r1, [x]; setp.gt.u32 %p, %r1, 20; @%p bra BIG;
        add.u32 %r2, %r1, %r1; st.param.u32 [r], %r2; ret; BIG: st.param.u32 [r], 1; ret; }
        .func (.reg .b32 r) next(.reg .b32 x) { add.u32 r, x, 1; ret; }"""
    one_word("calls", """{ .param .b32 q; .param .b32 v; st.param.b32 [q], %r0; call.uni (v), twice, (q);
            ld.param.b32 %r1, [v]; } call (%r9), next, (%r1);""",
             np.where(LANES > 20, 1, 2 * LANES) + 1, before=function)
    one_word("exit of some", "setp.gt.u32 %p1, %r0, 40; @%p1 exit; mov.u32 %r9, %r0;", LANES)
    tables = """.const .align 4 .u32 t[4] = {5, 6, 7, 8}; .global .align 4 .b8 g[8] = {1, 0, 0, 0, 2, 0, 0, 0};
            .global .align 8 .u64 q[2] = {generic(g), g+4};
        .global .f32 f[2] = {0f3F800000, 2.5};"""
    one_word("initial values", """ld.const.u32 %r1, [t+8]; ld.global.u64 %d5, [q+8]; ld.global.u32 %r2, [%d5];
            ld.u32 %r3, [g]; ld.global.f32 %f1, [f+4]; cvt.rzi.u32.f32 %r4, %f1; add.u32 %r9, %r1, %r2;
            add.u32 %r9, %r9, %r3; add.u32 %r9, %r9, %r4;""",
             np.full(32, 12), before=tables)
    one_word("spaces", """cvta.shared.u64 %d5, s; isspacep.shared %p1, %d5; isspacep.global %p2, %d0;
            cvta.to.shared.u64 %d6, %d5; st.shared.u32 [%d6], 9; ld.u32 %r1, [%d5]; selp.b32 %r2, 1, 0, %p1;
            selp.b32 %r3, 2, 0, %p2; add.u32 %r9, %r2, %r3; add.u32 %r9, %r9, %r1;""",
             np.full(32, 12), before=".shared .align 8 .b8 s[8];", may=("race",))
    one_word("dynamic shared memory", """shl.b32 %r1, %r0, 2; mov.u32 %r2, s; add.u32 %r2, %r2, %r1;
            st.shared.u32 [%r2], %r0; ld.shared.u32 %r3, [%r2]; mov.u32 %r4, %dynamic_smem_size;
            add.u32 %r9, %r3, %r4;""",
             LANES + 256, before=".extern .shared .align 16 .b8 s[];", shared=256)
    one_word("local memory", """cvta.local.u64 %d5, l; and.b32 %r1, %r0, 3; mul.wide.u32 %d6, %r1, 4;
            add.s64 %d6, %d5, %d6; st.u32 [%d6], %r0; ld.u32 %r9, [%d6];""", LANES,
             registers=".local .align 16 .b8 l[16];")
    block = np.arange(64, dtype=np.uint32)
    one_word("bar.red", """setp.lt.u32 %p1, %r0, 40; bar.red.popc.u32 %r1, 0, %p1; bar.red.and.pred %p2, 0, %p1;
            bar.red.or.pred %p3, 0, %p1; selp.b32 %r2, 100, 0, %p2; selp.b32 %r3, 1000, 0, %p3;
            add.u32 %r9, %r1, %r2; add.u32 %r9, %r9, %r3;""",
             np.full(64, 1040), block=(64, 1, 1))
    one_word("warps", """mov.u32 %r1, %warpid; mov.u32 %r2, %nwarpid; mov.u32 %r3, %ntid.x;
            mad.lo.u32 %r9, %r1, 10, %r2; add.u32 %r9, %r9, %r3;""", block // 32 * 10 + 66, block=(64, 1, 1))


def atomics():
    start = np.array([5, 0, 100, 0], np.uint32)
    for op, operand, wanted in (("add.u32", "%r0", 5 + 496), ("min.s32", "%r0", 0), ("max.u32", "%r0", 31),
        ("or.b32", "%r0", 31), ("and.b32", "4", 4), ("xor.b32", "%r0", 5),
                                ("inc.u32", "6", (5 + 32) % 7), ("dec.u32", "6", (5 - 32) % 7), ("exch.b32", "77", 77)):
        for how in ("atom.global", "red.global"):
            if how == "red.global" and "exch" in op:
                continue
            target = "%r1, " if how[0] == "a" else ""
            out = launch(f"{how}.{op}", f"""{how}.{op} {target}[%d0], {operand}; bar.warp.sync -1;
                ld.volatile.global.u32 %r2, [%d0]; st.global.u32 [%d1], %r2;""", [start], [(np.uint32, 1)])
            if out:
                same(f"{how}.{op}", out[0], [wanted])
    out = launch("atom.cas", """atom.global.cas.b32 %r1, [%d0], %r0, 50; mul.wide.u32 %d2, %r0, 4;
            add.s64 %d2, %d2, %d1; st.global.u32 [%d2], %r1;""", [start], [(np.uint32, 32)])
    same("atom.cas", out[0], np.where(LANES <= 5, 5, 50))
    body = """cvt.rn.f32.u32 %f1, %r0; cvt.rn.f64.u32 %e1, %r0; mov.u32 %r5, 0x3c004000; cvta.shared.u64 %d5, s;
            setp.eq.u32 %p1, %r0, 0;
        @%p1 st.shared.f32 [s], 0f00000000; @%p1 st.shared.f64 [s+8], 0d0000000000000000;
            @%p1 st.shared.u32 [s+4], 0; bar.sync 0;
        atom.shared.add.f32 %f2, [s], %f1; atom.add.f64 %e2, [%d5+8], %e1;
            red.shared.add.noftz.f16x2 [s+4], %r5; bar.sync 0;
        ld.shared.f32 %f3, [s]; ld.shared.f64 %e3, [s+8]; cvt.rn.f32.f64 %f4, %e3; ld.shared.f32 %f5, [s+4];
            st.global.v4.f32 [%d0], {%f3, %f4, %f5, %f5};"""
    out = launch("floats", body, [], [(np.float32, 4)], before=".shared .align 8 .b8 s[16];", may=("race",))
    if out:
        same("atomic floats", out[0][:2], [496, 496])
        same("atomic halves", out[0].view(np.uint16)[4:6], np.array([64, 32], np.float16).view(np.uint16))


def vectors():
    data = np.arange(64 * 8, dtype=np.uint32)
    out = launch("v4", """mul.wide.u32 %d5, %r0, 16; add.s64 %d6, %d0, %d5; add.s64 %d7, %d1, %d5;
            ld.global.nc.L1::no_allocate.v4.u32 {%r1, %r2, %r3, %r4}, [%d6];
            st.global.v4.u32 [%d7], {%r4, %r3, %r2, %r1};""", [data], [(np.uint32, 128)])
    same("v4", out[0], data[:128].reshape(32, 4)[:, ::-1].reshape(-1))
    out = launch("v2.b64", """mul.wide.u32 %d5, %r0, 16; add.s64 %d6, %d0, %d5; add.s64 %d7, %d1, %d5;
            ld.global.v2.b64 {%d8, %d9}, [%d6]; st.global.v2.b64 [%d7], {%d9, %d8};""", [data], [(np.uint32, 128)])
    same("v2.b64", out[0], data[:128].reshape(32, 2, 2)[:, ::-1].reshape(-1))
    small = np.arange(-16, 16, dtype=np.int8)
    out = launch("bytes", """cvt.u64.u32 %d5, %r0; add.s64 %d6, %d0, %d5; ld.global.s8 %r1, [%d6];
            mul.wide.u32 %d7, %r0, 4; add.s64 %d7, %d7, %d1; st.global.u32 [%d7], %r1;""", [small], [(np.int32, 32)])
    same("bytes", out[0], small.astype(np.int32))
    out = launch("halves", """mul.wide.u32 %d5, %r0, 2; add.s64 %d6, %d0, %d5; ld.global.b16 %h1, [%d6];
            add.s64 %d7, %d1, %d5; st.global.b16 [%d7], %h1;""", [data], [(np.uint16, 32)])
    same("halves", out[0], data.view(np.uint16)[:32])
    out = launch("strided", """mul.wide.u32 %d5, %r0, 12; add.s64 %d6, %d0, %d5; ld.global.u32 %r1, [%d6];
            mul.wide.u32 %d7, %r0, 4; add.s64 %d7, %d7, %d1; st.global.u32 [%d7], %r1;""", [data], [(np.uint32, 32)])
    same("strided", out[0], data[: 32 * 3 : 3])


def copies():
    data = np.arange(128, dtype=np.uint32)
    body = """mul.wide.u32 %d5, %r0, 16; add.s64 %d6, %d0, %d5; shl.b32 %r1, %r0, 4; mov.u32 %r2, s;
            add.u32 %r2, %r2, %r1; setp.lt.u32 %p1, %r0, 16; selp.b32 %r3, 16, {small}, %p1;
        cp.async.cg.shared.global.L2::128B [%r2], [%d6], 16, %r3; cp.async.commit_group; cp.async.wait_group 0;
            bar.sync 0;
        ld.shared.v4.u32 {{%r4, %r5, %r6, %r7}}, [%r2]; add.s64 %d7, %d1, %d5;
            st.global.v4.u32 [%d7], {{%r4, %r5, %r6, %r7}};"""
    for small in (0, 4, 16):
        out = launch("cp.async", body.format(small=small), [data], [(np.uint32, 128)],
            before=".shared .align 16 .b8 s[512];")
        wanted = data.reshape(32, 4).copy()
        wanted[16:, small // 4:] = 0
        if out:
            same(f"cp.async {small}", out[0], wanted.reshape(-1))


def main():
    for part in (shuffles, votes, scalar_odds, atomics, vectors, copies):
        part()
    print(f"{checks} checks, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
