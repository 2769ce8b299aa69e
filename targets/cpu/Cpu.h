//===- Cpu.h - parts of the CPU target ------------------------------------------===//
#ifndef TEGULA_TARGETS_CPU_CPU_H
#define TEGULA_TARGETS_CPU_CPU_H

#include "tegula/compiler/Options.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>

namespace llvm {
class Module;
}

namespace tegula::cpu {

/// The plan of one unit: register tile from the vector registers, blocks from cache size and thread count.
tgl::PlanAttr planUnit(mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue, tgl::TargetAttr target);

/// Other plans of the unit that may be faster: other register tiles, other shares of the cache.
llvm::SmallVector<tgl::PlanAttr> candidatesOf(mlir::linalg::GenericOp root, tgl::TargetAttr target);

/// Lowers a module of the buffer stage to the LLVM dialect: units become functions, called through the runtime.
void addLoweringPasses(mlir::OpPassManager &pm);

/// Whether the CPU multiplies and adds in one instruction, rounded once.
bool hasFma(tgl::TargetAttr target);

/// An LLVM target machine for the attribute; null with a message in `why`.
std::unique_ptr<llvm::TargetMachine> createMachine(tgl::TargetAttr target, int optLevel, std::string &why);

/// Runs LLVM's optimisation pipeline.
void optimize(llvm::Module &module, llvm::TargetMachine &machine, tgl::TargetAttr target, int optLevel);

/// Writes the artifact; see Target::emit.
int emitArtifact(mlir::ModuleOp module, const CompileOptions &options, std::string &why);

} // namespace tegula::cpu

#endif
