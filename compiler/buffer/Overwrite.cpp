//===- Overwrite.cpp - when a unit's result may take an input's memory --------===//

#include "tegula/compiler/buffer/Overwrite.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace tegula {

Value bufferOf(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view->getOperand(0);
  return value;
}

namespace {
/// One read or write of an element or a vector.
struct Access {
  Operation *op;
  memref::SubViewOp view; // of the captured value; null for the value itself
  OperandRange indices;
  Value mask;
  Type type;
  bool isWrite;

  bool isSamePlace(Access other) {
    if (mask != other.mask || type != other.type || indices != other.indices || !view != !other.view)
      return false;
    return !view || (view.getMixedOffsets() == other.view.getMixedOffsets() &&
                     view.getMixedSizes() == other.view.getMixedSizes() &&
                     view.getMixedStrides() == other.view.getMixedStrides());
  }
};
} // namespace

/// Adds how `unit` uses `value`; false where it does so in a way that is not looked into.
static bool collect(scf::ForallOp unit, Value value, memref::SubViewOp view, SmallVectorImpl<Access> &accesses) {
  for (Operation *user : value.getUsers()) {
    if (!unit->isProperAncestor(user))
      continue;
    if (auto inner = dyn_cast<memref::SubViewOp>(user); inner && !view) {
      if (!collect(unit, inner, inner, accesses))
        return false;
    } else if (auto read = dyn_cast<vector::TransferReadOp>(user)) {
      accesses.push_back({user, view, read.getIndices(), read.getMask(), read.getVectorType(), false});
    } else if (auto write = dyn_cast<vector::TransferWriteOp>(user); write && write.getBase() == value) {
      accesses.push_back({user, view, write.getIndices(), write.getMask(), write.getVectorType(), true});
    } else if (auto load = dyn_cast<memref::LoadOp>(user)) {
      accesses.push_back({user, view, load.getIndices(), Value(), load.getType(), false});
    } else if (auto store = dyn_cast<memref::StoreOp>(user); store && store.getMemRef() == value) {
      accesses.push_back({user, view, store.getIndices(), Value(), store.getValueToStore().getType(), true});
    } else if (auto copy = dyn_cast<memref::CopyOp>(user); !copy || copy.getSource() != copy.getTarget()) {
      return false;
    }
  }
  return true;
}

/// Whether each access of the input is a read, followed in its block by a write of the same place of the result.
static bool isReadWhereWritten(ArrayRef<Access> input, ArrayRef<Access> result) {
  return llvm::all_of(input, [&](Access read) {
    return !read.isWrite && llvm::any_of(result, [&](const Access &write) {
      return write.isWrite && write.op->getBlock() == read.op->getBlock() && read.op->isBeforeInBlock(write.op) &&
             read.isSamePlace(write);
    });
  });
}

SmallVector<Overwrite> overwritesOf(scf::ForallOp unit) {
  SmallVector<Overwrite> found;
  if (!unit->hasAttr(tgl::kMayOverwrite))
    return found;
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(unit.getRegion(), captured);
  // A buffer captured in two shapes is not looked into.
  llvm::DenseMap<Value, int> captures;
  llvm::DenseMap<Value, SmallVector<Access>> accesses;
  for (Value value : captured)
    if (isa<MemRefType>(value.getType())) {
      ++captures[bufferOf(value)];
      if (!collect(unit, value, {}, accesses[value]))
        accesses.erase(value);
    }
  auto allocOf = [&](Value value) {
    Value buffer = bufferOf(value);
    return captures.lookup(buffer) == 1 ? buffer.getDefiningOp<memref::AllocOp>() : memref::AllocOp();
  };
  auto isWritten = [&](Value value) {
    auto known = accesses.find(value);
    return known != accesses.end() && llvm::any_of(known->second, [](const Access &access) { return access.isWrite; });
  };
  for (Value result : captured)
    for (Value input : captured) {
      if (input == result || input.getType() != result.getType() || !isWritten(result) || !accesses.contains(input))
        continue;
      memref::AllocOp from = allocOf(input), to = allocOf(result);
      if (from && to && isReadWhereWritten(accesses[input], accesses[result]))
        found.push_back({from, to});
    }
  return found;
}

} // namespace tegula
