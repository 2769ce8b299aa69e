//===- PlaceParts.cpp - what is copied into a part of a buffer is made there -----------===//
//
//   %a = memref.alloc() : memref<8x8xf32>               %d = memref.alloc() : memref<10x10xf32>
//   scf.forall ... { writes %a }                        %s = memref.subview %d[1, 1] [8, 8] [1, 1]
//   %d = memref.alloc() : memref<10x10xf32>        ->   scf.forall ... { writes %s }
//   %s = memref.subview %d[1, 1] [8, 8] [1, 1]          scf.forall ... { writes the border of %d }
//   memref.copy %a, %s                                  scf.forall ... { reads %s }
//   scf.forall ... { reads %a }
//
// Paddings and concatenations end in such copies where the value is read elsewhere too, or where a loop makes it. Which
// accesses may meet is decided on buffers, where every access is in the text.
//
// Needs: memrefs, no arena yet. Leaves: the copies whose source another access forbids to move. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/buffer/Views.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_PLACEPARTS
#include "tegula/compiler/buffer/Passes.h.inc"

/// Whether the parts are known to be apart on some axis.
static bool haveNothingInCommon(memref::SubViewOp x, memref::SubViewOp y) {
  if (!x.hasUnitStride() || !y.hasUnitStride() || x.getSource() != y.getSource())
    return false;
  SmallVector<OpFoldResult> xBegin = x.getMixedOffsets(), yBegin = y.getMixedOffsets();
  SmallVector<OpFoldResult> xSize = x.getMixedSizes(), ySize = y.getMixedSizes();
  for (size_t axis = 0; axis < xBegin.size(); ++axis) {
    if (xBegin[axis] == yBegin[axis])
      continue;
    auto isBelow = [](OpFoldResult begin, OpFoldResult size, OpFoldResult limit) {
      auto from = getConstantIntValue(begin), count = getConstantIntValue(size), to = getConstantIntValue(limit);
      return from && count && to && *from + *count <= *to;
    };
    if (isBelow(xBegin[axis], xSize[axis], yBegin[axis]) || isBelow(yBegin[axis], ySize[axis], xBegin[axis]))
      return true;
    auto isKnown = [](OpFoldResult value) { return getConstantIntValue(value).has_value(); };
    if (llvm::all_of(ArrayRef{xBegin[axis], yBegin[axis], xSize[axis], ySize[axis]}, isKnown))
      continue;
    OpFoldResult one = OpBuilder(x).getIndexAttr(1);
    FailureOr<bool> overlap = ValueBoundsConstraintSet::areOverlappingSlices(
        x.getContext(), HyperrectangularSlice(xBegin[axis], xSize[axis], one),
        HyperrectangularSlice(yBegin[axis], ySize[axis], one));
    if (succeeded(overlap) && !*overlap)
      return true;
  }
  return false;
}

static bool isSamePart(memref::SubViewOp x, memref::SubViewOp y) {
  return x.getSource() == y.getSource() && x.getMixedOffsets() == y.getMixedOffsets() &&
         x.getMixedSizes() == y.getMixedSizes() && x.getMixedStrides() == y.getMixedStrides();
}

