//===- Artifact.h - the files that applications link --------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_ARTIFACT_H
#define TEGULA_COMPILER_EMIT_ARTIFACT_H

#include "tegula/compiler/Options.h"
#include "tegula/compiler/emit/DataObject.h"

#include "mlir/IR/BuiltinOps.h"

namespace tegula {

/// A kernel of a device image: one launch runs a unit's iterations, `iterations` of them a block of `threads` threads.
struct DeviceKernel {
  std::string name;
  int32_t threads, iterations, sharedBytes;
};

/// What the artifact of an accelerator has besides code for the host's CPU, as runtime/NAME reads it.
struct DeviceImage {
  std::string runtime;               ///< NAME: functions `tegula_NAME_create` and so on run the model
  std::string bytes;                 ///< what the device's driver loads
  std::vector<DeviceKernel> kernels; ///< in `bytes`, by number
  uint32_t flags = 0;                ///< `tegula_model::flags`
};

/// The kind of file that `options` ask for: their own word, or what the output's suffix says; empty if it says nothing.
std::string kindOf(const CompileOptions &options);

/// The prefix of the artifact's symbols.
std::string symbolOf(const CompileOptions &options);

/// Writes the artifact of a module in the LLVM dialect; see Target::emit. `device` is null where the CPU does all.
int emitArtifact(mlir::ModuleOp module, const CompileOptions &options, const DeviceImage *device, std::string &why);

} // namespace tegula

#endif
