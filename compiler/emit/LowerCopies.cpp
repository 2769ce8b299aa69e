//===- LowerCopies.cpp - strided copies become loops -------------------------------===//
//
//   memref.copy %a, %b : memref<4x8xf32, strided<[16, 1]>> to memref<4x8xf32>   ->   scf.for { load; store }
//
// Needs: memrefs. Leaves: copies between contiguous buffers. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERCOPIES
#include "tegula/compiler/emit/Passes.h.inc"

static void copyByLoops(memref::CopyOp copy) {
  OpBuilder b(copy);
  Location loc = copy.getLoc();
  Value source = copy.getSource(), target = copy.getTarget();
  int64_t rank = cast<MemRefType>(source.getType()).getRank();
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  SmallVector<Value> indices;
  for (int64_t axis = 0; axis < rank; ++axis) {
    Value extent = b.createOrFold<memref::DimOp>(loc, source, axis);
    auto loop = scf::ForOp::create(b, loc, zero, extent, one);
    indices.push_back(loop.getInductionVar());
    b.setInsertionPointToStart(loop.getBody());
  }
  Value element = memref::LoadOp::create(b, loc, source, indices);
  memref::StoreOp::create(b, loc, element, target, indices);
  copy.erase();
}

namespace {
struct LowerCopies : impl::LowerCopiesBase<LowerCopies> {
  using LowerCopiesBase::LowerCopiesBase;
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp copy) { copies.push_back(copy); });
    for (memref::CopyOp copy : copies) {
      auto from = cast<MemRefType>(copy.getSource().getType()), to = cast<MemRefType>(copy.getTarget().getType());
      if (copy.getSource() == copy.getTarget())
        copy.erase();
      else if (!from.getLayout().isIdentity() || !to.getLayout().isIdentity())
        copyByLoops(copy);
    }
  }
};
} // namespace
} // namespace tegula