namespace {
/// One use of a buffer's memory by an op that is no view.
struct Touch {
  Operation *op;          // that reads or writes
  Operation *top;         // in the block of the copy
  memref::SubViewOp part; // of the whole buffer; null for the whole
  bool writes;
};

struct PlaceParts : impl::PlacePartsBase<PlaceParts> {
  using PlacePartsBase::PlacePartsBase;

  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp copy) {
      if (copy.getSource() != copy.getTarget())
        copies.push_back(copy);
    });
    for (memref::CopyOp copy : copies) {
      if (isOfNothing(copy)) {
        copy.erase();
        ++placed;
      } else {
        place(copy);
      }
    }
  }

  /// Whether nothing has written what is copied, as where a loop's result starts from an empty tensor.
  static bool isOfNothing(memref::CopyOp copy) {
    Value source = copy.getSource();
    auto part = source.getDefiningOp<memref::SubViewOp>();
    auto alloc = (part ? part.getSource() : source).getDefiningOp<memref::AllocOp>();
    SmallVector<Touch> touches;
    if (!alloc || alloc->getBlock() != copy->getBlock() || !collect(alloc, {}, copy->getBlock(), touches))
      return false;
    return llvm::none_of(touches, [&](const Touch &touch) {
      return touch.writes && touch.op != copy.getOperation() && touch.top->isBeforeInBlock(copy) &&
             !(part && touch.part && haveNothingInCommon(touch.part, part));
    });
  }

  /// Adds all uses of `value`; false where one is not understood.
  static bool collect(Value value, memref::SubViewOp part, Block *block, SmallVectorImpl<Touch> &touches) {
    for (OpOperand &use : value.getUses()) {
      Operation *user = use.getOwner(), *top = block->findAncestorOpInBlock(*user);
      if (!top)
        return false;
      auto copy = dyn_cast<memref::CopyOp>(user);
      if (isa<memref::DimOp>(user) || (copy && copy.getSource() == copy.getTarget()))
        continue;
      if (isa<ViewLikeOpInterface>(user)) {
        if (use.getOperandNumber() != 0 || user->getNumResults() != 1)
          return false;
        auto view = dyn_cast<memref::SubViewOp>(user);
        if (!collect(user->getResult(0), part ? part : view, block, touches))
          return false;
        continue;
      }
      auto effects = dyn_cast<MemoryEffectOpInterface>(user);
      if (!effects || user->getNumRegions())
        return false;
      bool writes = effects.getEffectOnValue<MemoryEffects::Write>(value).has_value();
      bool reads = effects.getEffectOnValue<MemoryEffects::Read>(value).has_value();
      if (!reads && !writes)
        return false;
      touches.push_back({user, top, part, writes});
    }
    return true;
  }

  void place(memref::CopyOp copy) {
    auto alloc = copy.getSource().getDefiningOp<memref::AllocOp>();
    auto part = copy.getTarget().getDefiningOp<memref::SubViewOp>();
    Block *block = copy->getBlock();
    if (!alloc || !part || alloc->getBlock() != block || part->getBlock() != block ||
        alloc.getType().getRank() != part.getType().getRank() || !isa<func::FuncOp>(block->getParentOp()))
      return;
    Value whole = part.getSource();
    auto home = whole.getDefiningOp<memref::AllocOp>();
    if (home == alloc || (!home && !isa<BlockArgument>(whole)) || (home && home->getBlock() != block))
      return;
    SmallVector<Touch> own, others;
    if (!collect(alloc, {}, block, own) || !collect(whole, {}, block, others) || !canRetype(alloc, part.getType()))
      return;

    // The time between the first access of the buffer and the last one.
    Operation *first = copy, *last = copy;
    SmallVector<Operation *> needless{copy}, fills;
    for (const Touch &touch : own) {
      first = touch.top->isBeforeInBlock(first) ? touch.top : first;
      last = last->isBeforeInBlock(touch.top) ? touch.top : last;
      if (touch.writes && copy->isBeforeInBlock(touch.top))
        return;
    }
    for (const Touch &touch : others) {
      if (touch.op == copy.getOperation() || touch.top->isBeforeInBlock(first) || last->isBeforeInBlock(touch.top))
        continue;
      if (touch.part && haveNothingInCommon(touch.part, part))
        continue;
      auto other = dyn_cast<memref::CopyOp>(touch.op);
      if (other && other.getSource().getDefiningOp<memref::SubViewOp>() == touch.part && touch.part &&
          other.getTarget() == alloc.getResult() && isSamePart(touch.part, part)) {
        needless.push_back(other); // what is not written yet, or what is there already
        continue;
      }
      if (llvm::is_contained(fills, touch.top))
        continue;
      if (home && fillsOnly(touch.top, home)) {
        fills.push_back(touch.top); // the whole, before its parts are made
        continue;
      }
      if (touch.writes || touch.top->isBeforeInBlock(copy))
        return;
    }
    first = earliestUse(alloc, first);
    if (!moveBefore(part, home, fills, first))
      return;
    for (Operation *op : needless)
      op->erase();
    replaceByPart(alloc, part);
    ++placed;
  }

  /// The first op in the block that names the buffer, views included; `first` if none comes before it.
  static Operation *earliestUse(Value value, Operation *first) {
    for (Operation *user : value.getUsers()) {
      Operation *top = first->getBlock()->findAncestorOpInBlock(*user);
      first = top->isBeforeInBlock(first) ? top : first;
      if (isa<ViewLikeOpInterface>(user))
        first = earliestUse(user->getResult(0), first);
    }
    return first;
  }

  /// Whether the op is a unit that is the first to touch `home` and touches no other buffer.
  static bool fillsOnly(Operation *op, memref::AllocOp home) {
    auto unit = dyn_cast<scf::ForallOp>(op);
    if (!unit)
      return false;
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(unit.getRegion(), captured);
    for (Value value : captured)
      if (isa<MemRefType>(value.getType()) && value != home.getResult())
        return false;
    return llvm::none_of(home->getUsers(), [&](Operation *user) {
      Operation *top = op->getBlock()->findAncestorOpInBlock(*user);
      return top != op && !isa<ViewLikeOpInterface, memref::DimOp>(user) && top->isBeforeInBlock(op);
    });
  }

  /// Makes `part` and its buffer, with what fills it, available at `first`.
  bool moveBefore(memref::SubViewOp part, memref::AllocOp home, ArrayRef<Operation *> fills, Operation *first) {
    DominanceInfo dominance(getOperation());
    SetVector<Operation *> sizes; // computed in between, from what is there
    std::function<bool(Value)> isThere = [&](Value value) {
      if ((home && value == home.getResult()) || dominance.properlyDominates(value, first))
        return true;
      Operation *def = value.getDefiningOp();
      if (!def || def == first || def->getBlock() != first->getBlock() || !isPure(def) || def->getNumRegions() ||
          !llvm::all_of(def->getOperands(), isThere))
        return false;
      sizes.insert(def);
      return true;
    };
    auto canMove = [&](Operation *op) {
      SetVector<Value> used(op->operand_begin(), op->operand_end());
      getUsedValuesDefinedAbove(op->getRegions(), used);
      return llvm::all_of(used, isThere);
    };
    if ((home && !canMove(home)) || !canMove(part) || !llvm::all_of(fills, canMove))
      return false;
    for (Operation *size : sizes)
      size->moveBefore(first);
    if (home && first->isBeforeInBlock(home))
      home->moveBefore(first);
    for (Operation *fill : fills)
      fill->moveBefore(first);
    if (first->isBeforeInBlock(part))
      part->moveBefore(first);
    return true;
  }
};
} // namespace
} // namespace tegula
