//===- Quantize.cpp - between real numbers and the integers that stand for them ----------===//
//
// One definition of rounding and saturation: ONNX's QuantizeLinear and DequantizeLinear. All quantized operators are
// made of these two and of sums of products of integers.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Whether a parameter of shape `from` broadcasts to `to` without making it larger.
static bool broadcastsTo(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (from.size() > to.size())
    return false;
  for (auto [extent, wanted] : llvm::zip(llvm::reverse(from), llvm::reverse(to)))
    if (extent != 1 && extent != wanted && !ShapedType::isDynamic(extent) && !ShapedType::isDynamic(wanted))
      return false;
  return true;
}

/// What both ops ask of shapes and of the zero point, which holds what `integers` does.
static LogicalResult verifyAffine(Operation *op, Value x, Value scale, Value zero, Value integers) {
  Value y = op->getResult(0);
  // quantize C1
  // dequantize C1
  if (failed(verifyCompatibleShape(x.getType(), y.getType())))
    return op->emitOpError("expects a result of the input's shape, but got ") << y.getType() << " of " << x.getType();
  for (Value parameter : {scale, zero})
    if (parameter && !broadcastsTo(tensorType(parameter).getShape(), tensorType(x).getShape()))
      return op->emitOpError("expects a scale and a zero point that broadcast to ")
             << x.getType() << ", but got " << parameter.getType();
  // quantize C3
  // dequantize C3
  if (zero && getElementTypeOrSelf(zero) != getElementTypeOrSelf(integers))
    return op->emitOpError("expects a zero point of ")
           << getElementTypeOrSelf(integers) << ", but got " << getElementTypeOrSelf(zero);
  return success();
}

/// linalg.generic over x and its parameters; `body` gets an element of each.
static Value mapAffine(LoweringBuilder &b, ValueRange operands, Type result, LoweringBuilder::Body body) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(result).getShape();
  SmallVector<AffineMap> maps;
  for (Value operand : operands)
    maps.push_back(b.broadcastMap(tensorType(operand).getShape(), shape));
  return b.map(SmallVector<Value>(operands), maps, b.extents(operands[0]), loweredType(getElementTypeOrSelf(result)),
               body);
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyAffine(*this, getX(), getScale(), getZero(), getY())))
    return failure();
  Type x = getElementTypeOrSelf(getX()), scale = getElementTypeOrSelf(getScale()), y = getElementTypeOrSelf(getY());
  if (!isa<FloatType>(scale) || (x != scale && !x.isInteger(32))) // quantize C2
    return emitOpError("cannot divide ") << x << " by a scale of " << scale;
  if (!y.isInteger(8) && !y.isInteger(16)) // quantize C3
    return emitOpError("expects a result of 8 or 16 bits, but got ") << y;
  return success();
}

/// Whether a scale is one constant f32 whose products with 16-bit integers stay normal numbers.
static bool isUsualScale(Value scale) {
  DenseElementsAttr number;
  if (!matchPattern(scale, m_Constant(&number)) || !number.isSplat() || !number.getElementType().isF32())
    return false;
  float value = number.getSplatValue<float>();
  return value > 1e-12f && value < 1e12f;
}

FailureOr<SmallVector<Value>> QuantizeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getY()), f32 = b.b.getF32Type();
  bool isUnsigned = to.isUnsignedInteger();
  int64_t width = to.getIntOrFloatBitWidth(), low = isUnsigned ? 0 : -(int64_t(1) << (width - 1));
  int64_t high = low + (int64_t(1) << width) - 1;
  bool isEarly = width <= 16 && from.isF32() && isUsualScale(getScale());
  return SmallVector<Value>{mapAffine(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    Value scale = elements[1], x = elements[0];
    if (isa<IntegerType>(from))
      x = b.cast(x, scale.getType());
    // Saturated before it becomes an integer: any integer minus a zero point is exact in f32, and so are these bounds
    // after rounding.
    Value lowest = b.number(f32, low), highest = b.number(f32, high);
    if (operands.size() == 3) {
      Value zero = b.cast(elements[2], f32, isUnsigned);
      lowest = b.sub(lowest, zero);
      highest = b.sub(highest, zero);
    }
    // Saturated before the division where the scale is known: the rounded product of a bound and the scale, divided
    // by it, is the bound to within 0.01. What is bounded is divided faster.
    if (isEarly)
      x = b.quickMin(b.quickMax(x, b.mul(lowest, scale)), b.mul(highest, scale));
    Value kept = b.cast(b.div(x, scale), f32);
    if (!isEarly)
      kept = b.quickMin(b.quickMax(kept, lowest), highest);
    Type i32 = b.b.getI32Type();
    Value integer = arith::FPToSIOp::create(b.b, b.loc, i32, math::RoundEvenOp::create(b.b, b.loc, kept));
    if (operands.size() == 3)
      integer = b.add(integer, b.cast(elements[2], i32, isUnsigned));
    auto fits = isUnsigned ? arith::IntegerOverflowFlags::nuw : arith::IntegerOverflowFlags::nsw;
    return arith::TruncIOp::create(b.b, b.loc, loweredType(to), integer, fits).getResult();
  })};
}

