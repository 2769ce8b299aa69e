"""Attentions in one kernel, of each family of GPUs and with matrix instructions and without: as exact as the types allow,
whatever the masks, the order of the heads' axes and the lengths are. Wide tiles fit into the registers.

  attention.py MODELS BUILD [--all] [NAME...]     in an empty folder; MODELS is the folder of emulated.py, BUILD that of the
                                                  build, NAMEs are of cases; with them or --all, on all GPUs
"""

# RUN: rm -rf %t && mkdir %t && cd %t && env %cuda PTXSIM_FAIL=1 TEGULA_PTXAS= %python %s %source/test/models %build

import re
import sys

import ml_dtypes
import numpy as np
import onnx
import tegula
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, sys.argv[1])
import emulated  # noqa: E402

RANDOM = np.random.Generator(np.random.PCG64(5))
F16, BF16, F32 = np.float16, ml_dtypes.bfloat16, np.float32
ORDERS = {70: 0, 75: 3, 80: 5}  # the seed of the order that warps run in; 0: as they come
INF = np.inf

CASES = []


class Case:
    """An attention of `heads` heads of `depth` elements, whose values have `width`.

    q, k and v are [batch, length, heads * depth], or as `layout` says: "heads" is [batch, heads, length, depth], "turned"
    the same with k as [batch, heads, depth, length], and "plain" is [batch, length, depth], of one head. `scale` is "mul" or
    "div" after the first product, "before" on the queries, or None. `mask(batch, rows, keys)` gives what is added, or with
    `where` the boolean that chooses scores. `lengths` are (batch, rows, keys) of the runs; `dynamic` lists those that are
    known at run time only. `kernels` is how many the model takes: one where it is fused, None if there are others beside
    it, 0 if it is not fused. `strength` is the queries' deviation. `is_steady`: all keys are the first, and values are 1,
    then 0. `residual`: twice the queries are added to the result. `is_operator`: the standard's own operator, in which
    `key_heads` may be fewer than the queries'."""

    def __init__(self, name, element, lengths, depth=64, width=None, heads=2, layout="split", scale="mul", mask=None,
                 where=False, dynamic="", chips=(80, ), kernels=1, strength=1.0, is_steady=False, residual=False,
                 key_heads=None, is_operator=False):
        self.name, self.element, self.chips, self.kernels = name, element, chips, kernels
        self.depth, self.width, self.heads, self.layout = depth, width or depth, heads, layout
        self.key_heads, self.is_operator = key_heads or heads, is_operator
        self.scale, self.mask, self.where, self.strength, self.is_steady = scale, mask, where, strength, is_steady
        self.factor = 2.0**-(int(np.log2(depth)) // 2)  # exact in all types
        self.runs = [self.draw(*length) for length in lengths]
        if residual:
            for run in self.runs:
                run["r"] = run["q"] * element(2)
        self.dynamic = dynamic
        graph = helper.make_graph(self.operator() if is_operator else self.nodes(), name, self.inputs(lengths[0]), [
            helper.make_tensor_value_info("y", self.onnx_type, [None] * (3 if layout in ("split", "plain") else 4))],
            [numpy_helper.from_array(np.array(shape, np.int64), f"shape{i}") for i, shape in enumerate(self.shapes())] +
            [numpy_helper.from_array(np.array(1 / self.factor if scale == "div" else self.factor, element), "factor"),
             numpy_helper.from_array(np.array(-INF, element), "none")])
        opset = helper.make_opsetid("", 23 if is_operator else 22)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), name + ".onnx")
        CASES.append(self)

    @property
    def onnx_type(self):
        return helper.np_dtype_to_tensor_dtype(np.dtype(self.element))

    # The model.

    def shapes(self):
        """Of Reshape: zeros keep an extent."""
        return ([0, 0, self.heads, self.depth], [0, 0, self.key_heads, self.depth], [0, 0, self.key_heads, self.width],
                [0, 0, self.heads * self.width])

    def inputs(self, length):
        names = [letter if letter in self.dynamic else None for letter in "bmn"]
        b, m, n = (name or extent for name, extent in zip(names, length))
        shapes = {key: list(value.shape) for key, value in self.runs[0].items()}
        row = {"split": 1, "plain": 1, "heads": 2, "turned": 2}[self.layout]
        for key, extent in (("q", m), ("k", n), ("v", n)) + ((("r", m), ) if "r" in shapes else ()):
            shapes[key][0], shapes[key][3 if key == "k" and self.layout == "turned" else row] = b, extent
        return [helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(self.runs[0][key].dtype), shape)
                for key, shape in shapes.items()]

    def nodes(self):
        nodes, q, k, v = [], "q", "k", "v"

        def node(kind, inputs, output, **attributes):
            nodes.append(helper.make_node(kind, inputs.split(), [output], **attributes))
            return output

        if self.layout == "split":
            q = node("Transpose", node("Reshape", "q shape0", "q1"), "q2", perm=[0, 2, 1, 3])
            k = node("Transpose", node("Reshape", "k shape1", "k1"), "k2", perm=[0, 2, 3, 1])
            v = node("Transpose", node("Reshape", "v shape2", "v1"), "v2", perm=[0, 2, 1, 3])
        elif self.layout != "turned":
            k = node("Transpose", k, "k2", perm=[0, 2, 1] if self.layout == "plain" else [0, 1, 3, 2])
        if self.scale == "before":
            q = node("Mul", q + " factor", "q3")
        s = node("MatMul", f"{q} {k}", "s")
        if self.scale in ("mul", "div"):
            s = node(self.scale.title(), s + " factor", "s1")
        if self.mask:
            s = node("Where", f"mask {s} none", "s2") if self.where else node("Add", s + " mask", "s2")
        result = "o" if self.layout == "split" or "r" in self.runs[0] else "y"
        node("MatMul", f"{node('Softmax', s, 'p', axis=-1)} {v}", result)
        if self.layout == "split":
            node("Reshape", node("Transpose", "o", "o1", perm=[0, 2, 1, 3]) + " shape3", "y")
        elif result == "o":
            node("Add", "o r", "y")
        return nodes

    def operator(self):
        """The standard's own operator."""
        return [helper.make_node("Attention", ["q", "k", "v"] + (["mask"] if self.mask else []), ["y"],
                                 q_num_heads=self.heads, kv_num_heads=self.key_heads, scale=self.factor)]

    # Its values.

    def draw(self, b, m, n):
        def shape(heads, length, depth, is_turned=False):
            if self.layout == "split":
                return b, length, heads * depth
            if self.layout == "plain":
                return b, length, depth
            return (b, heads, depth, length) if is_turned else (b, heads, length, depth)

        def normal(scale, *extents):
            return (RANDOM.standard_normal(extents) * scale).astype(self.element)

        run = {"q": normal(self.strength, *shape(self.heads, m, self.depth)),
               "k": normal(1, *shape(self.key_heads, n, self.depth, self.layout == "turned")),
               "v": normal(1, *shape(self.key_heads, n, self.width))}
        if self.is_steady:
            run["k"][:] = run["k"][:, :1]
            run["v"][:] = np.arange(n).reshape(1, n, 1) < n / 2
        if self.mask:
            mask = self.mask(b, m, n)
            run["mask"] = mask if self.where else mask.astype(self.element)
        return run

    def expected(self, run):
        """The result, and how far from it one may be."""
        q, k, v = (run[key].astype(np.float64) for key in "qkv")
        if self.layout == "split":
            q, k, v = (x.reshape(*x.shape[:2], heads, depth).swapaxes(1, 2) for x, heads, depth in
                       ((q, self.heads, self.depth), (k, self.key_heads, self.depth), (v, self.key_heads, self.width)))
            k, v = (np.repeat(x, self.heads // self.key_heads, axis=1) for x in (k, v))
        if self.layout != "turned":
            k = k.swapaxes(-1, -2)
        factor = self.factor if self.scale else 1.0
        scaled = q @ k * factor
        scores = scaled
        if self.mask:
            mask = run["mask"]
            scores = np.where(mask, scaled, -INF) if self.where else scaled + mask.astype(np.float64)
        y, bound = self.bounded(scores, scaled, np.abs(q) @ np.abs(k) * factor, v)
        if self.layout == "split":
            y, bound = (x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], self.heads * self.width) for x in (y, bound))
        if "r" in run:
            y = y + run["r"]
            bound = bound + float(ml_dtypes.finfo(self.element).eps) / 2 * (np.abs(y) + bound)
        return y, bound

    def bounded(self, scores, scaled, products, v):
        """The attention of these scores, of which `products` are the sums of absolute products.

        A score is off by e: it is rounded after the product and with the mask; its products are added in f32, where a matrix
        instruction may cut off; the exponent of its power is a multiply-add in f32 whose terms are as large as the score and
        the greatest of the row; and the power is approximate. A share p is then off by the factor exp(e) / sum p exp(e), at
        most exp(e + E) with E = log(sum p exp(e)). Rounded powers (at most 1, subnormals included), the sums and the result
        add the rest."""
        unit = 0 if self.element == F32 else float(ml_dtypes.finfo(self.element).eps) / 2  # of a rounding to nearest
        least = float(ml_dtypes.finfo(self.element).smallest_subnormal) / 2
        n = scores.shape[-1]
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            most = scores.max(axis=-1, keepdims=True, initial=-INF)
            finite = np.isfinite(scores)
            size = np.where(finite, np.abs(scores), 0)
            # In f32 roundings are of either sign.
            def added(count):
                return count * 2.0**-23 if unit else (2 + np.sqrt(count)) * 2.0**-24

            # The scale is a power of two, but for the operator, which has its root in both factors.
            rounded = unit * (4 if self.is_operator else self.scale == "before")
            e = (unit or 2.0**-24) * (np.abs(scaled) + (size if self.mask else 0)) + products * (added(self.depth) + rounded)
            e = np.where(finite, e + (size + np.where(np.isfinite(most), np.abs(most), 0)) * 2.0**-23 + 2.0**-22, 0)
            e = np.where(size > 2.0**100, 0, np.minimum(e, 600))  # scores vanish beside the least numbers
            powers = np.exp(scores - most)
            p = powers / powers.sum(axis=-1, keepdims=True)
            total = np.log((p * np.exp(e)).sum(axis=-1, keepdims=True))
            y, size = p @ v, p @ np.abs(v)
            bound = (p * np.expm1(e + total)) @ np.abs(v)
            bound += (unit + added(n)) * size + (least if unit else 0) * finite.astype(np.float64) @ np.abs(v)
            bound += (unit + 2.0**-23) * (np.abs(y) + bound) + least
        return y, bound * 1.01


