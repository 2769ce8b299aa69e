//===- PlanArena.cpp - every static buffer gets a place in one arena -----------===//
//
//   %a = memref.alloc() : memref<64xf32>          %a = memref.view %arena[%c0][] : memref<?xi8> to memref<64xf32>
//   %b = memref.alloc() : memref<64xf32>    ->    %b = memref.view %arena[%c256][] : ...
//
// Lives are intervals over the ops of the function's body; a buffer allocated inside a loop lives as long as the
// loop. Offsets: largest first, lowest gap that is free during the whole life (greedy by size, Pisarchyk and Lee,
// "Efficient memory management for deep neural net inference", 2020).
//
// Needs: memrefs, no tensors. Leaves: no static memref.alloc. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_PLANARENA
#include "tegula/compiler/buffer/Passes.h.inc"

static constexpr int64_t kAlignBytes = 64;

namespace {
struct Buffer {
  memref::AllocOp alloc;
  int64_t bytes, first, last, offset;
};
} // namespace

static int64_t bytesOf(MemRefType type) {
  int64_t bytes = (type.getElementTypeBitWidth() + 7) / 8;
  for (int64_t extent : type.getShape())
    bytes *= extent;
  return (bytes + kAlignBytes - 1) / kAlignBytes * kAlignBytes;
}

/// Places the buffers; returns the arena's size.
static int64_t place(MutableArrayRef<Buffer> buffers) {
  SmallVector<Buffer *> order;
  for (Buffer &buffer : buffers)
    order.push_back(&buffer);
  llvm::sort(order, [](Buffer *x, Buffer *y) { return x->bytes != y->bytes ? x->bytes > y->bytes : x < y; });
  SmallVector<Buffer *> placed;
  int64_t size = 0;
  for (Buffer *buffer : order) {
    int64_t offset = 0; // `placed` is sorted by offset
    for (Buffer *other : placed) {
      bool overlaps = other->first <= buffer->last && buffer->first <= other->last;
      if (!overlaps || other->offset + other->bytes <= offset)
        continue;
      if (other->offset >= offset + buffer->bytes)
        break;
      offset = other->offset + other->bytes;
    }
    buffer->offset = offset;
    auto at = llvm::upper_bound(placed, buffer, [](Buffer *x, Buffer *y) { return x->offset < y->offset; });
    placed.insert(at, buffer);
    size = std::max(size, offset + buffer->bytes);
  }
  return size;
}

static int64_t peakOf(ArrayRef<Buffer> buffers, int64_t end) {
  SmallVector<int64_t> change(end + 2, 0);
  for (const Buffer &buffer : buffers) {
    change[buffer.first] += buffer.bytes;
    change[buffer.last + 1] -= buffer.bytes;
  }
  int64_t live = 0, peak = 0;
  for (int64_t delta : change)
    peak = std::max(peak, live += delta);
  return peak;
}

namespace {
struct PlanArena : impl::PlanArenaBase<PlanArena> {
  using PlanArenaBase::PlanArenaBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal() || function->hasAttr(kWorkspaceBytes))
      return;
    Block &body = function.getBody().front();
    BufferViewFlowAnalysis views(function);
    llvm::DenseMap<Operation *, int64_t> number;
    int64_t count = 0;
    for (Operation &op : body)
      number[&op] = count++;

    SmallVector<Buffer> buffers;
    SmallVector<std::pair<memref::AllocOp, Operation *>> dynamic;
    function.walk([&](memref::AllocOp alloc) {
      auto type = alloc.getType();
      if (alloc->getParentOfType<scf::ForallOp>()) {
        scratch(alloc);
        return;
      }
      int64_t first = number[body.findAncestorOpInBlock(*alloc)], last = first;
      Operation *lastOp = alloc;
      for (Value alias : views.resolve(alloc.getResult()))
        for (Operation *user : alias.getUsers()) {
          Operation *top = body.findAncestorOpInBlock(*user);
          if (number[top] >= last) {
            last = number[top];
            lastOp = top;
          }
        }
      if (type.hasStaticShape())
        buffers.push_back({alloc, bytesOf(type), first, last, 0});
      else if (alloc->getBlock() == &body)
        dynamic.push_back({alloc, lastOp});
    });
    // A life starts at the first op that touches the buffer, not at its allocation.
    for (Buffer &buffer : buffers)
      if (buffer.alloc->getBlock() == &body)
        buffer.first = firstUse(buffer, views, body, number);
    int64_t bytes = place(buffers);

    OpBuilder b(&getContext());
    auto arenaType = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    (void)function.insertArgument(function.getNumArguments(), arenaType, {}, function.getLoc());
    Value arena = function.getArguments().back();
    for (Buffer &buffer : buffers) {
      b.setInsertionPointToStart(&body);
      Value offset = arith::ConstantIndexOp::create(b, buffer.alloc.getLoc(), buffer.offset);
      Value view =
          memref::ViewOp::create(b, buffer.alloc.getLoc(), buffer.alloc.getType(), arena, offset, ValueRange());
      buffer.alloc.replaceAllUsesWith(view);
      buffer.alloc.erase();
      ++placed;
    }
    for (auto [alloc, last] : dynamic) {
      if (last->hasTrait<OpTrait::IsTerminator>())
        continue;
      b.setInsertionPointAfter(last);
      memref::DeallocOp::create(b, alloc.getLoc(), alloc);
    }
    function->setAttr(kWorkspaceBytes, b.getI64IntegerAttr(bytes));
    function->setAttr(kLiveBytes, b.getI64IntegerAttr(peakOf(buffers, count)));
  }

  int64_t firstUse(Buffer &buffer, BufferViewFlowAnalysis &views, Block &body,
                   llvm::DenseMap<Operation *, int64_t> &number) {
    int64_t first = buffer.last;
    for (Value alias : views.resolve(buffer.alloc.getResult()))
      for (Operation *user : alias.getUsers())
        if (!isa<ViewLikeOpInterface>(user))
          first = std::min(first, number[body.findAncestorOpInBlock(*user)]);
    return first;
  }

  /// A thread's own scratch inside a unit lives on its stack.
  void scratch(memref::AllocOp alloc) {
    OpBuilder b(alloc);
    if (!alloc.getType().hasStaticShape())
      return;
    Value local = memref::AllocaOp::create(b, alloc.getLoc(), alloc.getType(), b.getI64IntegerAttr(kAlignBytes));
    alloc.replaceAllUsesWith(local);
    alloc.erase();
  }
};
} // namespace
} // namespace tegula
