//===- Dot.cpp - sums of products of small numbers, several at a time -----------------------===//

#include "tegula/compiler/tile/Dot.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
namespace tegula {

std::optional<int64_t> coefficientOf(AffineExpr expr, unsigned dim) {
  if (!expr.isFunctionOfDim(dim))
    return 0;
  if (isa<AffineDimExpr>(expr))
    return 1;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  std::optional<int64_t> lhs = coefficientOf(binary.getLHS(), dim), rhs = coefficientOf(binary.getRHS(), dim);
  if (!lhs || !rhs)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add)
    return *lhs + *rhs;
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (binary.getKind() == AffineExprKind::Mul && factor)
    return *lhs * factor.getValue();
  return std::nullopt;
}

/// The block argument of 8 or 16 bits that `value` widens to 32 bits; null if it is none.
static BlockArgument widened(Value value, bool &isUnsigned) {
  Operation *op = value.getDefiningOp();
  isUnsigned = isa_and_present<arith::ExtUIOp>(op);
  if (!isa_and_present<arith::ExtUIOp, arith::ExtSIOp, arith::ExtFOp>(op))
    return {};
  Type narrow = op->getOperand(0).getType();
  return narrow.isInteger(8) || narrow.isInteger(16) || narrow.isBF16() ? dyn_cast<BlockArgument>(op->getOperand(0))
                                                                        : BlockArgument();
}

namespace {
/// The two factors of a sum of products, which are inputs 0 and 1.
struct Factors {
  Type types[2];
  bool areUnsigned[2];
};
} // namespace

static std::optional<Factors> factorsOf(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 || op.getNumReductionLoops() == 0 ||
      op.getNumParallelLoops() == 0)
    return std::nullopt;
  Value result = op.getBlock()->getTerminator()->getOperand(0), sum = op.getRegionOutputArgs()[0];
  Operation *add = result.getDefiningOp();
  if (!isa_and_present<arith::AddIOp, arith::AddFOp>(add) || result.getType().getIntOrFloatBitWidth() != 32 ||
      !llvm::is_contained(add->getOperands(), sum))
    return std::nullopt;
  Operation *product = add->getOperand(add->getOperand(0) == sum ? 1 : 0).getDefiningOp();
  if (!isa_and_present<arith::MulIOp, arith::MulFOp>(product))
    return std::nullopt;
  Factors found;
  for (int i : {0, 1}) {
    bool isUnsigned;
    BlockArgument factor = widened(product->getOperand(i), isUnsigned);
    if (!factor || factor.getArgNumber() > 1)
      return std::nullopt;
    found.types[factor.getArgNumber()] = factor.getType();
    found.areUnsigned[factor.getArgNumber()] = isUnsigned;
  }
  return found.types[0] && found.types[1] ? std::optional(found) : std::nullopt;
}

bool isPackedByRows(Value value) {
  auto unpack = value.getDefiningOp<linalg::UnPackOp>();
  return unpack && unpack.getOuterDimsPerm().empty();
}

