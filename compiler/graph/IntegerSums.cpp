//===- IntegerSums.cpp - convolutions and products of dequantized numbers as sums of integers -===//

#include "tegula/compiler/graph/IntegerSums.h"
#include "tegula/compiler/graph/Constants.h"

using namespace mlir;
namespace tegula {

static bool areZeros(ArrayRef<int64_t> values) {
  return llvm::all_of(values, [](int64_t value) { return value == 0; });
}

Value NnBuilder::binary(StringRef kind, Value x, Value y) {
  return nn::BinaryOp::create(b, loc, b.getStringAttr(kind), x, y);
}
Value NnBuilder::cast(Value x, Type element) {
  if (elementOf(x) == element)
    return x;
  return nn::CastOp::create(b, loc, RankedTensorType::get(typeOf(x).getShape(), element), x);
}
Value NnBuilder::number(Type element, int64_t value) {
  auto type = RankedTensorType::get({}, element);
  Attribute attr =
      isa<FloatType>(element)
          ? Attribute(b.getFloatAttr(element, value))
          : Attribute(IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), value, false, true)));
  return nn::ConstantOp::create(b, loc, DenseElementsAttr::get(type, attr));
}
Value NnBuilder::reshape(Value x, ArrayRef<int64_t> shape) {
  if (typeOf(x).getShape() == shape)
    return x;
  return nn::ReshapeOp::create(b, loc, RankedTensorType::get(shape, elementOf(x)), x, Value());
}
Value NnBuilder::transpose(Value x, ArrayRef<int64_t> perm) {
  return nn::TransposeOp::create(b, loc, x, b.getDenseI64ArrayAttr(perm));
}
Value NnBuilder::pad(Value x, Value value, ArrayRef<int64_t> low, ArrayRef<int64_t> high) {
  if (areZeros(low) && areZeros(high))
    return x;
  SmallVector<int64_t> shape(typeOf(x).getShape());
  for (auto [extent, before, after] : llvm::zip(shape, low, high))
    if (!ShapedType::isDynamic(extent))
      extent += before + after;
  return nn::PadOp::create(b, loc, RankedTensorType::get(shape, elementOf(x)), x, Value(), value,
                           b.getStringAttr("constant"), b.getDenseI64ArrayAttr(low), b.getDenseI64ArrayAttr(high));
}
Value NnBuilder::dequantize(Value x, Value scale, Value zero, Type element) {
  return nn::DequantizeOp::create(b, loc, RankedTensorType::get(typeOf(x).getShape(), element), x, scale, zero);
}

std::optional<double> splatOf(Value value) {
  ArrayRef<char> bytes = bytesOf(value);
  Type element = bytes.empty() ? Type() : elementOf(value);
  if (!element || !element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8)
    return std::nullopt;
  size_t size = element.getIntOrFloatBitWidth() / 8;
  for (size_t at = size; at < bytes.size(); at += size)
    if (memcmp(bytes.data(), bytes.data() + at, size) != 0)
      return std::nullopt;
  auto first = DenseElementsAttr::getFromRawBuffer(RankedTensorType::get({}, element), bytes.take_front(size));
  if (isa<FloatType>(element)) {
    bool isInexact;
    APFloat wide = *first.getValues<APFloat>().begin();
    wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &isInexact);
    return wide.convertToDouble();
  }
  APInt number = *first.getValues<APInt>().begin();
  return element.isUnsignedInteger() ? (double)number.getZExtValue() : (double)number.getSExtValue();
}

namespace {
/// Real numbers or wider integers as 8-bit integers: `x - zero`, times `scale` where there is one.
struct Quantized {
  Value x, zero, scale; // the zero point has the type of x, or is a 16-bit integer with a number of that type
};
} // namespace

