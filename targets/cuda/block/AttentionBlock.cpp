//===- AttentionBlock.cpp - blocks of threads share the work of an attention ---------------===//

#include "tegula/targets/cuda/block/AttentionBlock.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace tegula::cuda {

static Attention opsOf(scf::ForallOp unit) { return *attentionOf(llvm::to_vector(unit.getOps<linalg::GenericOp>())); }

AttentionBlock::AttentionBlock(scf::ForallOp unit)
    : SharedUnit(unit, opsOf(unit).values, opsOf(unit).epilogue), attention(opsOf(unit)), scores(at, attention.scores) {
  rows = scores.extentOf(attention.rows);
  keys = scores.extents[attention.key];
  mayHaveNoKeys = extentOf(attention.scores, {attention.key}).value_or(0) == 0;
  linalg::GenericOp last = attention.scale ? attention.scale : attention.scores;
  areScoresHalves = getElementTypeOrSelf(last.getDpsInits()[0].getType()).isF16();
}

OpenBlock AttentionBlock::open() {
  SmallVector<OpFoldResult> blocks{scores.blocksOf(attention.batch, 1),
                                   scores.blocksOf(attention.rows, plan.getBlock()[0])};
  SmallVector<Value> index = beginBlocks(blocks, plan.getThreads());
  return {b.saveInsertionPoint(), thread, index};
}

void AttentionBlock::emit(const OpenBlock &block) {
  b.restoreInsertionPoint(block.inside);
  thread = block.thread;
  batch.resize(attention.scores.getNumLoops());
  valuesBatch.resize(attention.values.getNumLoops());
  scores.split(block.index[0], attention.batch, batch);
  for (auto [loop, other] : llvm::zip(attention.batch, attention.valuesBatch))
    valuesBatch[other] = batch[loop];
  firstRow = at.mul(block.index[1], at.constant(plan.getBlock()[0]));
  work();
}

Value AttentionBlock::real(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}

Value AttentionBlock::within(Value index, Value extent) {
  Value last = b.createOrFold<arith::SubIOp>(loc, extent, at.constant(1));
  return b.createOrFold<arith::MinUIOp>(loc, index, last);
}

Value AttentionBlock::scoreOf(Value product, Value row, Value key) {
  Value score = product;
  if (attention.scale) {
    SmallVector<Value> loopsOfScores(batch), place, arguments;
    scores.split(row, attention.rows, loopsOfScores);
    loopsOfScores[attention.key] = key;
    for (AffineExpr expr : attention.scores.getIndexingMapsArray().back().getResults())
      place.push_back(loopsOfScores[cast<AffineDimExpr>(expr).getPosition()]);
    Value products = attention.scores.getDpsInitOperand(0)->get();
    for (OpOperand *operand : attention.scale.getDpsInputOperands())
      arguments.push_back(operand->get() == products ? product : read(attention.scale, *operand, place));
    arguments.push_back({}); // the result, which is not read
    score = inlineBody(attention.scale, arguments, place);
  }
  return score.getType().isF32() ? score : arith::ExtFOp::create(b, loc, b.getF32Type(), score).getResult();
}

static constexpr double kLog2e = 1.4426950408889634;

Value AttentionBlock::finite(Value most) {
  Value least = real(-std::numeric_limits<double>::infinity());
  Value isNone = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, most, least);
  return arith::SelectOp::create(b, loc, isNone, real(0), most);
}

Value AttentionBlock::baseOf(Value most) {
  return areScoresHalves ? arith::MulFOp::create(b, loc, most, real(-kLog2e)).getResult() : most;
}

Value AttentionBlock::inverseOf(Value sum) {
  Value inverse = arith::DivFOp::create(b, loc, real(1), sum);
  if (!mayHaveNoKeys)
    return inverse;
  Value areNone = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, keys, at.constant(0));
  return arith::SelectOp::create(b, loc, areNone, real(0), inverse);
}

static Value powerOfTwo(OpBuilder &b, Location loc, Value exponent) {
  return LLVM::CallIntrinsicOp::create(b, loc, b.getF32Type(), b.getStringAttr("llvm.nvvm.ex2.approx.ftz"),
                                       ValueRange{exponent})
      .getResults();
}

Value AttentionBlock::powerOf(Value score, Value base) {
  if (areScoresHalves)
    return powerOfTwo(b, loc, LLVM::FMAOp::create(b, loc, score, real(kLog2e), base));
  return shrinkage(score, base);
}

Value AttentionBlock::shrinkage(Value before, Value now) {
  Value distance = arith::SubFOp::create(b, loc, before, now);
  return powerOfTwo(b, loc, arith::MulFOp::create(b, loc, distance, real(kLog2e)));
}

Value AttentionBlock::greater(Value a, Value b2) { return arith::MaxNumFOp::create(b, loc, a, b2); }

Value AttentionBlock::shareOf(Value power) {
  Type type = getElementTypeOrSelf(attention.values.getDpsInputs()[0].getType());
  return type.isF32() ? power : arith::TruncFOp::create(b, loc, type, power).getResult();
}

void AttentionBlock::writeAt(Value value, Value row, Value column) {
  SmallVector<Value> indices(valuesBatch);
  nest->split(row, attention.valuesRows, indices);
  nest->split(column, attention.columns, indices);
  write(value, indices);
}

} // namespace tegula::cuda
