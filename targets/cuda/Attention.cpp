//===- Attention.cpp - the ops of an attention --------------------------------------------===//

#include "tegula/targets/cuda/Attention.h"
#include "tegula/compiler/tile/Unit.h"
#include "tegula/targets/cuda/Reduction.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula::cuda {

SmallVector<linalg::GenericOp> Attention::ops() const {
  SmallVector<linalg::GenericOp> all;
  for (linalg::GenericOp op : {scores, scale, most, powers, sum, shares, values, epilogue})
    if (op)
      all.push_back(op);
  return all;
}

/// The value of which `value` is a conversion to another real type, or itself.
static Value beforeCasts(Value value) {
  while (Operation *made = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(made))
      break;
    value = made->getOperand(0);
  }
  return value;
}

static Value resultOf(linalg::GenericOp op) { return op.getBlock()->getTerminator()->getOperand(0); }

/// The number of the input that `value`, perhaps converted, is; -1 if it is none.
static int inputOf(linalg::GenericOp op, Value value) {
  auto argument = dyn_cast<BlockArgument>(beforeCasts(value));
  bool isInput = argument && argument.getOwner() == op.getBlock() && argument.getArgNumber() < op.getNumDpsInputs();
  return isInput ? argument.getArgNumber() : -1;
}

static bool isIdentity(linalg::GenericOp op, unsigned operand) {
  return op.getIndexingMapsArray()[operand].isIdentity();
}

/// Whether the operand is read by all loops but the last.
static bool isOfRow(linalg::GenericOp op, unsigned operand) {
  AffineMap map = op.getIndexingMapsArray()[operand];
  return map.getNumResults() + 1 == map.getNumDims() &&
         map ==
             AffineMap::getMultiDimIdentityMap(map.getNumDims(), map.getContext()).getMajorSubMap(map.getNumResults());
}

static bool isElementwise(linalg::GenericOp op) {
  return op && op.getNumReductionLoops() == 0 && op.getNumDpsInits() == 1 && isIdentity(op, op.getNumDpsInputs());
}

/// Whether `op` reduces rows of its only input by `Combiner`.
template <typename... Combiner> static bool reducesRows(linalg::GenericOp op) {
  if (!op || op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 || op.getNumReductionLoops() != 1 ||
      op.getIteratorTypesArray().back() != utils::IteratorType::reduction || !isIdentity(op, 0) || !isOfRow(op, 1))
    return false;
  Operation *combiner = resultOf(op).getDefiningOp();
  if (!isa_and_present<Combiner...>(combiner))
    return false;
  Value result = op.getBlock()->getArguments().back();
  return (combiner->getOperand(0) == result && inputOf(op, combiner->getOperand(1)) == 0) ||
         (combiner->getOperand(1) == result && inputOf(op, combiner->getOperand(0)) == 0);
}

/// exp(a - b), of which b is of the row: the numbers of both inputs.
static std::optional<std::pair<unsigned, unsigned>> powersOf(linalg::GenericOp op) {
  if (!isElementwise(op) || op.getNumDpsInputs() != 2)
    return std::nullopt;
  auto power = resultOf(op).getDefiningOp<math::ExpOp>();
  auto difference = power ? power.getOperand().getDefiningOp<arith::SubFOp>() : arith::SubFOp();
  if (!difference)
    return std::nullopt;
  int a = inputOf(op, difference.getLhs()), b = inputOf(op, difference.getRhs());
  if (a < 0 || b < 0 || !isIdentity(op, a) || !isOfRow(op, b))
    return std::nullopt;
  return std::pair<unsigned, unsigned>(a, b);
}

