//===- Diagnostics.h - MLIR diagnostics in the user's words -----------------------------===//
#ifndef TEGULA_TOOLS_TEGULAC_DIAGNOSTICS_H
#define TEGULA_TOOLS_TEGULAC_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include <string>

namespace tegula {

/// Prints every error and warning of `context` to standard error as CLI.md says: `FILE: node 'N' (#1, Op):
/// error[T0101]: text`, then `note:` and `help:` lines; or one JSON object a line.
class DiagnosticPrinter {
public:
  DiagnosticPrinter(mlir::MLIRContext &context, std::string file, bool isJson);
  ~DiagnosticPrinter();
  unsigned errors() const { return errorCount; }

private:
  void print(mlir::Diagnostic &diagnostic);
  mlir::MLIRContext &context;
  std::string file;
  bool isJson;
  unsigned errorCount = 0;
  mlir::DiagnosticEngine::HandlerID handler;
};

} // namespace tegula

#endif
