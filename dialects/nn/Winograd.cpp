//===- Winograd.cpp - convolution with fewer products ----------------------===//
//
// One contraction transforms the kernel of real numbers, five compute tiles, each over one axis of a tile. The rows of
// tiles come first in every result, so that what one contraction writes is still in a cache when the next one reads it.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

// Lavin and Gray, section 4.3.
static constexpr float kInputTransform[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                                {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static constexpr float kKernelTransform[6][3] = {{1 / 4.f, 0, 0},
                                                 {-1 / 6.f, -1 / 6.f, -1 / 6.f},
                                                 {-1 / 6.f, 1 / 6.f, -1 / 6.f},
                                                 {1 / 24.f, 1 / 12.f, 1 / 6.f},
                                                 {1 / 24.f, -1 / 12.f, 1 / 6.f},
                                                 {0, 0, 1}};
static constexpr float kOutputTransform[4][6] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

// Ibid., section 4.1.
static constexpr float kSmallInputTransform[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
static constexpr float kSmallOutputTransform[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

namespace {
/// F(4x4, 3x3) of real numbers, F(2x2, 3x3) of integers.
struct Form {
  explicit Form(Value x) : isReal(tensorType(x).getElementType().isF32()) {}
  bool isReal;
  int64_t outputs() const { return isReal ? 4 : 2; }
  int64_t places() const { return outputs() + 2; }
  ArrayRef<float> input() const {
    return isReal ? ArrayRef(&kInputTransform[0][0], 36) : ArrayRef(&kSmallInputTransform[0][0], 16);
  }
  ArrayRef<float> output() const {
    return isReal ? ArrayRef(&kOutputTransform[0][0], 24) : ArrayRef(&kSmallOutputTransform[0][0], 8);
  }
  int64_t tiles(int64_t extent) const { return (extent + outputs() - 1) / outputs(); }
};
} // namespace

LogicalResult WinogradConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                               WinogradConvOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType()), w = cast<RankedTensorType>(adaptor.getW().getType());
  ArrayRef<int64_t> kernel = w.getShape().take_back(4);
  Type element = x.getElementType();
  bool isReal = element.isF32(), isInteger = element.isSignlessInteger(16), hasParts = isReal && w.getRank() == 5;
  int64_t parts = hasParts ? w.getDimSize(0) : 1, side = isReal ? 3 : 4;
  if (x.getRank() != 4 || (!isReal && !isInteger) || (w.getRank() != 4 && !hasParts) || !w.hasStaticShape() ||
      !(w.getElementType() == element || (isReal && (w.getElementType().isF16() || w.getElementType().isBF16()))) ||
      kernel[0] != side || kernel[1] != side || kernel[2] != x.getDimSize(3)) // winograd_conv C1
    return emitOptionalError(location, "expects [N, H, W, C] and [3, 3, C, M] of f32 or [4, 4, C, M] of i16, but got ",
                             x, " and ", w);
  int64_t step = isReal ? 4 : 2;
  ArrayRef<int64_t> extents = adaptor.getExtents();
  bool fits = extents.size() == 2;
  for (size_t i = 0; fits && i < 2; ++i)
    fits = extents[i] > 0 && x.getDimSize(1 + i) == (extents[i] + step - 1) / step * step + 2;
  if (!fits) // winograd_conv C2
    return emitOptionalError(location, "expects two extents that x, padded to whole tiles, holds; x is ", x);
  if (adaptor.getRows() < 1) // winograd_conv C3
    return emitOptionalError(location, "rows expects a positive number, but got ", adaptor.getRows());
  Type sum = isReal ? element : IntegerType::get(x.getContext(), 32);
  types.push_back(RankedTensorType::get({x.getDimSize(0), extents[0], extents[1], parts * kernel[3]}, sum));
  return success();
}

/// `y[loops] = sum over the last loop of a[left] * b[right]`, of type `sum`.
static Value contract(LoweringBuilder &b, Value left, AffineMap leftMap, Value right, AffineMap rightMap,
                      const LoweringBuilder::Shape &shape, Type sum) {
  unsigned parallel = shape.size();
  SmallVector<utils::IteratorType> iterators(parallel, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  AffineMap resultMap = AffineMap::getMultiDimIdentityMap(parallel + 1, b.b.getContext()).getMajorSubMap(parallel);
  Value zeros = b.fill(b.number(sum, 0), shape);
  return b.generic({left, right}, zeros, {leftMap, rightMap, resultMap}, iterators, [&](ArrayRef<Value> elements) {
    Value product = b.mul(b.cast(elements[0], sum), b.cast(elements[1], sum), /*reassoc=*/true);
    return b.add(elements[2], product, /*reassoc=*/true);
  });
}

static Value matrix(LoweringBuilder &b, ArrayRef<float> values, ArrayRef<int64_t> shape, Type element) {
  auto type = RankedTensorType::get(shape, element);
  if (isa<FloatType>(element))
    return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(type, values));
  SmallVector<APInt> integers;
  for (float value : values)
    integers.emplace_back(element.getIntOrFloatBitWidth(), static_cast<int64_t>(value), /*isSigned=*/true);
  return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(type, integers));
}

/// G w G^T as [6, 6, C, M], over the nine elements at once: the kernel is read once.
static Value transformKernel(LoweringBuilder &b, Value w) {
  auto type = cast<RankedTensorType>(w.getType());
  SmallVector<float> square; // the Kronecker product of G with itself
  for (int row = 0; row < 36; ++row)
    for (int column = 0; column < 9; ++column)
      square.push_back(kKernelTransform[row / 6][column / 3] * kKernelTransform[row % 6][column % 3]);
  int64_t channels = type.getDimSize(2), outputs = type.getDimSize(3);
  auto flat = RankedTensorType::get({9, channels, outputs}, type.getElementType());
  Value rows = tensor::CollapseShapeOp::create(b.b, b.loc, flat, w, ArrayRef<ReassociationIndices>{{0, 1}, {2}, {3}});
  AffineExpr p, c, m, k;
  bindDims(b.b.getContext(), p, c, m, k);
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(4, 0, exprs, b.b.getContext()); };
  Type f32 = b.b.getF32Type();
  Value u = contract(b, matrix(b, square, {36, 9}, f32), map({p, k}), rows, map({k, c, m}),
                     b.staticShape({36, channels, outputs}), f32);
  auto tiles = RankedTensorType::get({6, 6, channels, outputs}, b.b.getF32Type());
  return tensor::ExpandShapeOp::create(b.b, b.loc, tiles, u, ArrayRef<ReassociationIndices>{{0, 1}, {2}, {3}});
}

