//===- Extents.cpp - which extents known at run time only are equal ----------------===//

#include "tegula/compiler/graph/Extents.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
namespace tegula {

/// Longer vectors hold no shapes.
static constexpr int64_t kMaxRank = 16;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

Extents::Extents(func::FuncOp function) : function(function) {
  // In the order of the text, so that each answer needs only those before it.
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Value result : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType())) {
        for (int64_t axis = 0; axis < type.getRank(); ++axis)
          of(result, axis);
        if (isa<nn::BinaryOp>(op) && type.getRank() == 1 && type.hasStaticShape() &&
            type.getElementType().isInteger(64))
          for (int64_t index = 0; index < std::min<int64_t>(type.getDimSize(0), kMaxRank); ++index)
            inVector(result, index);
      }
  });
}

int64_t Extents::of(Value value, int64_t axis) {
  if (!typeOf(value).isDynamicDim(axis))
    return number({kConstant, typeOf(value).getDimSize(axis)});
  if (auto found = known.find({value, axis}); found != known.end())
    return found->second;
  int64_t result = compute(value, axis);
  known[{value, axis}] = result;
  return result;
}

int64_t Extents::ofInput(BlockArgument input, int64_t axis) {
  auto source = function->getParentOfType<ModuleOp>()->getAttrOfType<DictionaryAttr>(tgl::kSource);
  auto dims = source ? source.getAs<ArrayAttr>("dims") : ArrayAttr();
  if (input.getOwner() != &function.getBody().front() || !dims || input.getArgNumber() >= dims.size())
    return fresh();
  auto names = cast<ArrayAttr>(dims[input.getArgNumber()]);
  StringRef name = axis < (int64_t)names.size() ? cast<StringAttr>(names[axis]).getValue() : StringRef();
  if (name.empty())
    return fresh();
  auto [symbol, isNew] = symbols.try_emplace(name, symbols.size());
  return number({kSymbol, symbol->second});
}

int64_t Extents::window(int64_t extent, int64_t more, int64_t stride, bool isPool) {
  // An extent shorter than the window may have a window of a pool, but none of a convolution.
  Kind kind = isPool && more < 0 && stride > 1 ? kPool : kWindow;
  return more == 0 && stride == 1 ? extent : number({kind, extent, more, stride});
}

template <typename Op> int64_t Extents::ofWindows(Op op, ArrayRef<int64_t> kernel, int64_t axis) {
  if (axis == 0)
    return of(op.getX(), 0);
  int64_t at = axis - (op.isChannelsLast() ? 1 : 2);
  if (at < 0 || at >= (int64_t)kernel.size() || ShapedType::isDynamicShape(kernel))
    return fresh();
  int64_t more = op.getLow()[at] + op.getHigh()[at] - (kernel[at] - 1) * op.getDilations()[at];
  return window(of(op.getX(), axis), more, op.getStrides()[at], isa<nn::PoolOp>(op.getOperation()));
}

int64_t Extents::compute(Value value, int64_t axis) {
  if (auto input = dyn_cast<BlockArgument>(value))
    return ofInput(input, axis);
  Operation *op = value.getDefiningOp();
  if (isa<nn::UnaryOp, nn::CastOp, nn::SoftmaxOp, nn::NormalizeOp>(op))
    return of(op->getOperand(0), axis);
  if (isa<nn::BinaryOp, nn::SelectOp>(op)) {
    // Operands of unknown extents were expanded to the same ones: any that does not repeat will do.
    for (Value operand : op->getOperands()) {
      int64_t at = axis - (typeOf(value).getRank() - typeOf(operand).getRank());
      if (at >= 0 && typeOf(operand).getDimSize(at) != 1)
        return of(operand, at);
    }
  }
  if (auto transpose = dyn_cast<nn::TransposeOp>(op))
    return of(transpose.getX(), transpose.getPerm()[axis]);
  if (auto expand = dyn_cast<nn::ExpandOp>(op); expand && expand.getShape())
    return inVector(expand.getShape(), axis);
  if (auto concat = dyn_cast<nn::ConcatOp>(op)) {
    if ((int64_t)concat.getAxis() != axis)
      return of(concat->getOperand(0), axis);
    Key sum{kSum};
    for (Value operand : concat->getOperands())
      sum.push_back(of(operand, axis));
    return number(sum);
  }
  if (auto slice = dyn_cast<nn::SliceOp>(op);
      slice && slice.getSizes()[axis] == -1 && slice.getStarts()[axis] == 0 && slice.getSteps()[axis] == 1)
    return of(slice.getX(), axis);
  if (auto pad = dyn_cast<nn::PadOp>(op); pad && !pad.getPads())
    return window(of(pad.getX(), axis), pad.getLow()[axis] + pad.getHigh()[axis], 1);
  if (auto conv = dyn_cast<nn::ConvOp>(op))
    return ofWindows(conv, conv.kernelShape(), axis);
  if (auto pool = dyn_cast<nn::PoolOp>(op); pool && !pool.getCeil())
    return ofWindows(pool, pool.getKernel(), axis);
  if (auto matmul = dyn_cast<nn::MatMulOp>(op)) {
    int64_t rank = typeOf(value).getRank(), left = typeOf(matmul.getA()).getRank(),
            right = typeOf(matmul.getB()).getRank();
    if (axis == rank - 1)
      return of(matmul.getB(), right - 1);
    if (axis == rank - 2)
      return of(matmul.getA(), left - 2);
  }
  return fresh();
}

int64_t Extents::inVector(Value vector, int64_t index) {
  if (auto found = elements.find({vector, index}); found != elements.end())
    return found->second;
  int64_t result = computeElement(vector, index);
  elements[{vector, index}] = result;
  return result;
}

int64_t Extents::computeElement(Value vector, int64_t index) {
  if (auto shape = vector.getDefiningOp<nn::ShapeOp>())
    return of(shape.getX(), shape.getStart() + index);
  DenseIntElementsAttr constant;
  if (matchPattern(vector, m_Constant(&constant)))
    return number({kConstant, constant.getValues<APInt>()[index].getSExtValue()});
  if (auto binary = vector.getDefiningOp<nn::BinaryOp>();
      binary && binary.getKind() == "max" && binary.getA().getType() == binary.getB().getType()) {
    int64_t left = inVector(binary.getA(), index), right = inVector(binary.getB(), index);
    // One is broadcast to whatever the other is.
    int64_t one = number({kConstant, 1});
    if (left == one || right == one)
      return left == one ? right : left;
    return left == right ? left : number({kMax, std::min(left, right), std::max(left, right)});
  }
  return fresh();
}

} // namespace tegula
