//===- Peak.h - What the machine can do -------------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_TEGULA_PEAK_H
#define TEGULA_TOOLS_TEGULA_PEAK_H

#include "llvm/ADT/StringRef.h"

namespace tegula {

struct Peak {
  llvm::StringRef isa; // "AVX2 FMA"
  double gflops = 0;   // fp32, multiply and add as two, all threads together
  // A tensor scaled into another, bytes read and written, all threads together: in the cores' own caches, and in
  // memory.
  double cacheGbytes = 0, memoryGbytes = 0;

  /// The least time for work that touches `bytes`, by the roofline model (Williams et al., CACM 52(4), 2009), with the
  /// roof of the caches for what fits there.
  double leastMs(double flops, double bytes, unsigned threads) const;
};

/// Measures, on `threads` threads at once, a loop of independent fp32 multiply-adds and one that moves data, with the
/// widest instructions that are both in `required` (an artifact's CPU features) and on this machine: the best of some
/// rounds of a few milliseconds.
Peak measurePeak(llvm::StringRef required, unsigned threads);

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_PEAK_H