std::optional<DotForm> dotFormOf(linalg::GenericOp op) {
  std::optional<Factors> factors = factorsOf(op);
  if (!factors || factors->areUnsigned[1])
    return std::nullopt;
  unsigned last = op.getNumLoops() - 1, innermost = op.getNumParallelLoops() - 1;
  unsigned leftBits = factors->types[0].getIntOrFloatBitWidth(), rightBits = factors->types[1].getIntOrFloatBitWidth();
  int64_t extent = op.getStaticLoopRanges()[last], count = 32 / leftBits;
  if (ShapedType::isDynamic(extent) || extent % count)
    return std::nullopt;
  auto isDim = [](AffineExpr expr, unsigned dim) {
    auto found = dyn_cast<AffineDimExpr>(expr);
    return found && found.getPosition() == dim;
  };
  OpOperand *operands[2] = {&op->getOpOperand(0), &op->getOpOperand(1)};
  AffineMap x = op.getMatchingIndexingMap(operands[0]), w = op.getMatchingIndexingMap(operands[1]);
  unsigned rank = w.getNumResults();
  if (x.getNumResults() < 1 || !isDim(x.getResults().back(), last) || x.isFunctionOfDim(innermost) || rank < 2 ||
      !isDim(w.getResult(rank - 1), innermost) || !isDim(w.getResult(rank - 2), last))
    return std::nullopt;
  auto unpack = operands[1]->get().getDefiningOp<linalg::UnPackOp>();
  if (!unpack && !operands[1]->get().getDefiningOp<arith::ConstantOp>())
    return std::nullopt;
  if (isPackedByRows(operands[1]->get())) {
    int64_t packed = unpack.getStaticInnerTiles().back();
    if (packed % count || extent % packed)
      return std::nullopt;
    count = packed;
  }
  for (AffineExpr expr : x.getResults().drop_back())
    if (expr.isFunctionOfDim(last))
      return std::nullopt;
  if (rightBits > leftBits)
    return std::nullopt;
  return DotForm{operands[0], operands[1], factors->areUnsigned[0], count, isa<FloatType>(factors->types[0])};
}

static bool startsAtZero(linalg::GenericOp op) {
  auto fill = op.getDpsInitOperand(0)->get().getDefiningOp<linalg::FillOp>();
  return fill && (matchPattern(fill.value(), m_Zero()) || matchPattern(fill.value(), m_AnyZeroFloat()));
}

/// Places of a window that is written out.
static constexpr int64_t kMostTaps = 32;

std::optional<TapForm> tapFormOf(linalg::GenericOp op) {
  std::optional<Factors> factors = factorsOf(op);
  if (!factors || factors->areUnsigned[1] || !factors->types[0].isInteger(8) || !factors->types[1].isInteger(8) ||
      !startsAtZero(op))
    return std::nullopt;
  unsigned innermost = op.getNumParallelLoops() - 1;
  int64_t count = 1;
  for (int64_t extent : ArrayRef(op.getStaticLoopRanges()).drop_front(op.getNumParallelLoops()))
    count = ShapedType::isDynamic(extent) || extent > kMostTaps ? kMostTaps + 1 : count * extent;
  OpOperand *operands[2] = {&op->getOpOperand(0), &op->getOpOperand(1)};
  for (OpOperand *operand : operands) {
    ArrayRef<AffineExpr> exprs = op.getMatchingIndexingMap(operand).getResults();
    if (exprs.empty() || exprs.back() != getAffineDimExpr(innermost, op.getContext()))
      return std::nullopt;
    for (AffineExpr expr : exprs.drop_back())
      if (expr.isFunctionOfDim(innermost))
        return std::nullopt;
  }
  if (count < 4 || count > kMostTaps || !operands[1]->get().getDefiningOp<arith::ConstantOp>())
    return std::nullopt;
  return TapForm{operands[0], operands[1], factors->areUnsigned[0], count};
}

std::pair<unsigned, int64_t> rowsOfLeft(linalg::GenericOp op, unsigned loop) {
  std::optional<DotForm> form = dotFormOf(op);
  std::pair<unsigned, int64_t> found{0, 0};
  if (!form)
    return found;
  ArrayRef<AffineExpr> exprs = op.getMatchingIndexingMap(form->left).getResults();
  for (auto [axis, expr] : llvm::enumerate(exprs)) {
    if (!expr.isFunctionOfDim(loop))
      continue;
    std::optional<int64_t> factor = coefficientOf(expr, loop);
    if (!factor || *factor <= 0 || found.second || axis + 1 == exprs.size())
      return {0, 0};
    found = {axis, *factor};
  }
  return found;
}

bool canUseMatrices(linalg::GenericOp op, unsigned loop) {
  std::optional<DotForm> form = dotFormOf(op);
  return form && (form->isReal || form->count == 4) && startsAtZero(op) && rowsOfLeft(op, loop).second > 0;
}

} // namespace tegula
