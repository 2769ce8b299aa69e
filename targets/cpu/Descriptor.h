//===- Descriptor.h - data of an artifact besides its code --------------------------------------------===//
#ifndef TEGULA_TARGETS_CPU_DESCRIPTOR_H
#define TEGULA_TARGETS_CPU_DESCRIPTOR_H

#include "tegula/compiler/emit/DataObject.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Triple.h"
#include <list>
#include <memory>
#include <vector>

namespace tegula::cpu {

/// Adds `SYMBOL_model` with the `tegula_model` it returns, and the entry that unpacks a run's arguments for the
/// compiled function (`SYMBOL__main`).
void addDescriptor(llvm::Module &module, mlir::ModuleOp source, llvm::StringRef symbol, const llvm::Triple &triple);

/// The values of `tgl.constants` under their names in the artifact; views of the module's attributes and of what is
/// added to `storage`.
std::vector<NamedData> constantsOf(mlir::ModuleOp source, llvm::StringRef symbol, std::list<std::string> &storage);

/// The C runtime for the triple's architecture; null with a message in `why` when there is none.
std::unique_ptr<llvm::Module> loadRuntime(llvm::LLVMContext &context, const llvm::Triple &triple, std::string &why);

} // namespace tegula::cpu

#endif
