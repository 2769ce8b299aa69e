//===- ProductBlock.cpp - blocks of threads share the work of a product -------------------===//

#include "tegula/targets/cuda/block/ProductBlock.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tegula::cuda {

ProductBlock::ProductBlock(scf::ForallOp unit, ModuleOp module)
    : SharedUnit(unit), module(module), tileDepth(plan.getBlock()[2]), loops(*contractionOf(root)) {
  std::optional<int64_t> depth = cuda::extentOf(root, loops.depth);
  tiles = depth ? at.constant((*depth + tileDepth - 1) / tileDepth)
                : b.createOrFold<arith::CeilDivUIOp>(loc, nest->extentOf(loops.depth), at.constant(tileDepth));
}

OpenBlock ProductBlock::open() {
  SmallVector<OpFoldResult> blocks{nest->blocksOf(loops.batch, 1), nest->blocksOf(loops.rows, plan.getBlock()[0]),
                                   nest->blocksOf(loops.columns, plan.getBlock()[1])};
  SmallVector<Value> index = beginBlocks(blocks, plan.getThreads());
  return {b.saveInsertionPoint(), thread, index};
}

void ProductBlock::emit(const OpenBlock &block) {
  b.restoreInsertionPoint(block.inside);
  thread = block.thread;
  batch.resize(root.getNumLoops());
  nest->split(block.index[0], loops.batch, batch);
  auto make = [&](unsigned number, ArrayRef<unsigned> rows, std::optional<Side> &side) {
    int64_t size = plan.getBlock()[number];
    TileShape shape{loops.batch,       rows,      loops.depth,     size,           tileDepth,
                    plan.getThreads(), padding(), isDepthTurned(), areRowsTurned()};
    side.emplace(*nest, number, shape, at.mul(block.index[number + 1], at.constant(size)), batch, thread);
  };
  make(0, loops.rows, left);
  make(1, loops.columns, right);
  work();
}

SmallVector<Value> ProductBlock::sumByTurns(ArrayRef<Value> start,
                                            llvm::function_ref<void(Side &, ArrayRef<Value>, Value)> store,
                                            llvm::function_ref<SmallVector<Value>(Value, ArrayRef<Value>)> multiply) {
  Value zero = at.constant(0), one = at.constant(1), two = at.constant(2);
  SmallVector<Value> ofLeft = left->load(zero), ofRight = right->load(zero);
  store(*left, ofLeft, zero);
  store(*right, ofRight, zero);
  NVVM::Barrier0Op::create(b, loc);
  if (getConstantIntValue(tiles) == 1)
    return multiply(zero, start);
  auto loop = scf::ForOp::create(b, loc, zero, tiles, one, start);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value tile = loop.getInductionVar(), last = b.createOrFold<arith::SubIOp>(loc, tiles, one);
  // The last tile is loaded twice, rather than asked for.
  Value next = arith::MinUIOp::create(b, loc, at.add(tile, one), last);
  ofLeft = left->load(next);
  ofRight = right->load(next);
  Value buffer = arith::RemUIOp::create(b, loc, tile, two), other = arith::SubIOp::create(b, loc, one, buffer);
  SmallVector<Value> now = multiply(buffer, SmallVector<Value>(loop.getRegionIterArgs()));
  store(*left, ofLeft, other);
  store(*right, ofRight, other);
  NVVM::Barrier0Op::create(b, loc);
  scf::YieldOp::create(b, loc, now);
  return SmallVector<Value>(loop.getResults());
}

} // namespace tegula::cuda
