//===- Quantizer.h - from a model of real numbers to one of integers -*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_QUANTIZER_H
#define TEGULA_TOOLS_QUANTIZE_QUANTIZER_H

#include "Trial.h"
#include "llvm/Support/JSON.h"
#include <functional>

namespace tegula {

/// What is asked for; the command's options (Main.cpp) say what each means.
struct QuantizeOptions {
  std::string model, output, calibration, report;
  std::string kind = "int8";   ///< int8, int8w, int4b32 and so on
  std::string method = "auto"; ///< or the name of a RangeMethod
  double percentile = 99.99;
  int64_t sampleLimit = 128, threads = 0;
  bool isScaled = true, isCorrected = true;
  std::vector<std::string> kept;          ///< patterns of nodes that stay real
  std::vector<std::string> compilerWords; ///< --shape and --dim
  std::string budgetMetric;               ///< rms, cosine or top1; empty: no budget
  double budget = 0;
  std::function<void(int, llvm::StringRef, std::string, bool)> onProgress; ///< step, name, detail, whether it ended
};

/// How many steps `onProgress` hears of.
constexpr int kQuantizeSteps = 7;

/// Does it all; the report is what `options.report` gets as JSON.
llvm::Expected<llvm::json::Object> quantize(const QuantizeOptions &options);

/// Writes the report as a page.
llvm::Error writeQuantizePage(llvm::StringRef path, const llvm::json::Object &report);

} // namespace tegula

#endif
