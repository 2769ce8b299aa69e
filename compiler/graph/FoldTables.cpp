//===- FoldTables.cpp - functions of one 8-bit number as tables --------------------------------===//
//
//   %r = nn.dequantize %x, %s, %z           %n = nn.constant 0 to 255
//   %t = nn.unary tanh %r              ->   %t = nn.quantize (nn.unary tanh (nn.dequantize %n, %s, %z)), %u
//   %q = nn.quantize %t, %u                 %q = nn.lookup %x, %t
//
// Several such steps, with quantizations between, become one: Gelu, swish and other activations whose parts a quantizer
// has treated one by one.
//
// Needs: nn, FoldDequantize. Leaves: cheap functions, which are faster computed. Idempotent.
//===--------------------------------------------------------------------------------------------===//

#include "tegula/compiler/graph/Constants.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FOLDTABLES
#include "tegula/compiler/graph/Passes.h.inc"

/// Of one function, and one after the other: those of a hostile model have no end.
static constexpr size_t kMostOps = 64;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static bool isByte(Value value) { return typeOf(value).getElementType().isInteger(8); }
static bool isOneConstant(Value value) {
  return isConstant(value) && typeOf(value).hasStaticShape() && typeOf(value).getNumElements() == 1;
}

/// Whether reading a table takes less time than the op on a vector of numbers.
static bool isCostly(Operation *op) {
  static constexpr StringLiteral cheap[] = {
      "abs",        "affine", "bit_not", "ceil", "floor", "hard_sigmoid", "identity", "is_inf", "is_nan",
      "leaky_relu", "neg",    "not",     "relu", "round", "hard_swish",   "shrink",   "sign",   "thresholded_relu"};
  if (auto unary = dyn_cast<nn::UnaryOp>(op))
    return !llvm::is_contained(cheap, unary.getKind());
  if (auto binary = dyn_cast<nn::BinaryOp>(op))
    return binary.getKind() == "pow" || (binary.getKind() == "div" && !isConstant(binary.getB()));
  return isa<nn::LookupOp>(op);
}

namespace {
/// Ops of one argument, in an order in which each comes after what it reads.
struct Function {
  Value argument;
  llvm::SetVector<Operation *> ops;

  /// Adds what makes `value`; false where it depends on anything but one 8-bit tensor and constants.
  bool add(Value value, size_t depth = 0) {
    Operation *op = value.getDefiningOp();
    if (isOneConstant(value) || (op && ops.contains(op)))
      return true;
    bool isElementwise = isa_and_present<nn::UnaryOp, nn::BinaryOp, nn::SelectOp, nn::CastOp, nn::QuantizeOp,
                                         nn::DequantizeOp, nn::LookupOp>(op);
    if (!isElementwise || ops.size() > kMostOps || depth > kMostOps)
      return false;
    Value x = op->getOperand(0);
    bool isLeaf = (isa<nn::DequantizeOp>(op) && isByte(x) && !x.getDefiningOp<nn::LookupOp>()) || isa<nn::LookupOp>(op);
    if (isLeaf) {
      if (argument && argument != x)
        return false;
      argument = x;
    }
    auto isKnown = [&](OpOperand &operand) {
      bool isTable = isa<nn::LookupOp>(op) && operand.getOperandNumber() == 1;
      return (isLeaf && operand.get() == x) || isTable || add(operand.get(), depth + 1);
    };
    if (!llvm::all_of(op->getOpOperands(), isKnown))
      return false;
    ops.insert(op);
    return true;
  }

  /// Whether computing it by a table saves a costly op.
  bool isWorthIt() const {
    return llvm::any_of(ops, [&](Operation *op) {
      return isCostly(op) && llvm::all_of(op->getUsers(), [&](Operation *user) { return ops.contains(user); });
    });
  }
};

struct MakeTable : OpRewritePattern<nn::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::QuantizeOp op, PatternRewriter &b) const override {
    Function function;
    if (!isByte(op.getY()) || isConstant(op.getX()) || !function.add(op.getY()) || !function.argument ||
        typeOf(function.argument).getShape() != typeOf(op.getY()).getShape() || isConstant(function.argument))
      return b.notifyMatchFailure(op, "not a function of one 8-bit tensor");
    if (!function.isWorthIt())
      return b.notifyMatchFailure(op, "as fast without a table");
    SmallVector<Location> locations;
    IRMapping mapping;
    std::array<char, 256> bytes;
    for (int i = 0; i < 256; ++i)
      bytes[i] = static_cast<char>(i);
    auto all = DenseElementsAttr::getFromRawBuffer(
        RankedTensorType::get({256}, typeOf(function.argument).getElementType()), bytes);
    mapping.map(function.argument, nn::ConstantOp::create(b, op.getLoc(), all));
    for (Operation *part : function.ops) {
      locations.push_back(part->getLoc());
      SmallVector<Value> operands;
      for (OpOperand &operand : part->getOpOperands())
        operands.push_back(isa<nn::LookupOp>(part) && operand.getOperandNumber() == 1 ? operand.get()
                           : isOneConstant(operand.get())                             ? scalarOf(b, operand.get())
                                                                                      : mapping.lookup(operand.get()));
      OperationState state(part->getLoc(), part->getName(), operands,
                           {RankedTensorType::get({256}, typeOf(part->getResult(0)).getElementType())});
      state.propertiesAttr = part->getPropertiesAsAttribute();
      mapping.map(part->getResult(0), b.create(state)->getResult(0));
    }
    auto lookup = nn::LookupOp::create(b, b.getFusedLoc(locations), op.getY().getType(), function.argument,
                                       mapping.lookup(op.getY()));
    b.replaceOp(op, lookup);
    return success();
  }

  static Value scalarOf(OpBuilder &b, Value value) {
    auto type = RankedTensorType::get({}, typeOf(value).getElementType());
    return type == value.getType() ? value : nn::ReshapeOp::create(b, value.getLoc(), type, value, Value()).getResult();
  }
};

struct FoldTables : impl::FoldTablesBase<FoldTables> {
  using FoldTablesBase::FoldTablesBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MakeTable>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    getOperation().walk([&](nn::LookupOp) { ++folded; });
  }
};
} // namespace
} // namespace tegula
