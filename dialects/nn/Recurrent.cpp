//===- Recurrent.cpp - LSTM, GRU, RNN -------------------------------------===//
//
// The input's product with W is one contraction for all steps. A loop over the steps then carries the states:
//
//   xw = x * W + bias                      [T, B, G, H]
//   for t: hr = h * R;  h, c = cell(xw[t], hr, h, c);  y[t] = h
//
// States are carried as [1, B, H], so that each step writes into the same memory.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

using Exprs = SmallVector<AffineExpr>;
using Shape = LoweringBuilder::Shape;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

//===- verification -------------------------------------------------------===//

/// Gates of a kind; 0 for an unknown one.
static int64_t gateCount(StringRef kind) { return kind == "lstm" ? 4 : kind == "gru" ? 3 : kind == "rnn" ? 1 : 0; }

static int64_t activationCount(StringRef kind) { return kind == "lstm" ? 3 : kind == "gru" ? 2 : 1; }

LogicalResult RecurrentOp::verify() {
  int64_t gates = gateCount(getKind());
  if (gates == 0)
    return emitOpError("has no kind '") << getKind() << "'";
  if (tensorType(getX()).getRank() != 3 || tensorType(getR()).getRank() != 2) // recurrent C1
    return emitOpError("expects an input with 3 axes and a recurrent weight with 2, but got ")
           << getX().getType() << " and " << getR().getType();
  int64_t steps = tensorType(getX()).getDimSize(0), rows = tensorType(getX()).getDimSize(1),
          inputs = tensorType(getX()).getDimSize(2), hidden = tensorType(getR()).getDimSize(0);
  if (ShapedType::isDynamic(hidden)) // recurrent C1
    return emitOpError("expects a recurrent weight of known size, but got ") << getR().getType();
  int64_t width = gates * hidden;
  std::tuple<StringRef, Value, SmallVector<int64_t>> expected[] = {{"weight", getW(), {inputs, width}},
                                                                   {"recurrent weight", getR(), {hidden, width}},
                                                                   {"bias", getBias(), {width}},
                                                                   {"recurrent bias", getRbias(), {width}},
                                                                   {"lengths", getLengths(), {rows}},
                                                                   {"initial state", getH0(), {rows, hidden}},
                                                                   {"initial cell", getC0(), {rows, hidden}},
                                                                   {"peephole", getPeephole(), {3 * hidden}},
                                                                   {"result", getY(), {steps, rows, hidden}},
                                                                   {"last state", getH(), {rows, hidden}},
                                                                   {"last cell", getC(), {rows, hidden}}};
  Type element = getElementTypeOrSelf(getX());
  for (auto &[name, value, shape] : expected) {
    if (!value)
      continue;
    auto wanted = RankedTensorType::get(shape, name == "lengths" ? IntegerType::get(getContext(), 32) : element);
    if (tensorType(value).getElementType() != wanted.getElementType() ||
        failed(verifyCompatibleShape(value.getType(), wanted))) // recurrent C1
      return emitOpError(name) << " expects the shape " << wanted << ", but is a " << value.getType();
  }
  if (!isa<FloatType>(element))
    return emitOpError("expects floats, but the input holds ") << element;
  size_t uses = activationCount(getKind());
  if (getActivations().size() != uses || getAlpha().size() != uses || getBeta().size() != uses) // recurrent C2
    return emitOpError("expects ") << uses << " activations with alpha and beta each, but got "
                                   << getActivations().size();
  for (StringRef activation : getActivations().getAsValueRange<StringAttr>())
    if (!isUnaryKind(activation)) // recurrent C2
      return emitOpError("has no activation '") << activation << "'";
  return success();
}

//===- lowering -----------------------------------------------------------===//