/// What `value` stands for: a dequantization, or 8-bit integers as 16-bit ones, maybe less a zero point.
static std::optional<Quantized> quantizedOf(Value value) {
  if (auto op = value.getDefiningOp<nn::DequantizeOp>(); op && elementOf(op.getX()).isInteger(8))
    return Quantized{op.getX(), op.getZero(), op.getScale()};
  // Small constants are folded already.
  if (elementOf(value).isSignlessInteger(16) && value.getDefiningOp<nn::ConstantOp>())
    return Quantized{value, {}, {}};
  Value zero;
  if (auto sub = value.getDefiningOp<nn::BinaryOp>(); sub && sub.getKind() == "sub") {
    auto narrow = sub.getB().getDefiningOp<nn::CastOp>();
    value = sub.getA();
    if (!splatOf(sub.getB()) && (!narrow || !elementOf(narrow.getX()).isInteger(8)))
      return std::nullopt;
    zero = sub.getB();
  }
  auto wide = value.getDefiningOp<nn::CastOp>();
  if (!wide || !elementOf(wide.getX()).isInteger(8) || !elementOf(value).isSignlessInteger(16))
    return std::nullopt;
  return Quantized{wide.getX(), zero, {}};
}

/// Whether all numbers of a constant of 8 bits or signed 16 bits, less `zero`, are signed bytes.
static bool fitsBytes(Value weights, int64_t zero) {
  bool isUnsigned = elementOf(weights).isUnsignedInteger();
  ArrayRef<char> bytes = bytesOf(weights);
  auto fits = [zero](int64_t number) { return -128 <= number - zero && number - zero <= 127; };
  if (elementOf(weights).isInteger(16)) {
    ArrayRef<int16_t> numbers(reinterpret_cast<const int16_t *>(bytes.data()), bytes.size() / 2);
    return !numbers.empty() && llvm::all_of(numbers, fits);
  }
  return !bytes.empty() &&
         llvm::all_of(bytes, [&](char byte) { return fits(isUnsigned ? (uint8_t)byte : (int8_t)byte); });
}

namespace {
/// How sums are taken: of four or eight products of bytes, signed ones on the right, or of pairs of signed 16-bit
/// integers.
struct Form {
  bool isBytes = false, isLeftSigned = false, hasMmla = false;
  /// Neighbours at a time, of all that are summed; few are not filled up to eight.
  int64_t count(int64_t all) const { return !isBytes ? 2 : hasMmla && all > 4 ? 8 : 4; }
};
} // namespace

/// Weights less their zero point: as bytes where they fit.
static Value centeredWeights(NnBuilder &n, Value w, Value zero, bool areBytes) {
  Type i8 = n.b.getIntegerType(8), i16 = n.b.getIntegerType(16);
  std::optional<double> one = zero ? splatOf(zero) : 0;
  if (one == 0 && areBytes && elementOf(w) == i8)
    return w;
  Value wide = n.cast(w, i16);
  if (one != 0)
    wide = n.binary("sub", wide, one ? n.number(i16, static_cast<int64_t>(*one)) : n.cast(zero, i16));
  return areBytes ? n.cast(wide, i8) : wide;
}

/// `make` of what `value` is a rearrangement of, rearranged again.
static Value beforeMoves(NnBuilder &n, Value value, llvm::function_ref<Value(Value)> make) {
  if (auto transpose = value.getDefiningOp<nn::TransposeOp>())
    return n.transpose(beforeMoves(n, transpose.getX(), make), transpose.getPerm());
  if (auto reshape = value.getDefiningOp<nn::ReshapeOp>(); reshape && typeOf(value).hasStaticShape())
    return n.reshape(beforeMoves(n, reshape.getX(), make), typeOf(value).getShape());
  return make(value);
}