LogicalResult DequantizeOp::verify() {
  if (failed(verifyAffine(*this, getX(), getScale(), getZero(), getX())))
    return failure();
  Type x = getElementTypeOrSelf(getX()), scale = getElementTypeOrSelf(getScale()), y = getElementTypeOrSelf(getY());
  if (!isa<FloatType>(scale) || !isa<FloatType>(y)) // dequantize C2
    return emitOpError("expects a scale and a result of floats, but got ") << scale << " and " << y;
  if (!x.isInteger(8) && !x.isInteger(16) && !x.isInteger(32)) // dequantize C3
    return emitOpError("expects integers of 8, 16 or 32 bits, but got ") << x;
  return success();
}

FailureOr<SmallVector<Value>> DequantizeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getY());
  Type i32 = b.b.getI32Type(), f32 = b.b.getF32Type();
  return SmallVector<Value>{mapAffine(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    Value x = b.cast(elements[0], i32, from.isUnsignedInteger());
    if (operands.size() == 3)
      x = b.sub(x, b.cast(elements[2], i32, from.isUnsignedInteger()));
    // Rounded here, not in one with what follows: the next op may be a sum of two of these.
    return b.cast(arith::MulFOp::create(b.b, b.loc, b.cast(x, f32), b.cast(elements[1], f32)).getResult(), to);
  })};
}

LogicalResult LookupOp::verify() {
  auto x = tensorType(getX()), table = tensorType(getTable()), y = tensorType(getY());
  if (failed(verifyCompatibleShape(x, y))) // lookup C1
    return emitOpError("expects a result of the input's shape, but got ") << y << " of " << x;
  if (!x.getElementType().isInteger(8)) // lookup C2
    return emitOpError("expects integers of 8 bits, but got ") << x.getElementType();
  if (table != RankedTensorType::get({256}, y.getElementType())) // lookup C3
    return emitOpError("expects a table of 256 elements of ") << y.getElementType() << ", but got " << table;
  return success();
}

FailureOr<SmallVector<Value>> LookupOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type index = b.b.getIndexType();
  return SmallVector<Value>{mapAffine(b, operands.take_front(), getY().getType(), [&](ArrayRef<Value> elements) {
    return b.extract(operands[1], arith::IndexCastUIOp::create(b.b, b.loc, index, elements[0]).getResult());
  })};
}

LogicalResult BlockMatMulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              BlockMatMulOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto a = cast<RankedTensorType>(adaptor.getA().getType()), w = cast<RankedTensorType>(adaptor.getW().getType());
  auto scale = cast<RankedTensorType>(adaptor.getScale().getType());
  auto zero = cast<RankedTensorType>(adaptor.getZero().getType());
  int64_t bits = adaptor.getBits();
  if (bits != 4 && bits != 8) // block_matmul C2
    return emitOptionalError(location, "expects 4 or 8 bits, but got ", bits);
  bool fits = a.getRank() >= 2 && a.getElementType().isF32() && w.getRank() == 3 && w.hasStaticShape() &&
              w.getElementType().isUnsignedInteger(32) && scale.getElementType().isF32() &&
              scale.getShape() == ArrayRef<int64_t>({w.getDimSize(0), w.getDimSize(2)});
  if (!fits || a.getShape().back() != w.getDimSize(0) * w.getDimSize(1) * 32 / bits) // block_matmul C1
    return emitOptionalError(location, "expects [..., M, K] and [P, N] of f32 and blocks of ui32 that hold K, but got ",
                             a, ", ", scale, " and ", w);
  if (!zero.getElementType().isUnsignedInteger(8) ||
      (zero.getRank() != 0 && zero.getShape() != scale.getShape())) // block_matmul C3
    return emitOptionalError(location, "expects a zero point of ui8 for all or for each scale, but got ", zero);
  SmallVector<int64_t> shape(a.getShape());
  shape.back() = w.getDimSize(2);
  types.push_back(RankedTensorType::get(shape, a.getElementType()));
  return success();
}

