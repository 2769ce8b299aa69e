//===- FoldDequantize.cpp - computing with the integers that stand for real numbers ---------------------===//
//
//   %a = nn.dequantize %x, %s, %z                     %p = nn.pad %x value %z
//   %b = nn.dequantize %w, %t  (constant)        ->   %c = nn.conv %p, %w : ui8, i8 -> i32
//   %y = nn.conv %a, %b                               %i = nn.binary add %c, %k     (constant: -z * sum of w)
//   %q = nn.quantize %y, %u                           %y = nn.dequantize %i, %s * %t / %u
//                                                     %q = nn.quantize %y, 1
//
// The sums are exact, whatever the order; the standard's are rounded. A quotient that lies between two integers to
// within that rounding may become the other one.
//
// Needs: nn, channels-first convolutions. Leaves: dequantize ops where no integer form is known. Idempotent.
//===------------------------------------------------------------------------------------------------------===//

#include "tegula/compiler/graph/Constants.h"
#include "tegula/compiler/graph/IntegerSums.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FOLDDEQUANTIZE
#include "tegula/compiler/graph/Passes.h.inc"

/// Whether all numbers of a constant are from `low` to `high`, as far as its making shows.
static bool isWithin(Value value, int64_t low, int64_t high, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (depth == 0)
    return false;
  if (isa_and_present<nn::ReshapeOp, nn::TransposeOp, nn::SliceOp>(op))
    return isWithin(op->getOperand(0), low, high, depth - 1);
  if (auto concat = dyn_cast_if_present<nn::ConcatOp>(op))
    return llvm::all_of(concat.getXs(), [&](Value part) { return isWithin(part, low, high, depth - 1); });
  if (auto binary = dyn_cast_if_present<nn::BinaryOp>(op); binary && binary.getKind() == "bit_and") {
    std::optional<double> mask = splatOf(binary.getB());
    return mask && low <= 0 && *mask >= 0 && *mask <= high;
  }
  bool isUnsigned = elementOf(value).isUnsignedInteger();
  ArrayRef<char> bytes = bytesOf(value);
  return !bytes.empty() && llvm::all_of(bytes, [&](char byte) {
    int64_t number = isUnsigned ? (int64_t)(uint8_t)byte : (int64_t)(int8_t)byte;
    return low <= number && number <= high;
  });
}

namespace {
/// Products with weights alone quantized: these stay small and become real numbers in registers.
struct KeepBlocks : OpRewritePattern<nn::MatMulOp> {
  KeepBlocks(MLIRContext *context, tgl::TargetAttr target) : OpRewritePattern(context) {
    // Numbers of 4 bits fit wherever products of bytes are summed; those of AVX2 are exact for them.
    bool hasVectors = target && target.getChips().empty() &&
                      (llvm::Triple(target.getTriple()).isX86() || target.getVectorBytes() == 16);
    hasDigitsOf4 = hasVectors && !target.getDot().empty();
    hasDigitsOf8 = hasVectors && target.getDot() == "u8s8";
  }
  bool hasDigitsOf4, hasDigitsOf8; ///< whether the target multiplies digits by numbers of so many bits

