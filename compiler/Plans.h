//===- Plans.h - plans that were measured, by the kernel they are for -----------------------===//
#ifndef TEGULA_COMPILER_PLANS_H
#define TEGULA_COMPILER_PLANS_H

#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula {

/// What a kernel computes, for a plan to be found again in any model: extents and kinds of its loops, operands and
/// arithmetic. The same for equal units whatever their names and constants.
std::string kernelText(mlir::linalg::GenericOp unit);

/// Whether `unit` can be tiled for registers as `plan` says: its loops exist, its sizes are within bounds.
bool isPlanFor(tgl::PlanAttr plan, mlir::linalg::GenericOp unit);

/// The plans in the JSON file `path` that were measured for machines like `target` (kernel text = plan). Empty where
/// there is no file if `isOptional`. Fails with a message in `why`.
mlir::FailureOr<mlir::DictionaryAttr> readPlans(llvm::StringRef path, tgl::TargetAttr target, bool isOptional,
                                                std::string &why);

/// Writes `plans` for machines like `target` to the file; plans in it for other kernels and machines stay.
bool writePlans(llvm::StringRef path, tgl::TargetAttr target, mlir::DictionaryAttr plans, std::string &why);

} // namespace tegula

#endif
