//===- ProductBlock.cpp - blocks of threads share the work of a product -------------------===//

#include "tegula/targets/cuda/ProductBlock.h"
#include "tegula/compiler/tile/Dot.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula::cuda {

ProductBlock::ProductBlock(scf::ForallOp unit, ModuleOp module)
    : SharedUnit(unit), module(module), threads(plan.getThreads()), tileDepth(plan.getBlock()[2]),
      loops(*contractionOf(root)), depthIfKnown(cuda::extentOf(root, loops.depth)) {
  depth = extentOf(loops.depth);
  tiles = depthIfKnown ? at.constant((*depthIfKnown + tileDepth - 1) / tileDepth)
                       : b.createOrFold<arith::CeilDivUIOp>(loc, depth, at.constant(tileDepth));
}

OpenBlock ProductBlock::open() {
  auto blocksOf = [&](ArrayRef<unsigned> all, int64_t size) {
    std::optional<int64_t> known = cuda::extentOf(root, all);
    Value count = b.createOrFold<arith::CeilDivUIOp>(loc, extentOf(all), at.constant(size));
    return known ? OpFoldResult(b.getIndexAttr((*known + size - 1) / size)) : OpFoldResult(count);
  };
  SmallVector<OpFoldResult> blocks{blocksOf(loops.batch, 1), blocksOf(loops.rows, plan.getBlock()[0]),
                                   blocksOf(loops.columns, plan.getBlock()[1])};
  SmallVector<Value> index = beginBlocks(blocks, threads);
  return {b.saveInsertionPoint(), thread, index};
}

void ProductBlock::emit(const OpenBlock &block) {
  b.restoreInsertionPoint(block.inside);
  thread = block.thread;
  batch.resize(root.getNumLoops());
  split(block.index[0], loops.batch, batch);
  left = makeSide(0, loops.rows, block.index[1], plan.getBlock()[0]);
  right = makeSide(1, loops.columns, block.index[2], plan.getBlock()[1]);
  work();
}

ProductBlock::Operand ProductBlock::operandOf(OpOperand &operand) {
  auto type = cast<MemRefType>(operand.get().getType());
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, operand.get());
  auto [strides, offset] = type.getStridesAndOffset();
  auto known = [&](int64_t value, Value otherwise) {
    return ShapedType::isDynamic(value) ? otherwise : at.constant(value);
  };
  Operand result;
  result.base = known(offset, metadata.getOffset());
  result.steps.resize(root.getNumLoops());
  for (auto [axis, expr] : llvm::enumerate(root.getMatchingIndexingMap(&operand).getResults())) {
    Value stride = known(strides[axis], metadata.getStrides()[axis]);
    AffineExpr constant = expr;
    for (unsigned loop = 0; loop < root.getNumLoops(); ++loop) {
      constant = constant.replace(b.getAffineDimExpr(loop), b.getAffineConstantExpr(0));
      int64_t factor = coefficientOf(expr, loop).value_or(0);
      if (!factor)
        continue;
      Value step = at.mul(stride, at.constant(factor));
      result.steps[loop] = result.steps[loop] ? at.add(result.steps[loop], step) : step;
    }
    if (auto value = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(constant, root.getNumLoops(), 0)))
      result.base = at.add(result.base, at.mul(stride, at.constant(value.getValue())));
  }
  auto flat = MemRefType::get({ShapedType::kDynamic}, type.getElementType(), MemRefLayoutAttrInterface(),
                              type.getMemorySpace());
  OpFoldResult all = at.constant(int64_t(1) << 40), one = b.getIndexAttr(1), zero = b.getIndexAttr(0);
  result.flat = memref::ReinterpretCastOp::create(b, loc, flat, metadata.getBaseBuffer(), zero,
                                                  ArrayRef<OpFoldResult>(all), ArrayRef<OpFoldResult>(one));
  return result;
}

Value ProductBlock::placeOf(const Operand &operand, ArrayRef<unsigned> all, ArrayRef<Value> indices) {
  Value place = at.constant(0);
  for (unsigned loop : all)
    if (operand.steps[loop])
      place = at.add(place, at.mul(indices[loop], operand.steps[loop]));
  return place;
}

