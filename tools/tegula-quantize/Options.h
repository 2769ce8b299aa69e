//===- Options.h - what is asked of the quantizer --------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_OPTIONS_H
#define TEGULA_TOOLS_QUANTIZE_OPTIONS_H

#include "llvm/ADT/StringRef.h"
#include <functional>
#include <string>
#include <vector>

namespace tegula {

/// What is asked for; the command's options (Main.cpp) say what each means.
struct QuantizeOptions {
  std::string model, output, calibration, report;
  std::string kind = "int8"; ///< int8, int8w, int4b32 and so on
  int bits = 8;              ///< of weights
  int64_t block = 0;         ///< inputs that share a scale of weights; 0: all
  bool isWeightOnly = false;
  bool isAsymmetric = false;   ///< weights have zero points
  std::string method = "auto"; ///< or the name of a RangeMethod
  double percentile = 99.99;
  int64_t sampleLimit = 128, threads = 0;
  bool isScaled = true, isCorrected = true, isAll = false;
  std::vector<std::string> kept;          ///< patterns of nodes that stay real
  std::vector<std::string> compilerWords; ///< --shape and --dim
  std::string budgetText;                 ///< as it was given
  std::string budgetMetric;               ///< rms, cosine or top1; empty: no budget
  double budget = 0;
  std::function<void(int, llvm::StringRef, std::string, bool)> onProgress; ///< step, name, detail, whether it ended
};

} // namespace tegula

#endif
