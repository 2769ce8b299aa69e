//===- PlanArena.cpp - every static buffer gets a place in one arena -----------===//
//
//   %a = memref.alloc() : memref<64xf32>          %a = memref.view %arena[%c0][] : memref<?xi8> to memref<64xf32>
//   %b = memref.alloc() : memref<64xf32>    ->    %b = memref.view %arena[%c256][] : ...
//
// Lives are intervals over the ops of the function in the order of its text, those in branches included; a buffer made
// or used inside a loop lives as long as the loop. Offsets: largest first, lowest gap that is free during the whole
// life (greedy by size, Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020); while
// that misses the peak of live bytes, other orders are tried, each with two buffers exchanged, and kept when no worse.
//
// Strips of bands (SplitBands) run at the same time: each has a share of a buffer for what its bands make.
//
// A unit's result takes the place of an input that ends there where the unit allows it (Overwrite.h).
//
// Needs: memrefs, no tensors. Leaves: no static memref.alloc. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Overwrite.h"
#include "tegula/compiler/buffer/Passes.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <random>

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_PLANARENA
#include "tegula/compiler/buffer/Passes.h.inc"

static constexpr int64_t kAlignBytes = 64;
/// How many orders are tried at most, and how many comparisons of two buffers that may cost (about 0.1 s).
static constexpr int64_t kTries = 2000, kSteps = 50'000'000;

namespace {
/// Memory that one allocation, or several one after the other, live in.
struct Buffer {
  SmallVector<memref::AllocOp, 1> allocs;
  int64_t bytes, first, last, offset;
};
} // namespace