/// Numbers of 8 bits of one sign, or 16-bit ones less their zero point; the zero point, where they still have one, as a
/// scalar.
static Value side(NnBuilder &n, const Quantized &x, bool areBytes, bool isSigned, Value &zero) {
  Type i16 = n.b.getIntegerType(16), ui8 = IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned);
  zero = x.zero ? n.reshape(x.zero, {}) : Value();
  if (!areBytes) {
    Value point = std::exchange(zero, Value());
    return beforeMoves(n, x.x, [&](Value numbers) {
      Value wide = n.cast(numbers, i16);
      return point ? n.binary("sub", wide, n.cast(point, i16)) : wide;
    });
  }
  Type wanted = isSigned ? n.b.getIntegerType(8) : ui8;
  bool isMoved = elementOf(x.x) != wanted;
  int64_t distance = !isMoved ? 0 : isSigned ? -128 : 128;
  auto moved = [&](Value value) {
    return isMoved ? n.cast(n.binary("add", n.cast(value, i16), n.number(i16, distance)), wanted)
                   : n.cast(value, wanted);
  };
  if (std::optional<double> known = zero ? splatOf(zero) : 0; !known)
    zero = moved(zero);
  else
    zero = *known + distance == 0 ? Value() : n.number(wanted, static_cast<int64_t>(*known) + distance);
  return isMoved ? beforeMoves(n, x.x, moved) : x.x;
}

static Value leftSide(NnBuilder &n, const Quantized &x, Form form, Value &zero) {
  return side(n, x, form.isBytes, form.isLeftSigned, zero);
}

static Value ones(NnBuilder &n, ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, n.b.getIntegerType(8));
  return nn::ConstantOp::create(n.b, n.loc, DenseElementsAttr::get(type, n.b.getI8IntegerAttr(1)));
}

/// Sums over the last axis, which stays.
static Value rowSums(NnBuilder &n, Value x) {
  return nn::MatMulOp::create(n.b, n.loc, x, ones(n, {typeOf(x).getShape().back(), 1}));
}

/// A right side [..., k, n] as nn.matmul with `columns` wants it, `count` neighbours along k side by side and filled up
/// with zeros. A transposition before becomes one with that.
static Value packed(NnBuilder &n, Value right, int64_t count) {
  SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, typeOf(right).getRank()));
  if (auto transpose = right.getDefiningOp<nn::TransposeOp>()) {
    perm.assign(transpose.getPerm().begin(), transpose.getPerm().end());
    right = transpose.getX();
  }
  int64_t rank = perm.size(), k = perm[rank - 2], columns = perm[rank - 1];
  SmallVector<int64_t> low(rank, 0), high(rank, 0), shape(typeOf(right).getShape()), order;
  shape[k] = llvm::alignTo(shape[k], count);
  shape[columns] = llvm::alignTo(shape[columns], nn::MatMulOp::kPackedColumns);
  for (int64_t axis : {k, columns})
    high[axis] = shape[axis] - typeOf(right).getDimSize(axis);
  right = n.pad(right, Value(), low, high);
  shape[k] /= count;
  shape.insert(shape.begin() + k + 1, count);
  for (int64_t axis : perm)
    order.push_back(axis <= k ? axis : axis + 1);
  order.push_back(k + 1);
  return n.transpose(n.reshape(right, shape), order);
}

/// Sums over k of a right side [..., k, n]: [..., 1, n].
static Value columnSums(NnBuilder &n, Value right) {
  int64_t rank = typeOf(right).getRank();
  // Where k lies along the rows in memory, those are summed up.
  if (auto transpose = right.getDefiningOp<nn::TransposeOp>(); transpose && transpose.getPerm()[rank - 2] == rank - 1)
    return n.transpose(rowSums(n, transpose.getX()), transpose.getPerm());
  return nn::MatMulOp::create(n.b, n.loc, ones(n, {1, typeOf(right).getDimSize(rank - 2)}), right);
}

/// `-zero * sums`, for the zero point of the numbers that were multiplied.
static Value correction(NnBuilder &n, Value zero, Value sums) {
  Type i32 = n.b.getIntegerType(32);
  return n.binary("mul", sums, n.binary("sub", n.number(i32, 0), n.cast(zero, i32)));
}

static Value sumOver(NnBuilder &n, Value w, ArrayRef<int64_t> axes) {
  return nn::ReduceOp::create(n.b, n.loc, n.b.getStringAttr("sum"), n.cast(w, n.b.getIntegerType(32)),
                              n.b.getDenseI64ArrayAttr(axes), n.b.getBoolAttr(false));
}