  LogicalResult matchAndRewrite(nn::MatMulOp op, PatternRewriter &b) const override {
    Value right = op.getB();
    if (auto reshape = right.getDefiningOp<nn::ReshapeOp>())
      right = reshape.getX();
    auto real = right.getDefiningOp<nn::DequantizeOp>();
    RankedTensorType type = typeOf(op.getB());
    if (!real || !elementOf(real.getX()).isInteger(8) || !isConstant(real.getX()) || !elementOf(op.getA()).isF32() ||
        !elementOf(real.getScale()).isF32() || type.getRank() != 2 || !type.hasStaticShape())
      return b.notifyMatchFailure(op, "not by a matrix of constant quantized numbers");
    // [P, B, N], with parameters [P, 1, N]; all rows are one block where there are scales for whole columns.
    SmallVector<int64_t> blocks(typeOf(real.getX()).getShape());
    if (blocks.size() == 2)
      blocks.insert(blocks.begin(), 1);
    if (blocks.size() != 3 || blocks[2] != type.getDimSize(1) || blocks[0] * blocks[1] != type.getDimSize(0))
      return b.notifyMatchFailure(op, "not blocks of its rows");
    NnBuilder n{b, op.getLoc()};
    SmallVector<int64_t> each{blocks[0], blocks[2]};
    auto beside = [&](Value parameter) -> Value {
      SmallVector<int64_t> shape(3 - std::min<int64_t>(typeOf(parameter).getRank(), 3), 1);
      llvm::append_range(shape, typeOf(parameter).getShape());
      bool isWhole = shape == SmallVector<int64_t>{blocks[0], 1, blocks[2]};
      return isWhole ? n.reshape(parameter, each) : isOne(parameter) ? n.reshape(parameter, {}) : Value();
    };
    Value scale = beside(real.getScale()), zero = real.getZero() ? beside(real.getZero()) : Value();
    if (!scale || (real.getZero() && !zero))
      return b.notifyMatchFailure(op, "parameters that do not belong to blocks");
    if (isOne(scale)) {
      auto repeats = DenseElementsAttr::get(RankedTensorType::get({2}, b.getI64Type()), ArrayRef<int64_t>(each));
      scale = nn::ExpandOp::create(b, op.getLoc(), RankedTensorType::get(each, b.getF32Type()),
                                   n.reshape(scale, {1, 1}), nn::ConstantOp::create(b, op.getLoc(), repeats));
    }
    auto unsignedType = [&](unsigned width) { return IntegerType::get(b.getContext(), width, IntegerType::Unsigned); };
    Type i16 = b.getIntegerType(16), ui8 = unsignedType(8), ui32 = unsignedType(32);
    bool isSigned = !elementOf(real.getX()).isUnsignedInteger();
    auto areFourBits = [&](Value x) { return isConstant(x) && isWithin(x, isSigned ? -8 : 0, isSigned ? 7 : 15); };
    int64_t bits = areFourBits(real.getX()) && (!isSigned || !zero || areFourBits(zero)) ? 4 : 8;
    if (nn::BlockMatMulOp::chunkOf(blocks[1], bits) == 0)
      bits = 8;
    int64_t chunk = nn::BlockMatMulOp::chunkOf(blocks[1], bits), ofByte = 8 / bits;
    if (chunk == 0)
      return b.notifyMatchFailure(op, "blocks that are no multiple of four");
    int64_t offset = isSigned ? 1 << (bits - 1) : 0;
    auto moved = [&](Value value) {
      return offset ? n.cast(n.binary("add", n.cast(value, i16), n.number(i16, offset)), ui8) : value;
    };
    // [chunks, byte, word, number of the byte, N]: each byte and number of all words at a time.
    int64_t words = chunk * bits / 32;
    Value numbers = n.reshape(moved(real.getX()), {type.getDimSize(0) / chunk, 4, words, ofByte, blocks[2]}), packed;
    SmallVector<int64_t> sizes(typeOf(numbers).getShape()), ones(5, 1);
    sizes[1] = sizes[3] = 1;
    for (int64_t q = 0; q < 4; ++q)
      for (int64_t i = 0; i < ofByte; ++i) {
        Value part = nn::SliceOp::create(b, op.getLoc(), numbers, b.getDenseI64ArrayAttr({0, q, 0, i, 0}),
                                         b.getDenseI64ArrayAttr(sizes), b.getDenseI64ArrayAttr(ones));
        part = n.cast(part, ui32);
        if (packed)
          part = n.binary("bit_or", packed, n.binary("shift_left", part, n.number(ui32, 8 * q + bits * i)));
        packed = part;
      }
    packed = n.reshape(packed, {blocks[0], blocks[1] * bits / 32, blocks[2]});
    b.replaceOpWithNewOp<nn::BlockMatMulOp>(op, op.getA(), packed, scale, zero ? moved(zero) : n.number(ui8, offset),
                                            bits, bits == 4 ? hasDigitsOf4 : hasDigitsOf8);
    return success();
  }
};

/// Ops that move numbers, or choose among them, do so with the integers.
struct SinkDequantize : RewritePattern {
  SinkDequantize(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &b) const override {
    auto pool = dyn_cast<nn::PoolOp>(op);
    if (!(pool && pool.getKind() == "max") && !isa<nn::TransposeOp, nn::ReshapeOp, nn::SliceOp, nn::GatherOp>(op))
      return failure();
    auto inner = op->getOperand(0).getDefiningOp<nn::DequantizeOp>();
    if (!inner || !elementOf(inner.getX()).isInteger(8))
      return b.notifyMatchFailure(op, "not of dequantized numbers");
    NnBuilder n{b, op->getLoc()};
    Value scale = inner.getScale(), zero = inner.getZero();
    if (auto transpose = dyn_cast<nn::TransposeOp>(op); transpose && !(isOne(scale) && (!zero || isOne(zero)))) {
      auto moved = [&](Value parameter) -> Value {
        if (!parameter || isOne(parameter))
          return parameter;
        SmallVector<int64_t> shape(typeOf(inner.getX()).getRank() - typeOf(parameter).getRank(), 1);
        llvm::append_range(shape, typeOf(parameter).getShape());
        return n.transpose(n.reshape(parameter, shape), transpose.getPerm());
      };
      scale = moved(scale);
      zero = moved(zero);
    } else if (!isOne(scale) || (zero && !isOne(zero))) {
      return b.notifyMatchFailure(op, "several scales or zero points");
    } else {
      scale = n.reshape(scale, {});
      zero = zero ? n.reshape(zero, {}) : zero;
    }
    OperationState state(op->getLoc(), op->getName());
    state.addOperands(inner.getX());
    state.addOperands(op->getOperands().drop_front());
    state.addTypes(RankedTensorType::get(typeOf(op->getResult(0)).getShape(), elementOf(inner.getX())));
    state.addAttributes(op->getDiscardableAttrDictionary().getValue());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    Value moved = b.create(state)->getResult(0);
    b.replaceOp(op, n.dequantize(moved, scale, zero, elementOf(op->getResult(0))));
    return success();
  }
};

/// quantize(dequantize(x, s, z), s, z) is x: the product is rounded by less than half a step.
struct CancelQuantize : OpRewritePattern<nn::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::QuantizeOp op, PatternRewriter &b) const override {
    auto inner = op.getX().getDefiningOp<nn::DequantizeOp>();
    if (!inner || elementOf(inner.getX()) != elementOf(op.getY()) || !elementOf(op.getX()).isF32())
      return b.notifyMatchFailure(op, "not of dequantized numbers of one type");
    auto isSame = [](Value x, Value y, double absent) {
      std::optional<double> first = x ? splatOf(x) : std::optional(absent),
                            second = y ? splatOf(y) : std::optional(absent);
      return x == y || (first && second && *first == *second);
    };
    std::optional<double> scale = splatOf(op.getScale());
    if (!scale || !isSame(inner.getScale(), op.getScale(), 1) || !isSame(inner.getZero(), op.getZero(), 0) ||
        !std::isnormal((float)*scale) || !(*scale > 0) || *scale > 1e30)
      return b.notifyMatchFailure(op, "other scales or zero points");
    b.replaceOp(op, inner.getX());
    return success();
  }
};
} // namespace

