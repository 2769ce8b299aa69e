//===- Descriptor.h - data of an artifact besides its code --------------------------------------------===//
#ifndef TEGULA_TARGETS_CPU_DESCRIPTOR_H
#define TEGULA_TARGETS_CPU_DESCRIPTOR_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Triple.h"
#include <memory>

namespace tegula::cpu {

/// Adds `SYMBOL_model` with the `tegula_model` it returns, and the entry that unpacks a run's arguments for the
/// compiled function (`SYMBOL__main`).
void addDescriptor(llvm::Module &module, mlir::ModuleOp source, llvm::StringRef symbol, const llvm::Triple &triple);

/// Adds the values of `tgl.constants` as hidden read-only data.
void addConstants(llvm::Module &module, mlir::ModuleOp source, llvm::StringRef symbol);

/// The C runtime for the triple's architecture; null with a message in `why` when there is none.
std::unique_ptr<llvm::Module> loadRuntime(llvm::LLVMContext &context, const llvm::Triple &triple, std::string &why);

} // namespace tegula::cpu

#endif