int64_t BlockMatMulOp::chunkOf(int64_t block, int64_t bits) {
  for (int64_t chunk = 32; chunk >= 32 / bits; chunk /= 2)
    if (block % chunk == 0)
      return chunk;
  return 0;
}

namespace {
/// Rows up to which weights are unpacked where they are multiplied.
constexpr int64_t kFewRows = 8;
/// Columns of which the weights become real numbers at a time, for more rows: they stay in a cache.
constexpr int64_t kBandColumns = 32;

/// Lowers a nn.block_matmul. The numbers of a block are [chunks, 4, words, bytes]: number (c, q, j, i) lies in the bits
/// of word (c, j) from 8 q + bits i on.
class BlockProduct {
public:
  BlockProduct(LoweringBuilder &b, BlockMatMulOp op, ValueRange operands)
      : b(b), a(operands[0]), w(operands[1]), scale(operands[2]), zero(operands[3]), bits(op.getBits()),
        ofByte(8 / bits), blocks(tensorType(w).getDimSize(0)), columns(tensorType(w).getDimSize(2)),
        rank(tensorType(a).getRank()) {
    int64_t size = tensorType(w).getDimSize(1) * 32 / bits, chunk = BlockMatMulOp::chunkOf(size, bits);
    chunks = size / chunk;
    words = chunk * bits / 32;
  }

  Value byBands();
  Value byNumbers();
  Value byDigits();

private:
  using Exprs = SmallVector<AffineExpr>;
  Value realColumns(OpFoldResult at, int64_t count);
  /// The left side as [..., M, blocks, chunks] and `more`.
  Value splitLeft(ArrayRef<int64_t> more);
  /// Sums over blocks, chunks and, with `eachWord`, words. `body` gets the elements of `left`, one for each last index
  /// of the tensors, then a word, or all of a chunk, then scale and zero, and returns what is added.
  Value sums(ArrayRef<Value> left, ArrayRef<int64_t> counts, bool eachWord,
             llvm::function_ref<Value(ArrayRef<Value>)> body);
  Value zeroAsInteger(Value zero) { return b.cast(zero, b.b.getI32Type(), /*fromUnsigned=*/true); }
  Value constant(int64_t value) { return b.integer(b.b.getI32Type(), value); }
  Value shiftLeft(Value x, int64_t by) { return by ? arith::ShLIOp::create(b.b, b.loc, x, constant(by)) : x; }
  Value shiftRight(Value x, int64_t by) { return by ? arith::ShRUIOp::create(b.b, b.loc, x, constant(by)) : x; }
  Value masked(Value x, int64_t mask) { return arith::AndIOp::create(b.b, b.loc, x, constant(mask)); }

  LoweringBuilder &b;
  Value a, w, scale, zero;
  int64_t bits, ofByte, blocks, columns, rank, chunks, words;
};
} // namespace

//===- many rows ---------------------------------------------------------===//