def padded(value):
    """[b, 1, 1, n]: the last keys of each batch are not there."""
    def mask(b, m, n):
        lengths = np.array([n - 3 * (i + 1) for i in range(b)]).reshape(b, 1, 1, 1)
        return np.where(np.arange(n) < lengths, 0.0, value)
    return mask


def causal(b, m, n):
    return np.where(np.arange(n) <= np.arange(m)[:, None], 0.0, -INF).reshape(1, 1, m, n)


def late(value):
    """[1, 1, m, n]: of rows 3 and 70 the first whole tile is not there, and row 5 has nothing (NaN if that is infinite)."""
    def mask(b, m, n):
        result = np.where(RANDOM.random((1, 1, m, n)) < 0.2, value, 0.0)
        result[..., 3, :100] = result[..., 70, :64] = value
        result[..., 5, :] = value
        return result
    return mask


def bias(b, m, n):
    """[1, 2, m, n]: of two heads, for instance by distance."""
    return RANDOM.standard_normal((1, 2, m, n))


def chosen(b, m, n):
    keep = RANDOM.random((b, 1, m, n)) < 0.7
    keep[..., 0] = True
    return keep


def define():
    every, large = (70, 75, 80), [(1, 128, 128)]
    Case("plain", F16, [(2, 48, 70)], heads=1, layout="plain", scale=None, chips=every, strength=0.2)
    Case("half", F16, large, mask=padded(-1e4), chips=every)
    Case("half_div", F16, [(2, 77, 150)], depth=40, scale="div", chips=every)
    # The queries are scaled by a kernel of its own.
    Case("half_before", F16, [(1, 200, 200)], depth=128, heads=1, scale="before", kernels=2)
    Case("half_narrow", F16, [(1, 40, 130)], depth=32, layout="turned", mask=causal, chips=(75, 80))
    Case("half_36", F16, [(2, 33, 65)], depth=36, layout="heads", residual=True, chips=every)
    Case("half_35", F16, [(1, 33, 65)], depth=35, layout="heads", chips=(75, ))
    Case("half_values", F16, [(1, 64, 100)], depth=64, width=24, layout="heads", mask=bias, chips=every)
    Case("half_wide_values", F16, [(1, 64, 100)], depth=24, width=128, layout="heads")
    Case("half_late", F16, [(1, 77, 150)], mask=late(-INF), chips=every)
    Case("half_where", F16, [(2, 33, 150)], mask=chosen, where=True, chips=(75, 80))
    # The standard's operator scales queries and keys by kernels of their own; two heads share keys and values, which are
    # repeated.
    Case("half_op", F16, [(1, 33, 70)], heads=4, key_heads=2, is_operator=True, kernels=None)
    # Rows whose mask has nothing are zeros there: shares are not just quotients.
    Case("single_op", F32, [(1, 33, 70)], depth=32, heads=2, mask=padded(-1e4), is_operator=True, kernels=0)
    Case("half_few_rows", F16, [(1, 1, 50)], kernels=0)
    # Many blocks: two groups of rows for a warp.
    Case("half_many", F16, [(1, 260, 96)], heads=27, depth=32)
    Case("half_dynamic", F16, [(2, 40, 70), (1, 1, 1), (3, 65, 64), (0, 5, 5), (1, 0, 3), (2, 17, 129)],
         dynamic="bmn", layout="heads", chips=(75, 80))
    # Kernels beside it find out shapes.
    Case("half_dynamic_split", F16, [(2, 40, 70), (1, 1, 1), (3, 65, 64)], dynamic="bmn", kernels=None)
    Case("half_no_keys", F16, [(1, 20, 30), (1, 3, 0)], dynamic="mn", layout="heads")
    Case("brain", BF16, [(2, 77, 100)], mask=padded(-1e4), chips=(75, 80))
    Case("brain_wide", BF16, [(1, 64, 64)], depth=128, scale="before", layout="heads", kernels=2)
    Case("brain_least", BF16, [(1, 77, 150)], mask=late(float(ml_dtypes.finfo(BF16).min)))
    Case("single", F32, large, mask=padded(-1e4), chips=every)
    Case("single_odd", F32, [(2, 77, 150)], depth=40, scale="div")
    Case("single_wide", F32, [(1, 33, 50)], depth=128, layout="heads", residual=True, chips=(75, ))
    Case("single_35", F32, [(1, 33, 50)], depth=35, width=30, layout="heads", mask=causal, chips=(70, ))
    Case("single_late", F32, [(1, 77, 150)], depth=32, mask=late(-INF))
    Case("single_least", F32, [(1, 77, 150)], depth=32, mask=late(float(np.finfo(F32).min)))
    # So far that a score times log2(e) is off by more than the greatest exponent.
    Case("single_far", F32, [(1, 77, 150)], depth=32, mask=late(-1e10), chips=every)
    Case("brain_far", BF16, [(1, 77, 150)], mask=late(-1e10))
    Case("single_where", F32, [(1, 40, 60)], depth=32, mask=chosen, where=True)
    # All scores of a row are the same, of which the greatest is the first: what was added up before stays as it is.
    Case("single_steady", F32, [(1, 16, 1500)], depth=32, heads=1, strength=4.0, is_steady=True)
    Case("single_dynamic", F32, [(2, 20, 33), (1, 1, 1), (0, 5, 5), (1, 0, 3), (1, 40, 100)], depth=32, dynamic="bmn",
         layout="heads", chips=(70, ))
    Case("single_no_keys", F32, [(1, 20, 30), (1, 3, 0)], depth=32, dynamic="mn", layout="heads")


