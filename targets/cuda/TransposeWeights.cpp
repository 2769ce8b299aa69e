//===- TransposeWeights.cpp - constant right sides of products along the depth -----------------===//
//
//   %w = arith.constant dense_resource<w> : tensor<256x64xi8>        (k, n)
// becomes
//   %w = arith.constant dense_resource<w> : tensor<64x256xi8>        (n, k)
//
// in products that matrix instructions multiply, of 8-bit integers and tf32: ldmatrix turns 16-bit elements alone.
//
// Needs: linalg on tensors. Leaves: the same meaning. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_TRANSPOSEWEIGHTS
#include "tegula/targets/cuda/Passes.h.inc"

/// The constant with its last axis as the first one; null when the bytes are not at hand.
static ElementsAttr withLastAxisFirst(ElementsAttr value) {
  auto type = cast<RankedTensorType>(value.getShapedType());
  int64_t columns = type.getShape().back(), rows = type.getNumElements() / columns,
          bytes = type.getElementTypeBitWidth() / 8;
  ArrayRef<char> data;
  StringRef name = "transposed";
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      data = blob->getData();
    name = resource.getRawHandle().getKey();
  } else if (auto dense = dyn_cast<DenseElementsAttr>(value); dense && !dense.isSplat()) {
    data = dense.getRawData();
  }
  if ((int64_t)data.size() != rows * columns * bytes)
    return {};
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(data.size(), 64, /*dataIsMutable=*/true);
  char *to = blob.getMutableData().data();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      std::memcpy(to + (column * rows + row) * bytes, data.data() + (row * columns + column) * bytes, bytes);
  SmallVector<int64_t> shape{columns};
  llvm::append_range(shape, type.getShape().drop_back());
  return DenseResourceElementsAttr::get(RankedTensorType::get(shape, type.getElementType()), name, std::move(blob));
}

namespace {
struct TransposeWeights : impl::TransposeWeightsBase<TransposeWeights> {
  using TransposeWeightsBase::TransposeWeightsBase;

  void runOnOperation() override {
    // A weight that several ops read is stored once.
    llvm::DenseMap<Attribute, ElementsAttr> known;
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    if (!target)
      return;
    getOperation().walk([&](linalg::GenericOp op) {
      std::optional<cuda::Contraction> loops = cuda::contractionOf(op);
      if (!loops || cuda::plansOf(op, target).front().getDot() == 1)
        return;
      auto constant = op.getDpsInputs()[1].getDefiningOp<arith::ConstantOp>();
      if (!constant || getElementTypeOrSelf(constant.getType()).getIntOrFloatBitWidth() == 16)
        return;
      SmallVector<AffineMap> maps = op.getIndexingMapsArray();
      auto last = dyn_cast<AffineDimExpr>(maps[1].getResults().back());
      if (!last || !llvm::is_contained(loops->columns, last.getPosition()))
        return;
      ElementsAttr &value = known[constant.getValue()];
      if (!value)
        value = withLastAxisFirst(cast<ElementsAttr>(constant.getValue()));
      if (!value)
        return;
      OpBuilder b(constant);
      op.getDpsInputOperand(1)->set(arith::ConstantOp::create(b, constant.getLoc(), value));
      SmallVector<AffineExpr> results{last};
      llvm::append_range(results, maps[1].getResults().drop_back());
      maps[1] = AffineMap::get(maps[1].getNumDims(), 0, results, &getContext());
      op.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
      ++transposed;
    });
  }
};
} // namespace
} // namespace tegula
