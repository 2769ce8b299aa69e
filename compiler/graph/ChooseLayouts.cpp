//===- ChooseLayouts.cpp - channels-last convolutions and what lies between ------------===//
//
//   %y = nn.conv %x, %w {layout = "channels_first"}      %a = nn.transpose %x {perm = [0, 2, 3, 1]}
//   %z = nn.unary relu %y                            ->  %c = nn.conv %a, %v {layout = "channels_last"}
//                                                        %r = nn.unary relu %c
//                                                        %z = nn.transpose %r {perm = [0, 3, 1, 2]}
//
// A channels-last convolution reads one pixel's channels as a row of a matrix product, whatever the kernel, so one
// code generator serves products and convolutions alike; elementwise ops do not care.
//
// Needs: nn with static ranks. Leaves: no channels-first convolution or pool. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "tegula/compiler/graph/Passes.h.inc"

using Perm = SmallVector<int64_t>;

/// [0, 2, ..., r - 1, 1]: channels-first to channels-last.
static Perm toLast(int64_t rank) {
  Perm perm{0};
  for (int64_t axis = 2; axis < rank; ++axis)
    perm.push_back(axis);
  perm.push_back(1);
  return perm;
}
/// [0, r - 1, 1, ..., r - 2]: its inverse.
static Perm toFirst(int64_t rank) {
  Perm perm{0, rank - 1};
  for (int64_t axis = 1; axis + 1 < rank; ++axis)
    perm.push_back(axis);
  return perm;
}
static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }
static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

static Value transpose(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> perm) {
  return nn::TransposeOp::create(b, loc, x, b.getDenseI64ArrayAttr(perm));
}
static Value reshape(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> shape, Value extents = Value()) {
  auto type = RankedTensorType::get(shape, cast<RankedTensorType>(x.getType()).getElementType());
  return nn::ReshapeOp::create(b, loc, type, x, ShapedType::isDynamicShape(shape) ? extents : Value());
}

/// The value before a channels-last to channels-first transpose; null if `value` is not one.
static Value beforeTranspose(Value value) {
  auto op = value.getDefiningOp<nn::TransposeOp>();
  if (!op || rankOf(value) < 3 || Perm(op.getPerm()) != toFirst(rankOf(value)))
    return {};
  return op.getX();
}

/// The kernel in channels-last order, see nn.conv.
static Value lastKernel(OpBuilder &b, nn::ConvOp conv) {
  Value w = conv.getW();
  SmallVector<int64_t> shape(shapeOf(w));
  int64_t group = conv.getGroup(), rank = shape.size(), spatial = rank - 2;
  Location loc = conv.getLoc();
  auto kernelAxes = [&](int64_t first) { return llvm::to_vector(llvm::seq<int64_t>(first, first + spatial)); };
  if (group == 1) {
    Perm perm = kernelAxes(2);
    perm.append({1, 0});
    return transpose(b, loc, w, perm);
  }
  SmallVector<int64_t> kernel(shape.begin() + 2, shape.end());
  if (shape[1] == 1 && shape[0] == group) {
    SmallVector<int64_t> flat{group};
    llvm::append_range(flat, kernel);
    Perm perm = kernelAxes(1);
    perm.push_back(0);
    return transpose(b, loc, reshape(b, loc, w, flat), perm);
  }
  SmallVector<int64_t> grouped{group, shape[0] / group, shape[1]};
  llvm::append_range(grouped, kernel);
  Perm perm{0};
  llvm::append_range(perm, kernelAxes(3));
  perm.append({2, 1});
  return transpose(b, loc, reshape(b, loc, w, grouped), perm);
}

namespace {
struct ConvertConv : OpRewritePattern<nn::ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConvOp conv, PatternRewriter &b) const override {
    if (conv.isChannelsLast() || ShapedType::isDynamicShape(shapeOf(conv.getW())))
      return b.notifyMatchFailure(conv, "channels-last already, or a kernel of unknown size");
    int64_t rank = rankOf(conv.getX());
    Value x = transpose(b, conv.getLoc(), conv.getX(), toLast(rank));
    Value y = nn::ConvOp::create(b, conv.getLoc(), x, lastKernel(b, conv), b.getStringAttr("channels_last"),
                                 conv.getGroupAttr(), conv.getStridesAttr(), conv.getDilationsAttr(), conv.getLowAttr(),
                                 conv.getHighAttr());
    b.replaceOp(conv, transpose(b, conv.getLoc(), y, toFirst(rank)));
    return success();
  }
};