static int64_t bytesOf(MemRefType type) {
  int64_t bytes = (type.getElementTypeBitWidth() + 7) / 8;
  for (int64_t extent : type.getShape())
    bytes *= extent;
  return (bytes + kAlignBytes - 1) / kAlignBytes * kAlignBytes;
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

/// Places the buffers one after the other, each at the lowest gap; returns the arena's size.
static int64_t placeInOrder(ArrayRef<Buffer *> order) {
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

/// Places the buffers; returns the arena's size. `bound` is the size that no plan can beat.
static int64_t place(MutableArrayRef<Buffer> buffers, int64_t bound) {
  SmallVector<Buffer *> order;
  for (Buffer &buffer : buffers)
    order.push_back(&buffer);
  llvm::sort(order, [](Buffer *x, Buffer *y) { return x->bytes != y->bytes ? x->bytes > y->bytes : x < y; });
  int64_t best = placeInOrder(order);
  std::minstd_rand random; // the same numbers everywhere
  int64_t count = order.size(), tries = std::min(kTries, kSteps / std::max<int64_t>(count * count, 1));
  for (int64_t i = 0; i < tries && best > bound; ++i) {
    SmallVector<Buffer *> other = order;
    std::swap(other[random() % count], other[random() % count]);
    int64_t size = placeInOrder(other);
    if (size > best)
      continue;
    best = size;
    order = std::move(other);
  }
  return placeInOrder(order);
}

namespace {
/// Every op's place in the order of the function's text; an op with regions spans what is in them.
struct Timeline {
  llvm::DenseMap<Operation *, std::pair<int64_t, int64_t>> spans;
  int64_t end = 0;

  void number(Block &block) {
    for (Operation &op : block) {
      int64_t begin = end++;
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          number(inner);
      spans[&op] = {begin, end - 1};
    }
  }
  /// When `user` touches a buffer that was made in a block outside: a loop in between touches it all along.
  std::pair<int64_t, int64_t> touch(Operation *user, Region *home) const {
    std::pair<int64_t, int64_t> span = spans.lookup(user);
    for (Operation *op = user->getParentOp(); op && !op->isAncestor(home->getParentOp()); op = op->getParentOp())
      if (isa<LoopLikeOpInterface>(op))
        span = spans.lookup(op);
    return span;
  }
};

struct PlanArena : impl::PlanArenaBase<PlanArena> {
  using PlanArenaBase::PlanArenaBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal() || function->hasAttr(kWorkspaceBytes))
      return;
    Block &body = function.getBody().front();
    for (scf::ForallOp unit : llvm::to_vector(function.getOps<scf::ForallOp>()))
      if (unit->hasAttr(tgl::kBands))
        shareScratch(unit);
    BufferViewFlowAnalysis views(function);
    Timeline time;
    time.number(body);

    SmallVector<Buffer> buffers;
    SmallVector<memref::AllocOp> dynamic;
    function.walk([&](memref::AllocOp alloc) {
      if (alloc.getType().getMemorySpace()) // of threads, which the target finds room for
        return;
      if (alloc->getParentOfType<scf::ForallOp>())
        scratch(alloc);
      else if (alloc.getType().hasStaticShape())
        buffers.push_back(lifeOf(alloc, views, time));
      else
        dynamic.push_back(alloc);
    });
    shareMemory(buffers, time);
    int64_t live = peakOf(buffers, time.end), bytes = place(buffers, live);
    tell(buffers, time);

    OpBuilder b(&getContext());
    auto arenaType = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    (void)function.insertArgument(function.getNumArguments(), arenaType, {}, function.getLoc());
    Value arena = function.getArguments().back();
    for (memref::AllocOp alloc : dynamic)
      release(alloc, views);
    for (Buffer &buffer : buffers) {
      b.setInsertionPointToStart(&body);
      Value offset = arith::ConstantIndexOp::create(b, buffer.allocs.front().getLoc(), buffer.offset);
      for (memref::AllocOp alloc : buffer.allocs) {
        Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(), arena, offset, ValueRange());
        alloc.replaceAllUsesWith(view);
        alloc.erase();
        ++placed;
      }
    }
    function->setAttr(kWorkspaceBytes, b.getI64IntegerAttr(bytes));
    function->setAttr(kLiveBytes, b.getI64IntegerAttr(live));
  }

  /// Gives each strip of bands a share of one buffer, with places for all that its bands allocate.
  void shareScratch(scf::ForallOp unit) {
    BufferViewFlowAnalysis views(getOperation());
    Timeline time;
    time.number(*unit.getBody());
    SmallVector<Buffer> buffers;
    unit.walk([&](memref::AllocOp alloc) {
      if (alloc->getParentOfType<scf::ForallOp>() == unit)
        buffers.push_back(lifeOf(alloc, views, time));
    });
    if (buffers.empty())
      return;
    int64_t bytes = place(buffers, peakOf(buffers, time.end)), strips = unit.getStaticUpperBound().front();
    OpBuilder b(unit);
    Value all = memref::AllocOp::create(b, unit.getLoc(), MemRefType::get({strips * bytes}, b.getI8Type()));
    b.setInsertionPointToStart(unit.getBody());
    Value size = arith::ConstantIndexOp::create(b, unit.getLoc(), bytes);
    Value begin = arith::MulIOp::create(b, unit.getLoc(), unit.getInductionVars().front(), size);
    for (Buffer &buffer : buffers) {
      memref::AllocOp alloc = buffer.allocs.front();
      Value offset = arith::ConstantIndexOp::create(b, alloc.getLoc(), buffer.offset);
      Value at = arith::AddIOp::create(b, alloc.getLoc(), begin, offset);
      Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(), all, at, ValueRange());
      alloc.replaceAllUsesWith(view);
      alloc.erase();
      ++placed;
    }
  }

  /// Whether the buffer made in a loop is handed to the loop's next iteration or out of it.
  static bool leavesIteration(memref::AllocOp alloc, BufferViewFlowAnalysis &views) {
    Block *home = alloc->getBlock();
    return llvm::any_of(views.resolve(alloc.getResult()), [&](Value alias) {
      Block *block = alias.getParentBlock();
      return block == home ? isa<BlockArgument>(alias) : !home->findAncestorOpInBlock(*block->getParentOp());
    });
  }

  /// From the first op that touches the buffer (not its allocation) to the last; one made in a loop that leaves an
  /// iteration lives as long as the loop.
  static Buffer lifeOf(memref::AllocOp alloc, BufferViewFlowAnalysis &views, const Timeline &time) {
    int64_t first = INT64_MAX, last = time.spans.lookup(alloc).first;
    auto extend = [&](std::pair<int64_t, int64_t> span) {
      first = std::min(first, span.first);
      last = std::max(last, span.second);
    };
    if (leavesIteration(alloc, views))
      for (Operation *op = alloc->getParentOp(); op && !isa<func::FuncOp>(op); op = op->getParentOp())
        if (isa<LoopLikeOpInterface>(op))
          extend(time.spans.lookup(op));
    for (Value alias : views.resolve(alloc.getResult()))
      for (Operation *user : alias.getUsers())
        if (!isa<ViewLikeOpInterface>(user) || user->getOperand(0) != alias) // it reads a shape
          extend(time.touch(user, alloc->getParentRegion()));
    return {{alloc}, bytesOf(alloc.getType()), std::min(first, last), last, 0};
  }

  /// Tells who listens of each buffer and of each step of a run, all with their place in time.
  void tell(ArrayRef<Buffer> buffers, const Timeline &time) {
    using Number = remark::detail::Remark::Arg;
    auto say = [](StringRef what, Location loc) {
      return remark::analysis(loc, remark::RemarkOpts::name(what).category(kMemoryRemarks));
    };
    for (const Buffer &buffer : buffers)
      if (auto remark = say("buffer", memref::AllocOp(buffer.allocs.front()).getLoc()))
        remark << Number("first", buffer.first) << Number("last", buffer.last) << Number("offset", buffer.offset)
               << Number("bytes", buffer.bytes);
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      bool isUnit = isa<scf::ForallOp>(op);
      bool isCopy = !op->getNumRegions() && !op->hasTrait<OpTrait::IsTerminator>() && !isMemoryEffectFree(op) &&
                    !isa<memref::AllocOp>(op);
      auto [begin, end] = time.spans.lookup(op);
      if (isUnit || isCopy)
        if (auto remark = say("step", op->getLoc()))
          remark << Number("first", begin) << Number("last", end);
      return isUnit ? WalkResult::skip() : WalkResult::advance();
    });
  }

  /// Makes one buffer of two where a unit is the last to touch the one and the first to touch the other, and may write
  /// over it.
  void shareMemory(SmallVector<Buffer> &buffers, const Timeline &time) {
    llvm::DenseMap<Operation *, Buffer *> homes;
    for (Buffer &buffer : buffers)
      homes[buffer.allocs.front()] = &buffer;
    getOperation().walk([&](scf::ForallOp unit) {
      auto [begin, end] = time.spans.lookup(unit);
      for (auto [input, result] : overwritesOf(unit)) {
        Buffer *from = homes.lookup(input), *to = homes.lookup(result);
        if (!from || !to || from == to || from->last != end || to->first != begin || from->bytes != to->bytes)
          continue;
        from->last = to->last;
        for (memref::AllocOp alloc : to->allocs)
          homes[alloc] = from;
        from->allocs.append(to->allocs);
        to->allocs.clear();
        ++shared;
      }
      unit->removeAttr(tgl::kMayOverwrite);
    });
    llvm::erase_if(buffers, [](const Buffer &buffer) { return buffer.allocs.empty(); });
  }

  /// Frees a buffer of dynamic size after the last op of its block that touches it; one that leaves the block is freed
  /// at the end of the run.
  static void release(memref::AllocOp alloc, BufferViewFlowAnalysis &views) {
    Operation *last = alloc;
    for (Value alias : views.resolve(alloc.getResult()))
      for (Operation *user : alias.getUsers()) {
        Operation *top = alloc->getBlock()->findAncestorOpInBlock(*user);
        if (!top)
          return;
        if (last->isBeforeInBlock(top))
          last = top;
      }
    if (last->hasTrait<OpTrait::IsTerminator>())
      return;
    OpBuilder b(last->getBlock(), std::next(last->getIterator()));
    memref::DeallocOp::create(b, alloc.getLoc(), alloc);
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