/// A scale that is one number or varies along one axis of `rank`, as it lies beside a result in which that axis has
/// `after` axes behind it; null where it does not fit.
static Value scaleBeside(NnBuilder &n, Value scale, int64_t rank, int64_t axis, int64_t after) {
  if (isOne(scale))
    return n.reshape(scale, {});
  ArrayRef<int64_t> shape = typeOf(scale).getShape();
  int64_t at = axis - (rank - (int64_t)shape.size());
  if (at < 0 || ShapedType::isDynamicShape(shape) || typeOf(scale).getNumElements() != shape[at])
    return {};
  SmallVector<int64_t> wanted(after + 1, 1);
  wanted[0] = shape[at];
  return n.reshape(scale, wanted);
}

namespace {
/// Of numbers up to 255, of which the sum certainly fits into 32 bits.
constexpr int64_t kMostProducts = 1 << 15;
/// Of numbers up to 255, of which f32 holds each sum exactly.
constexpr int64_t kMostExact = (1 << 24) / (255 * 255);
/// Of a left side; a number that is known at run time only counts as few.
constexpr int64_t kFewRows = 8;

/// Of both patterns for sums of products.
struct IntegerSums : SumForms {
  explicit IntegerSums(SumForms forms) : SumForms(forms) {}

  /// The sums, plus what the zero point of the left side owes, as what the op computed: real numbers, or integers.
  static Value asResult(NnBuilder &n, Value sums, Value ofZero, const Quantized &x, Value wScale, Type element) {
    if (ofZero)
      sums = n.binary("add", sums, ofZero);
    if (!x.scale)
      return sums;
    Type f32 = n.b.getF32Type();
    return n.dequantize(sums, n.binary("mul", n.cast(n.reshape(x.scale, {}), f32), n.cast(wScale, f32)), {}, element);
  }

  /// Why the two factors are not integers, one of which is constant; null where they are.
  static const char *whyReal(const std::optional<Quantized> &x, const std::optional<Quantized> &w) {
    if (!x || !elementOf(x->x).isInteger(8))
      return "its input is not quantized to 8 bits";
    if (!w || !x->scale != !w->scale)
      return "its weights are not quantized to 8 bits, with one scale for each output at most";
    return isConstant(w->x) ? nullptr : "its weights are computed at run time";
  }

  /// Why the sums of such factors, of `products` each, cannot be of integers; null where they can. Sets the form.
  const char *match(const std::optional<Quantized> &x, const std::optional<Quantized> &w, int64_t products, Form &form,
                    bool &areBytes) const {
    if ((x->zero && !isOne(x->zero)) || (x->scale && !isOne(x->scale)))
      return "its input has several scales or zero points";
    // Real numbers do not wrap around.
    if (x->scale && products > kMostProducts)
      return "its sums might not fit into 32 bits";
    std::optional<double> zero = w->zero ? splatOf(w->zero) : std::optional(0.0);
    if (!zero && !isConstant(w->zero))
      return "zero points of its weights are computed at run time";
    // With one for each output, 16 bits are used.
    areBytes = zero && fitsBytes(w->x, static_cast<int64_t>(*zero));
    form = Form{hasBytes && areBytes, isLeftSigned, hasMmla};
    return nullptr;
  }

  /// Whether weights are kept with 16 bits each: twice the size, but no instruction to widen them where they are used,
  /// which is a sixth of those of the loop. Not where each is used a few times only: there it is their bytes that
  /// count.
  bool areWide(Form form, int64_t rows) const { return hasPairs && !form.isBytes && rows > kFewRows; }

