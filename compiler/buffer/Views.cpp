//===- Views.cpp - a buffer becomes a part of another one ----------------------===//

#include "tegula/compiler/buffer/Views.h"

using namespace mlir;
namespace tegula {

static MemRefType typeOf(memref::SubViewOp view, MemRefType source) {
  auto inferred = memref::SubViewOp::inferRankReducedResultType(
      view.getType().getShape(), source, view.getMixedOffsets(), view.getMixedSizes(), view.getMixedStrides());
  return cast<MemRefType>(inferred);
}

bool canRetype(Value value, MemRefType type) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    auto view = dyn_cast<memref::SubViewOp>(user);
    return view ? canRetype(view, typeOf(view, type)) : !isa<ViewLikeOpInterface>(user);
  });
}

static void retypeViews(Value value) {
  for (Operation *user : value.getUsers())
    if (auto view = dyn_cast<memref::SubViewOp>(user)) {
      view.getResult().setType(typeOf(view, cast<MemRefType>(value.getType())));
      retypeViews(view);
    }
}

void replaceByPart(memref::AllocOp alloc, Value part) {
  alloc.getResult().replaceAllUsesWith(part);
  alloc.erase();
  retypeViews(part);
}

} // namespace tegula