struct ConvertPool : OpRewritePattern<nn::PoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::PoolOp pool, PatternRewriter &b) const override {
    if (pool.isChannelsLast())
      return b.notifyMatchFailure(pool, "channels-last already");
    int64_t rank = rankOf(pool.getX());
    Value x = transpose(b, pool.getLoc(), pool.getX(), toLast(rank));
    Value y =
        nn::PoolOp::create(b, pool.getLoc(), pool.getKindAttr(), x, b.getStringAttr("channels_last"),
                           pool.getKernelAttr(), pool.getStridesAttr(), pool.getDilationsAttr(), pool.getLowAttr(),
                           pool.getHighAttr(), pool.getCeilAttr(), pool.getCountIncludePadAttr());
    b.replaceOp(pool, transpose(b, pool.getLoc(), y, toFirst(rank)));
    return success();
  }
};

/// The kernel of the convolution that computes all `s * s` phases of a transposed one: [K / s..., C, s * s * M],
/// reversed.
static Value phaseKernel(OpBuilder &b, nn::ConvTransposeOp op) {
  ArrayRef<int64_t> w = shapeOf(op.getW()), strides = op.getStrides();
  Location loc = op.getLoc();
  Type element = getElementTypeOrSelf(op.getW().getType());
  int64_t high = (w[2] + strides[0] - 1) / strides[0], wide = (w[3] + strides[1] - 1) / strides[1];
  SmallVector<int64_t> none(4, 0), more{0, 0, high * strides[0] - w[2], wide * strides[1] - w[3]};
  SmallVector<int64_t> padded{w[0], w[1], high * strides[0], wide * strides[1]};
  Value kernel = op.getW();
  if (padded != SmallVector<int64_t>(w))
    kernel = nn::PadOp::create(b, loc, RankedTensorType::get(padded, element), kernel, Value(), Value(),
                               b.getStringAttr("constant"), b.getDenseI64ArrayAttr(none), b.getDenseI64ArrayAttr(more));
  Value taps = reshape(b, loc, kernel, {w[0], w[1], high, strides[0], wide, strides[1]});
  if (high > 1 || wide > 1)
    taps = nn::SliceOp::create(b, loc, taps, b.getDenseI64ArrayAttr({0, 0, high - 1, 0, wide - 1, 0}),
                               b.getDenseI64ArrayAttr(Perm(6, -1)), b.getDenseI64ArrayAttr({1, 1, -1, 1, -1, 1}));
  return reshape(b, loc, transpose(b, loc, taps, {2, 4, 0, 3, 5, 1}),
                 {high, wide, w[0], strides[0] * strides[1] * w[1]});
}

