//===- FewRowsProduct.cpp - products of few rows, as of decoding --------------------------===//
//
// Their time is that of reading the right side, each element of which is used for few sums: so all threads of a block
// read it, 16 bytes at a time, and share the depth of a few columns. Lanes, then warps, add up what they have.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/block/MatrixTile.h"
#include "tegula/targets/cuda/block/ProductBlock.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
constexpr int64_t kUnrolled = 4; // rows of the right side that a thread loads before it uses them

class FewRowsProduct : public BlockWork, SharedUnit {
public:
  FewRowsProduct(scf::ForallOp unit, ModuleOp module)
      : SharedUnit(unit), module(module), loops(*contractionOf(root)), rows(*cuda::extentOf(root, loops.rows)),
        columns(plan.getBlock()[1]), threads(plan.getThreads()) {
    sumType = root.getBlock()->getArguments().back().getType();
  }

  OpenBlock open() override {
    SmallVector<OpFoldResult> blocks{nest->blocksOf(loops.batch, 1), nest->blocksOf(loops.columns, columns)};
    SmallVector<Value> index = beginBlocks(blocks, threads);
    return {b.saveInsertionPoint(), thread, index};
  }

  void emit(const OpenBlock &block) override;

private:
  Value add(Value lhs, Value rhs) {
    return isa<FloatType>(sumType) ? arith::AddFOp::create(b, loc, lhs, rhs).getResult()
                                   : arith::AddIOp::create(b, loc, lhs, rhs).getResult();
  }
  Value addressOf(Value place) {
    Value byte = arith::IndexCastOp::create(b, loc, b.getI32Type(), at.mul(place, at.constant(4)));
    return LLVM::GEPOp::create(b, loc, memory.getType(), b.getI8Type(), memory, ArrayRef<LLVM::GEPArg>{byte});
  }
  /// The products of what the thread has of a tile, added to the sums.
  SmallVector<Value> multiply(Side &side, Value tile, ArrayRef<Value> sums);
  /// Adds up the sums of all threads of a column and writes them.
  void combine(Side &side, ArrayRef<Value> sums);

  ModuleOp module;
  Contraction loops;
  int64_t rows, columns, threads;
  Type sumType;
  SmallVector<Value> batch;
  Value memory;
};
} // namespace

SmallVector<Value> FewRowsProduct::multiply(Side &side, Value tile, ArrayRef<Value> sums) {
  SmallVector<Value> now(sums), loaded = side.load(tile);
  Value last = b.createOrFold<arith::SubIOp>(loc, nest->extentOf(loops.depth), at.constant(1));
  OpOperand &left = *root.getDpsInputOperand(0);
  for (auto [inTile, elements] : llvm::zip(side.depths, loaded)) {
    Value place = at.add(at.mul(tile, at.constant(side.shape.tileDepth)), inTile);
    bool isWhole = side.depthIfKnown && *side.depthIfKnown % side.shape.tileDepth == 0;
    SmallVector<Value> indices(batch);
    nest->split(isWhole ? place : arith::MinUIOp::create(b, loc, place, last).getResult(), loops.depth, indices);
    for (int64_t row = 0; row < rows; ++row) {
      nest->split(at.constant(row), loops.rows, indices);
      Value factor = read(root, left, indices);
      if (!isWhole) { // beyond the end both are 0
        Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(factor.getType()));
        Value isInside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule, place, last);
        factor = arith::SelectOp::create(b, loc, isInside, factor, zero);
      }
      for (int64_t lane = 0; lane < side.lanes; ++lane) {
        Value element = side.lanes > 1 ? vector::ExtractOp::create(b, loc, elements, lane).getResult() : elements;
        Value &sum = now[row * side.lanes + lane];
        sum = inlineBody(root, {factor, element, sum});
      }
    }
  }
  return now;
}

void FewRowsProduct::combine(Side &side, ArrayRef<Value> sums) {
  int64_t across = columns / side.lanes, warps = threads / kWarpLanes;
  Value warp = at.div(thread, kWarpLanes), lane = at.rem(thread, kWarpLanes);
  SmallVector<Value> ofWarp(sums);
  for (Value &sum : ofWarp)
    for (int64_t distance = across; distance < kWarpLanes; distance *= 2)
      sum = add(sum, exchange(sum, distance));
  auto isFirst = scf::IfOp::create(b, loc, at.isLess(lane, at.constant(across)), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(isFirst.thenBlock());
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < side.lanes; ++i) {
        Value line = at.add(at.mul(warp, at.constant(rows)), at.constant(row));
        Value column = at.add(at.mul(lane, at.constant(side.lanes)), at.constant(i));
        LLVM::StoreOp::create(b, loc, ofWarp[row * side.lanes + i],
                              addressOf(at.add(at.mul(line, at.constant(columns)), column)), 4);
      }
  }
  NVVM::Barrier0Op::create(b, loc);
  Value isWriter = at.isLess(thread, at.constant(std::min(threads, rows * columns)));
  auto write1 = scf::IfOp::create(b, loc, isWriter, /*withElseRegion=*/false);
  b.setInsertionPointToStart(write1.thenBlock());
  for (int64_t first = 0; first < rows * columns; first += threads) {
    Value place = at.add(thread, at.constant(first)), row = at.div(place, columns), column = at.rem(place, columns);
    Value sum = arith::ConstantOp::create(b, loc, root->getAttrOfType<TypedAttr>(tgl::kStart));
    for (int64_t i = 0; i < warps; ++i) {
      Value at1 = at.add(place, at.constant(i * rows * columns));
      sum = add(sum, LLVM::LoadOp::create(b, loc, sumType, addressOf(at1), 4));
    }
    SmallVector<Value> indices(batch);
    nest->split(row, loops.rows, indices);
    Value linear = at.add(side.begin, column);
    side.whereInside(linear, [&] {
      nest->split(linear, loops.columns, indices);
      write(sum, indices);
    });
  }
}

void FewRowsProduct::emit(const OpenBlock &block) {
  b.restoreInsertionPoint(block.inside);
  thread = block.thread;
  batch.resize(root.getNumLoops());
  nest->split(block.index[0], loops.batch, batch);
  // As many rows of the right side as make each thread load kUnrolled times.
  Value begin = at.mul(block.index[1], at.constant(columns));
  auto makeSide = [&](int64_t tileDepth) {
    TileShape shape{loops.batch, loops.columns, loops.depth, columns, tileDepth, threads};
    return Side(*nest, 1, shape, begin, batch, thread);
  };
  int64_t lanes = makeSide(threads * kUnrolled).lanes;
  Side side = makeSide(threads * lanes / columns * kUnrolled);
  memory = sharedMemory(at, module, threads / kWarpLanes * rows * columns * 4);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(sumType));
  Value tiles = b.createOrFold<arith::CeilDivUIOp>(loc, nest->extentOf(loops.depth), at.constant(side.shape.tileDepth));
  if (side.depthIfKnown)
    tiles = at.constant((*side.depthIfKnown + side.shape.tileDepth - 1) / side.shape.tileDepth);
  SmallVector<Value> start(rows * side.lanes, zero);
  auto loop = scf::ForOp::create(b, loc, at.constant(0), tiles, at.constant(1), start);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(b, loc, multiply(side, loop.getInductionVar(), SmallVector<Value>(loop.getRegionIterArgs())));
  }
  combine(side, SmallVector<Value>(loop.getResults()));
}

std::unique_ptr<BlockWork> makeFewRowsProduct(scf::ForallOp unit, ModuleOp module) {
  return std::make_unique<FewRowsProduct>(unit, module);
}

} // namespace tegula::cuda
