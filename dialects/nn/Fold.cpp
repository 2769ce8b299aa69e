//===- Fold.cpp - evaluates ops over small constant tensors ---------------===//
//
// Shape arithmetic of a model is a web of tiny ops around nn.shape. `foldSmall` evaluates such an op element by
// element, looking through producers; an extent that is unknown stays unknown on its own and does not spoil its
// neighbours. Weights are never touched: a tensor of more than kSmallElements elements ends the walk.
//
//===----------------------------------------------------------------------===//

#include "tegula/dialects/nn/Nn.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace tegula::nn;

namespace {
/// One element: `real` for floats, `whole` for integers and booleans (sign- or zero-extended from its type).
struct Number {
  int64_t whole = 0;
  double real = 0;
  bool isKnown = true;
};
struct Small {
  RankedTensorType type; // static
  std::vector<Number> at;
};
using Result = std::optional<Small>;
} // namespace

constexpr unsigned kDepth = 8; // producers looked through

static Result evaluate(Operation *op, ArrayRef<Attribute> constants, unsigned depth);

static bool isSmall(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && tensor.getNumElements() <= kSmallElements &&
         (isa<FloatType>(tensor.getElementType()) || isa<IntegerType>(tensor.getElementType())) &&
         tensor.getElementTypeBitWidth() <= 64;
}

//===- numbers ------------------------------------------------------------===//

/// Cuts a number to what its element type can hold.
static Number rounded(Number x, Type element) {
  if (auto type = dyn_cast<FloatType>(element)) {
    bool loses;
    APFloat value(x.real);
    value.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &loses);
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
    x.real = value.convertToDouble();
    return x;
  }
  unsigned width = element.getIntOrFloatBitWidth();
  if (width == 64)
    return x;
  uint64_t bits = (uint64_t)x.whole & ((uint64_t(1) << width) - 1);
  bool isZeroExtended = element.isUnsignedInteger() || width == 1;
  x.whole = isZeroExtended ? (int64_t)bits : llvm::SignExtend64(bits, width);
  return x;
}
static Number unknown() { return {0, 0, false}; }
static Number wholeNumber(uint64_t value) { return {(int64_t)value, 0, true}; }
static Number realNumber(double value) { return {0, value, true}; }

static bool isLess(Number x, Number y, Type element) {
  if (isa<FloatType>(element))
    return x.real < y.real;
  return element.isUnsignedInteger() ? (uint64_t)x.whole < (uint64_t)y.whole : x.whole < y.whole;
}
static bool isEqual(Number x, Number y, Type element) {
  return isa<FloatType>(element) ? x.real == y.real : x.whole == y.whole;
}

static Number divide(Number x, Number y, Type element) {
  if (y.whole == 0)
    return wholeNumber(0);
  if (element.isUnsignedInteger())
    return wholeNumber((uint64_t)x.whole / (uint64_t)y.whole);
  return wholeNumber(y.whole == -1 ? 0 - (uint64_t)x.whole : (uint64_t)(x.whole / y.whole));
}
static Number remainder(Number x, Number y, Type element, bool truncate) {
  if (y.whole == 0 || (y.whole == -1 && !element.isUnsignedInteger()))
    return wholeNumber(0);
  if (element.isUnsignedInteger())
    return wholeNumber((uint64_t)x.whole % (uint64_t)y.whole);
  int64_t rest = x.whole % y.whole;
  return wholeNumber(rest != 0 && !truncate && (rest < 0) != (y.whole < 0) ? rest + y.whole : rest);
}
static Number power(Number x, Number y, Type element) {
  if (!element.isUnsignedInteger() && y.whole < 0)
    return unknown();
  uint64_t result = 1, base = (uint64_t)x.whole;
  for (uint64_t exponent = (uint64_t)y.whole; exponent; exponent >>= 1, base *= base)
    if (exponent & 1)
      result *= base;
  return wholeNumber(result);
}

