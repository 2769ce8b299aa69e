//===- Fused.cpp - rows of com.microsoft's fused operators of transformers ---------------------===//
//
// What ONNX Runtime's optimizer makes of normalization and activations, and its quantizer of those: taken apart into
// what the standard calls them. As documented in onnxruntime's docs/ContribOperators.md.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/import/Fused.h"

using namespace mlir;

namespace tegula {

bool expects(Node &n, ArrayRef<std::pair<size_t, int64_t>> inputs) {
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

bool holds(Node &n, size_t i, bool floats) {
  Type type = n.elementOf(n.in(i));
  if (floats ? isa<FloatType>(type) : isa<IntegerType>(type) && !type.isInteger(1))
    return true;
  (void)n.refuse("T0202", "input " + Twine(i) + " expects " + (floats ? "floats" : "integers"));
  return false;
}

bool lacks(Node &n, size_t first, StringRef what) {
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

ArrayRef<Row> fusedRows() {
  static const Row rows[] = {
      {"SimplifiedLayerNormalization", 1, simplifiedLayerNormalization},
      {"com.microsoft::BiasGelu", 1, gelu},
      {"com.microsoft::EmbedLayerNormalization", 1, embedLayerNormalization},
      {"com.microsoft::FastGelu", 1, fastGelu},
      {"com.microsoft::FusedMatMul", 1, fusedMatMul},
      {"com.microsoft::Gelu", 1, gelu},
      {"com.microsoft::QEmbedLayerNormalization", 1, qEmbedLayerNormalization},
      {"com.microsoft::QuickGelu", 1, quickGelu},
      {"com.microsoft::SkipLayerNormalization", 1, skipLayerNormalization},
      {"com.microsoft::SkipSimplifiedLayerNormalization", 1, skipSimplifiedLayerNormalization},
  };
  return rows;
}

} // namespace tegula