/// Columns [at, at + count) of the weights as real numbers [K, count].
Value BlockProduct::realColumns(OpFoldResult at, int64_t count) {
  auto slice = [&](Value x) -> Value {
    if (tensorType(x).getRank() == 0)
      return x;
    LoweringBuilder::Shape offsets(tensorType(x).getRank(), b.b.getIndexAttr(0)), sizes = b.extents(x);
    LoweringBuilder::Shape ones(offsets.size(), b.b.getIndexAttr(1));
    offsets.back() = at;
    sizes.back() = b.b.getIndexAttr(count);
    return tensor::ExtractSliceOp::create(b.b, b.loc, x, offsets, sizes, ones);
  };
  AffineExpr block, chunk, q, j, i, n;
  bindDims(b.b.getContext(), block, chunk, q, j, i, n);
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(6, 0, exprs, b.b.getContext()); };
  Value slicedZero = slice(zero);
  AffineMap zeroMap = tensorType(zero).getRank() ? map({block, n}) : map({});
  Type i32 = b.b.getI32Type(), f32 = b.b.getF32Type();
  Value real =
      b.map({slice(w), slice(scale), slicedZero}, {map({block, chunk * words + j, n}), map({block, n}), zeroMap},
            b.staticShape({blocks, chunks, 4, words, ofByte, count}), f32, [&](ArrayRef<Value> elements) {
              auto by = [&](int64_t loop, int64_t factor) -> Value {
                return arith::MulIOp::create(b.b, b.loc, linalg::IndexOp::create(b.b, b.loc, loop), b.index(factor));
              };
              Value shift = b.cast(b.add(by(2, 8), by(4, bits)), i32);
              Value number = masked(arith::ShRUIOp::create(b.b, b.loc, elements[0], shift), (1 << bits) - 1);
              return b.mul(b.cast(b.sub(number, zeroAsInteger(elements[2])), f32), elements[1]);
            });
  return b.reshape(real, b.staticShape({blocks * chunks * 4 * words * ofByte, count}));
}

/// Band by band of columns.
Value BlockProduct::byBands() {
  int64_t ofBand = std::min(columns, kBandColumns), count = (columns + ofBand - 1) / ofBand;
  LoweringBuilder::Shape whole = b.extents(a), unit(rank, b.b.getIndexAttr(1));
  whole.back() = b.b.getIndexAttr(columns);
  LoweringBuilder::Shape part = whole;
  part.back() = b.b.getIndexAttr(ofBand);
  Exprs y, left;
  for (int64_t axis = 0; axis < rank; ++axis)
    y.push_back(b.b.getAffineDimExpr(axis));
  AffineExpr k = b.b.getAffineDimExpr(rank);
  left.assign(y.begin(), y.end());
  left.back() = k;
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(rank + 1, 0, exprs, b.b.getContext()); };
  SmallVector<utils::IteratorType> iterators(rank + 1, utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  return b.bands(b.index(count), count, {b.empty(whole, b.b.getF32Type())}, [&](Value i, ValueRange carried) {
    Value at = b.min(b.mul(i, b.index(ofBand)), b.index(columns - ofBand));
    Value real = realColumns(at, ofBand);
    Value sums = b.generic({a, real}, b.fill(b.number(b.b.getF32Type(), 0), part),
                           {map(left), map({k, y.back()}), map(y)}, iterators, [&](ArrayRef<Value> elements) {
                             return b.add(elements[2], b.mul(elements[0], elements[1]), /*reassoc=*/true);
                           });
    LoweringBuilder::Shape offsets(rank, b.b.getIndexAttr(0));
    offsets.back() = at;
    return SmallVector<Value>{tensor::InsertSliceOp::create(b.b, b.loc, sums, carried[0], offsets, part, unit)};
  })[0];
}

//===- few rows ----------------------------------------------------------===//

Value BlockProduct::splitLeft(ArrayRef<int64_t> more) {
  LoweringBuilder::Shape split = b.extents(a);
  split.pop_back();
  for (int64_t extent : {blocks, chunks})
    split.push_back(b.b.getIndexAttr(extent));
  for (int64_t extent : more)
    split.push_back(b.b.getIndexAttr(extent));
  return b.reshape(a, split);
}