/// A transposed convolution is one convolution for all phases of its result (places that are equal modulo the strides),
/// whose channels are then moved to their places: no zeros are written or multiplied.
struct ConvertConvTranspose : OpRewritePattern<nn::ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConvTransposeOp op, PatternRewriter &b) const override {
    ArrayRef<int64_t> x = shapeOf(op.getX()), w = shapeOf(op.getW()), y = shapeOf(op.getY()), s = op.getStrides();
    auto isNegative = [](int64_t value) { return value < 0; };
    if (x.size() != 4 || op.getGroup() != 1 || ShapedType::isDynamic(x[1]) || ShapedType::isDynamicShape(w) ||
        llvm::any_of(op.getDilations(), [](int64_t value) { return value != 1; }) ||
        llvm::any_of(op.getLow(), isNegative) ||
        op.getY().getType().getElementType() != op.getX().getType().getElementType() ||
        !isa<FloatType>(op.getX().getType().getElementType()))
      return b.notifyMatchFailure(op, "groups, dilations, unknown channels or integers");
    Location loc = op.getLoc();
    // Place o of the uncropped result is phase o % s of window o / s, which ends at x[o / s]. The result has
    // (x - 1) * s + reach places from `low` on.
    Perm low, high, cutLow{0}, cutHigh{0};
    for (int axis : {0, 1}) {
      int64_t taps = (w[2 + axis] + s[axis] - 1) / s[axis];
      int64_t reach = w[2 + axis] - op.getLow()[axis] - op.getHigh()[axis] + op.getOutputPadding()[axis];
      int64_t more = std::max<int64_t>((op.getLow()[axis] + reach + s[axis] - 1) / s[axis] - 1, 0);
      low.push_back(taps - 1);
      high.push_back(more);
      cutLow.push_back(-op.getLow()[axis]);
      cutHigh.push_back(op.getLow()[axis] + reach - (more + 1) * s[axis]);
    }
    cutLow.push_back(0);
    cutHigh.push_back(0);
    Perm ones(2, 1); // strides and dilations
    Value phases =
        nn::ConvOp::create(b, loc, transpose(b, loc, op.getX(), toLast(4)), phaseKernel(b, op),
                           b.getStringAttr("channels_last"), b.getI64IntegerAttr(1), b.getDenseI64ArrayAttr(ones),
                           b.getDenseI64ArrayAttr(ones), b.getDenseI64ArrayAttr(low), b.getDenseI64ArrayAttr(high));
    ArrayRef<int64_t> windows = shapeOf(phases).slice(1, 2);
    auto times = [](int64_t extent, int64_t factor) {
      return ShapedType::isDynamic(extent) ? extent : extent * factor;
    };
    SmallVector<int64_t> split{x[0], windows[0], windows[1], s[0], s[1], w[1]};
    SmallVector<int64_t> whole{x[0], times(windows[0], s[0]), times(windows[1], s[1]), w[1]};
    Value splitExtents, wholeExtents;
    if (ShapedType::isDynamicShape(whole)) {
      auto numbers = [&](ArrayRef<int64_t> values) -> Value {
        auto type = RankedTensorType::get({(int64_t)values.size()}, b.getI64Type());
        return nn::ConstantOp::create(b, loc, DenseElementsAttr::get(type, values));
      };
      Value outer = nn::ShapeOp::create(b, loc, phases, b.getI64IntegerAttr(0), b.getI64IntegerAttr(3));
      splitExtents =
          nn::ConcatOp::create(b, loc, ValueRange{outer, numbers({s[0], s[1], w[1]})}, b.getI64IntegerAttr(0));
      Value scaled = nn::BinaryOp::create(b, loc, b.getStringAttr("mul"), outer, numbers({1, s[0], s[1]}));
      wholeExtents = nn::ConcatOp::create(b, loc, ValueRange{scaled, numbers({w[1]})}, b.getI64IntegerAttr(0));
    }
    Value apart = transpose(b, loc, reshape(b, loc, phases, split, splitExtents), {0, 1, 3, 2, 4, 5});
    Value cropped = reshape(b, loc, apart, whole, wholeExtents);
    SmallVector<int64_t> shape{x[0], y[2], y[3], w[1]};
    if (llvm::any_of(cutLow, isNegative) || llvm::any_of(cutHigh, [](int64_t cut) { return cut != 0; }))
      cropped = nn::PadOp::create(b, loc, RankedTensorType::get(shape, op.getY().getType().getElementType()), cropped,
                                  Value(), Value(), b.getStringAttr("constant"), b.getDenseI64ArrayAttr(cutLow),
                                  b.getDenseI64ArrayAttr(cutHigh));
    b.replaceOp(op, transpose(b, loc, cropped, toFirst(4)));
    return success();
  }
};

/// transpose(transpose(x)), and transposes that only move axes of extent 1.
struct SimplifyTranspose : OpRewritePattern<nn::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &b) const override {
    ArrayRef<int64_t> perm = op.getPerm();
    if (auto inner = op.getX().getDefiningOp<nn::TransposeOp>()) {
      Perm composed;
      for (int64_t axis : perm)
        composed.push_back(inner.getPerm()[axis]);
      if (llvm::is_sorted(composed))
        b.replaceOp(op, inner.getX());
      else
        b.replaceOp(op, transpose(b, op.getLoc(), inner.getX(), composed));
      return success();
    }
    ArrayRef<int64_t> shape = shapeOf(op.getX());
    if (ShapedType::isDynamicShape(shape))
      return b.notifyMatchFailure(op, "dynamic shape");
    int64_t previous = -1;
    for (int64_t axis : perm) {
      if (shape[axis] == 1)
        continue;
      if (axis < previous)
        return b.notifyMatchFailure(op, "moves data");
      previous = axis;
    }
    b.replaceOp(op, reshape(b, op.getLoc(), op.getX(), shapeOf(op.getY())));
    return success();
  }
};

