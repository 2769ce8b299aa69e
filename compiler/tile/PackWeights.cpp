//===- PackWeights.cpp - constant right operands in register-tile panels ----===//
//
//   %w = arith.constant dense_resource<w> : tensor<256x64xf32>
//   linalg.generic ins(%a, %w) {tgl.plan = lanes = 8, vectors = 2, ...}
// becomes
//   %p = arith.constant dense_resource<w_packed> : tensor<4x256x16xf32>
//   %w = linalg.unpack %p outer_dims_perm = [1, 0] inner_dims_pos = [1] inner_tiles = [16] into %e
//
// With `dot = 4` in the plan, four rows lie side by side: tensor<4x64x16x4xi8>, inner_tiles = [16, 4].
//
// Needs: plans. Leaves: unpacks of constants, which TileUnits reads through. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Dot.h"
#include "tegula/compiler/tile/Passes.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "tegula/compiler/tile/Passes.h.inc"

/// Copies `rows` x `columns` elements of `bytes` each into zero-padded panels of `width` columns. With `dot` above 1,
/// the elements of as many rows lie side by side.
static void packPanels(const char *source, char *target, int64_t rows, int64_t columns, int64_t width, int64_t bytes,
                       int64_t dot) {
  int64_t panels = (columns + width - 1) / width;
  if (dot > 1) {
    for (int64_t panel = 0; panel < panels; ++panel)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t lane = 0; lane < width; ++lane) {
          int64_t column = panel * width + lane, block = row / dot * width + lane;
          char *to = target + (panel * rows * width + block * dot + row % dot) * bytes;
          column < columns ? (void)memcpy(to, source + (row * columns + column) * bytes, bytes)
                           : (void)memset(to, 0, bytes);
        }
    return;
  }
  for (int64_t panel = 0; panel < panels; ++panel) {
    int64_t live = std::min(width, columns - panel * width);
    for (int64_t row = 0; row < rows; ++row) {
      char *to = target + (panel * rows + row) * width * bytes;
      memcpy(to, source + (row * columns + panel * width) * bytes, live * bytes);
      if (live < width)
        memset(to + live * bytes, 0, (width - live) * bytes);
    }
  }
}

/// The packed constant, or null when the value's bytes are not at hand.
static ElementsAttr packValue(ElementsAttr value, int64_t width, int64_t dot) {
  auto type = cast<RankedTensorType>(value.getShapedType());
  int64_t columns = type.getShape().back(), rows = type.getNumElements() / columns;
  int64_t panels = (columns + width - 1) / width, bytes = type.getElementTypeBitWidth() / 8;
  SmallVector<int64_t> shape{panels};
  llvm::append_range(shape, type.getShape().drop_back());
  shape.push_back(width);
  if (dot > 1) {
    shape[shape.size() - 2] /= dot;
    shape.push_back(dot);
  }
  auto packedType = RankedTensorType::get(shape, type.getElementType());
  ArrayRef<char> data;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return {};
    data = blob->getData();
  } else if (auto dense = dyn_cast<DenseElementsAttr>(value); dense && !dense.isSplat()) {
    data = dense.getRawData();
  }
  if ((int64_t)data.size() != rows * columns * bytes)
    return {};
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(packedType.getNumElements() * bytes, 64, /*dataIsMutable=*/true);
  packPanels(data.data(), blob.getMutableData().data(), rows, columns, width, bytes, dot);
  StringRef name = "packed";
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    name = resource.getRawHandle().getKey();
  return DenseResourceElementsAttr::get(packedType, name, std::move(blob));
}

/// Whether the op reads `operand` as rows of the plan's vector loop, the same row for every unrolled iteration.
static bool readsPanels(linalg::GenericOp op, OpOperand &operand, tgl::PlanAttr plan) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (map.getNumResults() < 2 || op.getNumReductionLoops() == 0)
    return false;
  auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
  if (!last || (int64_t)last.getPosition() != plan.getVectorLoop())
    return false;
  for (AffineExpr expr : map.getResults().drop_back())
    if (expr.isFunctionOfDim(plan.getVectorLoop()) ||
        (plan.getUnrollLoop() >= 0 && expr.isFunctionOfDim(plan.getUnrollLoop())))
      return false;
  return true;
}

namespace {
struct PackWeights : impl::PackWeightsBase<PackWeights> {
  using PackWeightsBase::PackWeightsBase;

  void pack(linalg::GenericOp op, OpOperand &operand, tgl::PlanAttr plan) {
    auto constant = operand.get().getDefiningOp<arith::ConstantOp>();
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    // Windows of depthwise sums are small, and rows of them are rows already.
    if (!constant || !type || !readsPanels(op, operand, plan) || (plan.getDot() > 1 && tapFormOf(op)))
      return;
    int64_t width = plan.getLanes() * plan.getVectors();
    // A weight that several ops read in panels of one width is stored once.
    int64_t dot = plan.getDot();
    ElementsAttr &value = panels[{constant.getValue(), width, dot}];
    if (!value)
      value = packValue(cast<ElementsAttr>(constant.getValue()), width, dot);
    if (!value)
      return;
    OpBuilder builder(op);
    Value packed = arith::ConstantOp::create(builder, constant.getLoc(), value);
    Value destination = tensor::EmptyOp::create(builder, constant.getLoc(), type.getShape(), type.getElementType());
    int64_t last = type.getRank() - 1;
    SmallVector<int64_t> order{last};
    llvm::append_range(order, llvm::seq<int64_t>(0, last));
    SmallVector<OpFoldResult> tiles{builder.getIndexAttr(width)};
    SmallVector<int64_t> axes{last};
    if (dot > 1) {
      tiles.push_back(builder.getIndexAttr(dot));
      axes.push_back(last - 1);
    }
    Value unpacked =
        linalg::UnPackOp::create(builder, constant.getLoc(), packed, destination, axes, tiles, order)->getResult(0);
    operand.set(unpacked);
    ++this->packed;
  }

  llvm::DenseMap<std::tuple<Attribute, int64_t, int64_t>, ElementsAttr> panels;

  void runOnOperation() override {
    panels.clear();
    getOperation().walk([&](linalg::GenericOp op) {
      auto plan = op->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
      if (!plan || plan.getVectorLoop() < 0)
        return;
      for (OpOperand *operand : op.getDpsInputOperands())
        pack(op, *operand, plan);
    });
  }
};
} // namespace
} // namespace tegula
