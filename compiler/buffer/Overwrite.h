//===- Overwrite.h - when a unit's result may take an input's memory ----------===//
//
//   scf.forall ... {                                             %x and %y may be one buffer, if %x ends here
//     %i = memref.subview %x[%o] ...   // the same place
//     %r = memref.subview %y[%o] ...
//     %a = vector.transfer_read %i[%k] ...
//     vector.transfer_write %b, %r[%k] ...
//   } {tgl.may_overwrite}
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_BUFFER_OVERWRITE_H
#define TEGULA_COMPILER_BUFFER_OVERWRITE_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tegula {

/// The buffer that `value` is a view of.
mlir::Value bufferOf(mlir::Value value);

/// An allocation that the unit reads and the one it writes.
struct Overwrite {
  mlir::memref::AllocOp input, result;
};

/// The pairs of allocations of one size of which `unit` reads every element of the input in the same block, and at the
/// same indices, as it writes the result thereafter, and nothing else of the input. Whether the input is needed later
/// is not asked. Empty for units without tgl.may_overwrite.
llvm::SmallVector<Overwrite> overwritesOf(mlir::scf::ForallOp unit);

} // namespace tegula

#endif
