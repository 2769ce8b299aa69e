//===- PlaceRows.cpp - rows of a buffer on different sets of a cache -------------------===//
//
//   %a = memref.alloc() : memref<128x1024xf32>   ->   %w = memref.alloc() : memref<128x1040xf32>
//                                                     %a = memref.subview %w[0, 0] [128, 1024] [1, 1]
//
// A product reads as many rows at once as its register tile is high. Rows that lie a large power of two apart fall on
// the same few sets of the first-level cache and push each other out; one line more between them spreads them.
//
// Needs: memrefs, no arena yet. Leaves: buffers that something reads as one row of elements. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/buffer/Views.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_PLACEROWS
#include "tegula/compiler/buffer/Passes.h.inc"

/// Of the caches of all targets. Rows kAliasBytes apart meet on every second set of 32 KiB with 8 ways.
static constexpr int64_t kLineBytes = 64, kAliasBytes = 2048;
/// Fewer rows fit side by side into the ways.
static constexpr int64_t kLeastRows = 8;

namespace {
struct PlaceRows : impl::PlaceRowsBase<PlaceRows> {
  using PlaceRowsBase::PlaceRowsBase;

  void runOnOperation() override {
    SmallVector<memref::AllocOp> allocs;
    getOperation().walk([&](memref::AllocOp alloc) { allocs.push_back(alloc); });
    for (memref::AllocOp alloc : allocs)
      spread(alloc);
  }

  void spread(memref::AllocOp alloc) {
    MemRefType type = alloc.getType();
    int64_t bits = type.getElementTypeBitWidth();
    if (!type.hasStaticShape() || !type.getLayout().isIdentity() || type.getRank() < 2 || bits % 8)
      return;
    int64_t length = type.getShape().back(), rows = type.getNumElements() / std::max<int64_t>(length, 1);
    if (length * bits / 8 % kAliasBytes || rows < kLeastRows || !isReadAndWrittenOnly(alloc))
      return;
    SmallVector<int64_t> shape(type.getShape());
    shape.back() += kLineBytes * 8 / bits;
    OpBuilder b(alloc);
    Location loc = alloc.getLoc();
    Value wide =
        memref::AllocOp::create(b, loc, MemRefType::get(shape, type.getElementType()), alloc.getAlignmentAttr());
    SmallVector<OpFoldResult> zeros(shape.size(), b.getIndexAttr(0)), ones(shape.size(), b.getIndexAttr(1));
    auto part =
        memref::SubViewOp::create(b, loc, wide, zeros, getAsIndexOpFoldResult(&getContext(), type.getShape()), ones);
    if (!canRetype(alloc, part.getType())) {
      part.erase();
      wide.getDefiningOp()->erase();
      return;
    }
    replaceByPart(alloc, part);
    ++spreadOut;
  }

  /// Whether only reads, writes and views use the buffer; copies are fastest between whole buffers.
  static bool isReadAndWrittenOnly(Value value) {
    return llvm::all_of(value.getUsers(), [](Operation *user) {
      if (isa<memref::SubViewOp>(user))
        return isReadAndWrittenOnly(user->getResult(0));
      auto copy = dyn_cast<memref::CopyOp>(user);
      return copy ? copy.getSource() == copy.getTarget() : isa<MemoryEffectOpInterface>(user) && !user->getNumRegions();
    });
  }
};
} // namespace
} // namespace tegula
