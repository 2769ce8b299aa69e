//===- Emit.h - the artifact of the CUDA target ---------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_EMIT_H
#define TEGULA_TARGETS_CUDA_EMIT_H

#include "tegula/compiler/Options.h"
#include "tegula/targets/cuda/Cuda.h"

namespace tegula::cuda {

/// Writes the artifact; see Target::emit.
int emit(mlir::ModuleOp module, const CompileOptions &options, std::string &why);

} // namespace tegula::cuda

#endif
