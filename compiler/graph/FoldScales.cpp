//===- FoldScales.cpp - constant scales per channel go into the weights -------------------===//
//
//   %y = nn.conv %x, %w                        %v = nn.binary mul %w, %s'
//   %z = nn.binary mul %y, %s  (constant)  ->  %z = nn.conv %x, %v
//   %u = nn.binary add %z, %b                  %u = nn.binary add %z, %b
//
// Needs: nn, channels-first convolutions. Leaves: products of constants for FoldConstants. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FOLDSCALES
#include "tegula/compiler/graph/Passes.h.inc"

/// Whether `value` depends on constants only (looked at to a fixed depth).
static bool isConstant(Value value, int depth = 12) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || !isa<nn::NnDialect>(op->getDialect()))
    return false;
  if (isa<nn::ConstantOp>(op))
    return true;
  return op->getNumOperands() > 0 &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isConstant(operand, depth - 1); });
}

static Value binary(OpBuilder &b, Location loc, StringRef kind, Value x, Value y) {
  return nn::BinaryOp::create(b, loc, b.getStringAttr(kind), x, y);
}

/// Splits a commutative op into its variable and its constant operand.
static bool splitConstant(nn::BinaryOp op, Value &variable, Value &constant) {
  if (isConstant(op.getB())) {
    variable = op.getA();
    constant = op.getB();
  } else if (isConstant(op.getA())) {
    variable = op.getB();
    constant = op.getA();
  } else {
    return false;
  }
  return !isConstant(variable);
}

/// `scale`, which varies along axis 1 of rank-`rank` tensors only, as a vector of `channels`; null if it does not fit.
static Value perChannel(OpBuilder &b, Location loc, Value scale, int64_t rank, int64_t channels) {
  auto type = cast<RankedTensorType>(scale.getType());
  if (!type.hasStaticShape() || type.getNumElements() != channels || type.getRank() > rank)
    return {};
  int64_t axis = 1 - (rank - type.getRank());
  if (channels > 1 && (axis < 0 || type.getShape()[axis] != channels))
    return {};
  SmallVector<int64_t> shape{channels};
  return nn::ReshapeOp::create(b, loc, RankedTensorType::get(shape, type.getElementType()), scale, Value());
}

namespace {
/// (x + c1) * c2 -> x * c2 + c1 * c2, and (x - c1) * c2 alike, where x ends in a convolution.
struct DistributeScale : OpRewritePattern<nn::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BinaryOp op, PatternRewriter &b) const override {
    Value sum, scale, x, offset;
    if (op.getKind() != "mul" || !splitConstant(op, sum, scale) || !sum.hasOneUse())
      return b.notifyMatchFailure(op, "not a scaled single use");
    auto inner = sum.getDefiningOp<nn::BinaryOp>();
    if (!inner || (inner.getKind() != "add" && inner.getKind() != "sub"))
      return b.notifyMatchFailure(op, "no sum before");
    if (inner.getKind() == "sub" && !isConstant(inner.getB()))
      return b.notifyMatchFailure(op, "constant minus variable");
    if (!splitConstant(inner, x, offset) || !isa_and_nonnull<nn::ConvOp>(x.getDefiningOp()) || !x.hasOneUse())
      return b.notifyMatchFailure(op, "no convolution before");
    Value scaled = binary(b, op.getLoc(), "mul", x, scale), moved = binary(b, inner.getLoc(), "mul", offset, scale);
    b.replaceOp(op, binary(b, op.getLoc(), inner.getKind(), scaled, moved));
    return success();
  }
};

/// (x + c1) + c2 -> x + (c1 + c2), mixed with subtraction of constants.
struct JoinOffsets : OpRewritePattern<nn::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BinaryOp op, PatternRewriter &b) const override {
    Value sum, outer, x, offset;
    if (op.getKind() != "add" || !splitConstant(op, sum, outer) || !sum.hasOneUse())
      return b.notifyMatchFailure(op, "not an offset of a single use");
    auto inner = sum.getDefiningOp<nn::BinaryOp>();
    if (!inner || (inner.getKind() != "add" && inner.getKind() != "sub") || !splitConstant(inner, x, offset) ||
        (inner.getKind() == "sub" && x != inner.getA()) || !isa_and_nonnull<nn::ConvOp>(x.getDefiningOp()))
      return b.notifyMatchFailure(op, "no offset of a convolution before");
    Value joined = binary(b, op.getLoc(), inner.getKind() == "add" ? "add" : "sub", outer, offset);
    b.replaceOp(op, binary(b, op.getLoc(), "add", x, joined));
    return success();
  }
};

struct ScaleConv : OpRewritePattern<nn::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BinaryOp op, PatternRewriter &b) const override {
    Value product, scale;
    if (op.getKind() != "mul" || !splitConstant(op, product, scale) || !product.hasOneUse())
      return b.notifyMatchFailure(op, "not a scaled single use");
    auto conv = product.getDefiningOp<nn::ConvOp>();
    if (!conv || conv.isChannelsLast() || !isConstant(conv.getW()))
      return b.notifyMatchFailure(op, "no convolution with constant weights before");
    auto type = cast<RankedTensorType>(conv.getW().getType());
    int64_t rank = type.getRank();
    Value vector = perChannel(b, op.getLoc(), scale, rank, type.getShape()[0]);
    if (!vector)
      return b.notifyMatchFailure(op, "the scale is not per channel");
    SmallVector<int64_t> shape(rank, 1);
    shape[0] = type.getShape()[0];
    Value column =
        nn::ReshapeOp::create(b, op.getLoc(), RankedTensorType::get(shape, type.getElementType()), vector, Value());
    Value w = binary(b, op.getLoc(), "mul", conv.getW(), column);
    b.setInsertionPoint(op);
    IRMapping mapping;
    mapping.map(conv.getW(), w);
    Operation *scaled = b.clone(*conv, mapping);
    b.replaceOp(op, scaled->getResults());
    return success();
  }
};

struct FoldScales : impl::FoldScalesBase<FoldScales> {
  using FoldScalesBase::FoldScalesBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DistributeScale, JoinOffsets, ScaleConv>(&getContext());
    (void)applyPatternsGreedily(getOperation(), std::move(patterns));
  }
};
} // namespace
} // namespace tegula
