//===- Weights.h - integers for weights ----------------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_WEIGHTS_H
#define TEGULA_TOOLS_QUANTIZE_WEIGHTS_H

#include "Statistics.h"

namespace tegula {

/// Weights [outputs, depth] as integers, less the zero point, times the scale of their output, or of their block of an
/// output.
struct IntegerWeights {
  std::vector<int8_t> values;
  std::vector<float> scales; ///< [outputs, blocks]
  std::vector<int8_t> zeros; ///< the same
  int64_t block = 0;         ///< inputs that share a scale; 0: all
  int bits = 8;

  /// What they stand for.
  std::vector<float> dequantized(const Layer &layer) const;
};

/// Rounds each output's weights to -127..127, asymmetric ones to -128..127, with the scale that leaves the least error
/// of the layer's output, each input weighing as much as its mean square (`meanSquares`, of each channel).
IntegerWeights roundWeights(const Layer &layer, llvm::ArrayRef<double> meanSquares, bool isAsymmetric);

/// How inputs go together, for rounding their weights one after the other.
struct Compensation {
  std::vector<float> importance; ///< mean square of each input, of a mean of 1; empty: all alike
  std::vector<int64_t> order;    ///< the inputs, those of large numbers first
  std::vector<float> rows; ///< [depth, depth], in that order: what rounding an input does to those after it, which is
                           ///< U of the inverse of the products, U' U, upper triangular, with ones on its diagonal;
                           ///< empty: nothing
};

/// `products`: [depth, depth], sums of x_i * x_j over `rows` rows. What few rows say of how inputs go together is taken
/// for less (by kDoubt), and a hundredth of the mean diagonal is added to it. None where the
/// products are not finite.
Compensation compensationOf(std::vector<float> products, int64_t depth, double rows);

/// Rounds to `bits` (-8..7 for 4) with a scale for each `block` of inputs (0: all), one input after the other; what
/// rounding an input changes of the outputs is taken back by the inputs that come (Frantar et al., "GPTQ", 2022; the
/// scales are those of the weights before).
IntegerWeights roundBlocks(const Layer &layer, int64_t block, int bits, bool isAsymmetric,
                           const Compensation &compensation);

} // namespace tegula

#endif
