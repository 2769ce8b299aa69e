//===- Cpu.h - parts of the CPU target ------------------------------------------===//
#ifndef TEGULA_TARGETS_CPU_CPU_H
#define TEGULA_TARGETS_CPU_CPU_H

#include "tegula/compiler/Options.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Pass/PassManager.h"

namespace tegula::cpu {

/// The plan of one unit: register tile from the vector registers, blocks from cache size and thread count.
tgl::PlanAttr planUnit(mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue, tgl::TargetAttr target);

/// Other plans of the unit that may be faster: other register tiles, other shares of the cache.
llvm::SmallVector<tgl::PlanAttr> candidatesOf(mlir::linalg::GenericOp root, tgl::TargetAttr target);

/// Lowers a module of the buffer stage to the LLVM dialect: units become functions, called through the runtime.
void addLoweringPasses(mlir::OpPassManager &pm);

} // namespace tegula::cpu

#endif