/// Elementwise ops of any arity.
struct SinkThroughElementwise : RewritePattern {
  SinkThroughElementwise(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  /// `value` in channels-last order, given that the op's result has `rank` axes; null when that is not worth it.
  static Value inLast(OpBuilder &b, Location loc, Value value, int64_t rank, int64_t budget) {
    if (Value before = beforeTranspose(value))
      if (rankOf(value) == rank)
        return before;
    // Strictly smaller, unless it is constant: else two operands could hand a transpose back and forth.
    auto type = cast<RankedTensorType>(value.getType());
    bool isConstant = value.getDefiningOp<nn::ConstantOp>() != nullptr;
    if (!type.hasStaticShape() || type.getNumElements() > budget - (isConstant ? 0 : 1))
      return {};
    SmallVector<int64_t> shape(rank - type.getRank(), 1);
    llvm::append_range(shape, type.getShape());
    if (type.getNumElements() == 1)
      return value;
    if ((int64_t)shape.size() != type.getRank())
      value = reshape(b, loc, value, shape);
    return transpose(b, loc, value, toLast(rank));
  }

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &b) const override {
    if (!isa<nn::UnaryOp, nn::BinaryOp, nn::SelectOp, nn::CastOp, nn::QuantizeOp, nn::DequantizeOp, nn::LookupOp>(op))
      return failure();
    auto isTable = [](OpOperand &operand) {
      return isa<nn::LookupOp>(operand.getOwner()) && operand.getOperandNumber() == 1;
    };
    int64_t rank = rankOf(op->getResult(0)), largest = 0;
    bool any = false;
    for (OpOperand &operand : op->getOpOperands())
      if (!isTable(operand) && beforeTranspose(operand.get()) && rankOf(operand.get()) == rank) {
        any = true;
        auto type = cast<RankedTensorType>(operand.get().getType());
        largest = std::max(largest, type.hasStaticShape() ? type.getNumElements() : INT64_MAX);
      }
    if (!any)
      return b.notifyMatchFailure(op, "no operand is transposed");
    SmallVector<Value> operands;
    for (OpOperand &operand : op->getOpOperands()) {
      Value last = isTable(operand) ? operand.get() : inLast(b, op->getLoc(), operand.get(), rank, largest);
      if (!last)
        return b.notifyMatchFailure(op, "another operand would have to be transposed");
      operands.push_back(last);
    }
    Type element = getElementTypeOrSelf(op->getResult(0).getType());
    SmallVector<int64_t> shape;
    for (int64_t axis : toLast(rank))
      shape.push_back(shapeOf(op->getResult(0))[axis]);
    OperationState state(op->getLoc(), op->getName(), operands, {RankedTensorType::get(shape, element)});
    state.addAttributes(op->getDiscardableAttrDictionary().getValue());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    Operation *made = b.create(state);
    b.replaceOp(op, transpose(b, op->getLoc(), made->getResult(0), toFirst(rank)));
    return success();
  }
};

struct SinkThroughConcat : OpRewritePattern<nn::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConcatOp op, PatternRewriter &b) const override {
    int64_t transposed = 0, others = 0;
    for (Value x : op.getXs()) {
      auto type = cast<RankedTensorType>(x.getType());
      int64_t elements = type.hasStaticShape() ? type.getNumElements() : 1;
      (beforeTranspose(x) ? transposed : others) += elements;
    }
    if (transposed <= others)
      return b.notifyMatchFailure(op, "most of the data is not transposed");
    int64_t rank = rankOf(op.getY());
    SmallVector<Value> inputs;
    for (Value x : op.getXs()) {
      Value before = beforeTranspose(x);
      inputs.push_back(before ? before : transpose(b, op.getLoc(), x, toLast(rank)));
    }
    Perm order = toLast(rank);
    int64_t axis = std::distance(order.begin(), llvm::find(order, (int64_t)op.getAxis()));
    Value y = nn::ConcatOp::create(b, op.getLoc(), inputs, b.getI64IntegerAttr(axis));
    b.replaceOp(op, transpose(b, op.getLoc(), y, toFirst(rank)));
    return success();
  }
};

static DenseI64ArrayAttr permuted(OpBuilder &b, ArrayRef<int64_t> values) {
  SmallVector<int64_t> result;
  for (int64_t axis : toLast(values.size()))
    result.push_back(values[axis]);
  return b.getDenseI64ArrayAttr(result);
}

struct SinkThroughSlice : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SliceOp op, PatternRewriter &b) const override {
    Value before = beforeTranspose(op.getX());
    if (!before)
      return b.notifyMatchFailure(op, "not transposed");
    Value y = nn::SliceOp::create(b, op.getLoc(), before, permuted(b, op.getStarts()), permuted(b, op.getSizes()),
                                  permuted(b, op.getSteps()));
    b.replaceOp(op, transpose(b, op.getLoc(), y, toFirst(rankOf(op.getY()))));
    return success();
  }
};

struct SinkThroughPad : OpRewritePattern<nn::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::PadOp op, PatternRewriter &b) const override {
    Value before = beforeTranspose(op.getX());
    if (!before || op.getPads())
      return b.notifyMatchFailure(op, "not transposed, or pads known at run time only");
    auto type = cast<RankedTensorType>(op.getY().getType());
    SmallVector<int64_t> shape;
    for (int64_t axis : toLast(type.getRank()))
      shape.push_back(type.getShape()[axis]);
    Value y = nn::PadOp::create(b, op.getLoc(), RankedTensorType::get(shape, type.getElementType()), before, Value(),
                                op.getValue(), op.getModeAttr(), permuted(b, op.getLow()), permuted(b, op.getHigh()));
    b.replaceOp(op, transpose(b, op.getLoc(), y, toFirst(type.getRank())));
    return success();
  }
};