/// nn.binary on numbers of type `element`; unknown for kinds that are not evaluated.
static Number binary(StringRef kind, Number x, Number y, Type element) {
  if (!x.isKnown || !y.isKnown)
    return unknown();
  bool less = isLess(x, y, element), greater = isLess(y, x, element), equal = isEqual(x, y, element);
  if (kind == "equal")
    return wholeNumber(equal);
  if (kind == "less" || kind == "less_or_equal")
    return wholeNumber(less || (equal && kind != "less"));
  if (kind == "greater" || kind == "greater_or_equal")
    return wholeNumber(greater || (equal && kind != "greater"));
  if (isa<FloatType>(element)) {
    double a = x.real, b = y.real;
    if (kind == "add")
      return realNumber(a + b);
    if (kind == "sub")
      return realNumber(a - b);
    if (kind == "mul")
      return realNumber(a * b);
    if (kind == "div" && b != 0)
      return realNumber(a / b);
    if (kind == "pow")
      return realNumber(std::pow(a, b));
    if ((kind == "max" || kind == "min") && !std::isnan(a) && !std::isnan(b))
      return realNumber((kind == "max") == greater ? a : b);
    return unknown();
  }
  uint64_t a = (uint64_t)x.whole, b = (uint64_t)y.whole;
  if (kind == "add")
    return wholeNumber(a + b);
  if (kind == "sub")
    return wholeNumber(a - b);
  if (kind == "mul")
    return wholeNumber(a * b);
  if (kind == "div")
    return divide(x, y, element);
  if (kind == "mod" || kind == "fmod")
    return remainder(x, y, element, kind == "fmod");
  if (kind == "pow")
    return power(x, y, element);
  if (kind == "max" || kind == "clip_low")
    return greater ? x : y;
  if (kind == "min" || kind == "clip_high")
    return less ? x : y;
  if (kind == "and" || kind == "bit_and")
    return wholeNumber(a & b);
  if (kind == "or" || kind == "bit_or")
    return wholeNumber(a | b);
  if (kind == "xor" || kind == "bit_xor")
    return wholeNumber(a ^ b);
  return unknown();
}

/// nn.unary; unknown for kinds that are not evaluated.
static Number unary(StringRef kind, Number x, Type element) {
  if (!x.isKnown || kind == "identity")
    return x;
  if (!isa<FloatType>(element)) {
    uint64_t value = (uint64_t)x.whole;
    bool isNegative = !element.isUnsignedInteger() && x.whole < 0;
    if (kind == "neg")
      return wholeNumber(0 - value);
    if (kind == "abs")
      return wholeNumber(isNegative ? 0 - value : value);
    if (kind == "sign")
      return wholeNumber(isNegative ? ~uint64_t(0) : value != 0);
    if (kind == "not" || kind == "bit_not")
      return wholeNumber(~value);
    if (kind == "relu")
      return wholeNumber(isNegative ? 0 : value);
    return unknown();
  }
  double value = x.real;
  if (kind == "neg")
    return realNumber(-value);
  if (kind == "abs")
    return realNumber(std::fabs(value));
  if (kind == "floor")
    return realNumber(std::floor(value));
  if (kind == "ceil")
    return realNumber(std::ceil(value));
  if (kind == "round")
    return realNumber(std::nearbyint(value));
  if (kind == "sqrt")
    return realNumber(std::sqrt(value));
  if (kind == "exp")
    return realNumber(std::exp(value));
  if (kind == "log")
    return realNumber(std::log(value));
  if (kind == "reciprocal" && value != 0)
    return realNumber(1 / value);
  if (kind == "relu" && !std::isnan(value))
    return realNumber(value > 0 ? value : 0);
  return unknown();
}