/// a / b or a * (1 / b), perhaps rounded, of which b is of the row.
static std::optional<std::pair<unsigned, unsigned>> sharesOf(linalg::GenericOp op) {
  if (!isElementwise(op) || op.getNumDpsInputs() != 2)
    return std::nullopt;
  Value share = beforeCasts(resultOf(op));
  int a = -1, b = -1;
  auto set = [&](Value power, Value inverse) {
    auto division = inverse.getDefiningOp<arith::DivFOp>();
    if (division && matchPattern(division.getLhs(), m_OneFloat())) {
      a = inputOf(op, power);
      b = inputOf(op, division.getRhs());
    }
  };
  if (auto division = share.getDefiningOp<arith::DivFOp>()) {
    a = inputOf(op, division.getLhs());
    b = inputOf(op, division.getRhs());
  } else if (auto product = share.getDefiningOp<arith::MulFOp>()) {
    set(product.getLhs(), product.getRhs());
    if (a < 0)
      set(product.getRhs(), product.getLhs());
  }
  if (a < 0 || b < 0 || !isIdentity(op, a) || !isOfRow(op, b))
    return std::nullopt;
  return std::pair<unsigned, unsigned>(a, b);
}

/// Finds the loops; false if the products do not belong together.
static bool matchLoops(Attention &attention) {
  std::optional<Contraction> first = contractionOf(attention.scores), second = contractionOf(attention.values);
  if (!first || !second || first->columns.size() != 1 || second->depth.size() != 1 || !factorsOf(attention.scores) ||
      !factorsOf(attention.values))
    return false;
  AffineMap axes = attention.scores.getIndexingMapsArray().back(), read = attention.values.getIndexingMapsArray()[0];
  if (!read.isProjectedPermutation() || axes.getNumResults() != read.getNumResults())
    return false;
  auto loopAt = [](AffineMap map, unsigned axis) { return cast<AffineDimExpr>(map.getResult(axis)).getPosition(); };
  unsigned last = axes.getNumResults() - 1;
  attention.key = first->columns[0];
  attention.valuesKey = second->depth[0];
  if (loopAt(axes, last) != attention.key || loopAt(read, last) != attention.valuesKey)
    return false;
  for (unsigned axis = 0; axis < last; ++axis) {
    unsigned loop = loopAt(axes, axis), other = loopAt(read, axis);
    bool isBatch = llvm::is_contained(first->batch, loop), isOtherBatch = llvm::is_contained(second->batch, other);
    // An axis of one element is of either.
    bool isOne = attention.scores.getStaticLoopRanges()[loop] == 1;
    if (isBatch != isOtherBatch && !isOne)
      return false;
    (isBatch || isOtherBatch ? attention.batch : attention.rows).push_back(loop);
    (isBatch || isOtherBatch ? attention.valuesBatch : attention.valuesRows).push_back(other);
  }
  attention.depth = first->depth;
  attention.columns = second->columns;
  // All loops are accounted for.
  return !attention.rows.empty() &&
         attention.batch.size() + attention.rows.size() + 1 + attention.depth.size() ==
             attention.scores.getNumLoops() &&
         attention.valuesBatch.size() + attention.valuesRows.size() + 1 + attention.columns.size() ==
             attention.values.getNumLoops();
}

/// What is the same on tensors and memrefs: the bodies and maps of the ops.
static bool matchBodies(Attention &attention, unsigned power, unsigned share) {
  bool areReal = getElementTypeOrSelf(attention.powers.getDpsInits()[0].getType()).isF32() &&
                 getElementTypeOrSelf(attention.most.getDpsInits()[0].getType()).isF32() &&
                 getElementTypeOrSelf(attention.sum.getDpsInits()[0].getType()).isF32();
  if (!areReal || !reducesRows<arith::MaximumFOp, arith::MaxNumFOp>(attention.most) ||
      !reducesRows<arith::AddFOp>(attention.sum))
    return false;
  auto powers = powersOf(attention.powers), shares = sharesOf(attention.shares);
  if (!powers || !shares || powers->first != power || shares->first != share)
    return false;
  if (attention.scale) {
    if (!isElementwise(attention.scale) || attention.scale.hasIndexSemantics())
      return false;
    // Each score is read at its own place alone.
    Value init = attention.scores.getDpsInits()[0];
    Value products = attention.scores.getNumResults() ? attention.scores.getResult(0) : init;
    for (OpOperand *operand : attention.scale.getDpsInputOperands())
      if (operand->get() == products && !isIdentity(attention.scale, operand->getOperandNumber()))
        return false;
  }
  return matchLoops(attention);
}

