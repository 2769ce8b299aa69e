//===- Descriptor.h - data of an artifact besides its code --------------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_DESCRIPTOR_H
#define TEGULA_COMPILER_EMIT_DESCRIPTOR_H

#include "tegula/compiler/emit/Artifact.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Triple.h"
#include <list>
#include <memory>
#include <vector>

namespace tegula {

/// What follows the artifact's prefix in the name of the device's image.
constexpr llvm::StringLiteral kDeviceImage = "__device";

/// Adds `SYMBOL_model` with the `tegula_model` it returns, and the entry that unpacks a run's arguments for the
/// compiled function (`SYMBOL__main`). With `device` (may be null), what its runtime needs follows the `tegula_model`.
void addDescriptor(llvm::Module &module, mlir::ModuleOp source, llvm::StringRef symbol, const llvm::Triple &triple,
                   const DeviceImage *device);

/// The values of `tgl.constants` under their names in the artifact; views of the module's attributes and of what is
/// added to `storage`.
std::vector<NamedData> constantsOf(mlir::ModuleOp source, llvm::StringRef symbol, std::list<std::string> &storage);

/// The C runtime for the triple's architecture, with runtime/`device` unless that is empty; null with a message in
/// `why` when there is none.
std::unique_ptr<llvm::Module> loadRuntime(llvm::LLVMContext &context, const llvm::Triple &triple,
                                          llvm::StringRef device, std::string &why);

} // namespace tegula

#endif