static Number convert(Number x, Type from, Type to) {
  if (!x.isKnown)
    return x;
  bool isFloat = isa<FloatType>(from);
  if (to.isInteger(1))
    return wholeNumber(isFloat ? x.real != 0 : x.whole != 0);
  if (isa<FloatType>(to)) {
    if (isFloat)
      return x;
    return realNumber(from.isUnsignedInteger() ? (double)(uint64_t)x.whole : (double)x.whole);
  }
  if (!isFloat)
    return x;
  // Outside of the type's range machines differ: leave that to run time.
  double limit = std::ldexp(1.0, (int)to.getIntOrFloatBitWidth() - (to.isUnsignedInteger() ? 0 : 1));
  double lowest = to.isUnsignedInteger() ? 0 : -limit, whole = std::trunc(x.real);
  if (!(whole >= lowest && whole < limit))
    return unknown();
  return wholeNumber(whole < 0 ? (uint64_t)(int64_t)whole : (uint64_t)whole);
}

//===- tensors ------------------------------------------------------------===//

static Result readAttribute(Attribute attribute) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(attribute);
  if (!dense || !isSmall(dense.getType()))
    return std::nullopt;
  Small small{cast<RankedTensorType>(dense.getType()), {}};
  Type element = dense.getElementType();
  if (isa<FloatType>(element)) {
    for (APFloat value : dense.getValues<APFloat>()) {
      bool loses;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
      small.at.push_back(realNumber(value.convertToDouble()));
    }
    return small;
  }
  for (const APInt &value : dense.getValues<APInt>())
    small.at.push_back(rounded(wholeNumber(value.getZExtValue()), element));
  return small;
}

static Attribute writeAttribute(const Small &small) {
  Type element = small.type.getElementType();
  if (!llvm::all_of(small.at, [](const Number &number) { return number.isKnown; }))
    return {};
  if (auto type = dyn_cast<FloatType>(element)) {
    SmallVector<APFloat> values;
    for (const Number &number : small.at) {
      bool loses;
      values.emplace_back(number.real);
      values.back().convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &loses);
    }
    return DenseElementsAttr::get(small.type, values);
  }
  SmallVector<APInt> values;
  unsigned width = element.getIntOrFloatBitWidth();
  for (const Number &number : small.at)
    values.push_back(APInt(64, (uint64_t)number.whole).trunc(width));
  return DenseElementsAttr::get(small.type, values);
}

/// The elements of operand `i`, from its attribute or its producer.
static Result operandOf(Operation *op, unsigned i, ArrayRef<Attribute> constants, unsigned depth) {
  if (i < constants.size() && constants[i])
    return readAttribute(constants[i]);
  Operation *producer = op->getOperand(i).getDefiningOp();
  if (!producer || !isa<NnDialect>(producer->getDialect()) || producer->getNumResults() != 1 || depth == 0)
    return std::nullopt;
  return evaluate(producer, {}, depth - 1);
}

/// A tensor of `type` whose element at the row-major position and index tuple is `body(indices)`.
static Result build(RankedTensorType type, llvm::function_ref<Number(ArrayRef<int64_t>)> body) {
  Small small{type, {}};
  SmallVector<int64_t> indices(type.getRank(), 0);
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    small.at.push_back(rounded(body(indices), type.getElementType()));
    for (int64_t axis = type.getRank(); axis-- > 0;) {
      if (++indices[axis] < type.getDimSize(axis))
        break;
      indices[axis] = 0;
    }
  }
  return small;
}

static const Number &elementAt(const Small &small, ArrayRef<int64_t> indices) {
  int64_t place = 0;
  for (auto [index, extent] : llvm::zip_equal(indices, small.type.getShape()))
    place = place * extent + index;
  return small.at[place];
}
/// The element that broadcasting puts at `indices`.
static const Number &broadcastAt(const Small &small, ArrayRef<int64_t> indices) {
  SmallVector<int64_t> own(indices.take_back(small.type.getRank()));
  for (auto [index, extent] : llvm::zip_equal(own, small.type.getShape()))
    index = extent == 1 ? 0 : index;
  return elementAt(small, own);
}