/// `value / scale`, by dividing the scales and constants that it is made of; null where there are others, or another op
/// reads something in between.
static Value divided(NnBuilder &n, Value value, Value scale, bool commit) {
  Operation *op = value.getDefiningOp();
  if (isConstant(value)) {
    if (!commit)
      return value;
    n.b.setInsertionPointAfter(op);
    return n.binary("div", value, scale);
  }
  if (!op || !op->hasOneUse())
    return {};
  if (auto inner = dyn_cast<nn::DequantizeOp>(op)) {
    if (!commit)
      return value;
    n.b.setInsertionPoint(op);
    Value factor = n.binary("div", n.cast(inner.getScale(), n.b.getF32Type()), scale);
    return n.dequantize(inner.getX(), factor, inner.getZero(), elementOf(value));
  }
  auto unary = dyn_cast<nn::UnaryOp>(op);
  auto binary = dyn_cast<nn::BinaryOp>(op);
  if (binary && binary.getKind() == "mul" && isConstant(binary.getB()) && isOfIntegers(binary.getA())) {
    if (!commit)
      return value;
    n.b.setInsertionPoint(op);
    return n.binary("mul", binary.getA(), n.binary("div", binary.getB(), scale));
  }
  bool isLinear =
      (unary && unary.getKind() == "relu") || isa<nn::TransposeOp, nn::ReshapeOp>(op) ||
      (binary && llvm::is_contained({"add", "sub", "max", "min", "clip_low", "clip_high"}, binary.getKind()));
  if (!isLinear)
    return {};
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    bool isData = isa<FloatType>(elementOf(operand));
    Value part = isData ? divided(n, operand, scale, commit) : operand;
    if (!part)
      return {};
    operands.push_back(part);
  }
  if (!commit)
    return value;
  n.b.setInsertionPoint(op);
  OperationState state(op->getLoc(), op->getName(), operands, op->getResultTypes());
  state.addAttributes(op->getDiscardableAttrDictionary().getValue());
  state.propertiesAttr = op->getPropertiesAsAttribute();
  return n.b.create(state)->getResult(0);
}

