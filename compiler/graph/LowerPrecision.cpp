//===- LowerPrecision.cpp - products of shorter numbers ---------------------------------===//
//
//   %y = nn.matmul %x, %w : f32, f32 (constant)   ->   %v = nn.cast %w : bf16
//                                                      %y = nn.matmul %x, %v : f32, bf16 -> f32
// and, where the target multiplies bf16 by bf16 (or f16, if these are asked for),
//                                                      %u = nn.cast %x : bf16
//                                                      %y = nn.matmul %u, %v {unrounded} : bf16, bf16 -> f32
//
// Tables that are gathered from become as short; what is gathered is f32 again. Of models that are of f16 or bf16
// already, the other factor becomes f32 once instead of at each use, with the same results:
//
//   %y = nn.matmul %x, %w : f16, f16 (constant)   ->   %u = nn.cast %x : f32
//                                                      %s = nn.matmul %u, %w : f32, f16 -> f32
//                                                      %y = nn.cast %s : f16
//
// Needs: nn, convolutions channels-last where both factors shall be bf16. Leaves: products of two variables, and
// convolutions of several groups, whose weights are few, and constants that would not stay finite. Idempotent.
//===------------------------------------------------------------------------------===//

#include "tegula/compiler/graph/Constants.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERPRECISION
#include "tegula/compiler/graph/Passes.h.inc"

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// A left factor of so few is read a few times only.
static constexpr int64_t kFewRows = 8;

/// Rows of a product, places of a convolution; dynamic ones are many.
static int64_t rowsOf(Operation *op) {
  SmallVector<int64_t> extents(typeOf(op->getResult(0)).getShape());
  auto conv = dyn_cast<nn::ConvOp>(op);
  extents.erase(extents.begin() + (conv && !conv.isChannelsLast() ? 1 : extents.size() - 1));
  return ShapedType::isDynamicShape(extents) ? kFewRows + 1 : ShapedType::getNumElements(extents);
}

/// Whether all numbers of a constant of f32 stay finite in `element`, as far as they are at hand.
static bool staysFinite(Value constant, Type element) {
  APFloat most = APFloat::getLargest(cast<FloatType>(element).getFloatSemantics());
  bool isInexact;
  most.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &isInexact);
  ArrayRef<char> bytes = bytesOf(constant);
  ArrayRef<float> numbers(reinterpret_cast<const float *>(bytes.data()), bytes.size() / sizeof(float));
  return llvm::all_of(numbers, [&](float x) { return std::abs(x) <= most.convertToFloat(); });
}

static Value castTo(OpBuilder &b, Location loc, Value x, Type element) {
  return nn::CastOp::create(b, loc, RankedTensorType::get(typeOf(x).getShape(), element), x);
}

/// One zero more at the end of `axis`.
static Value fill(OpBuilder &b, Location loc, Value x, int64_t axis) {
  SmallVector<int64_t> shape(typeOf(x).getShape()), low(shape.size(), 0), high(shape.size(), 0);
  shape[axis] += 1;
  high[axis] = 1;
  return nn::PadOp::create(b, loc, RankedTensorType::get(shape, typeOf(x).getElementType()), x, Value(), Value(),
                           b.getStringAttr("constant"), b.getDenseI64ArrayAttr(low), b.getDenseI64ArrayAttr(high));
}

namespace {
struct LowerPrecision : impl::LowerPrecisionBase<LowerPrecision> {
  using LowerPrecisionBase::LowerPrecisionBase;

  void runOnOperation() override {
    OpBuilder b(&getContext());
    Type element = type == "f16" ? Type(b.getF16Type()) : type == "bf16" ? b.getBF16Type() : Type();
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    // The target multiplies numbers of this type as they are.
    auto hasDot = [&](Type type) {
      return target && llvm::is_contained(llvm::split(target.getRealDot(), ','), type.isF16() ? "f16" : "bf16");
    };
    SmallVector<Operation *> products;
    SmallVector<nn::GatherOp> tables;
    getOperation().walk([&](Operation *op) {
      auto gather = dyn_cast<nn::GatherOp>(op);
      if (gather && typeOf(gather.getX()).getElementType().isF32() && isConstant(gather.getX()) &&
          !isConstant(gather.getIndices()))
        tables.push_back(gather);
      auto conv = dyn_cast<nn::ConvOp>(op);
      if ((isa<nn::MatMulOp>(op) || (conv && conv.getGroup() == 1)) && isConstant(op->getOperand(1)))
        products.push_back(op);
    });
    for (Operation *op : products) {
      Type left = typeOf(op->getOperand(0)).getElementType(), right = typeOf(op->getOperand(1)).getElementType();
      if (element && left.isF32() && right.isF32() && staysFinite(op->getOperand(1), element))
        convert(op, element, hasDot(element));
      else if (left == right && (left.isF16() || left.isBF16()) && !hasDot(left) && rowsOf(op) > kFewRows)
        widen(op);
    }
    if (!element)
      return;
    for (nn::GatherOp op : tables)
      if (staysFinite(op.getX(), element))
        convert(op, element);
  }

  /// A sum of f32 is rounded where it was.
  static void widen(Operation *op) {
    OpBuilder b(op);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    op->setOperand(0, castTo(b, op->getLoc(), op->getOperand(0), b.getF32Type()));
    op->getResult(0).setType(type.clone(b.getF32Type()));
    b.setInsertionPointAfter(op);
    Value rounded = castTo(b, op->getLoc(), op->getResult(0), type.getElementType());
    op->getResult(0).replaceAllUsesExcept(rounded, rounded.getDefiningOp());
  }

  void convert(nn::GatherOp op, Type element) {
    OpBuilder b(op);
    Value gathered =
        nn::GatherOp::create(b, op.getLoc(), castTo(b, op.getLoc(), op.getX(), element), op.getIndices(), op.getAxis());
    op.replaceAllUsesWith(castTo(b, op.getLoc(), gathered, b.getF32Type()));
    op.erase();
    ++narrowed;
  }

  void convert(Operation *op, Type element, bool hasDot) {
    OpBuilder b(op);
    Location loc = op->getLoc();
    Value left = op->getOperand(0), right = op->getOperand(1);
    auto conv = dyn_cast<nn::ConvOp>(op);
    int64_t last = typeOf(left).getRank() - 1, rows = typeOf(right).getRank() - 2;
    hasDot &= (!conv || conv.isChannelsLast()) && !typeOf(left).isDynamicDim(last);
    if (hasDot && typeOf(left).getDimSize(last) % 2) {
      left = fill(b, loc, left, last);
      right = fill(b, loc, right, rows);
    }
    op->setOperand(1, castTo(b, loc, right, element));
    if (hasDot) {
      op->setOperand(0, castTo(b, loc, left, element));
      conv ? conv.setUnrounded(true) : cast<nn::MatMulOp>(op).setUnrounded(true);
    }
    ++narrowed;
  }
};
} // namespace
} // namespace tegula
