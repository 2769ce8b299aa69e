//===- ScalarAttention.cpp - an attention by four threads a row ----------------------------===//
//
// Each thread has a part of the query and of the result in registers. All rows of a warp read the same key and value at
// once, from the first-level cache.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/block/AttentionBlock.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
class ScalarAttention : public AttentionBlock {
public:
  using AttentionBlock::AttentionBlock;

private:
  void work() override;
  /// Elements of `all` that a thread has, and the first of them.
  int64_t partOf(int64_t all) const { return (all + threadsOfRow() - 1) / threadsOfRow(); }
  int64_t threadsOfRow() const { return plan.getThreads() / plan.getBlock()[0]; }
};
} // namespace

void ScalarAttention::work() {
  int64_t deep = *extentOf(attention.scores, attention.depth), wide = *extentOf(attention.values, attention.columns);
  int64_t ownDepth = partOf(deep), ownColumns = partOf(wide);
  Value part = at.rem(thread, threadsOfRow()), row = at.add(firstRow, at.div(thread, threadsOfRow()));
  Value rowInside = within(row, rows);
  SmallVector<Value> indices(batch), valueIndices(valuesBatch);
  scores.split(rowInside, attention.rows, indices);
  nest->split(rowInside, attention.valuesRows, valueIndices);
  // Beyond the end of the depth, products with 0.
  auto placeOf = [&](int64_t own, int64_t i) { return at.add(at.mul(part, at.constant(own)), at.constant(i)); };
  SmallVector<Value> query;
  for (int64_t i = 0; i < ownDepth; ++i) {
    Value place = placeOf(ownDepth, i);
    scores.split(within(place, at.constant(deep)), attention.depth, indices);
    Value element = read(attention.scores, *attention.scores.getDpsInputOperand(0), indices);
    if (deep % threadsOfRow()) {
      Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(element.getType()));
      element = arith::SelectOp::create(b, loc, at.isLess(place, at.constant(deep)), element, zero);
    }
    query.push_back(element);
  }
  SmallVector<Value> start(ownColumns + 1, real(0));
  start.push_back(real(-std::numeric_limits<double>::infinity()));
  auto loop = scf::ForOp::create(b, loc, at.constant(0), keys, at.constant(1), start);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    Value key = loop.getInductionVar();
    SmallVector<Value> now(loop.getRegionIterArgs());
    Value most = now.pop_back_val(), sum = now.pop_back_val();
    indices[attention.key] = key;
    valueIndices[attention.valuesKey] = key;
    Value product = real(0);
    for (int64_t i = 0; i < ownDepth; ++i) {
      scores.split(within(placeOf(ownDepth, i), at.constant(deep)), attention.depth, indices);
      Value element = read(attention.scores, *attention.scores.getDpsInputOperand(1), indices);
      product = inlineBody(attention.scores, {query[i], element, product});
    }
    for (int64_t distance = threadsOfRow() / 2; distance > 0; distance /= 2)
      product = arith::AddFOp::create(b, loc, product, exchange(product, distance));
    Value score = scoreOf(product, rowInside, key);
    Value mostNow = greater(most, score);
    Value most0 = finite(mostNow), smaller = shrinkage(most, most0);
    Value power = powerOf(score, baseOf(most0)), share = shareOf(power);
    Value kept = arith::MulFOp::create(b, loc, sum, smaller);
    for (int64_t i = 0; i < ownColumns; ++i) {
      nest->split(within(placeOf(ownColumns, i), at.constant(wide)), attention.columns, valueIndices);
      Value element = read(attention.values, *attention.values.getDpsInputOperand(1), valueIndices);
      Value before = arith::MulFOp::create(b, loc, now[i], smaller);
      now[i] = inlineBody(attention.values, {share, element, before});
    }
    now.push_back(arith::AddFOp::create(b, loc, kept, power));
    now.push_back(mostNow);
    scf::YieldOp::create(b, loc, now);
  }
  auto isRow = scf::IfOp::create(b, loc, at.isLess(row, rows), /*withElseRegion=*/false);
  b.setInsertionPointToStart(isRow.thenBlock());
  Value inverse = inverseOf(loop.getResult(ownColumns));
  for (int64_t i = 0; i < ownColumns; ++i) {
    Value column = placeOf(ownColumns, i);
    Value result = arith::MulFOp::create(b, loc, loop.getResult(i), inverse);
    if (wide % threadsOfRow() == 0) {
      writeAt(result, row, column);
      continue;
    }
    auto isColumn = scf::IfOp::create(b, loc, at.isLess(column, at.constant(wide)), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(isColumn.thenBlock());
    writeAt(result, row, column);
  }
}

std::unique_ptr<BlockWork> makeScalarAttention(scf::ForallOp unit) { return std::make_unique<ScalarAttention>(unit); }

} // namespace tegula::cuda
