//===- Importer.h - from an ONNX file to the nn dialect -----------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_IMPORTER_H
#define TEGULA_COMPILER_IMPORT_IMPORTER_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include <string>
#include <utility>
#include <vector>

namespace tegula {

struct ImportOptions {
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes; ///< input name -> extents, -1 dynamic
  llvm::StringMap<int64_t> dims;                      ///< dimension symbol -> extent
  std::string symbol;                                 ///< name of the function
};

/// Reads an ONNX file into a module with one function. Problems go to the context's diagnostics, all of them; then the
/// result is null and `exitCode` says which kind it was (1 model, 3 reading, 4 limit).
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef path, const ImportOptions &options,
                                             mlir::MLIRContext &context, int &exitCode);

/// The operators that have a row, domain-qualified when not ai.onnx, with the first version covered.
std::vector<std::pair<std::string, int>> supportedOperators();

} // namespace tegula

#endif