def compile_case(case):
    tegula.compile(case.name + ".onnx", case.name + ".so", device="cuda:" + ",".join(f"sm_{chip}" for chip in case.chips))


def check_kernels(case):
    """The artifact holds the PTX of each chip as text: lanes are combined in one kernel, which has matrix instructions where
    the chip has them."""
    texts = emulated.texts_of(case.name + ".so")
    assert len(texts) == len(case.chips)
    first = {F16: 75, BF16: 80, F32: 1000}[case.element]
    for chip, text in texts.items():
        kernels = text.split(b".entry")[1:]
        combining = [kernel for kernel in kernels if b"shfl.sync" in kernel]
        where = f"{case.name}, sm_{chip}: {len(kernels)} kernels, of which {len(combining)} combine lanes"
        if case.kernels == 0:
            assert len(kernels) > 1 and len(combining) != 1, where
            continue
        assert len(combining) == 1 and case.kernels in (None, len(kernels)), where
        matrices = [b"mma.sync" in kernel for kernel in kernels if b"mma.sync" in kernel or kernel in combining]
        assert matrices == [chip >= first], f"{where}, matrix instructions: {matrices}"


def check_large(depth, chip):
    """A warp has 32 rows of queries with heads of 64 elements, 16 with 128."""
    name = f"large-{depth}"
    ptx = f"{name}-{chip}.ptx"
    tegula.compile(name + ".onnx", ptx, device=f"cuda:sm_{chip}")
    with open(ptx) as file:
        text = file.read()
    assert text.count(".entry") == 1, f"{name}, sm_{chip}: more than one kernel"
    if depth == 64 and chip == 80:
        # The innermost loop is between a label and the last branch to it. 64 keys and 64 elements are 4 x 4 of 16 x 16 in
        # each product, which have an ldmatrix each, and 2 instructions for each of 2 x 16 rows.
        loops = [match for label in re.findall(r"^(\$L__BB\d+_\d+):", text, re.MULTILINE)
                 for match in re.findall(rf"^{re.escape(label)}:.*bra(?:\.uni)?\s+{re.escape(label)};", text,
                                         re.MULTILINE | re.DOTALL)]
        assert len(loops) == 1, f"{name}: {len(loops)} loops"
        found = loops[0].count("mma.sync.aligned.m16n8k16"), loops[0].count("mma.sync"), loops[0].count("ldmatrix")
        assert found == (128, 128, 32), f"{name}: {found} products, products of any kind and ldmatrix in the loop"
        # The queries, once: 4 of 16 elements for each 16 rows.
        assert text.count("ldmatrix") == 40, f"{name}: {text.count('ldmatrix')} ldmatrix"
    emulated.assemble(name, chip, text.encode(), sys.argv[2])