//===- ops ----------------------------------------------------------------===//

static Result evaluateGather(GatherOp op, RankedTensorType type, const Small &x, const Small &places) {
  int64_t axis = op.getAxis(), extent = x.type.getDimSize(axis), inner = places.type.getRank();
  return build(type, [&](ArrayRef<int64_t> indices) {
    Number place = elementAt(places, indices.slice(axis, inner));
    int64_t at = place.whole < 0 ? place.whole + extent : place.whole;
    if (!place.isKnown || at < 0 || at >= extent)
      return unknown();
    SmallVector<int64_t> source(indices.take_front(axis));
    source.push_back(at);
    llvm::append_range(source, indices.drop_front(axis + inner));
    return elementAt(x, source);
  });
}

static Result evaluateConcat(ConcatOp op, RankedTensorType type, ArrayRef<Attribute> constants, unsigned depth) {
  std::vector<Small> parts;
  bool isKnown = false;
  for (unsigned i = 0; i < op.getXs().size(); ++i) {
    Result part = operandOf(op, i, constants, depth);
    auto partType = cast<RankedTensorType>(op.getXs()[i].getType());
    if (!part && !isSmall(partType))
      return std::nullopt;
    isKnown |= part.has_value();
    parts.push_back(part ? *part : Small{partType, std::vector<Number>(partType.getNumElements(), unknown())});
  }
  if (!isKnown)
    return std::nullopt;
  int64_t axis = op.getAxis();
  return build(type, [&](ArrayRef<int64_t> indices) {
    SmallVector<int64_t> source(indices);
    for (const Small &part : parts) {
      if (source[axis] < part.type.getDimSize(axis))
        return elementAt(part, source);
      source[axis] -= part.type.getDimSize(axis);
    }
    return unknown();
  });
}

static Result evaluateReduce(ReduceOp op, RankedTensorType type, const Small &x) {
  static constexpr std::pair<StringLiteral, StringLiteral> kCombine[] = {
      {"sum", "add"}, {"prod", "mul"}, {"max", "max"}, {"min", "min"}, {"any", "or"}, {"all", "and"}};
  auto rule = llvm::find_if(kCombine, [&](const auto &pair) { return pair.first == op.getKind(); });
  if (rule == std::end(kCombine) || x.at.empty())
    return std::nullopt;
  Type element = type.getElementType();
  Small y{type, std::vector<Number>(type.getNumElements())};
  std::vector<bool> isStarted(y.at.size(), false);
  build(x.type, [&](ArrayRef<int64_t> indices) {
    int64_t place = 0;
    for (int64_t axis = 0; axis < x.type.getRank(); ++axis)
      if (!llvm::is_contained(op.getAxes(), axis))
        place = place * x.type.getDimSize(axis) + indices[axis];
    Number value = elementAt(x, indices);
    y.at[place] = isStarted[place] ? rounded(binary(rule->second, y.at[place], value, element), element) : value;
    isStarted[place] = true;
    return value;
  });
  return y;
}

static Result evaluateRange(RankedTensorType type, const Small &start, const Small &limit, const Small &delta) {
  Type element = type.getElementType();
  Number first = start.at[0], step = delta.at[0];
  if (!first.isKnown || !step.isKnown || !limit.at[0].isKnown)
    return std::nullopt;
  return build(type, [&](ArrayRef<int64_t> indices) {
    Number distance = binary("mul", {indices[0], (double)indices[0], true}, step, element);
    return binary("add", first, rounded(distance, element), element);
  });
}

