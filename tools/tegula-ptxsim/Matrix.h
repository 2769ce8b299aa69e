//===- Matrix.h - formats and sizes of matrix instructions --------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_MATRIX_H
#define TEGULA_TOOLS_PTXSIM_MATRIX_H

#include "Ptx.h"

namespace ptxsim {

/// One matrix instruction; the code holds a pointer to it.
struct MatrixShape {
  uint8_t m = 0, n = 0, k = 0;
  Type a, b, c, d;
  bool isWmma = false, isQuadPair = false; ///< fragments of wmma; of mma.m8n8k4 with f16
  bool isColumnA = false, isColumnB = true, isSaturated = false;
  uint32_t line = 0;
};

/// Where the operands lie in the warp's values: registers of 32 lanes one after the other.
constexpr unsigned placeA = 0, placeB = 2048, placeC = 3072;

/// Elements of a wmma fragment that a lane holds, of a matrix with so many.
constexpr unsigned perLane(unsigned elements) { return elements / 32; }

} // namespace ptxsim

#endif
