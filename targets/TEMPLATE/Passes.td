//===- Passes.td - passes of the TEMPLATE target ---------------------------------===//
#ifndef TEGULA_TARGETS_TEMPLATE_PASSES_TD
#define TEGULA_TARGETS_TEMPLATE_PASSES_TD
include "mlir/Pass/PassBase.td"

#endif
