//===- Fused.cpp - rows of com.microsoft's fused operators of transformers ---------------------===//
//
// What ONNX Runtime's optimizer makes of attention, normalization and activations, and its quantizer of those: taken
// apart into what the standard calls them. As documented in onnxruntime's docs/ContribOperators.md; where that is
// silent (masks), as its CPU kernels do.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

using namespace mlir;

namespace tegula {

/// Whether the inputs are there, of these ranks (-1: any); no schema has checked that. Reported where not.
static bool expects(Node &n, ArrayRef<std::pair<size_t, int64_t>> inputs) {
  for (auto [i, rank] : inputs) {
    if (!n.has(i)) {
      (void)n.refuse("T0201", "input " + Twine(i) + " is missing");
      return false;
    }
    if (rank >= 0 && n.rankOf(n.in(i)) != rank) {
      (void)n.refuse("T0202",
                     "input " + Twine(i) + " expects " + Twine(rank) + " axes, but has " + Twine(n.rankOf(n.in(i))));
      return false;
    }
  }
  return true;
}

/// Whether input `i` holds floats, or integers; reported where it does not.
static bool holds(Node &n, size_t i, bool floats) {
  Type type = n.elementOf(n.in(i));
  if (floats ? isa<FloatType>(type) : isa<IntegerType>(type) && !type.isInteger(1))
    return true;
  (void)n.refuse("T0202", "input " + Twine(i) + " expects " + (floats ? "floats" : "integers"));
  return false;
}

/// Whether none of the inputs from `first` on is there; what they would ask for is refused with `what`.
static bool lacks(Node &n, size_t first, StringRef what) {
  for (size_t i = first; i < n.inputs.size(); ++i)
    if (n.has(i)) {
      (void)n.refuse("T0102", "input " + Twine(i) + " (" + what + ") is not supported", "leave it out");
      return false;
    }
  return true;
}

//===- activations and products ----------------------------------------------------------------===//

static FailureOr<Values> activation(Node &n, StringRef kind) {
  if (!expects(n, {{0, -1}}) || !holds(n, 0, /*floats=*/true))
    return failure();
  return one(n.unary(kind, n.has(1) ? n.binary("add", n.in(0), n.in(1)) : n.in(0)));
}
static FailureOr<Values> gelu(Node &n) { return activation(n, "gelu"); }
static FailureOr<Values> fastGelu(Node &n) { return activation(n, "gelu_tanh"); }

static FailureOr<Values> quickGelu(Node &n) {
  if (!expects(n, {{0, -1}}) || !holds(n, 0, /*floats=*/true))
    return failure();
  Value x = n.in(0);
  Value scaled = n.binary("mul", x, n.number(n.elementOf(x), n.getFloat("alpha", 1.702f)));
  return one(n.binary("mul", x, n.unary("sigmoid", scaled)));
}

static FailureOr<Values> fusedMatMul(Node &n) {
  if (!expects(n, {{0, -1}, {1, -1}}))
    return failure();
  if (n.getInt("transBatchA", 0) || n.getInt("transBatchB", 0))
    return n.refuse("T0102", "transBatchA and transBatchB are not supported");
  auto factor = [&](size_t i, StringRef flag) {
    Value x = n.in(i);
    int64_t rank = n.rankOf(x);
    if (!n.getInt(flag, 0) || rank < 2)
      return x;
    Ints perm = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    std::swap(perm[rank - 1], perm[rank - 2]);
    return n.transpose(x, perm);
  };
  Value y = n.standard("MatMul", 13, {factor(0, "transA"), factor(1, "transB")});
  double alpha = n.getFloat("alpha", 1);
  return one(!y || alpha == 1 ? y : n.binary("mul", y, n.number(n.elementOf(y), alpha)));
}

//===- normalization ---------------------------------------------------------------------------===//

/// Rows of the last axis, times gamma, plus beta where there is one.
static Value normalized(Node &n, StringRef kind, Value x, double epsilon, Value gamma, Value beta) {
  if (!x)
    return {};
  Value y = n.finish(
      "nn.normalize", x, x.getType(),
      {n.word("kind", kind), n.attr("axis", n.rankOf(x) - 1), n.attr("epsilon", n.b.getF64FloatAttr(epsilon))});
  y = n.binary("mul", y, gamma);
  return beta ? n.binary("add", y, beta) : y;
}

/// Of the sum of input, skip and maybe a bias; the sum is the fourth output.
static FailureOr<Values> skipNormalization(Node &n, StringRef kind, size_t bias) {
  if (!expects(n, {{0, -1}, {1, -1}, {2, 1}}))
    return failure();
  if (n.rankOf(n.in(0)) < 1)
    return n.refuse("T0202", "input 0 expects rows");
  Value sum = n.binary("add", n.in(0), n.in(1));
  if (n.has(bias))
    sum = n.binary("add", sum, n.in(bias));
  Value beta = bias == 4 ? n.in(3) : Value();
  Value y = normalized(n, kind, sum, n.getFloat("epsilon", kind == "layer" ? 1e-12 : 1e-6), n.in(2), beta);
  if (!y)
    return failure();
  return Values{y, {}, {}, sum};
}
static FailureOr<Values> skipLayerNormalization(Node &n) { return skipNormalization(n, "layer", 4); }
static FailureOr<Values> skipSimplifiedLayerNormalization(Node &n) { return skipNormalization(n, "rms", 3); }

/// ONNX Runtime's own in the standard's domain.
static FailureOr<Values> simplifiedLayerNormalization(Node &n) {
  if (!expects(n, {{0, -1}, {1, -1}}))
    return failure();
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", -1), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  if (*axis != n.rankOf(n.in(0)) - 1)
    return n.refuse("T0102", "only rows of the last axis are supported");
  return one(normalized(n, "rms", n.in(0), n.getFloat("epsilon", 1e-5), n.in(1), {}));
}

//===- embeddings ------------------------------------------------------------------------------===//

namespace {
/// Tables and factors of an embedding, as real numbers.
struct Embedding {
  Value word, position, segment, gamma, beta, mask, positions;
};
} // namespace

static FailureOr<Values> embed(Node &n, const Embedding &e) {
  Value ids = n.in(0);
  if (!holds(n, 0, /*floats=*/false) || (n.has(1) && !holds(n, 1, /*floats=*/false)) || n.failedBefore || !e.word ||
      !e.position || !e.gamma || !e.beta)
    return failure();
  Type i64 = n.b.getI64Type();
  Value sum = n.standard("Gather", 13, {e.word, ids}), places = e.positions;
  if (!places) {
    Value length = n.cast(n.reshape(n.shape(ids, 1, 2), {}), i64);
    places = n.standard("Range", 11, {n.intScalar(0), length, n.intScalar(1)});
  }
  Value ofPlaces = n.standard("Gather", 13, {e.position, places});
  sum = sum && ofPlaces ? n.binary("add", sum, ofPlaces) : Value();
  if (sum && e.segment && n.has(1)) {
    Value ofSegments = n.standard("Gather", 13, {e.segment, n.in(1)});
    sum = ofSegments ? n.binary("add", sum, ofSegments) : Value();
  }
  Values results{normalized(n, "layer", sum, n.getFloat("epsilon", 1e-12), e.gamma, e.beta)};
  if (!results[0])
    return failure();
  Type i32 = n.b.getI32Type();
  if (n.wantsOutput(1) || n.wantsOutput(2)) {
    // How many places of each row are not masked.
    Value counted = e.mask ? n.cast(e.mask, i32) : n.binary("mul", n.cast(ids, i32), n.number(i32, 0));
    results.push_back(n.reduce("sum", counted, {1}, false));
    results.push_back(sum);
    results.resize(n.wantsOutput(2) ? 3 : 2);
  }
  return results;
}

static FailureOr<Values> embedLayerNormalization(Node &n) {
  if (!expects(n, {{0, 2}, {2, 2}, {3, 2}, {5, 1}, {6, 1}}))
    return failure();
  return embed(n, {n.in(2), n.in(3), n.in(4), n.in(5), n.in(6), n.in(7), n.in(8)});
}

static FailureOr<Values> qEmbedLayerNormalization(Node &n) {
  if (!expects(n, {{0, 2},
                   {2, 2},
                   {3, 2},
                   {5, 1},
                   {6, 1},
                   {8, -1},
                   {9, -1},
                   {11, -1},
                   {12, -1},
                   {13, -1},
                   {14, -1},
                   {16, -1},
                   {17, -1}}))
    return failure();
  // Values are inputs 2 to 6, their scales 8 to 12, their zero points 13 to 17.
  auto real = [&](size_t i) {
    return n.has(i) ? n.standard("DequantizeLinear", 13, {n.in(i), n.in(i + 6), n.in(i + 11)}) : Value();
  };
  return embed(n, {real(2), real(3), real(4), real(5), real(6), n.in(7), {}});
}

//===- attention -------------------------------------------------------------------------------===//

/// [B, S, N * H] as [B, N, S, H].
static Value splitHeads(Node &n, Value x, int64_t heads) {
  Value split = n.regroup(x, {{{0}}, {{1}}, {{}, heads}, {{2}, 1, heads}});
  return split ? n.transpose(split, {0, 2, 1, 3}) : split;
}

/// 0 .. extent of `axis` of x, in `shape`, one of whose extents is that.
static Value countAlong(Node &n, Value x, int64_t axis, ArrayRef<int64_t> shape) {
  Value extent = n.reshape(n.shape(x, axis, axis + 1), {});
  Value line = n.standard("Range", 11, {n.intScalar(0), extent, n.intScalar(1)});
  if (!line)
    return {};
  Ints wanted(shape);
  for (int64_t &each : wanted)
    if (each < 0)
      each = n.shapeOf(line)[0];
  Values extents;
  for (int64_t each : shape)
    extents.push_back(each < 0 ? n.shape(line) : n.ints({1}));
  return ShapedType::isDynamicShape(wanted) ? n.reshape(line, wanted, n.concat(extents, 0)) : n.reshape(line, wanted);
}

/// Scores [B, N, S, T] with those that `mask` hides: raw [B, T], or the number [B] of places that count.
static Value masked(Node &n, Value scores, Value mask) {
  Type element = n.elementOf(scores);
  double filter = n.getFloat("mask_filter_value", -10000);
  if (mask) {
    Type i64 = n.b.getI64Type();
    int64_t rank = n.rankOf(mask);
    if (rank != 1 && rank != 2) {
      (void)n.refuse("T0102", "a mask of " + Twine(rank) + " axes is not supported", "give one of [batch, length]");
      return {};
    }
    Value wide = n.cast(mask, i64), shown;
    if (rank == 2) {
      shown = n.binary("greater", n.regroup(wide, {{{0}}, {}, {}, {{1}}}), n.number(i64, 0));
    } else {
      if (n.shapeOf(mask)[0] != n.shapeOf(scores)[0]) {
        (void)n.refuse("T0102", "a mask with one number for each row of the batch is expected");
        return {};
      }
      shown = n.binary("less", countAlong(n, scores, 3, {1, 1, 1, -1}), n.regroup(wide, {{{0}}, {}, {}, {}}));
    }
    scores = shown ? n.binary("add", scores, n.select(shown, n.number(element, 0), n.number(element, filter))) : shown;
  }
  if (scores && n.getInt("unidirectional", 0)) {
    Value row = countAlong(n, scores, 2, {1, 1, -1, 1}), column = countAlong(n, scores, 3, {1, 1, 1, -1});
    Value shown = row && column ? n.binary("less_or_equal", column, row) : Value();
    double least = -std::numeric_limits<float>::max();
    scores = shown ? n.select(shown, scores, n.number(element, least)) : shown;
  }
  return scores;
}

/// Of x [B, S, D] by weights [D, Q + K + V], as real numbers.
static FailureOr<Values> attend(Node &n, Value x, Value weights, Value bias, Value mask) {
  int64_t heads = n.getInt("num_heads", 0);
  if (!x || !weights)
    return failure();
  int64_t columns = n.shapeOf(weights)[1];
  Ints sizes = n.getInts("qkv_hidden_sizes").value_or(Ints(3, columns / 3));
  if (ShapedType::isDynamic(columns) || heads < 1 || sizes.size() != 3 || sizes[0] != sizes[1] ||
      sizes[0] + sizes[1] + sizes[2] != columns || sizes[0] % heads || sizes[2] % heads || sizes[0] < heads ||
      sizes[2] < heads)
    return n.refuse("T0202", "num_heads and qkv_hidden_sizes do not fit weights of " + Twine(columns) + " columns");
  Value all = n.standard("MatMul", 13, {x, weights});
  if (all && bias)
    all = n.binary("add", all, bias);
  if (!all)
    return failure();
  auto part = [&](int64_t start, int64_t size) { return splitHeads(n, n.slice(all, 2, start, size), heads); };
  Value q = part(0, sizes[0]), k = part(sizes[0], sizes[1]), v = part(sizes[0] + sizes[1], sizes[2]);
  if (!q || !k || !v)
    return failure();
  double scale = n.getFloat("scale", 0);
  if (scale == 0)
    scale = 1 / std::sqrt(static_cast<double>(sizes[0] / heads));
  Value scores = n.standard("MatMul", 13, {q, n.transpose(k, {0, 1, 3, 2})});
  scores = scores ? n.binary("mul", scores, n.number(n.elementOf(scores), scale)) : scores;
  scores = scores ? masked(n, scores, mask) : scores;
  Value shares = n.standard("Softmax", 13, {scores});
  Value y = n.standard("MatMul", 13, {shares, v});
  return one(y ? n.regroup(n.transpose(y, {0, 2, 1, 3}), {{{0}}, {{1}}, {{2, 3}}}) : y);
}

static FailureOr<Values> attention(Node &n) {
  if (!expects(n, {{0, 3}, {1, 2}}) || !lacks(n, 4, "past, or a bias of the scores"))
    return failure();
  if (n.getInt("do_rotary", 0))
    return n.refuse("T0102", "do_rotary is not supported");
  return attend(n, n.in(0), n.in(1), n.in(2), n.in(3));
}

/// Inputs: input, weight, bias, their scales, mask, their zero points, past.
static FailureOr<Values> qAttention(Node &n) {
  if (!expects(n, {{0, 3}, {1, 2}, {2, 1}, {3, -1}, {4, -1}}) || !lacks(n, 8, "past"))
    return failure();
  auto real = [&](size_t i, size_t scale, size_t zero) {
    Values inputs{n.in(i), n.in(scale)};
    if (n.has(zero))
      inputs.push_back(n.in(zero));
    return n.standard("DequantizeLinear", 13, inputs);
  };
  return attend(n, real(0, 3, 6), real(1, 4, 7), n.in(2), n.in(5));
}

ArrayRef<Row> fusedRows() {
  static const Row rows[] = {
      {"SimplifiedLayerNormalization", 1, simplifiedLayerNormalization},
      {"com.microsoft::Attention", 1, attention},
      {"com.microsoft::BiasGelu", 1, gelu},
      {"com.microsoft::EmbedLayerNormalization", 1, embedLayerNormalization},
      {"com.microsoft::FastGelu", 1, fastGelu},
      {"com.microsoft::FusedMatMul", 1, fusedMatMul},
      {"com.microsoft::Gelu", 1, gelu},
      {"com.microsoft::QAttention", 1, qAttention},
      {"com.microsoft::QEmbedLayerNormalization", 1, qEmbedLayerNormalization},
      {"com.microsoft::QuickGelu", 1, quickGelu},
      {"com.microsoft::SkipLayerNormalization", 1, skipLayerNormalization},
      {"com.microsoft::SkipSimplifiedLayerNormalization", 1, skipSimplifiedLayerNormalization},
  };
  return rows;
}

} // namespace tegula
