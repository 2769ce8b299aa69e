//===- Dot.h - sums of products of small numbers, several at a time -----------------------===//
//
// A linalg.generic that adds products of 8- or 16-bit numbers to 32-bit ones, with constants on the right. Targets
// that have an instruction for it take neighbours along the innermost reduction loop at a time, as many as fill 32 bits
// of the left side: `dot` of the plan. Where nothing is summed over channels (depthwise convolutions), they take the
// places of the window instead, `dot` of them at a time.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_TILE_DOT_H
#define TEGULA_COMPILER_TILE_DOT_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula {

struct DotForm {
  mlir::OpOperand *left;  ///< its last axis is the innermost reduction loop
  mlir::OpOperand *right; ///< constant or packed; its last axes are that loop and the innermost parallel one
  bool isLeftUnsigned;    ///< the right one is signed
  int64_t count;          ///< numbers at a time: 4 of 8 bits, 2 of 16; 8 where the right side is packed so (mmla)
  bool isReal;            ///< bf16
};

/// The factor of `dim` in a linear expression; nullopt when the expression is not linear in it.
std::optional<int64_t> coefficientOf(mlir::AffineExpr expr, unsigned dim);

/// Whether the value was packed before planning, whatever panels the plan has (nn.matmul with `columns`): not panel by
/// panel but row by row, of `count` rows each.
bool isPackedByRows(mlir::Value value);

/// The form of `op`, if it has it and the innermost reduction loop is a multiple of `count`. Numbers of the right side
/// are not wider than those of the left.
std::optional<DotForm> dotFormOf(mlir::linalg::GenericOp op);

/// A depthwise sum: both sides are read along the vector loop, and all places of the window are known.
struct TapForm {
  mlir::OpOperand *left, *right; ///< of 8 bits; the right one is signed
  bool isLeftUnsigned;
  int64_t count; ///< places
};

/// The form of `op`, if it has it, its window is small and its sums start at zero.
std::optional<TapForm> tapFormOf(mlir::linalg::GenericOp op);

/// Whether sums of a dot form, of bytes or bf16, can be matrices with a row for each iteration of `loop`: they start at
/// zero, and the rows of the left side lie at equal distances.
bool canUseMatrices(mlir::linalg::GenericOp op, unsigned loop);

/// The result of the left side's map that `loop` moves along, by its factor there.
std::pair<unsigned, int64_t> rowsOfLeft(mlir::linalg::GenericOp op, unsigned loop);

} // namespace tegula

#endif
