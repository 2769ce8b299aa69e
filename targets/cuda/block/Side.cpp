//===- Side.cpp - one side of a product, by tiles -----------------------------------------===//

#include "tegula/targets/cuda/block/Side.h"
#include "tegula/compiler/tile/Dot.h"
#include "tegula/targets/cuda/Contraction.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula::cuda {

/// Elements that a warp loads side by side where they are turned.
static constexpr int64_t kSideBySide = 8;

Side::Side(Nest &nest, unsigned number, TileShape shape, Value begin, ArrayRef<Value> batch, Value thread)
    : shape(shape), begin(begin), nest(nest), at(nest.at), b(at.b), loc(at.loc),
      operand(nest.op->getOpOperand(number)) {
  element = getElementTypeOrSelf(operand.get().getType());
  extent = nest.extentOf(shape.rows);
  extentIfKnown = cuda::extentOf(nest.op, shape.rows).value_or(ShapedType::kDynamic);
  depth = nest.extentOf(shape.depth);
  depthIfKnown = cuda::extentOf(nest.op, shape.depth);
  findPlaces();
  Value step = steps[shape.depth.back()];
  isDepthFast = step && getConstantIntValue(step) == 1;
  bool isTurned = isDepthFast ? shape.isDepthTurned : shape.areRowsTurned;
  // Rows are turned by copies of one element each, which may be asynchronous.
  lanes = isTurned && !isDepthFast ? 1 : lanesThatFit();
  // Neighbours in global memory are neighbours in a warp: so many threads, then those of the next row, then those of
  // the next elements of the first row.
  int64_t tile = isDepthFast ? shape.tileDepth : shape.size, slow = isDepthFast ? shape.size : shape.tileDepth;
  int64_t fast = tile / lanes;
  int64_t near = isTurned ? std::clamp<int64_t>(kSideBySide / lanes, 1, fast) : fast;
  int64_t atOnce = std::max<int64_t>(shape.threads / (near * slow), 1); // of `near` threads in a row
  Value inRow = at.add(at.rem(thread, near), at.mul(at.div(thread, near * slow), at.constant(near)));
  Value first = at.mul(inRow, at.constant(lanes)), second = at.rem(at.div(thread, near), slow);
  SmallVector<Value> fastIndices, slowIndices;
  for (int64_t i = 0; i < fast; i += near * atOnce)
    fastIndices.push_back(at.add(first, at.constant(i * lanes)));
  for (int64_t i = 0; i < slow; i += shape.threads / near)
    slowIndices.push_back(at.add(second, at.constant(i)));
  depths = isDepthFast ? fastIndices : slowIndices;
  rows = isDepthFast ? slowIndices : fastIndices;
  Value common = at.add(base, placeOf(shape.batch, batch));
  for (Value row : rows) {
    SmallVector<Value> indices(nest.op.getNumLoops());
    Value linear = at.add(begin, row);
    nest.split(linear, shape.rows, indices);
    places.push_back(at.add(common, placeOf(shape.rows, indices)));
    isInside.push_back(isWhole() ? Value() : at.isLess(linear, extent));
  }
}

/// The operand as flat memory, with what a step along each loop adds to the place.
void Side::findPlaces() {
  auto type = cast<MemRefType>(operand.get().getType());
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, operand.get());
  auto [strides, offset] = type.getStridesAndOffset();
  auto known = [&](int64_t value, Value otherwise) {
    return ShapedType::isDynamic(value) ? otherwise : at.constant(value);
  };
  base = known(offset, metadata.getOffset());
  steps.resize(nest.op.getNumLoops());
  for (auto [axis, expr] : llvm::enumerate(nest.op.getMatchingIndexingMap(&operand).getResults())) {
    Value stride = known(strides[axis], metadata.getStrides()[axis]);
    AffineExpr constant = expr;
    for (unsigned loop = 0; loop < nest.op.getNumLoops(); ++loop) {
      constant = constant.replace(b.getAffineDimExpr(loop), b.getAffineConstantExpr(0));
      int64_t factor = coefficientOf(expr, loop).value_or(0);
      if (!factor)
        continue;
      Value step = at.mul(stride, at.constant(factor));
      steps[loop] = steps[loop] ? at.add(steps[loop], step) : step;
    }
    if (auto value = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(constant, nest.op.getNumLoops(), 0)))
      base = at.add(base, at.mul(stride, at.constant(value.getValue())));
  }
  auto flatType = MemRefType::get({ShapedType::kDynamic}, type.getElementType(), MemRefLayoutAttrInterface(),
                                  type.getMemorySpace());
  OpFoldResult all = at.constant(int64_t(1) << 40), one = b.getIndexAttr(1), zero = b.getIndexAttr(0);
  flat = memref::ReinterpretCastOp::create(b, loc, flatType, metadata.getBaseBuffer(), zero,
                                           ArrayRef<OpFoldResult>(all), ArrayRef<OpFoldResult>(one));
}