ProductBlock::Side ProductBlock::makeSide(unsigned number, ArrayRef<unsigned> sideLoops, Value block, int64_t size) {
  Side side;
  side.operand = operandOf(root->getOpOperand(number));
  side.element = getElementTypeOrSelf(root->getOperand(number).getType());
  side.loops = sideLoops;
  side.size = size;
  side.begin = at.mul(block, at.constant(size));
  side.extent = extentOf(sideLoops);
  side.extentIfKnown = cuda::extentOf(root, sideLoops).value_or(ShapedType::kDynamic);
  Value step = side.operand.steps[loops.depth.back()];
  side.isDepthFast = step && getConstantIntValue(step) == 1;
  placeThread(side);
  return side;
}

/// Elements of 16 bytes, or fewer, that lie side by side in global memory wherever a tile begins, and are all inside of
/// the operand or all outside.
int64_t ProductBlock::lanesOf(const Side &side) {
  ArrayRef<unsigned> all = side.isDepthFast ? ArrayRef<unsigned>(loops.depth) : side.loops;
  auto stepOf = [&](unsigned loop) -> std::optional<int64_t> {
    Value step = side.operand.steps[loop];
    return step ? getConstantIntValue(step) : std::nullopt;
  };
  if (side.element.getIntOrFloatBitWidth() < 8 || stepOf(all.back()) != 1)
    return 1;
  // Loops that walk through neighbours together, as the channels of neighbouring pixels.
  int64_t extent = 1;
  SmallVector<unsigned> fast;
  for (unsigned loop : llvm::reverse(all)) {
    int64_t own = root.getStaticLoopRanges()[loop];
    if (ShapedType::isDynamic(own) || (own != 1 && stepOf(loop) != extent))
      break;
    extent *= own;
    fast.push_back(loop);
  }
  int64_t tile = side.isDepthFast ? tileDepth : side.size;
  auto isMultiple = [](Value value, int64_t lanes) {
    std::optional<int64_t> known = getConstantIntValue(value);
    return known && *known % lanes == 0;
  };
  for (int64_t lanes = 128 / side.element.getIntOrFloatBitWidth(); lanes > 1; lanes /= 2) {
    bool fits = extent % lanes == 0 && tile % lanes == 0 && isMultiple(side.operand.base, lanes) &&
                side.size * tileDepth % (threads * lanes) == 0 && threads % (tile / lanes) == 0 &&
                holdsLanes(side, lanes);
    for (unsigned loop = 0; loop < root.getNumLoops(); ++loop)
      fits &=
          llvm::is_contained(fast, loop) || !side.operand.steps[loop] || isMultiple(side.operand.steps[loop], lanes);
    if (fits)
      return lanes;
  }
  return 1;
}

/// Which elements of a tile the thread loads: neighbours in global memory are neighbours in a warp.
void ProductBlock::placeThread(Side &side) {
  int64_t tile = side.isDepthFast ? tileDepth : side.size, slow = side.isDepthFast ? side.size : tileDepth;
  side.lanes = lanesOf(side);
  int64_t fast = tile / side.lanes;
  Value first = at.mul(at.rem(thread, fast), at.constant(side.lanes)), second = at.div(thread, fast);
  int64_t step = threads / fast;
  SmallVector<Value> slowIndices;
  for (int64_t i = 0; i < slow; i += step)
    slowIndices.push_back(at.add(second, at.constant(i)));
  if (side.isDepthFast) {
    side.depths = {first};
    side.rows = slowIndices;
  } else {
    side.depths = slowIndices;
    side.rows = {first};
  }
  Value common = at.add(side.operand.base, placeOf(side.operand, loops.batch, batch));
  for (Value row : side.rows) {
    SmallVector<Value> indices(root.getNumLoops());
    Value linear = at.add(side.begin, row);
    split(linear, side.loops, indices);
    side.places.push_back(at.add(common, placeOf(side.operand, side.loops, indices)));
    side.isInside.push_back(side.isWhole() ? Value() : at.isLess(linear, side.extent));
  }
}