  /// Whether an op on centered 16-bit integers is what it would become: the same again would never end.
  static bool isDone(const Quantized &x, Form form, bool areBytes) { return !x.scale && !form.isBytes && !areBytes; }
};

/// All rows of a matrix, or of several; 0 where that is not known.
int64_t rowsOf(RankedTensorType type) {
  ArrayRef<int64_t> extents = type.getShape().drop_back();
  return ShapedType::isDynamicShape(extents) ? 0 : ShapedType::getNumElements(extents);
}

/// The places of a convolution's result in one image; dynamic ones are many.
int64_t rowsOf(nn::ConvOp conv) {
  ArrayRef<int64_t> extents = typeOf(conv.getY()).getShape().drop_front(2);
  return ShapedType::isDynamicShape(extents) ? kFewRows + 1 : ShapedType::getNumElements(extents);
}

struct ConvertConv : OpRewritePattern<nn::ConvOp>, IntegerSums {
  ConvertConv(MLIRContext *context, SumForms forms) : OpRewritePattern(context), IntegerSums(forms) {}

  LogicalResult matchAndRewrite(nn::ConvOp conv, PatternRewriter &b) const override {
    std::optional<Quantized> x = quantizedOf(conv.getX()), w = quantizedOf(conv.getW());
    if (const char *why = conv.isChannelsLast() ? "channels-last" : whyReal(x, w))
      return b.notifyMatchFailure(conv, why);
    ArrayRef<int64_t> kernel = typeOf(w->x).getShape();
    int64_t rank = kernel.size(), channels = kernel[1], group = conv.getGroup();
    Form form;
    bool areBytes;
    int64_t products =
        typeOf(w->x).hasStaticShape() ? typeOf(w->x).getNumElements() / std::max<int64_t>(kernel[0], 1) : 0;
    if (const char *why = match(x, w, products, form, areBytes))
      return b.notifyMatchFailure(conv, why);
    // Nothing is summed over channels there, and bytes are half as many to read.
    bool isDepthwise = group > 1 && channels == 1;
    form.isBytes |= areBytes && isDepthwise;
    areBytes &= isDepthwise || !areWide(form, rowsOf(conv));
    int64_t fill = group == 1 ? llvm::alignTo(channels, form.count(channels)) - channels : 0;
    if (isDone(*x, form, areBytes) && fill == 0 && areZeros(conv.getLow()) && areZeros(conv.getHigh()))
      return b.notifyMatchFailure(conv, "of 16-bit integers already");
    NnBuilder n{b, conv.getLoc()};
    Value wScale = w->scale ? scaleBeside(n, w->scale, rank, 0, rank - 2) : Value();
    Value wZero = w->zero ? scaleBeside(n, w->zero, rank, 0, rank - 1) : Value();
    if ((w->scale && !wScale) || (w->zero && !wZero))
      return b.notifyMatchFailure(conv, "its weights have scales or zero points that do not belong to the outputs");
    Value weights = centeredWeights(n, w->x, wZero, areBytes), zero;
    Value data = leftSide(n, *x, form, zero);
    SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(1, rank)), low{0, 0}, high{0, 0}, none(rank, 0),
                         more(rank, 0), beside(rank - 1, 1), noPads(rank - 2, 0);
    beside[0] = kernel[0];
    low.append(conv.getLow().begin(), conv.getLow().end());
    high.append(conv.getHigh().begin(), conv.getHigh().end());
    high[1] = more[1] = fill;
    Value ofZero = zero ? n.reshape(correction(n, zero, sumOver(n, weights, axes)), beside) : Value();
    Value sums =
        nn::ConvOp::create(b, conv.getLoc(), n.pad(data, zero, low, high), n.pad(weights, Value(), none, more),
                           conv.getLayoutAttr(), conv.getGroupAttr(), conv.getStridesAttr(), conv.getDilationsAttr(),
                           b.getDenseI64ArrayAttr(noPads), b.getDenseI64ArrayAttr(noPads));
    b.replaceOp(conv, asResult(n, sums, ofZero, *x, wScale, elementOf(conv.getY())));
    return success();
  }
};

