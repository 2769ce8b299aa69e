//===- Weights.cpp - memory of large constants -------------------------------===//

#include "tegula/compiler/emit/Weights.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tegula {

void releaseUnusedWeights(ArrayRef<ModuleOp> modules) {
  llvm::StringSet<> used;
  AttrTypeWalker walker;
  walker.addWalk([&](DenseResourceElementsAttr value) { used.insert(value.getRawHandle().getKey()); });
  for (ModuleOp module : modules)
    module->walk([&](Operation *op) { walker.walk(op->getAttrDictionary()); });
  auto &manager = DenseResourceElementsHandle::getManagerInterface(modules.front()->getContext()).getBlobManager();
  SmallVector<std::string> unused;
  manager.getBlobMap([&](const llvm::StringMap<DialectResourceBlobManager::BlobEntry> &blobs) {
    for (const auto &entry : blobs)
      if (!used.contains(entry.getKey()) && entry.getValue().getBlob())
        unused.push_back(entry.getKey().str());
  });
  for (const std::string &key : unused)
    manager.update(key, AsmResourceBlob());
}

} // namespace tegula