static AffineMap loopMap(LoweringBuilder &b, unsigned loops, ArrayRef<AffineExpr> exprs) {
  return AffineMap::get(loops, 0, exprs, b.b.getContext());
}

/// The extents of a tensor that holds something for each image of `x`.
static LoweringBuilder::Shape perImage(LoweringBuilder &b, Value x, ArrayRef<int64_t> extents) {
  LoweringBuilder::Shape result{b.extent(x, 0)};
  llvm::append_range(result, b.staticShape(extents));
  return result;
}

/// B^T d B of padded `x` for `high` x `wide` results: [N, 6, 6, rows, columns, C], or 4, 4.
static Value transformInput(LoweringBuilder &b, Value x, int64_t high, int64_t wide) {
  Form form(x);
  Type element = tensorType(x).getElementType();
  int64_t rows = form.tiles(high), columns = form.tiles(wide), width = tensorType(x).getDimSize(2);
  int64_t places = form.places(), step = form.outputs();
  int64_t channels = tensorType(x).getDimSize(3);
  SmallVector<AffineExpr> d(7);
  bindDimsList(b.b.getContext(), MutableArrayRef<AffineExpr>(d));
  Value in = matrix(b, form.input(), {places, places}, element);
  // (n, row, a, place, c | i), then (n, a, b, row, column, c | j): B^T d, (B^T d) B.
  Value halfTiles =
      contract(b, in, loopMap(b, 6, {d[2], d[5]}), x, loopMap(b, 6, {d[0], d[1] * step + d[5], d[3], d[4]}),
               perImage(b, x, {rows, places, width, channels}), element);
  return contract(b, in, loopMap(b, 7, {d[2], d[6]}), halfTiles,
                  loopMap(b, 7, {d[0], d[3], d[1], d[4] * step + d[6], d[5]}),
                  perImage(b, x, {places, places, rows, columns, channels}), element);
}

/// The results of transformed `tiles` and kernel `u` at `high` x `wide` places.
static Value multiply(LoweringBuilder &b, Value tiles, Value u, int64_t high, int64_t wide) {
  Form form(tiles);
  Type sum = form.isReal ? Type(b.b.getF32Type()) : b.b.getI32Type();
  int64_t places = form.places(), step = form.outputs();
  int64_t outputs = tensorType(u).getDimSize(3), rows = form.tiles(high), columns = form.tiles(wide);
  SmallVector<AffineExpr> d(7);
  bindDimsList(b.b.getContext(), MutableArrayRef<AffineExpr>(d));
  Value out = matrix(b, form.output(), {step, places}, sum);
  // (n, a, b, row, column, m | c): the products.
  Value products = contract(b, tiles, loopMap(b, 7, {d[0], d[1], d[2], d[3], d[4], d[6]}), u,
                            loopMap(b, 7, {d[1], d[2], d[6], d[5]}),
                            perImage(b, tiles, {places, places, rows, columns, outputs}), sum);
  // (n, e, b, column, m | a), then (n, e, f, m | b): A^T m, (A^T m) A.
  Value halfSums = contract(b, out, loopMap(b, 6, {d[1] % step, d[5]}), products,
                            loopMap(b, 6, {d[0], d[5], d[2], d[1].floorDiv(step), d[3], d[4]}),
                            perImage(b, tiles, {high, places, columns, outputs}), sum);
  Value y = contract(b, out, loopMap(b, 5, {d[2] % step, d[4]}), halfSums,
                     loopMap(b, 5, {d[0], d[1], d[4], d[2].floorDiv(step), d[3]}),
                     perImage(b, tiles, {high, wide, outputs}), sum);
  if (form.isReal)
    return y;
  // Four times the sums, as the kernel is: what wrapped around on the way is whole again.
  auto whole = [&](ArrayRef<Value> elements) -> Value {
    return arith::ShRSIOp::create(b.b, b.loc, elements[0], b.integer(sum, 2));
  };
  return b.map({y}, {b.b.getMultiDimIdentityMap(4)}, b.extents(y), sum, whole);
}

