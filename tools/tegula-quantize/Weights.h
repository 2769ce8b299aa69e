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

/// Rounds to `bits` (-7..7 for 4) in blocks, one input after the other; what rounding an input changes of the outputs
/// is taken back by the inputs that come, as far as they vary with it (Frantar et al., "GPTQ", 2022; the order is that
/// of falling mean squares within... the model). `products`: [depth, depth], the sums of x_i * x_j.
IntegerWeights roundBlocks(const Layer &layer, int64_t block, int bits, llvm::ArrayRef<float> products);

} // namespace tegula

#endif
