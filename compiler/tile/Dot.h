//===- Dot.h - sums of products of bytes, four at a time ----------------------===//
//
// A linalg.generic that adds products of 8-bit integers to 32-bit ones, with constants on the right. Targets that have
// an instruction for it take four neighbours along the innermost reduction loop at a time: `dot` of the plan.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_TILE_DOT_H
#define TEGULA_COMPILER_TILE_DOT_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula {

/// Integers of one instruction.
constexpr int64_t kDot = 4;

struct DotForm {
  mlir::OpOperand *left;  ///< its last axis is the innermost reduction loop
  mlir::OpOperand *right; ///< constant, maybe packed already; its last axes are that loop and the innermost parallel one
  bool isLeftUnsigned;    ///< the right one is signed
};

/// The form of `op`, if it has it and the innermost reduction loop is a multiple of `kDot`.
std::optional<DotForm> dotFormOf(mlir::linalg::GenericOp op);

} // namespace tegula

#endif
