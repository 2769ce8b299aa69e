//===- Peak.h - What the machine can do -------------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_TEGULA_PEAK_H
#define TEGULA_TOOLS_TEGULA_PEAK_H

#include "llvm/ADT/StringRef.h"

namespace tegula {

struct Peak {
  llvm::StringRef isa; // "AVX2 FMA"
  double gflops = 0;   // fp32, multiply and add as two, all threads together
};

/// Measures a loop of independent fp32 multiply-adds on `threads` threads at once, with the widest instructions that
/// are both in `required` (an artifact's CPU features) and on this machine: the best of some rounds of a few
/// milliseconds.
Peak measurePeak(llvm::StringRef required, unsigned threads);

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_PEAK_H