Value BlockProduct::sums(ArrayRef<Value> left, ArrayRef<int64_t> counts, bool eachWord,
                         llvm::function_ref<Value(ArrayRef<Value>)> body) {
  unsigned loops = rank + (eachWord ? 3 : 2);
  Exprs y;
  for (int64_t axis = 0; axis < rank; ++axis)
    y.push_back(b.b.getAffineDimExpr(axis));
  AffineExpr n = y.back(), block = b.b.getAffineDimExpr(rank), chunk = b.b.getAffineDimExpr(rank + 1);
  AffineExpr word = b.b.getAffineDimExpr(rank + 2); // where it is a loop
  SmallVector<AffineMap> maps;
  SmallVector<Value> inputs;
  auto add = [&](Value input, ArrayRef<AffineExpr> exprs) {
    inputs.push_back(input);
    maps.push_back(AffineMap::get(loops, 0, exprs, b.b.getContext()));
  };
  for (auto [tensor, count] : llvm::zip(left, counts))
    for (int64_t at = 0; at < count; ++at) {
      Exprs exprs(y.begin(), y.end() - 1);
      exprs.append({block, chunk});
      int64_t more = tensorType(tensor).getRank() - exprs.size();
      int64_t last = tensorType(tensor).getShape().back();
      if (more == 3) // a byte, a word, a number of the byte
        exprs.append({b.b.getAffineConstantExpr(at / last), word, b.b.getAffineConstantExpr(at % last)});
      else if (more == 2)
        exprs.append({b.b.getAffineConstantExpr(at / last), b.b.getAffineConstantExpr(at % last)});
      add(tensor, exprs);
    }
  if (eachWord)
    add(w, {block, chunk * words + word, n});
  for (int64_t i = 0; !eachWord && i < words; ++i)
    add(w, {block, chunk * words + i, n});
  add(scale, {block, n});
  add(zero, tensorType(zero).getRank() == 0 ? ArrayRef<AffineExpr>() : ArrayRef<AffineExpr>({block, n}));
  maps.push_back(AffineMap::get(loops, 0, y, b.b.getContext()));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), rank, utils::IteratorType::parallel);
  LoweringBuilder::Shape shape = b.extents(a);
  shape.back() = b.b.getIndexAttr(columns);
  return b.generic(
      inputs, b.fill(b.number(b.b.getF32Type(), 0), shape), maps, iterators,
      [&](ArrayRef<Value> elements) { return b.add(elements.back(), body(elements.drop_back()), /*reassoc=*/true); });
}

/// y += scale * (sum of a * w - zero * sum of a), for the numbers of a word.
Value BlockProduct::byNumbers() {
  Type f32 = b.b.getF32Type();
  int64_t count = 4 * ofByte;
  return sums({splitLeft({4, words, ofByte})}, {count}, /*eachWord=*/true, [&](ArrayRef<Value> elements) {
    Value word = elements[count], products, plain;
    for (int64_t i = 0; i < count; ++i) {
      Value number = shiftRight(word, i * bits);
      if (i + 1 < count)
        number = masked(number, (1 << bits) - 1);
      Value product = b.mul(elements[i], b.cast(number, f32));
      products = products ? b.add(products, product) : product;
      plain = plain ? b.add(plain, elements[i]) : elements[i];
    }
    Value zero = b.cast(zeroAsInteger(elements.back()), f32);
    return b.mul(b.sub(products, b.mul(plain, zero)), elements[count + 1]);
  });
}