/// All tiles at once, for one part of the kernel [P, 3, 3, C, M / P] after the other.
static SmallVector<Value> convolveParts(LoweringBuilder &b, Value x, Value w, int64_t high, int64_t wide) {
  ArrayRef<int64_t> kernel = tensorType(w).getShape();
  int64_t parts = kernel[0], outputs = kernel[4];
  Value tiles = transformInput(b, x, high, wide);
  LoweringBuilder::Shape whole = perImage(b, x, {high, wide, parts * outputs}), unit(4, b.b.getIndexAttr(1));
  LoweringBuilder::Shape write = perImage(b, x, {high, wide, outputs});
  auto partType = RankedTensorType::get(kernel.drop_front(), tensorType(w).getElementType());
  return b.bands(b.index(parts), parts, {b.empty(whole, b.b.getF32Type())}, [&](Value i, ValueRange carried) {
    LoweringBuilder::Shape at(5, b.b.getIndexAttr(0)), read = b.staticShape(kernel), ones(5, b.b.getIndexAttr(1));
    at[0] = i;
    read[0] = b.b.getIndexAttr(1);
    Value part = tensor::ExtractSliceOp::create(b.b, b.loc, partType, w, at, read, ones);
    Value y = multiply(b, tiles, transformKernel(b, part), high, wide);
    LoweringBuilder::Shape offsets(4, b.b.getIndexAttr(0));
    offsets[3] = b.mul(i, b.index(outputs));
    return SmallVector<Value>{tensor::InsertSliceOp::create(b.b, b.loc, y, carried[0], offsets, write, unit)};
  });
}

FailureOr<SmallVector<Value>> WinogradConvOp::lower(LoweringBuilder &b, ValueRange operands) {
  Form form(operands[0]);
  int64_t high = getExtents()[0], wide = getExtents()[1], step = form.outputs() * getRows();
  if (tensorType(operands[1]).getRank() == 5)
    return convolveParts(b, operands[0], operands[1], high, wide);
  Value u = form.isReal ? transformKernel(b, operands[1]) : operands[1];
  auto convolve = [&](Value x, int64_t rows) { return multiply(b, transformInput(b, x, rows, wide), u, rows, wide); };
  // Images come one by one; bands of them fill the cache as reckoned.
  bool isSingle = tensorType(operands[0]).getDimSize(0) == 1;
  if (step >= high && isSingle)
    return SmallVector<Value>{convolve(operands[0], high)};
  // Bands of `step` places; the last one begins earlier where they do not divide the result.
  step = std::min(step, high);
  LoweringBuilder::Shape whole = b.extents(operands[0]), read = whole, unit(4, b.b.getIndexAttr(1));
  whole[1] = b.b.getIndexAttr(high);
  whole[2] = b.b.getIndexAttr(wide);
  whole[3] = b.extent(operands[1], 3);
  read[0] = isSingle ? read[0] : b.b.getIndexAttr(1);
  read[1] = b.b.getIndexAttr(form.tiles(step) * form.outputs() + 2);
  LoweringBuilder::Shape write = whole;
  write[0] = read[0];
  write[1] = b.b.getIndexAttr(step);
  int64_t bandsOfImage = (high + step - 1) / step;
  Value bands = b.index(bandsOfImage), count = isSingle ? bands : b.mul(bands, b.asValue(whole[0]));
  Type element = loweredType(cast<RankedTensorType>(getY().getType()).getElementType());
  return b.bands(count, bandsOfImage, {b.empty(whole, element)}, [&](Value i, ValueRange carried) {
    Value band = isSingle ? i : arith::RemUIOp::create(b.b, b.loc, i, bands).getResult();
    LoweringBuilder::Shape offsets(4, b.b.getIndexAttr(0));
    if (!isSingle)
      offsets[0] = arith::DivUIOp::create(b.b, b.loc, i, bands).getResult();
    offsets[1] = b.min(b.mul(band, b.index(step)), b.index(high - step));
    Value x = tensor::ExtractSliceOp::create(b.b, b.loc, operands[0], offsets, read, unit);
    Value y = convolve(x, step);
    return SmallVector<Value>{tensor::InsertSliceOp::create(b.b, b.loc, y, carried[0], offsets, write, unit)};
  });
}
