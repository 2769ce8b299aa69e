//===- Passes.h - passes of the TEMPLATE target ----------------------------------===//
#ifndef TEGULA_TARGETS_TEMPLATE_PASSES_H
#define TEGULA_TARGETS_TEMPLATE_PASSES_H
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/targets/TEMPLATE/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/targets/TEMPLATE/Passes.h.inc"
} // namespace tegula
#endif
