//===- Quantize.h - quantizing before compiling ---------------------------------------===//
#ifndef TEGULA_TOOLS_TEGULAC_QUANTIZE_H
#define TEGULA_TOOLS_TEGULAC_QUANTIZE_H

#include "Flags.h"

namespace tegula {

/// Runs the quantizer on the input of `request` and writes the result to `path`, a .onnx file. Returns its exit code;
/// what it had to say is on standard error.
int quantizeInput(const Request &request, llvm::StringRef path);

} // namespace tegula

#endif