#define P(i) s.number(x.getType(), params[i])
#define N(v) s.number(x.getType(), v)
#define F isa<FloatType>(x.getType())
/// The scalar formula of `nn.unary kind`.
static Value activate(LoweringBuilder &s, StringRef name, Value x, ArrayRef<double> params) {
  constexpr bool u = false;
#define NN_UNARY(kind, onnx, formula)                                                                                  \
  if (name == #kind)                                                                                                   \
    return formula;
#include "tegula/dialects/nn/Elementwise.def"
  return x;
}
#undef P
#undef N
#undef F

namespace {
/// Inputs of one elementwise step over [B, H], each with the axes that it is read along.
struct StepInputs {
  /// Returns the place of the first added input among the body's elements.
  size_t add(Value value, const Exprs &exprs) {
    values.push_back(value);
    maps.push_back(AffineMap::get(2, 0, exprs, value.getContext()));
    return values.size() - 1;
  }
  SmallVector<Value> values;
  SmallVector<AffineMap> maps;
};

/// One layer's lowering.
struct Layer {
  Layer(LoweringBuilder &b, RecurrentOp op, ValueRange operands)
      : b(b), op(op), in(operands, op), element(tensorType(op.getX()).getElementType()), gates(gateCount(op.getKind())),
        hidden(tensorType(op.getR()).getDimSize(0)), rows(b.extent(in.getX(), 1)), row(b.b.getAffineDimExpr(0)),
        column(b.b.getAffineDimExpr(1)) {
    isResetLast = op.getKind() == "gru" && op.getLinearBeforeReset();
    stateShape = {rows, b.b.getIndexAttr(hidden)};
  }
  SmallVector<Value> lower();

private:
  Value project();
  Value gatherReversed(Value tensor, bool isResult);
  Value recur(Value h, Value r);
  Value split(Value value, int64_t count);
  Value weightOf(int64_t first, int64_t count);
  Value stepOf(Value sequence, Value t);
  Value store(Value row, Value sequence, Value t);
  Value withRows(Value given, StringRef what);
  Value initial(Value given, StringRef what);
  Value keepLive(Value next, Value old, Value step);
  std::pair<Value, Value> stepLstm(Value xw, Value h, Value c);
  Value stepGru(Value xw, Value h);
  Value stepRnn(Value xw, Value h);

  // Scalars.
  Value activation(int64_t use, Value x) {
    double params[] = {op.getAlpha()[use], op.getBeta()[use]};
    return activate(b, cast<StringAttr>(op.getActivations()[use]).getValue(), x, params);
  }
  /// The activation of a gate, whose input is clipped. (The cell's own activation sees the cell unclipped, as in ONNX
  /// Runtime; the standard's text leaves that open.)
  Value gateActivation(int64_t use, Value x) {
    if (double limit = op.getClip().convertToDouble(); limit > 0)
      x = b.quickMin(b.quickMax(x, b.number(element, -limit)), b.number(element, limit));
    return activation(use, x);
  }
  AffineExpr constant(int64_t value) { return b.b.getAffineConstantExpr(value); }
  Exprs gate(int64_t at) { return {row, constant(at), column}; }
  /// Inputs of a gate: its share of `xw` and of `hr`.
  size_t addGate(StepInputs &inputs, Value xw, Value hr, int64_t at) {
    inputs.add(xw, gate(at));
    return inputs.add(hr, gate(at)) - 1;
  }
  Value emit(const StepInputs &inputs, LoweringBuilder::Body body) {
    return b.map(inputs.values, inputs.maps, stateShape, element, body);
  }

  LoweringBuilder &b;
  RecurrentOp op;
  RecurrentOp::Adaptor in;
  Type element;
  int64_t gates, hidden;
  OpFoldResult rows;
  AffineExpr row, column;
  bool isResetLast;
  Shape stateShape;
};
} // namespace

/// Views the last axis as [count, H].
Value Layer::split(Value value, int64_t count) {
  RankedTensorType type = tensorType(value);
  SmallVector<int64_t> extents(type.getShape());
  extents.back() = count;
  extents.push_back(type.getShape().back() / count);
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < type.getRank(); ++i)
    groups.push_back({i});
  groups.back().push_back(type.getRank());
  Shape shape = b.extents(value);
  shape.back() = b.b.getIndexAttr(count);
  shape.push_back(b.b.getIndexAttr(extents.back()));
  return tensor::ExpandShapeOp::create(b.b, b.loc, type.clone(extents), value, groups, shape);
}