/// With step = largest / 0x7f7f7f of each chunk, a = step * (digit 0 + 256 * digit 1 + 65536 * digit 2) of signed
/// bytes, as near as f32 comes. Four digits that meet the same bits of all bytes of a word lie in one integer of 32
/// bits; the sums of a chunk's products, of 32 * 255 * 128 at most, are exact.
Value BlockProduct::byDigits() {
  constexpr int64_t kDigits = 3, kLargest = 0x7f7f7f, kMiddle = 0x808080;
  Type i32 = b.b.getI32Type(), f32 = b.b.getF32Type();
  int64_t groups = words * ofByte;
  Value left = splitLeft({4, groups});
  LoweringBuilder::Shape each = b.extents(left);
  each.resize(each.size() - 2);
  unsigned outer = each.size();
  AffineExpr first = b.b.getAffineDimExpr(outer), second = b.b.getAffineDimExpr(outer + 1);
  auto map = [&](unsigned loops, ArrayRef<AffineExpr> more) {
    Exprs exprs;
    for (unsigned axis = 0; axis < outer; ++axis)
      exprs.push_back(b.b.getAffineDimExpr(axis));
    exprs.append(more.begin(), more.end());
    return AffineMap::get(loops, 0, exprs, b.b.getContext());
  };
  auto reduced = [&](LoweringBuilder::Body body) {
    SmallVector<utils::IteratorType> iterators(outer, utils::IteratorType::parallel);
    iterators.append(2, utils::IteratorType::reduction);
    return b.generic({left}, b.fill(b.number(f32, 0), each), {map(outer + 2, {first, second}), map(outer + 2, {})},
                     iterators, body);
  };
  auto product = [&](Value x, Value y) -> Value { return arith::MulFOp::create(b.b, b.loc, x, y); };
  Value largest =
      reduced([&](ArrayRef<Value> elements) { return b.max(elements[1], b.math<math::AbsFOp>(elements[0])); });
  Value plain = reduced([&](ArrayRef<Value> elements) { return b.add(elements[1], elements[0], /*reassoc=*/true); });
  // Bytes that hold the digits. Where the largest is not a finite number, nor is the step, whatever the digits are.
  Value digits = b.map({left, largest}, {map(outer + 2, {first, second}), map(outer + 2, {})}, b.extents(left), i32,
                       [&](ArrayRef<Value> elements) -> Value {
                         Value y = product(elements[0], b.div(b.number(f32, kLargest), elements[1]));
                         y = b.quickMin(b.quickMax(y, b.number(f32, -kLargest)), b.number(f32, kLargest));
                         Value number =
                             arith::FPToSIOp::create(b.b, b.loc, i32, math::RoundEvenOp::create(b.b, b.loc, y));
                         return arith::XOrIOp::create(b.b, b.loc, b.add(number, constant(kMiddle)), constant(kMiddle));
                       });
  // [..., digit, group]: the same digit of four numbers.
  LoweringBuilder::Shape planes = each;
  for (int64_t extent : {kDigits, groups})
    planes.push_back(b.b.getIndexAttr(extent));
  SmallVector<AffineMap> maps;
  for (int64_t i = 0; i < 4; ++i)
    maps.push_back(map(outer + 2, {b.b.getAffineConstantExpr(i), second}));
  digits = b.map(SmallVector<Value>(4, digits), maps, planes, i32, [&](ArrayRef<Value> elements) {
    Value shift = b.cast(b.mul(linalg::IndexOp::create(b.b, b.loc, outer), b.index(8)), i32), joined;
    for (int64_t i = 0; i < 4; ++i) {
      Value digit = masked(arith::ShRUIOp::create(b.b, b.loc, elements[i], shift), 0xff);
      digit = shiftLeft(digit, 8 * i);
      joined = joined ? arith::OrIOp::create(b.b, b.loc, joined, digit) : digit;
    }
    return joined;
  });
  int64_t count = kDigits * groups;
  return sums({digits, plain, largest}, {count, 1, 1}, /*eachWord=*/false, [&](ArrayRef<Value> elements) {
    ArrayRef<Value> packed = elements.slice(count + 2, words);
    Value totals[kDigits];
    for (Value &total : totals)
      total = constant(0);
    for (int64_t group = 0; group < groups; ++group) {
      Value numbers = shiftRight(packed[group / ofByte], group % ofByte * bits);
      if (bits < 8)
        numbers = masked(numbers, ((1 << bits) - 1) * 0x01010101);
      for (int64_t digit = 0; digit < kDigits; ++digit) {
        Value x = elements[digit * groups + group], products[4];
        for (int64_t i = 0; i < 4; ++i) {
          Value signedByte = arith::ShRSIOp::create(b.b, b.loc, shiftLeft(x, 24 - 8 * i), constant(24));
          products[i] = b.mul(masked(shiftRight(numbers, 8 * i), 0xff), signedByte);
        }
        totals[digit] = b.add(totals[digit], b.add(b.add(products[0], products[1]), b.add(products[2], products[3])));
      }
    }
    Value total = b.cast(totals[0], f32);
    for (int64_t digit = 1; digit < kDigits; ++digit)
      total = b.add(total, b.mul(b.cast(totals[digit], f32), b.number(f32, 1 << 8 * digit)));
    Value step = product(elements[count + 1], b.number(f32, 1.0 / kLargest));
    Value zero = b.cast(zeroAsInteger(elements.back()), f32);
    return b.mul(b.sub(b.mul(total, step), b.mul(zero, elements[count])), elements[count + 2 + words]);
  });
}

FailureOr<SmallVector<Value>> BlockMatMulOp::lower(LoweringBuilder &b, ValueRange operands) {
  BlockProduct product(b, *this, operands);
  RankedTensorType rows = tensorType(operands[0]);
  if (ShapedType::isDynamicShape(rows.getShape()) || rows.getNumElements() / rows.getShape().back() > kFewRows)
    return SmallVector<Value>{product.byBands()};
  return SmallVector<Value>{getDigits() ? product.byDigits() : product.byNumbers()};
}
