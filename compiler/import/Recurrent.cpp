//===- Recurrent.cpp - rows of LSTM, GRU and RNN --------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace tegula {

namespace {
struct Activations {
  SmallVector<StringRef> kinds;
  SmallVector<double> alpha, beta;
};
} // namespace

/// The activations of one direction, with the standard's defaults for their parameters.
static FailureOr<Activations> activationsOf(Node &n, int64_t direction, ArrayRef<StringRef> absent) {
  SmallVector<std::string> names;
  if (const onnx::AttributeProto *given = n.attribute("activations"))
    names.assign(given->strings().begin(), given->strings().end());
  auto alphas = n.getFloats("activation_alpha").value_or(SmallVector<double>());
  auto betas = n.getFloats("activation_beta").value_or(SmallVector<double>());
  Activations result;
  size_t nextAlpha = 0, nextBeta = 0, count = absent.size();
  if (names.empty())
    for (int64_t d = 0; d <= direction; ++d)
      names.append(absent.begin(), absent.end());
  if (names.size() < (direction + 1) * count)
    return n.refuse("T0201", "too few activations");
  for (size_t i = 0; i < (direction + 1) * count; ++i) {
    std::string lower = StringRef(names[i]).lower();
    StringRef kind = llvm::StringSwitch<StringRef>(lower)
                         .Case("relu", "relu")
                         .Case("tanh", "tanh")
                         .Case("sigmoid", "sigmoid")
                         .Case("affine", "affine")
                         .Case("leakyrelu", "leaky_relu")
                         .Case("thresholdedrelu", "thresholded_relu")
                         .Case("scaledtanh", "scaled_tanh")
                         .Case("hardsigmoid", "hard_sigmoid")
                         .Case("elu", "elu")
                         .Case("softsign", "softsign")
                         .Case("softplus", "softplus")
                         .Default("");
    if (kind.empty())
      return n.refuse("T0102", "activation " + names[i] + " is not supported");
    double alpha = kind == "leaky_relu"     ? 0.01
                   : kind == "hard_sigmoid" ? 0.2
                                            : 1.0,
           beta = kind == "hard_sigmoid" ? 0.5
                  : kind == "affine"     ? 0
                                         : 1.0;
    bool usesAlpha =
        llvm::is_contained({"affine", "leaky_relu", "thresholded_relu", "scaled_tanh", "hard_sigmoid", "elu"}, kind);
    bool usesBeta = llvm::is_contained({"affine", "scaled_tanh", "hard_sigmoid"}, kind);
    if (usesAlpha && nextAlpha < alphas.size())
      alpha = alphas[nextAlpha++];
    if (usesBeta && nextBeta < betas.size())
      beta = betas[nextBeta++];
    if (i < direction * count)
      continue;
    result.kinds.push_back(kind);
    result.alpha.push_back(alpha);
    result.beta.push_back(beta);
  }
  return result;
}

/// Row `direction` of a [directions, ...] tensor without that axis.
static Value pick(Node &n, Value x, int64_t direction) {
  if (!x)
    return x;
  return n.reshape(n.slice(x, 0, direction, 1), n.shapeOf(x).drop_front());
}