/// x * W plus the biases that every step adds alike: [T, B, G, H].
Value Layer::project() {
  AffineExpr t, n, g, i;
  MLIRContext *context = b.b.getContext();
  bindDims(context, t, n, g, i);
  auto map = [&](const Exprs &exprs) { return AffineMap::get(4, 0, exprs, context); };
  using utils::IteratorType;
  Shape shape{b.extent(in.getX(), 0), rows, b.b.getIndexAttr(gates * hidden)};
  Value xw = b.generic(
      {in.getX(), in.getW()}, b.fill(b.number(element, 0), shape), {map({t, n, i}), map({i, g}), map({t, n, g})},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      [&](ArrayRef<Value> elements) { return b.add(elements[2], b.mul(elements[0], elements[1]), /*reassoc=*/true); });
  SmallVector<Value> inputs{xw};
  if (in.getBias())
    inputs.push_back(in.getBias());
  if (in.getRbias() && !isResetLast)
    inputs.push_back(in.getRbias());
  if (inputs.size() > 1) {
    SmallVector<AffineMap> maps(inputs.size(), AffineMap::get(3, 0, {g}, context));
    maps[0] = b.b.getMultiDimIdentityMap(3);
    xw = b.map(inputs, maps, shape, element, [&](ArrayRef<Value> elements) {
      Value sum = elements[0];
      for (Value bias : elements.slice(1, inputs.size() - 1))
        sum = b.add(sum, bias);
      return sum;
    });
  }
  return split(xw, gates);
}

/// h * R, seen as [B, gates of r, H].
Value Layer::recur(Value h, Value r) {
  AffineExpr n, g, k;
  MLIRContext *context = b.b.getContext();
  bindDims(context, n, g, k);
  auto map = [&](const Exprs &exprs) { return AffineMap::get(3, 0, exprs, context); };
  using utils::IteratorType;
  int64_t width = tensorType(r).getDimSize(1);
  Value product = b.generic(
      {h, r}, b.fill(b.number(element, 0), {rows, b.b.getIndexAttr(width)}), {map({n, k}), map({k, g}), map({n, g})},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      [&](ArrayRef<Value> elements) { return b.add(elements[2], b.mul(elements[0], elements[1]), /*reassoc=*/true); });
  return split(product, width / hidden);
}

/// The recurrent weight's columns of `count` gates.
Value Layer::weightOf(int64_t first, int64_t count) {
  auto at = [&](int64_t value) -> OpFoldResult { return b.b.getIndexAttr(value); };
  return tensor::ExtractSliceOp::create(b.b, b.loc, in.getR(), Shape{at(0), at(first * hidden)},
                                        Shape{at(hidden), at(count * hidden)}, Shape{at(1), at(1)});
}

/// Step t of a sequence, without the axis of steps.
Value Layer::stepOf(Value sequence, Value t) {
  Shape sizes = b.extents(sequence), offsets(sizes.size(), b.b.getIndexAttr(0));
  Shape strides(sizes.size(), b.b.getIndexAttr(1));
  sizes[0] = b.b.getIndexAttr(1);
  offsets[0] = t;
  RankedTensorType type = tensorType(sequence);
  return tensor::ExtractSliceOp::create(b.b, b.loc,
                                        RankedTensorType::get(type.getShape().drop_front(), type.getElementType()),
                                        sequence, offsets, sizes, strides);
}

/// The sequence with `state` as its step t.
Value Layer::store(Value state, Value sequence, Value t) {
  OpFoldResult zero = b.b.getIndexAttr(0), one = b.b.getIndexAttr(1);
  return tensor::InsertSliceOp::create(b.b, b.loc, state, sequence, Shape{t, zero, zero},
                                       Shape{one, rows, stateShape[1]}, Shape{one, one, one});
}

/// `given` with as many rows as the sequence has; whether that is so is seen at run time where the types leave it open.
Value Layer::withRows(Value given, StringRef what) {
  OpFoldResult have = b.extent(given, 0);
  if (have == rows)
    return given;
  b.check(b.compare("ne", b.asValue(have), b.asValue(rows)), what + " has another batch than the sequence");
  RankedTensorType type = tensorType(given);
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = getConstantIntValue(rows).value_or(ShapedType::kDynamic);
  return b.b.createOrFold<tensor::CastOp>(b.loc, RankedTensorType::get(shape, type.getElementType()), given);
}