/// Whether only these read the op's result.
static bool isReadBy(linalg::GenericOp op, ArrayRef<linalg::GenericOp> readers) {
  return llvm::all_of(op.getResult(0).getUsers(), [&](Operation *user) { return llvm::is_contained(readers, user); });
}

std::optional<Attention> attentionOf(linalg::GenericOp values) {
  Attention attention;
  auto madeBy = [](linalg::GenericOp op, unsigned input) {
    return op.getDpsInputs()[input].getDefiningOp<linalg::GenericOp>();
  };
  attention.values = values;
  if (values.getNumDpsInputs() != 2 || values.getNumResults() != 1)
    return std::nullopt;
  attention.shares = madeBy(values, 0);
  auto shares = attention.shares ? sharesOf(attention.shares) : std::nullopt;
  if (!shares)
    return std::nullopt;
  attention.powers = madeBy(attention.shares, shares->first);
  attention.sum = madeBy(attention.shares, shares->second);
  auto powers = attention.powers ? powersOf(attention.powers) : std::nullopt;
  if (!powers || !attention.sum)
    return std::nullopt;
  attention.most = madeBy(attention.powers, powers->second);
  linalg::GenericOp made = madeBy(attention.powers, powers->first);
  if (!made || !attention.most)
    return std::nullopt;
  if (contractionOf(made)) {
    attention.scores = made;
  } else {
    attention.scale = made;
    if (!isElementwise(made))
      return std::nullopt;
    for (OpOperand *operand : made.getDpsInputOperands()) {
      auto scores = operand->get().getDefiningOp<linalg::GenericOp>();
      if (scores && contractionOf(scores) && isIdentity(made, operand->getOperandNumber()) && isReadBy(scores, {made}))
        attention.scores = scores;
    }
  }
  if (!attention.scores || attention.sum.getDpsInputs()[0] != attention.powers.getResult(0) ||
      attention.most.getDpsInputs()[0] != made.getResult(0) || !matchBodies(attention, powers->first, shares->first))
    return std::nullopt;
  bool isAlone = attention.shares->hasOneUse() && isReadBy(attention.shares, {values}) &&
                 isReadBy(attention.sum, {attention.shares}) &&
                 isReadBy(attention.powers, {attention.sum, attention.shares}) &&
                 isReadBy(attention.most, {attention.powers}) && isReadBy(made, {attention.most, attention.powers});
  if (!isAlone)
    return std::nullopt;
  attention.epilogue = epilogueOf(values);
  for (linalg::GenericOp op : attention.ops())
    if (op->getBlock() != values->getBlock())
      return std::nullopt;
  return attention;
}

std::optional<Attention> attentionOf(ArrayRef<linalg::GenericOp> inUnit) {
  // The order in which FuseAttention puts them.
  Attention attention;
  size_t next = 0;
  auto take = [&] { return next < inUnit.size() ? inUnit[next++] : linalg::GenericOp(); };
  attention.scores = take();
  if (inUnit.size() > 1 && isElementwise(inUnit[1]))
    attention.scale = take();
  attention.most = take();
  attention.powers = take();
  attention.sum = take();
  attention.shares = take();
  attention.values = take();
  attention.epilogue = take();
  auto powers = attention.powers ? powersOf(attention.powers) : std::nullopt;
  auto shares = attention.shares ? sharesOf(attention.shares) : std::nullopt;
  if (!attention.values || next < inUnit.size() || !powers || !shares ||
      !matchBodies(attention, powers->first, shares->first))
    return std::nullopt;
  return attention;
}

} // namespace tegula::cuda
