//===- ModuleText.h - a module as text --------------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_MODULETEXT_H
#define TEGULA_COMPILER_EMIT_MODULETEXT_H

#include "mlir/IR/BuiltinOps.h"

namespace tegula {

/// Writes the module as text that parses back, locations included; see writeFile for failures.
bool writeText(mlir::ModuleOp module, llvm::StringRef path, std::string &why);

} // namespace tegula

#endif