struct ConvertMatMul : OpRewritePattern<nn::MatMulOp>, IntegerSums {
  ConvertMatMul(MLIRContext *context, SumForms forms) : OpRewritePattern(context), IntegerSums(forms) {}

  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &b) const override {
    std::optional<Quantized> x = quantizedOf(op.getA()), w = quantizedOf(op.getB());
    if (x && w && !isConstant(w->x))
      return convertVariables(op, *x, *w, b);
    if (const char *why = whyReal(x, w))
      return b.notifyMatchFailure(op, why);
    if (typeOf(w->x).getRank() != 2)
      return b.notifyMatchFailure(op, "its right factor is not one matrix but several");
    int64_t columns = typeOf(w->x).getDimSize(0);
    Form form;
    bool areBytes;
    if (const char *why = match(x, w, columns, form, areBytes))
      return b.notifyMatchFailure(op, why);
    areBytes &= !areWide(form, rowsOf(typeOf(op.getA())));
    int64_t fill = llvm::alignTo(columns, form.count(columns)) - columns;
    if (isDone(*x, form, areBytes) && fill == 0)
      return b.notifyMatchFailure(op, "of 16-bit integers already");
    NnBuilder n{b, op.getLoc()};
    Value wScale = w->scale ? scaleBeside(n, w->scale, 2, 1, 0) : Value();
    Value wZero = w->zero ? scaleBeside(n, w->zero, 2, 1, 0) : Value();
    if ((w->scale && !wScale) || (w->zero && !wZero))
      return b.notifyMatchFailure(op, "its weights have scales or zero points that do not belong to the columns");
    Value weights = centeredWeights(n, w->x, wZero, areBytes), zero;
    Value data = leftSide(n, *x, form, zero);
    int64_t rank = typeOf(data).getRank();
    SmallVector<int64_t> none(rank, 0), more(rank, 0);
    more.back() = fill;
    Value ofZero = zero ? correction(n, zero, sumOver(n, weights, {0})) : Value();
    Value sums =
        nn::MatMulOp::create(b, op.getLoc(), n.pad(data, zero, none, more), n.pad(weights, Value(), {0, 0}, {fill, 0}));
    b.replaceOp(op, asResult(n, sums, ofZero, *x, wScale, elementOf(op.getY())));
    return success();
  }

  /// Of two sides that are computed at run time: the right one is packed there too, if the target wants that.
  ///
  /// sum (x - zx) (w - zw) = sum x w - zw sum x - zx (sum w - k zw)
  LogicalResult convertVariables(nn::MatMulOp op, const Quantized &x, const Quantized &w, PatternRewriter &b) const {
    RankedTensorType left = typeOf(op.getA()), right = typeOf(op.getB());
    int64_t k = left.getShape().back(), columns = right.getShape().back();
    if (!elementOf(x.x).isInteger(8) || !elementOf(w.x).isInteger(8) || !x.scale != !w.scale)
      return b.notifyMatchFailure(op, "one of its inputs is not quantized to 8 bits");
    for (Value parameter : {x.scale, x.zero, w.scale, w.zero})
      if (parameter && !isOne(parameter))
        return b.notifyMatchFailure(op, "both factors are computed at run time, with several scales or zero points");
    if (x.scale && (k > kMostProducts || ShapedType::isDynamic(k)))
      return b.notifyMatchFailure(op, "its sums might not fit into 32 bits");
    if (const char *why = whyNotPacked(left, right))
      return convertUnpacked(op, x, w, k, why, b);
    NnBuilder n{b, op.getLoc()};
    Form form{hasBytes, isLeftSigned, hasMmla};
    int64_t count = form.count(k), filled = isInPlace ? k : llvm::alignTo(k, count);
    Value xZero, wZero, ofZeros;
    Value data = side(n, x, form.isBytes, form.isLeftSigned, xZero);
    Value numbers = side(n, w, form.isBytes, true, wZero);
    Value other = isInPlace ? numbers : packed(n, numbers, count);
    if (xZero) {
      Value sums = columnSums(n, numbers);
      if (wZero)
        sums = n.binary("add", sums, correction(n, wZero, n.number(b.getI32Type(), k)));
      ofZeros = correction(n, xZero, sums);
    }
    if (wZero) {
      Value ofRight = correction(n, wZero, rowSums(n, data));
      ofZeros = ofZeros ? n.binary("add", ofRight, ofZeros) : ofRight;
    }
    SmallVector<int64_t> none(left.getRank(), 0), more(none);
    more.back() = filled - k;
    Value sums = nn::MatMulOp::create(b, op.getLoc(), n.pad(data, Value(), none, more), other, UnitAttr(),
                                      isInPlace ? IntegerAttr() : b.getI64IntegerAttr(columns));
    Value wScale = w.scale ? n.reshape(w.scale, {}) : Value();
    b.replaceOp(op, asResult(n, sums, ofZeros, x, wScale, elementOf(op.getY())));
    return success();
  }

  /// Why the right side of such types is not packed at run time; null where it is.
  const char *whyNotPacked(RankedTensorType left, RankedTensorType right) const {
    int64_t rows = left.getDimSize(left.getRank() - 2);
    if (isInPlace)
      return left.isDynamicDim(left.getRank() - 1) ? "the number of its products is known at run time only" : nullptr;
    if (!hasBytes && !hasPairs)
      return "the target sums no products of small integers that are computed at run time";
    if (!right.hasStaticShape() || left.isDynamicDim(left.getRank() - 1))
      return "its right factor has extents that are known at run time only";
    return right.getShape().back() < kFewRows || (rows <= kFewRows && !ShapedType::isDynamic(rows))
               ? "its right factor is used too few times to be packed"
               : nullptr;
  }

  /// The same sums all the same: of integers in real numbers where those hold them exactly, else of 16-bit ones.
  static LogicalResult convertUnpacked(nn::MatMulOp op, const Quantized &x, const Quantized &w, int64_t k,
                                       const char *why, PatternRewriter &b) {
    if (!x.scale || (splatOf(x.scale) == 1 && splatOf(w.scale) == 1))
      return b.notifyMatchFailure(op, why);
    NnBuilder n{b, op.getLoc()};
    Type f32 = b.getF32Type();
    Value zero, wScale = n.reshape(w.scale, {});
    if (k > kMostExact) {
      Value left = side(n, x, false, true, zero), right = side(n, w, false, true, zero);
      Value sums = nn::MatMulOp::create(b, op.getLoc(), left, right);
      b.replaceOp(op, asResult(n, sums, Value(), x, wScale, elementOf(op.getY())));
      return success();
    }
    Value one = n.number(f32, 1), scale = n.binary("mul", n.cast(n.reshape(x.scale, {}), f32), n.cast(wScale, f32));
    Value sums =
        nn::MatMulOp::create(b, op.getLoc(), n.dequantize(x.x, one, x.zero, f32), n.dequantize(w.x, one, w.zero, f32));
    b.replaceOp(op, n.cast(n.binary("mul", sums, scale), elementOf(op.getY())));
    return success();
  }
};
} // namespace

bool isOfIntegers(Value value) {
  auto product = value.getDefiningOp<nn::MatMulOp>();
  return product && llvm::all_of(product->getOperands(), [](Value factor) {
           auto real = factor.getDefiningOp<nn::DequantizeOp>();
           return real && splatOf(real.getScale()) == 1;
         });
}

void populateIntegerSums(RewritePatternSet &patterns, SumForms forms) {
  patterns.add<ConvertConv, ConvertMatMul>(patterns.getContext(), forms);
}

LogicalResult convertToIntegerSums(Operation *op, SumForms forms, PatternRewriter &rewriter) {
  if (auto conv = dyn_cast<nn::ConvOp>(op))
    return ConvertConv(op->getContext(), forms).matchAndRewrite(conv, rewriter);
  return ConvertMatMul(op->getContext(), forms).matchAndRewrite(cast<nn::MatMulOp>(op), rewriter);
}

} // namespace tegula
