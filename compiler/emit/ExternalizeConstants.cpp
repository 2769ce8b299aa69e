//===- ExternalizeConstants.cpp - constants stay out of the code ------------------===//
//
//   memref.global "private" constant @w : memref<64xf32> = dense_resource<w>
// becomes
//   memref.global "private" @w : memref<64xf32>          module attribute tgl.constants = {w = dense_resource<w>}
//
// Large weights then never enter LLVM's optimiser. Needs: memrefs. Leaves: declarations. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/Passes.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_EXTERNALIZECONSTANTS
#include "tegula/compiler/emit/Passes.h.inc"

namespace {
struct ExternalizeConstants : impl::ExternalizeConstantsBase<ExternalizeConstants> {
  using ExternalizeConstantsBase::ExternalizeConstantsBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (module->hasAttr(kConstants))
      return;
    NamedAttrList values;
    for (auto global : module.getOps<memref::GlobalOp>()) {
      auto value = dyn_cast_or_null<ElementsAttr>(global.getInitialValueAttr());
      if (!value)
        continue;
      values.set(global.getSymName(), value);
      global.removeInitialValueAttr();
      global.removeConstantAttr();
      SymbolTable::setSymbolVisibility(global, SymbolTable::Visibility::Public); // a declaration to LLVM
    }
    module->setAttr(kConstants, values.getDictionary(&getContext()));
  }
};
} // namespace
} // namespace tegula
