//===- LowerContractions.cpp - blocks of threads share the work of a product ----------------===//
//
//   scf.forall (%i) in (1) { linalg.generic: %c = %a . %b;  linalg.generic: %y = relu(%c) } {tgl.plan}
// becomes
//   scf.forall (%batch, %m, %n) in (batches, row blocks, column blocks) {
//     for the depth, a tile at a time: tiles of %a and %b to shared memory; products of registers
//     relu and stores, by each thread of its sums
//   } {tgl.threads}
//
// The next tile's elements are loaded while this one is multiplied, and go to the other of two buffers: one barrier a
// tile. A convolution is such a product, of rows at computed places (implicit GEMM).
//
// Needs: memrefs, linalg in units with `threads` in their plan. Leaves: none of these. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Dot.h"
#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Passes.h"
#include "tegula/targets/cuda/SharedUnit.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERCONTRACTIONS
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
constexpr int64_t kGroup = 4;       // neighbours that a thread reads from shared memory at once
constexpr int64_t kSharedSpace = 3; // of NVVM
constexpr int64_t kPadding = 4;     // elements between rows of a tile, so that columns lie in different banks

/// An operand of a product as flat memory, with what a step along each loop adds to the place.
struct Operand {
  Value flat, base;
  SmallVector<Value> steps; // null: none
};

/// Tiles of one side: `size` rows (or columns) by `depth`, on their way from global to shared memory.
struct Side {
  Operand operand;
  ArrayRef<unsigned> loops;
  Value begin, extent; // of the block's rows; of all
  int64_t size = 0, extentIfKnown = ShapedType::kDynamic;
  Value shared; // [2, depth, size + padding]
  bool isDepthFast = false;
  int64_t lanes = 1;                         // neighbours that are loaded at once
  SmallVector<Value> places, rows, isInside; // for each of the thread's rows of the tile
  SmallVector<Value> depths;                 // of the thread's elements
};

class ProductBlock : cuda::SharedUnit {
public:
  ProductBlock(scf::ForallOp unit, ModuleOp module)
      : SharedUnit(unit), module(module), threads(plan.getThreads()), rowsOfThread(plan.getUnroll()),
        columnsOfThread(plan.getVectors()), tileDepth(plan.getBlock()[2]), loops(*cuda::contractionOf(root)) {}

  void emit();

private:
  Operand operandOf(OpOperand &operand);
  Value placeOf(const Operand &operand, ArrayRef<unsigned> all, ArrayRef<Value> indices);
  Side makeSide(unsigned number, ArrayRef<unsigned> sideLoops, Value block, int64_t size);
  int64_t lanesOf(const Side &side);
  void placeThread(Side &side);
  Value loadFrom(Value memory, Value place, Type type, int64_t alignBytes);
  SmallVector<Value> load(Side &side, Value tile);
  void store(Side &side, ArrayRef<Value> elements, Value buffer);
  Value sharedMemory(Type element, int64_t size);
  SmallVector<Value> multiply(Value buffer, ArrayRef<Value> sums);
  SmallVector<Value> fragmentOf(const Side &side, Value buffer, Value depth, int64_t count, Value group);
  SmallVector<Value> sum();
  void writeAll(ArrayRef<Value> sums);

  ModuleOp module;
  int64_t threads, rowsOfThread, columnsOfThread, tileDepth;
  cuda::Contraction loops;
  Value threadRow, threadColumn, depth;
  SmallVector<Value> batch; // indices by loop
  Side left, right;
};
} // namespace

