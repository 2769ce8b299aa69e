//===- Work.h - arithmetic and memory traffic of a unit ----------------------===//
#ifndef TEGULA_COMPILER_TILE_WORK_H
#define TEGULA_COMPILER_TILE_WORK_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula {

/// What a unit does in one run of the model. Both are 0 where an extent or a trip count is known at run time only.
struct Work {
  /// Arithmetic on elements: each op of the body once an iteration (a fused multiply-add twice), conversions,
  /// selections and indices not at all. A function such as exp counts as one, whatever it costs.
  double flops = 0;
  /// Bytes of the tensors read and of the one written, each element once: what must cross the memory bus at least.
  double bytes = 0;
};

/// The work of `root`, with `epilogue` (may be null) on its registers, times the trips of the loops around it.
Work workOf(mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue);

/// Element operations of one op by itself, 0 if unknown; see Work::flops.
double flopsOf(mlir::linalg::GenericOp op);

/// Writes `work` on the op that stands for the unit from now on, as `tgl.flops` and `tgl.bytes`.
void setWork(mlir::Operation *op, const Work &work);

} // namespace tegula

#endif