/// Ops that only move elements of x, whose source place follows from the result's place.
static Result evaluateMove(Operation *op, RankedTensorType type, const Small &x) {
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return build(type, [&](ArrayRef<int64_t> indices) {
      SmallVector<int64_t> source(indices.size());
      for (auto [index, axis] : llvm::zip(indices, transpose.getPerm()))
        source[axis] = index;
      return elementAt(x, source);
    });
  if (auto slice = dyn_cast<SliceOp>(op))
    return build(type, [&](ArrayRef<int64_t> indices) {
      SmallVector<int64_t> source;
      for (auto [axis, index] : llvm::enumerate(indices)) {
        int64_t step = slice.getSteps()[axis], start = slice.getStarts()[axis];
        if (slice.getSizes()[axis] == -1)
          start = step < 0 ? x.type.getDimSize(axis) - 1 : 0;
        source.push_back(start + index * step);
      }
      return elementAt(x, source);
    });
  if (isa<ExpandOp>(op))
    return build(type, [&](ArrayRef<int64_t> indices) { return broadcastAt(x, indices); });
  if (type.getNumElements() != x.type.getNumElements()) // reshape
    return std::nullopt;
  return Small{type, x.at};
}

static Result evaluateShape(ShapeOp op, RankedTensorType type) {
  auto x = cast<RankedTensorType>(op.getX().getType());
  return build(type, [&](ArrayRef<int64_t> indices) {
    int64_t axis = op.getStart() + indices[0];
    return x.isDynamicDim(axis) ? unknown() : wholeNumber(x.getDimSize(axis));
  });
}

static Result evaluate(Operation *op, ArrayRef<Attribute> constants, unsigned depth) {
  if (auto constant = dyn_cast<ConstantOp>(op))
    return readAttribute(constant.getValue());
  if (!isSmall(op->getResult(0).getType()))
    return std::nullopt;
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (auto shape = dyn_cast<ShapeOp>(op))
    return evaluateShape(shape, type);
  if (auto concat = dyn_cast<ConcatOp>(op))
    return evaluateConcat(concat, type, constants, depth);
  if (!isa<UnaryOp, BinaryOp, SelectOp, CastOp, GatherOp, ReduceOp, RangeOp, TransposeOp, SliceOp, ExpandOp, ReshapeOp>(
          op))
    return std::nullopt;
  bool isMove = isa<ExpandOp, ReshapeOp>(op); // the second operand says what the type says
  SmallVector<Small> x;
  for (unsigned i = 0; i < (isMove ? 1 : op->getNumOperands()); ++i) {
    Result operand = operandOf(op, i, constants, depth);
    if (!operand)
      return std::nullopt;
    x.push_back(std::move(*operand));
  }
  Type from = x[0].type.getElementType();
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](UnaryOp unaryOp) {
        return build(type, [&](ArrayRef<int64_t> at) { return unary(unaryOp.getKind(), elementAt(x[0], at), from); });
      })
      .Case([&](BinaryOp binaryOp) {
        return build(type, [&](ArrayRef<int64_t> at) {
          return binary(binaryOp.getKind(), broadcastAt(x[0], at), broadcastAt(x[1], at), from);
        });
      })
      .Case([&](SelectOp) {
        return build(type, [&](ArrayRef<int64_t> at) {
          Number condition = broadcastAt(x[0], at);
          return condition.isKnown ? broadcastAt(x[condition.whole ? 1 : 2], at) : unknown();
        });
      })
      .Case([&](CastOp) {
        return build(type,
                     [&](ArrayRef<int64_t> at) { return convert(elementAt(x[0], at), from, type.getElementType()); });
      })
      .Case([&](GatherOp gather) { return evaluateGather(gather, type, x[0], x[1]); })
      .Case([&](ReduceOp reduce) { return evaluateReduce(reduce, type, x[0]); })
      .Case([&](RangeOp) { return evaluateRange(type, x[0], x[1], x[2]); })
      .Default([&](Operation *move) { return evaluateMove(move, type, x[0]); });
}

OpFoldResult tegula::nn::foldSmall(Operation *op, ArrayRef<Attribute> operands) {
  Result result = evaluate(op, operands, kDepth);
  if (!result || result->type != op->getResult(0).getType())
    return {};
  return writeAttribute(*result);
}