Operand ProductBlock::operandOf(OpOperand &operand) {
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

/// A buffer of all blocks of threads that need one like it; each kernel has its own.
Value ProductBlock::sharedMemory(Type element, int64_t size) {
  auto type = MemRefType::get({2, tileDepth, size + kPadding}, element, MemRefLayoutAttrInterface(),
                              b.getI64IntegerAttr(kSharedSpace));
  std::string name;
  llvm::raw_string_ostream(name) << "shared_" << tileDepth << "x" << size << "x" << element;
  // The sides must not share one.
  if (left.shared && cast<MemRefType>(left.shared.getType()) == type)
    name += "_right";
  if (!module.lookupSymbol(name)) {
    OpBuilder atModule = OpBuilder::atBlockBegin(module.getBody());
    memref::GlobalOp::create(atModule, loc, name, b.getStringAttr("private"), type, b.getUnitAttr(),
                             /*constant=*/false, b.getI64IntegerAttr(16));
  }
  return memref::GetGlobalOp::create(b, loc, type, name);
}

Side ProductBlock::makeSide(unsigned number, ArrayRef<unsigned> sideLoops, Value block, int64_t size) {
  Side side;
  side.operand = operandOf(root->getOpOperand(number));
  side.loops = sideLoops;
  side.size = size;
  side.begin = at.mul(block, at.constant(size));
  side.extent = extentOf(sideLoops);
  side.extentIfKnown = cuda::extentOf(root, sideLoops).value_or(ShapedType::kDynamic);
  side.shared = sharedMemory(getElementTypeOrSelf(root->getOperand(number).getType()), size);
  Value step = side.operand.steps[loops.depth.back()];
  side.isDepthFast = step && getConstantIntValue(step) == 1;
  placeThread(side);
  return side;
}

/// Elements of 16 bytes, or fewer, that lie side by side in global memory wherever a tile begins, and are all inside of
/// the operand or all outside.
int64_t ProductBlock::lanesOf(const Side &side) {
  auto type = cast<MemRefType>(side.operand.flat.getType());
  unsigned fast = side.isDepthFast ? loops.depth.back() : side.loops.back();
  int64_t extent = root.getStaticLoopRanges()[fast];
  int64_t tile = side.isDepthFast ? tileDepth : side.size;
  if (type.getElementTypeBitWidth() < 8 || ShapedType::isDynamic(extent) || !side.operand.steps[fast] ||
      getConstantIntValue(side.operand.steps[fast]) != 1)
    return 1;
  auto isMultiple = [](Value value, int64_t lanes) {
    std::optional<int64_t> known = getConstantIntValue(value);
    return known && *known % lanes == 0;
  };
  for (int64_t lanes = 128 / type.getElementTypeBitWidth(); lanes > 1; lanes /= 2) {
    bool fits = extent % lanes == 0 && tile % lanes == 0 && isMultiple(side.operand.base, lanes) &&
                side.size * tileDepth % (threads * lanes) == 0 && threads % (tile / lanes) == 0 &&
                (side.isDepthFast || (side.size + kPadding) % lanes == 0); // rows of the tile are aligned so too
    for (unsigned loop = 0; loop < root.getNumLoops(); ++loop)
      fits &= loop == fast || !side.operand.steps[loop] || isMultiple(side.operand.steps[loop], lanes);
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
  bool isWhole = !ShapedType::isDynamic(side.extentIfKnown) && side.extentIfKnown % side.size == 0;
  Value common = at.add(side.operand.base, placeOf(side.operand, loops.batch, batch));
  for (Value row : side.rows) {
    SmallVector<Value> indices(root.getNumLoops());
    Value linear = at.add(side.begin, row);
    split(linear, side.loops, indices);
    side.places.push_back(at.add(common, placeOf(side.operand, side.loops, indices)));
    side.isInside.push_back(isWhole ? Value() : at.isLess(linear, side.extent));
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

SmallVector<Value> ProductBlock::load(Side &side, Value tile) {
  std::optional<int64_t> known = cuda::extentOf(root, loops.depth);
  bool isWhole = known && *known % tileDepth == 0;
  Value zero = at.constant(0);
  Type element = cast<MemRefType>(side.operand.flat.getType()).getElementType();
  int64_t bytes = side.lanes * element.getIntOrFloatBitWidth() / 8;
  if (side.lanes > 1)
    element = VectorType::get({side.lanes}, element);
  Value nothing = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  SmallVector<Value> elements;
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
      if (isInside && !known) { // there may be no element at all
        auto branch = scf::IfOp::create(b, loc, element, isInside, /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock());
        scf::YieldOp::create(b, loc, loadFrom(side.operand.flat, offset, element, bytes));
        b.setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(b, loc, nothing);
        elements.push_back(branch.getResult(0));
        continue;
      }
      if (isInside)
        offset = arith::SelectOp::create(b, loc, isInside, offset, zero);
      Value value = loadFrom(side.operand.flat, offset, element, bytes);
      elements.push_back(isInside ? arith::SelectOp::create(b, loc, isInside, value, nothing).getResult() : value);
    }
  }
  return elements;
}

void ProductBlock::store(Side &side, ArrayRef<Value> elements, Value buffer) {
  size_t next = 0;
  for (Value inTile : side.depths)
    for (Value row : side.rows) {
      Value element = elements[next++];
      if (side.lanes > 1 && !side.isDepthFast) {
        auto stored = vector::StoreOp::create(b, loc, element, side.shared, ValueRange{buffer, inTile, row});
        auto type = cast<VectorType>(element.getType());
        stored->setAttr("alignment", b.getI64IntegerAttr(side.lanes * type.getElementTypeBitWidth() / 8));
        continue;
      }
      for (int64_t lane = 0; lane < side.lanes; ++lane) {
        Value scalar = side.lanes > 1 ? vector::ExtractOp::create(b, loc, element, lane).getResult() : element;
        memref::StoreOp::create(b, loc, scalar, side.shared,
                                ValueRange{buffer, at.add(inTile, at.constant(lane)), row});
      }
    }
}

/// `count` rows (or columns) of the thread at one depth, from shared memory.
SmallVector<Value> ProductBlock::fragmentOf(const Side &side, Value buffer, Value inTile, int64_t count, Value group) {
  auto type = cast<MemRefType>(side.shared.getType());
  auto vector = VectorType::get({kGroup}, type.getElementType());
  int64_t groups = count / kGroup;
  SmallVector<Value> values;
  for (int64_t g = 0; g < groups; ++g) {
    Value row = at.add(at.mul(group, at.constant(kGroup)), at.constant(g * (side.size / groups)));
    auto loaded = vector::LoadOp::create(b, loc, vector, side.shared, ValueRange{buffer, inTile, row});
    loaded->setAttr("alignment", b.getI64IntegerAttr(kGroup * type.getElementTypeBitWidth() / 8));
    for (int64_t i = 0; i < kGroup; ++i)
      values.push_back(vector::ExtractOp::create(b, loc, loaded, i));
  }
  return values;
}

SmallVector<Value> ProductBlock::multiply(Value buffer, ArrayRef<Value> sums) {
  constexpr int64_t kUnrolled = 256; // products, to keep the code in the instruction cache
  int64_t unroll = std::clamp<int64_t>(kUnrolled / (rowsOfThread * columnsOfThread), 1, tileDepth);
  auto loop = scf::ForOp::create(b, loc, at.constant(0), at.constant(tileDepth), at.constant(unroll), sums);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> now(loop.getRegionIterArgs());
  for (int64_t step = 0; step < unroll; ++step) {
    Value inTile = at.add(loop.getInductionVar(), at.constant(step));
    SmallVector<Value> a = fragmentOf(left, buffer, inTile, rowsOfThread, threadRow);
    SmallVector<Value> w = fragmentOf(right, buffer, inTile, columnsOfThread, threadColumn);
    for (int64_t i = 0; i < rowsOfThread; ++i)
      for (int64_t j = 0; j < columnsOfThread; ++j) {
        Value &sum = now[i * columnsOfThread + j];
        sum = inlineBody(root, {a[i], w[j], sum});
      }
  }
  scf::YieldOp::create(b, loc, now);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> ProductBlock::sum() {
  Value start = arith::ConstantOp::create(b, loc, root->getAttrOfType<TypedAttr>(tgl::kStart));
  SmallVector<Value> sums(rowsOfThread * columnsOfThread, start);
  Value zero = at.constant(0), one = at.constant(1), two = at.constant(2);
  Value tiles = b.createOrFold<arith::CeilDivUIOp>(loc, depth, at.constant(tileDepth));
  if (std::optional<int64_t> known = cuda::extentOf(root, loops.depth))
    tiles = at.constant((*known + tileDepth - 1) / tileDepth);
  SmallVector<Value> ofLeft = load(left, zero), ofRight = load(right, zero);
  store(left, ofLeft, zero);
  store(right, ofRight, zero);
  NVVM::Barrier0Op::create(b, loc);
  if (getConstantIntValue(tiles) == 1)
    return multiply(zero, sums);
  auto loop = scf::ForOp::create(b, loc, zero, tiles, one, sums);
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

void ProductBlock::writeAll(ArrayRef<Value> sums) {
  auto rowOf = [&](const Side &side, int64_t i, int64_t count, Value group) {
    int64_t groups = count / kGroup;
    Value row = at.add(at.mul(group, at.constant(kGroup)), at.constant(i / kGroup * (side.size / groups) + i % kGroup));
    return at.add(side.begin, row);
  };
  auto guarded = [&](const Side &side, Value row, llvm::function_ref<void()> body) {
    if (!ShapedType::isDynamic(side.extentIfKnown) && side.extentIfKnown % side.size == 0)
      return body();
    auto branch = scf::IfOp::create(b, loc, at.isLess(row, side.extent), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body();
  };
  for (int64_t i = 0; i < rowsOfThread; ++i) {
    SmallVector<Value> indices(batch);
    Value row = rowOf(left, i, rowsOfThread, threadRow);
    split(row, loops.rows, indices);
    guarded(left, row, [&] {
      for (int64_t j = 0; j < columnsOfThread; ++j) {
        Value column = rowOf(right, j, columnsOfThread, threadColumn);
        guarded(right, column, [&] {
          split(column, loops.columns, indices);
          write(sums[i * columnsOfThread + j], indices);
        });
      }
    });
  }
}

void ProductBlock::emit() {
  auto blocksOf = [&](ArrayRef<unsigned> all, int64_t size) {
    std::optional<int64_t> known = cuda::extentOf(root, all);
    Value count = b.createOrFold<arith::CeilDivUIOp>(loc, extentOf(all), at.constant(size));
    return known ? OpFoldResult(b.getIndexAttr((*known + size - 1) / size)) : OpFoldResult(count);
  };
  SmallVector<OpFoldResult> blocks{blocksOf(loops.batch, 1), blocksOf(loops.rows, plan.getBlock()[0]),
                                   blocksOf(loops.columns, plan.getBlock()[1])};
  depth = extentOf(loops.depth);
  SmallVector<Value> block = beginBlocks(blocks, threads);
  int64_t across = plan.getBlock()[1] / columnsOfThread;
  threadColumn = at.rem(thread, across);
  threadRow = at.div(thread, across);
  batch.resize(root.getNumLoops());
  split(block[0], loops.batch, batch);
  left = makeSide(0, loops.rows, block[1], plan.getBlock()[0]);
  right = makeSide(1, loops.columns, block[2], plan.getBlock()[1]);
  writeAll(sum());
  unit.erase();
}

namespace {
struct LowerContractions : impl::LowerContractionsBase<LowerContractions> {
  using LowerContractionsBase::LowerContractionsBase;
  void runOnOperation() override {
    SmallVector<scf::ForallOp> units;
    getOperation().walk([&](scf::ForallOp unit) {
      if (auto plan = unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
          plan && plan.getThreads() && plan.getBlock().size() == 3)
        units.push_back(unit);
    });
    for (scf::ForallOp unit : units) {
      ProductBlock(unit, getOperation()).emit();
      ++lowered;
    }
  }
};
} // namespace
} // namespace tegula