Value Side::placeOf(ArrayRef<unsigned> all, ArrayRef<Value> indices) {
  Value place = at.constant(0);
  for (unsigned loop : all)
    if (steps[loop])
      place = at.add(place, at.mul(indices[loop], steps[loop]));
  return place;
}

/// Elements of 16 bytes, or fewer, that lie side by side in global memory wherever a tile begins, and are all inside of
/// the operand or all outside.
int64_t Side::lanesThatFit() {
  ArrayRef<unsigned> all = isDepthFast ? shape.depth : shape.rows;
  auto stepOf = [&](unsigned loop) -> std::optional<int64_t> {
    return steps[loop] ? getConstantIntValue(steps[loop]) : std::nullopt;
  };
  if (element.getIntOrFloatBitWidth() < 8 || stepOf(all.back()) != 1)
    return 1;
  // Loops that walk through neighbours together, as the channels of neighbouring pixels.
  int64_t extentOfFast = 1;
  SmallVector<unsigned> fast;
  for (unsigned loop : llvm::reverse(all)) {
    int64_t own = nest.op.getStaticLoopRanges()[loop];
    if (ShapedType::isDynamic(own) || (own != 1 && stepOf(loop) != extentOfFast))
      break;
    extentOfFast *= own;
    fast.push_back(loop);
  }
  int64_t tile = isDepthFast ? shape.tileDepth : shape.size;
  auto isMultiple = [](Value value, int64_t count) {
    std::optional<int64_t> known = getConstantIntValue(value);
    return known && *known % count == 0;
  };
  for (int64_t count = 128 / element.getIntOrFloatBitWidth(); count > 1; count /= 2) {
    bool fits = extentOfFast % count == 0 && tile % count == 0 && isMultiple(base, count) &&
                shape.size * shape.tileDepth % (shape.threads * count) == 0 && shape.threads % (tile / count) == 0 &&
                (isDepthFast || (shape.size + shape.padding) % count == 0);
    for (unsigned loop = 0; loop < nest.op.getNumLoops(); ++loop)
      fits &= llvm::is_contained(fast, loop) || !steps[loop] || isMultiple(steps[loop], count);
    if (fits)
      return count;
  }
  return 1;
}

/// An element or, of vector type, neighbours at a multiple of `alignBytes`.
Value Side::loadFrom(Value place, Type type, int64_t alignBytes) {
  auto vector = dyn_cast<VectorType>(type);
  if (!vector)
    return memref::LoadOp::create(b, loc, flat, place);
  auto loaded = vector::LoadOp::create(b, loc, vector, flat, place);
  loaded->setAttr("alignment", b.getI64IntegerAttr(alignBytes));
  return loaded;
}

void Side::forEachLoad(Value tile, llvm::function_ref<void(Value, Value)> take) {
  bool isWholeDepth = depthIfKnown && *depthIfKnown % shape.tileDepth == 0;
  Value zero = at.constant(0);
  for (Value inTile : depths) {
    SmallVector<Value> indices(nest.op.getNumLoops());
    Value linear = at.add(at.mul(tile, at.constant(shape.tileDepth)), inTile);
    nest.split(linear, shape.depth, indices);
    Value along = placeOf(shape.depth, indices);
    Value isDeep = isWholeDepth ? Value() : at.isLess(linear, depth);
    for (auto [place, isThere] : llvm::zip(places, isInside)) {
      Value isInsideBoth = isThere && isDeep ? arith::AndIOp::create(b, loc, isThere, isDeep).getResult()
                           : isThere         ? isThere
                                             : isDeep;
      Value offset = at.add(place, along);
      take(isInsideBoth ? arith::SelectOp::create(b, loc, isInsideBoth, offset, zero).getResult() : offset,
           isInsideBoth);
    }
  }
}

SmallVector<Value> Side::load(Value tile) {
  Type type = lanes > 1 ? VectorType::get({lanes}, element) : element;
  int64_t bytes = lanes * element.getIntOrFloatBitWidth() / 8;
  bool mayBeEmpty = !depthIfKnown || ShapedType::isDynamic(extentIfKnown);
  Value nothing = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  SmallVector<Value> elements;
  forEachLoad(tile, [&](Value place, Value isInsideBoth) {
    if (isInsideBoth && mayBeEmpty) { // there may be no element at all
      auto branch = scf::IfOp::create(b, loc, type, isInsideBoth, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      scf::YieldOp::create(b, loc, loadFrom(place, type, bytes));
      b.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b, loc, nothing);
      elements.push_back(branch.getResult(0));
      return;
    }
    Value value = loadFrom(place, type, bytes);
    elements.push_back(isInsideBoth ? arith::SelectOp::create(b, loc, isInsideBoth, value, nothing).getResult()
                                    : value);
  });
  return elements;
}

void Side::whereInside(Value row, llvm::function_ref<void()> body) {
  if (isWhole())
    return body();
  auto branch = scf::IfOp::create(b, loc, at.isLess(row, extent), /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

} // namespace tegula::cuda
