//===- Machine.h - code of a CPU by LLVM -----------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_MACHINE_H
#define TEGULA_COMPILER_EMIT_MACHINE_H

#include "tegula/dialects/tgl/Tgl.h"

#include "llvm/Target/TargetMachine.h"
#include <memory>

namespace llvm {
class Module;
}

namespace tegula {

/// Whether the CPU multiplies and adds in one instruction, rounded once.
bool hasFma(tgl::TargetAttr target);

/// An LLVM target machine for the attribute's triple and CPU; null with a message in `why`.
std::unique_ptr<llvm::TargetMachine> createMachine(tgl::TargetAttr target, int optLevel, std::string &why);

/// Runs LLVM's optimisation pipeline.
void optimize(llvm::Module &module, llvm::TargetMachine &machine, tgl::TargetAttr target, int optLevel);

} // namespace tegula

#endif