/// The first state, as a sequence of one step.
Value Layer::initial(Value given, StringRef what) {
  Shape shape{b.b.getIndexAttr(1), rows, stateShape[1]};
  Value zeros = b.fill(b.number(element, 0), shape);
  return given ? store(withRows(given, what), zeros, b.index(0)) : zeros;
}

/// `next` in the rows that are not at their end yet, `old` (or 0) in the others.
Value Layer::keepLive(Value next, Value old, Value step) {
  if (!in.getLengths())
    return next;
  StepInputs inputs;
  size_t now = inputs.add(next, {row, column}), length = inputs.add(in.getLengths(), {row});
  size_t before = old ? inputs.add(old, {row, column}) : 0;
  Value at = b.fromIndex(step, tensorType(in.getLengths()).getElementType());
  return emit(inputs, [&](ArrayRef<Value> elements) {
    Value isLive = b.compare("lt", at, elements[length]);
    return b.select(isLive, elements[now], old ? elements[before] : b.number(element, 0));
  });
}

/// A sequence in which each row's steps run backwards from its own last one. Steps beyond a row's end are 0 in the
/// result and never read in the input.
Value Layer::gatherReversed(Value sequence, bool isResult) {
  Shape shape = b.extents(sequence);
  Value zero = b.index(0), last = b.sub(b.asValue(shape[0]), b.index(1));
  AffineMap rowMap = AffineMap::get(shape.size(), 0, b.b.getAffineDimExpr(1));
  return b.map({in.getLengths()}, {rowMap}, shape, element, [&](ArrayRef<Value> elements) {
    SmallVector<Value> place;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      place.push_back(linalg::IndexOp::create(b.b, b.loc, axis));
    Value source = b.sub(b.sub(b.toIndex(elements[0]), place[0]), b.index(1));
    Value isLive = b.compare("ge", source, zero);
    place[0] = b.clampIndex(source, zero, last);
    Value value = b.extract(sequence, place);
    return isResult ? b.select(isLive, value, b.number(element, 0)) : value;
  });
}

std::pair<Value, Value> Layer::stepLstm(Value xw, Value h, Value c) {
  // Gates i, o, f, c; peepholes i, o, f.
  Value hr = recur(h, in.getR()), peephole = in.getPeephole() ? split(in.getPeephole(), 3) : Value();
  auto addPeephole = [&](StepInputs &inputs, int64_t at) {
    return peephole ? inputs.add(peephole, {constant(at), column}) : 0;
  };
  auto sum = [&](ArrayRef<Value> elements, size_t gate, size_t peepholeAt, Value cell) {
    Value total = b.add(elements[gate], elements[gate + 1]);
    return peephole && cell ? b.add(total, b.mul(elements[peepholeAt], cell)) : total;
  };
  StepInputs inputs;
  size_t i = addGate(inputs, xw, hr, 0), f = addGate(inputs, xw, hr, 2), g = addGate(inputs, xw, hr, 3);
  size_t old = inputs.add(c, {row, column}), pi = addPeephole(inputs, 0), pf = addPeephole(inputs, 2);
  Value cell = emit(inputs, [&](ArrayRef<Value> elements) {
    Value before = elements[old], input = gateActivation(0, sum(elements, i, pi, before));
    Value forget =
        op.getInputForget() ? b.sub(b.number(element, 1), input) : gateActivation(0, sum(elements, f, pf, before));
    return b.add(b.mul(forget, before), b.mul(input, gateActivation(1, sum(elements, g, 0, {}))));
  });
  StepInputs outputs;
  size_t o = addGate(outputs, xw, hr, 1), now = outputs.add(cell, {row, column}), po = addPeephole(outputs, 1);
  Value state = emit(outputs, [&](ArrayRef<Value> elements) {
    Value gate = gateActivation(0, sum(elements, o, po, elements[now]));
    return b.mul(gate, activation(2, elements[now]));
  });
  return {state, cell};
}