struct SinkThroughReduce : OpRewritePattern<nn::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReduceOp op, PatternRewriter &b) const override {
    Value before = beforeTranspose(op.getX());
    if (!before)
      return b.notifyMatchFailure(op, "not transposed");
    int64_t rank = rankOf(op.getX());
    Perm order = toLast(rank);
    bool reducesChannels = llvm::is_contained(op.getAxes(), 1);
    if (!op.getKeepdims() && !reducesChannels && (int64_t)op.getAxes().size() + 2 < rank)
      return b.notifyMatchFailure(op, "the kept axes would change order");
    SmallVector<int64_t> axes;
    for (int64_t axis : op.getAxes())
      axes.push_back(std::distance(order.begin(), llvm::find(order, axis)));
    llvm::sort(axes);
    Value y = nn::ReduceOp::create(b, op.getLoc(), op.getKindAttr(), before, b.getDenseI64ArrayAttr(axes),
                                   op.getKeepdimsAttr());
    if (op.getKeepdims())
      y = transpose(b, op.getLoc(), y, toFirst(rank));
    b.replaceOp(op, y);
    return success();
  }
};

/// A vector of one element per axis, if there is one, in channels-last order.
static Value permutedVector(OpBuilder &b, Location loc, Value vector) {
  if (!vector)
    return {};
  Perm order = toLast(shapeOf(vector)[0]);
  auto type = RankedTensorType::get({(int64_t)order.size()}, b.getI64Type());
  Value indices = nn::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int64_t>(order)));
  return nn::GatherOp::create(b, loc, vector, indices, b.getI64IntegerAttr(0));
}

struct SinkThroughResize : OpRewritePattern<nn::ResizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ResizeOp op, PatternRewriter &b) const override {
    Value before = beforeTranspose(op.getX());
    if (!before || !op.getRoi().empty())
      return b.notifyMatchFailure(op, "not transposed, or a region of interest");
    auto type = cast<RankedTensorType>(op.getY().getType());
    SmallVector<int64_t> shape;
    SmallVector<double> scales;
    for (int64_t axis : toLast(type.getRank())) {
      shape.push_back(type.getShape()[axis]);
      scales.push_back(op.getScales()[axis]);
    }
    Value extents = permutedVector(b, op.getLoc(), op.getExtents()),
          factors = permutedVector(b, op.getLoc(), op.getFactors());
    auto made = nn::ResizeOp::create(b, op.getLoc(), RankedTensorType::get(shape, type.getElementType()), before,
                                     extents, factors, op.getModeAttr(), op.getCoordinateAttr(), op.getNearestAttr(),
                                     b.getDenseF64ArrayAttr(scales), op.getRoiAttr(), op.getCubicAAttr(),
                                     op.getExtrapolationAttr(), op.getExcludeOutsideAttr(), op.getAntialiasAttr());
    b.replaceOp(op, transpose(b, op.getLoc(), made.getY(), toFirst(type.getRank())));
    return success();
  }
};

struct SinkThroughSoftmax : OpRewritePattern<nn::SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SoftmaxOp op, PatternRewriter &b) const override {
    Value before = beforeTranspose(op.getX());
    if (!before)
      return b.notifyMatchFailure(op, "not transposed");
    int64_t rank = rankOf(op.getX());
    Perm order = toLast(rank);
    int64_t axis = std::distance(order.begin(), llvm::find(order, (int64_t)op.getAxis()));
    Value y =
        nn::SoftmaxOp::create(b, op.getLoc(), before.getType(), op.getKindAttr(), before, b.getI64IntegerAttr(axis));
    b.replaceOp(op, transpose(b, op.getLoc(), y, toFirst(rank)));
    return success();
  }
};

struct ChooseLayouts : impl::ChooseLayoutsBase<ChooseLayouts> {
  using ChooseLayoutsBase::ChooseLayoutsBase;
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<ConvertConv, ConvertPool, ConvertConvTranspose, SimplifyTranspose, SinkThroughElementwise,
                 SinkThroughConcat, SinkThroughSlice, SinkThroughPad, SinkThroughReduce, SinkThroughResize,
                 SinkThroughSoftmax>(context);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal();
    config.setMaxIterations(64);
    (void)applyPatternsGreedily(getOperation(), std::move(patterns), config);
  }
};
} // namespace
} // namespace tegula
