//===- Limits.h - how large a model may be ----------------------------------------------------------===//
//
// Bounds that no real model reaches and that keep a hostile one from taking all memory or time.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_LIMITS_H
#define TEGULA_COMPILER_IMPORT_LIMITS_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace tegula {

constexpr int64_t kMaxRank = 16; ///< what the C interface can describe (TEGULA_MAX_RANK)
constexpr int64_t kMaxElementsLog2 = 36;
constexpr int64_t kMaxElements =
    int64_t(1) << kMaxElementsLog2;            ///< of a tensor; its bytes, and the bytes of thousands, fit 64 bits
constexpr int kMaxDepth = 64;                  ///< graphs and functions inside each other
constexpr int64_t kMaxExpandedNodes = 1 << 16; ///< that functions add

/// Whether the known extents multiply to at most kMaxElements. An extent of 0 hides no large one: later stages multiply
/// the others, too. Unknown extents are negative and count as 1.
inline bool elementsWithin(llvm::ArrayRef<int64_t> shape) {
  int64_t elements = 1;
  for (int64_t extent : shape) {
    if (extent > 1 && elements > kMaxElements / extent)
      return false;
    elements *= extent > 1 ? extent : 1;
  }
  return true;
}

} // namespace tegula

#endif