Value Layer::stepGru(Value xw, Value h) {
  // Gates z, r, h.
  Value hr = recur(h, isResetLast ? in.getR() : weightOf(0, 2)), candidates = hr;
  Value bias = isResetLast && in.getRbias() ? split(in.getRbias(), 3) : Value();
  auto addBias = [&](StepInputs &inputs, int64_t at) { return bias ? inputs.add(bias, {constant(at), column}) : 0; };
  auto recurrent = [&](ArrayRef<Value> elements, size_t gate, size_t biasAt) {
    return bias ? b.add(elements[gate + 1], elements[biasAt]) : elements[gate + 1];
  };
  auto gateValue = [&](ArrayRef<Value> elements, size_t gate, size_t biasAt) {
    return gateActivation(0, b.add(elements[gate], recurrent(elements, gate, biasAt)));
  };
  if (!isResetLast) {
    StepInputs inputs;
    size_t r = addGate(inputs, xw, hr, 1), old = inputs.add(h, {row, column});
    Value reset =
        emit(inputs, [&](ArrayRef<Value> elements) { return b.mul(gateValue(elements, r, 0), elements[old]); });
    candidates = recur(reset, weightOf(2, 1));
  }
  StepInputs inputs;
  size_t z = addGate(inputs, xw, hr, 0), old = inputs.add(h, {row, column});
  size_t r = isResetLast ? addGate(inputs, xw, hr, 1) : 0;
  size_t g = inputs.add(xw, gate(2));
  inputs.add(candidates, gate(isResetLast ? 2 : 0));
  size_t zBias = addBias(inputs, 0), rBias = addBias(inputs, 1), gBias = addBias(inputs, 2);
  return emit(inputs, [&](ArrayRef<Value> elements) {
    Value update = gateValue(elements, z, zBias), share = recurrent(elements, g, gBias);
    if (isResetLast)
      share = b.mul(gateValue(elements, r, rBias), share);
    Value candidate = gateActivation(1, b.add(elements[g], share));
    return b.add(b.mul(b.sub(b.number(element, 1), update), candidate), b.mul(update, elements[old]));
  });
}

Value Layer::stepRnn(Value xw, Value h) {
  StepInputs inputs;
  size_t i = addGate(inputs, xw, recur(h, in.getR()), 0);
  return emit(inputs, [&](ArrayRef<Value> elements) { return gateActivation(0, b.add(elements[i], elements[i + 1])); });
}

SmallVector<Value> Layer::lower() {
  if (in.getLengths())
    (void)withRows(in.getLengths(), "the tensor of lengths");
  bool isLstm = op.getKind() == "lstm", isGathered = op.getReverse() && in.getLengths();
  Value xw = project(), zero = b.index(0);
  if (isGathered)
    xw = gatherReversed(xw, /*isResult=*/false);
  Value steps = b.dim(in.getX(), 0), last = b.sub(steps, b.index(1));
  SmallVector<Value> carried{initial(in.getH0(), "the initial state"),
                             b.empty({b.extent(in.getX(), 0), rows, stateShape[1]}, element)};
  if (isLstm)
    carried.push_back(initial(in.getC0(), "the initial cell"));
  SmallVector<Value> ends = b.loop(steps, carried, [&](Value step, ValueRange states) {
    Value t = op.getReverse() && !isGathered ? b.sub(last, step) : step;
    Value input = stepOf(xw, t), h = stepOf(states[0], zero), state, c, cell;
    if (isLstm) {
      c = stepOf(states[2], zero);
      std::tie(state, cell) = stepLstm(input, h, c);
    } else {
      state = op.getKind() == "gru" ? stepGru(input, h) : stepRnn(input, h);
    }
    SmallVector<Value> next{store(keepLive(state, h, step), states[0], zero),
                            store(keepLive(state, {}, step), states[1], t)};
    if (isLstm)
      next.push_back(store(keepLive(cell, c, step), states[2], zero));
    return next;
  });
  Value y = isGathered ? gatherReversed(ends[1], /*isResult=*/true) : ends[1];
  Value c = isLstm ? stepOf(ends[2], zero) : b.fill(b.number(element, 0), stateShape);
  return {y, stepOf(ends[0], zero), c};
}

FailureOr<SmallVector<Value>> RecurrentOp::lower(LoweringBuilder &b, ValueRange operands) {
  return Layer(b, *this, operands).lower();
}