/// `w` and `r`: [directions, gates * hidden, inputs or hidden].
static FailureOr<Values> recurrent(Node &n, StringRef kind, int64_t gates, ArrayRef<StringRef> absent, Value w,
                                   Value r) {
  Value x = n.in(0);
  bool isBatchFirst = n.getInt("layout", 0);
  if (n.rankOf(x) != 3 || n.rankOf(w) != 3 || n.rankOf(r) != 3)
    return n.refuse("T0202", "expects a sequence [T, B, I] and weights [directions, rows, columns]");
  if (isBatchFirst)
    x = n.transpose(x, {1, 0, 2});
  std::string direction = n.getString("direction", "forward");
  int64_t directions = direction == "bidirectional" ? 2 : 1, hidden = n.shapeOf(r)[2];
  int64_t steps = n.shapeOf(x)[0], batch = n.shapeOf(x)[1];
  if (n.shapeOf(w)[0] != directions || n.shapeOf(w)[1] != gates * hidden || ShapedType::isDynamic(hidden))
    return n.refuse("T0202", "the weights do not fit " + Twine(directions) + " directions of " + Twine(hidden) +
                                 " hidden units");
  auto state = [&](size_t index) {
    return isBatchFirst && n.has(index) ? n.transpose(n.in(index), {1, 0, 2}) : n.in(index);
  };
  Value h0 = state(5), c0 = kind == "lstm" ? state(6) : Value(), peephole = kind == "lstm" ? n.in(7) : Value();
  SmallVector<Value> ys, hs, cs;
  for (int64_t d = 0; d < directions; ++d) {
    FailureOr<Activations> activations = activationsOf(n, d, absent);
    if (failed(activations))
      return failure();
    Value bias, rbias;
    if (n.has(3)) {
      Value both = pick(n, n.in(3), d);
      bias = n.slice(both, 0, 0, gates * hidden);
      rbias = n.slice(both, 0, gates * hidden, gates * hidden);
    }
    Type element = n.elementOf(x);
    auto stateType = RankedTensorType::get({batch, hidden}, element);
    SmallVector<Value> optional{bias,           rbias,          n.has(4) ? n.cast(n.in(4), n.b.getI32Type()) : Value(),
                                pick(n, h0, d), pick(n, c0, d), pick(n, peephole, d)};
    auto op = nn::RecurrentOp::create(
        n.b, n.loc, RankedTensorType::get({steps, batch, hidden}, element), stateType, stateType,
        n.b.getStringAttr(kind), x, n.transpose(pick(n, w, d), {1, 0}), n.transpose(pick(n, r, d), {1, 0}), optional[0],
        optional[1], optional[2], optional[3], optional[4], optional[5], n.b.getStrArrayAttr(activations->kinds),
        n.b.getDenseF64ArrayAttr(activations->alpha), n.b.getDenseF64ArrayAttr(activations->beta),
        n.b.getF64FloatAttr(n.getFloat("clip", 0)), n.b.getBoolAttr(direction == "reverse" || d == 1),
        n.b.getBoolAttr(n.getInt("linear_before_reset", 0)), n.b.getBoolAttr(n.getInt("input_forget", 0)));
    ys.push_back(op.getY());
    hs.push_back(op.getH());
    cs.push_back(op.getC());
  }
  // [T, directions, B, H] and [directions, B, H], or batch first.
  auto join = [&](ArrayRef<Value> parts, int64_t at, Ints perm) -> Value {
    SmallVector<Value> pieces;
    for (Value part : parts) {
      Ints shape(n.shapeOf(part));
      shape.insert(shape.begin() + at, 1);
      Value runtime;
      if (ShapedType::isDynamicShape(shape)) {
        SmallVector<Value> extents;
        for (int64_t axis = 0; axis < (int64_t)shape.size(); ++axis)
          extents.push_back(axis == at ? n.ints({1}) : n.shape(part, axis - (axis > at), axis - (axis > at) + 1));
        runtime = n.concat(extents, 0);
      }
      pieces.push_back(n.reshape(part, shape, runtime));
    }
    Value all = n.concat(pieces, at);
    return isBatchFirst ? n.transpose(all, perm) : all;
  };
  Values results{join(ys, 1, {2, 0, 1, 3}), join(hs, 0, {1, 0, 2})};
  if (kind == "lstm")
    results.push_back(join(cs, 0, {1, 0, 2}));
  if (llvm::is_contained(results, Value()))
    return failure();
  return results;
}

/// Weights of com.microsoft::DynamicQuantizeLSTM, [directions, inputs, 4 * hidden] with a scale and a zero point for
/// each direction, or also for each of the last, as those of LSTM; null (reported) where they do not fit.
static Value realWeights(Node &n, size_t i, size_t scale) {
  for (size_t operand : {i, scale})
    if (!n.has(operand)) {
      (void)n.refuse("T0201", "input " + Twine(operand) + " is missing");
      return {};
    }
  Value w = n.in(i), zero = n.in(scale + 1);
  Type f32 = n.b.getF32Type();
  if (n.rankOf(w) != 3 || !n.typeOf(w).hasStaticShape() || !n.elementOf(w).isInteger(8)) {
    (void)n.refuse("T0202", "expects weights [directions, inputs, 4 * hidden] of 8-bit integers");
    return {};
  }
  auto beside = [&](Value parameter) -> Value {
    ArrayRef<int64_t> shape = n.shapeOf(parameter), whole = n.shapeOf(w);
    bool isEach = shape == ArrayRef<int64_t>{whole[0], whole[2]}, isOne = shape == ArrayRef<int64_t>{whole[0]};
    if (isEach || isOne)
      return n.reshape(parameter, {whole[0], 1, isEach ? whole[2] : 1});
    (void)n.refuse("T0202", "a scale or zero point fits neither the directions nor the gates of the weights");
    return {};
  };
  Value scales = beside(n.in(scale)), zeros = zero ? beside(zero) : Value();
  if (!scales || (zero && !zeros))
    return {};
  Value real = n.cast(w, f32);
  if (zero)
    real = n.binary("sub", real, n.cast(zeros, f32));
  return n.transpose(n.binary("mul", real, scales), {0, 2, 1});
}

/// Its inputs stay real: ONNX Runtime rounds them to 8 bits as it goes, which is for speed and no part of the meaning.
static FailureOr<Values> dynamicQuantizeLstm(Node &n) {
  Value w = realWeights(n, 1, 8), r = realWeights(n, 2, 10);
  if (!w || !r)
    return failure();
  return recurrent(n, "lstm", 4, {"Sigmoid", "Tanh", "Tanh"}, w, r);
}

ArrayRef<Row> recurrentRows() {
  static const Row rows[] = {
      {"LSTM", 7, [](Node &n) { return recurrent(n, "lstm", 4, {"Sigmoid", "Tanh", "Tanh"}, n.in(1), n.in(2)); }},
      {"GRU", 7, [](Node &n) { return recurrent(n, "gru", 3, {"Sigmoid", "Tanh"}, n.in(1), n.in(2)); }},
      {"RNN", 7, [](Node &n) { return recurrent(n, "rnn", 1, {"Tanh"}, n.in(1), n.in(2)); }},
      {"com.microsoft::DynamicQuantizeLSTM", 1, dynamicQuantizeLstm},
  };
  return rows;
}

} // namespace tegula
