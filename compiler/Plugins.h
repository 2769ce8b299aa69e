//===- Plugins.h - passes and dialects from shared objects -------------------------------===//
#ifndef TEGULA_COMPILER_PLUGINS_H
#define TEGULA_COMPILER_PLUGINS_H

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace tegula {

/// What a plugin must offer, upstream's interfaces: mlirGetPassPluginInfo, mlirGetDialectPluginInfo, or one of them.
enum class PluginKind { Any, Pass, Dialect };

/// Loads a shared object for the rest of the process and registers its passes with MLIR and its dialects with
/// `registry`. On failure returns false and says why.
bool loadPlugin(llvm::StringRef path, PluginKind kind, mlir::DialectRegistry &registry, std::string &why);

} // namespace tegula

#endif
