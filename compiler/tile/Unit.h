//===- Unit.h - which linalg ops form one unit -------------------------------===//
//
// A unit is what becomes one scf.forall: a linalg.generic, with the elementwise op that is the only user of a reduction
// as its epilogue.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_TILE_UNIT_H
#define TEGULA_COMPILER_TILE_UNIT_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula {

/// Whether the fill only starts reductions (it then needs no memory of its own).
bool isReductionStart(mlir::linalg::FillOp fill);

/// The elementwise op that can run on `root`'s registers; null if there is none.
mlir::linalg::GenericOp epilogueOf(mlir::linalg::GenericOp root);

/// Whether `op` is the epilogue of one of its operands.
bool isEpilogue(mlir::linalg::GenericOp op);

/// In the user's words, why a unit ends with `last` instead of taking in what reads its result.
std::string whyItEnds(mlir::linalg::GenericOp last);

} // namespace tegula

#endif
