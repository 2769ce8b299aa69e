//===- Weights.h - integers for weights ----------------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_WEIGHTS_H
#define TEGULA_TOOLS_QUANTIZE_WEIGHTS_H

#include "Statistics.h"

namespace tegula {

/// Weights [outputs, depth] as integers times the scale of their output, or of their block of an output.
struct IntegerWeights {
  std::vector<int8_t> values;
  std::vector<float> scales; ///< [outputs, blocks]
  int64_t block = 0;         ///< inputs that share a scale; 0: all
  int bits = 8;

  /// What they stand for.
  std::vector<float> dequantized(const Layer &layer) const;
};

/// Rounds each output's weights to -127..127 with the scale that leaves the least error of the layer's output, each
/// input weighing as much as its mean square (`meanSquares`, of each channel).
IntegerWeights roundWeights(const Layer &layer, llvm::ArrayRef<double> meanSquares);

/// What rounding one input's weights does to the inputs after it: U of the inverse of the products, U' U, upper
/// triangular, with ones on its diagonal; row i is [i + 1, depth).
struct Compensation {
  std::vector<float> rows; ///< [depth, depth]; empty: none
};

/// `products`: [depth, depth], sums of x_i * x_j; a hundredth of their mean diagonal is added to it. None where they are
/// not finite.
Compensation compensationOf(std::vector<float> products, int64_t depth);

/// Rounds to `bits` (-8..7 for 4) with a scale for each `block` of inputs (0: all), one input after the other; what
/// rounding an input changes of the outputs is taken back by the inputs that come (Frantar et al., "GPTQ", 2022), in the
/// model's order.
IntegerWeights roundBlocks(const Layer &layer, int64_t block, int bits, const Compensation &compensation);

} // namespace tegula

#endif
