//===- SplitEmpties.cpp - each unit gets an empty tensor of its own ------------===//
//
//   %e = tensor.empty() : tensor<64xf32>          %e = tensor.empty() : tensor<64xf32>
//   %a = scf.forall ... shared_outs(%e)           %a = scf.forall ... shared_outs(%e)
//   %b = scf.forall ... shared_outs(%e)      ->   %f = tensor.empty() : tensor<64xf32>
//                                                 %b = scf.forall ... shared_outs(%f)
//
// Common subexpression elimination makes one of equal empty tensors, bufferization one buffer of it, which then lives
// from its first user to its last, dead in between. Uses inside one op of the body (a loop) stay together: there, more
// buffers live at once. Only those inside a loop over bands move into it: bands may run at the same time, each with
// scratch memory of its own. Those inside units are scratch and not looked at.
//
// Needs: tensors. Leaves: no tensor.empty of the body with two users in the body, or one in bands. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/tgl/Tgl.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_SPLITEMPTIES
#include "tegula/compiler/buffer/Passes.h.inc"

namespace {
struct SplitEmpties : impl::SplitEmptiesBase<SplitEmpties> {
  using SplitEmptiesBase::SplitEmptiesBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    for (auto empty : llvm::make_early_inc_range(function.getBody().front().getOps<tensor::EmptyOp>()))
      split(empty);
  }

  void split(tensor::EmptyOp empty) {
    // The op that gets a copy for this user.
    auto ownerOf = [&](Operation *user) {
      Operation *top = empty->getBlock()->findAncestorOpInBlock(*user);
      return top != user && top->hasAttr(tgl::kBands) ? user : top;
    };
    llvm::SetVector<Operation *> users;
    for (Operation *user : empty->getUsers())
      users.insert(ownerOf(user));
    if (users.size() == 1 && users.front()->getBlock() == empty->getBlock())
      return;
    for (Operation *user : users) {
      OpBuilder b(user);
      Value own = b.clone(*empty)->getResult(0);
      empty.getResult().replaceUsesWithIf(own, [&](OpOperand &use) { return ownerOf(use.getOwner()) == user; });
      ++copies;
    }
    --copies; // the first one takes the place of the shared one
    empty.erase();
  }
};
} // namespace
} // namespace tegula