/// An element or, of vector type, neighbours at a multiple of `alignBytes`.
Value ProductBlock::loadFrom(Value memory, Value place, Type type, int64_t alignBytes) {
  auto vector = dyn_cast<VectorType>(type);
  if (!vector)
    return memref::LoadOp::create(b, loc, memory, place);
  auto loaded = vector::LoadOp::create(b, loc, vector, memory, place);
  loaded->setAttr("alignment", b.getI64IntegerAttr(alignBytes));
  return loaded;
}

void ProductBlock::forEachLoad(Side &side, Value tile, llvm::function_ref<void(Value, Value)> take) {
  bool isWhole = depthIfKnown && *depthIfKnown % tileDepth == 0;
  Value zero = at.constant(0);
  for (Value inTile : side.depths) {
    SmallVector<Value> indices(root.getNumLoops());
    Value linear = at.add(at.mul(tile, at.constant(tileDepth)), inTile);
    split(linear, loops.depth, indices);
    Value along = placeOf(side.operand, loops.depth, indices);
    Value isDeep = isWhole ? Value() : at.isLess(linear, depth);
    for (auto [place, isThere] : llvm::zip(side.places, side.isInside)) {
      Value isInside = isThere && isDeep ? arith::AndIOp::create(b, loc, isThere, isDeep).getResult()
                       : isThere         ? isThere
                                         : isDeep;
      Value offset = at.add(place, along);
      take(isInside ? arith::SelectOp::create(b, loc, isInside, offset, zero).getResult() : offset, isInside);
    }
  }
}

SmallVector<Value> ProductBlock::load(Side &side, Value tile) {
  Type element = side.element;
  int64_t bytes = side.lanes * element.getIntOrFloatBitWidth() / 8;
  if (side.lanes > 1)
    element = VectorType::get({side.lanes}, element);
  Value nothing = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  SmallVector<Value> elements;
  forEachLoad(side, tile, [&](Value place, Value isInside) {
    if (isInside && !depthIfKnown) { // there may be no element at all
      auto branch = scf::IfOp::create(b, loc, element, isInside, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      scf::YieldOp::create(b, loc, loadFrom(side.operand.flat, place, element, bytes));
      b.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b, loc, nothing);
      elements.push_back(branch.getResult(0));
      return;
    }
    Value value = loadFrom(side.operand.flat, place, element, bytes);
    elements.push_back(isInside ? arith::SelectOp::create(b, loc, isInside, value, nothing).getResult() : value);
  });
  return elements;
}

void ProductBlock::whereInside(const Side &side, Value row, llvm::function_ref<void()> body) {
  if (side.isWhole())
    return body();
  auto branch = scf::IfOp::create(b, loc, at.isLess(row, side.extent), /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

SmallVector<Value> ProductBlock::sumByTurns(ArrayRef<Value> start,
                                            llvm::function_ref<void(Side &, ArrayRef<Value>, Value)> store,
                                            llvm::function_ref<SmallVector<Value>(Value, ArrayRef<Value>)> multiply) {
  Value zero = at.constant(0), one = at.constant(1), two = at.constant(2);
  SmallVector<Value> ofLeft = load(left, zero), ofRight = load(right, zero);
  store(left, ofLeft, zero);
  store(right, ofRight, zero);
  NVVM::Barrier0Op::create(b, loc);
  if (getConstantIntValue(tiles) == 1)
    return multiply(zero, start);
  auto loop = scf::ForOp::create(b, loc, zero, tiles, one, start);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value tile = loop.getInductionVar(), last = b.createOrFold<arith::SubIOp>(loc, tiles, one);
  // The last tile is loaded twice, rather than asked for.
  Value next = arith::MinUIOp::create(b, loc, at.add(tile, one), last);
  ofLeft = load(left, next);
  ofRight = load(right, next);
  Value buffer = arith::RemUIOp::create(b, loc, tile, two), other = arith::SubIOp::create(b, loc, one, buffer);
  SmallVector<Value> now = multiply(buffer, SmallVector<Value>(loop.getRegionIterArgs()));
  store(left, ofLeft, other);
  store(right, ofRight, other);
  NVVM::Barrier0Op::create(b, loc);
  scf::YieldOp::create(b, loc, now);
  return SmallVector<Value>(loop.getResults());
}

} // namespace tegula::cuda