def check_twice(chip):
    """What is nearly an attention, but whose scores or shares are also read in other places."""
    near = {"turned": [helper.make_node("Transpose", ["s"], ["t"], perm=[1, 0]), helper.make_node("Add", ["s", "t"], ["u"]),
                       helper.make_node("Softmax", ["u"], ["p"]), helper.make_node("MatMul", ["p", "v"], ["y"])],
            "squared": [helper.make_node("Softmax", ["s"], ["p"]), helper.make_node("MatMul", ["p", "p"], ["y"])]}
    run = {"q": RANDOM.standard_normal((32, 16)), "k": RANDOM.standard_normal((16, 32)) / 4,
           "v": RANDOM.standard_normal((32, 32))}
    run = {key: value.astype(F32) for key, value in run.items()}
    scores = run["q"].astype(np.float64) @ run["k"]
    for name, nodes in near.items():
        powers = np.exp(scores + scores.T if name == "turned" else scores)
        shares = powers / powers.sum(-1, keepdims=True)
        feeds = {key: run[key] for key in ("qkv" if name == "turned" else "qk")}
        inputs = [helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, value.shape) for key, value in feeds.items()]
        graph = helper.make_graph([helper.make_node("MatMul", ["q", "k"], ["s"]), *nodes], name, inputs,
                                  [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [32, 32])])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), name + ".onnx")
        tegula.compile(name + ".onnx", name + ".so", device=f"cuda:sm_{chip}")
        emulated.save_runs(name, [feeds])
        emulated.run_all(chip, 0, [name])
        emulated.check(name, chip, [(shares @ (run["v"] if name == "turned" else shares), 1e-5)])


def main():
    define()
    attempt, words = emulated.Attempts(), sys.argv[3:]
    only = [name for name in words if name != "--all"]
    cases = [case for case in CASES if not only or case.name in only]
    if not words:
        emulated.take_turns(cases)
    compiled = []
    for case in cases:
        if attempt(compile_case, case):
            emulated.save_runs(case.name, case.runs)
            attempt(check_kernels, case)
            compiled.append(case)
    for chip, order in ORDERS.items():
        chosen_cases = [case for case in compiled if chip in case.chips]
        emulated.run_all(chip, order, [case.name for case in chosen_cases])
        for case in chosen_cases:
            attempt(emulated.check, case.name, chip, [case.expected(run) for run in case.runs])
        print(f"sm_{chip}: {len(chosen_cases)} attentions")
    if not only:
        attempt(check_twice, 75)
        for depth, chips in ((64, (75, 80)), *(((128, (75, 80, 90)), (64, (90, ))) if words else ())):
            CASES.clear()
            Case(f"large-{depth}", F16, [(1, 2048, 2048)], depth=depth, heads=16)
            for chip in chips:
                attempt(check_large, depth, chip)
    attempt.end()


main()