namespace {
/// quantize(linear ops on dequantized numbers, s): the division goes into their scales.
struct DivideScales : OpRewritePattern<nn::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::QuantizeOp op, PatternRewriter &b) const override {
    std::optional<double> scale = splatOf(op.getScale());
    if (!scale || *scale == 1 || !(*scale > 1e-12) || !(*scale < 1e12) || !elementOf(op.getX()).isF32() ||
        !elementOf(op.getScale()).isF32() || isConstant(op.getX()))
      return b.notifyMatchFailure(op, "not f32 divided by one number that is not 1");
    NnBuilder n{b, op.getLoc()};
    if (!divided(n, op.getX(), op.getScale(), /*commit=*/false))
      return b.notifyMatchFailure(op, "what is quantized is not linear in dequantized numbers");
    // Constants are used from where they are first needed.
    Operation *first = op->getBlock() ? &op->getBlock()->front() : op;
    b.setInsertionPoint(first);
    Value one = n.number(b.getF32Type(), 1),
          divisor = nn::ConstantOp::create(
              b, op.getLoc(), cast<ElementsAttr>(op.getScale().getDefiningOp<nn::ConstantOp>().getValue()));
    divisor = n.reshape(divisor, {});
    b.setInsertionPoint(op);
    Value x = divided(n, op.getX(), divisor, /*commit=*/true);
    b.setInsertionPoint(op);
    b.replaceOpWithNewOp<nn::QuantizeOp>(op, op.getY().getType(), x, one, op.getZero());
    return success();
  }
};

/// Hears why a pattern does not apply.
struct Reasons : RewriterBase::Listener {
  explicit Reasons(MLIRContext *context) : context(context) {}
  void notifyMatchFailure(Location, llvm::function_ref<void(Diagnostic &)> reason) override {
    Diagnostic text(UnknownLoc::get(context), DiagnosticSeverity::Remark);
    reason(text);
    last = text.str();
  }
  MLIRContext *context;
  std::string last;
};

/// Says of each product of real numbers, of which one is dequantized, why it is not one of integers.
void explain(func::FuncOp function, SumForms forms) {
  auto isOfInteger = [](Value value) {
    while (isa_and_present<nn::ReshapeOp, nn::TransposeOp>(value.getDefiningOp()))
      value = value.getDefiningOp()->getOperand(0);
    auto real = value.getDefiningOp<nn::DequantizeOp>();
    return real && elementOf(real.getX()).getIntOrFloatBitWidth() <= 8;
  };
  MLIRContext *context = function.getContext();
  Reasons reasons(context);
  PatternRewriter rewriter(context);
  rewriter.setListener(&reasons);
  function.walk([&](Operation *op) {
    if (!isa<nn::ConvOp, nn::MatMulOp>(op) || !llvm::any_of(op->getOperands().take_front(2), isOfInteger))
      return;
    rewriter.setInsertionPoint(op);
    LogicalResult isDone = convertToIntegerSums(op, forms, rewriter);
    if (succeeded(isDone))
      return;
    if (auto remark = remark::missed(op->getLoc(), remark::RemarkOpts::name("real").category(kIntegerRemarks)))
      remark << StringRef(reasons.last);
  });
}

struct FoldDequantize : impl::FoldDequantizeBase<FoldDequantize> {
  using FoldDequantizeBase::FoldDequantizeBase;
  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<SinkDequantize, CancelQuantize>(context);
    StringRef dot = target ? target.getDot() : "";
    SumForms forms{dot == "u8s8" || dot == "s8s8", dot == "s8s8", dot == "s16s16", target && target.getMmla(),
                   target && !target.getChips().empty()};
    populateIntegerSums(patterns, forms);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal();
    (void)applyPatternsGreedily(getOperation(), std::move(patterns), config);
    explain(getOperation(), forms);
    // After all sums that can be are of integers: their scales can be divided, and the others keep small weights.
    RewritePatternSet scales(context);
    scales.add<DivideScales>(context);
    scales.add<KeepBlocks>(context, target);
    (void)applyPatternsGreedily(getOperation(), std::move(scales), config);
  }
};
} // namespace
} // namespace tegula
