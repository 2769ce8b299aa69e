//===- Scaling.h - equal ranges for the channels of a tensor -------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_SCALING_H
#define TEGULA_TOOLS_QUANTIZE_SCALING_H

#include "Statistics.h"

namespace tegula {

/// One grid serves all channels of a tensor, so a channel of small numbers is rounded coarsely. Where what makes the
/// tensor and all that reads it have constant factors for each channel, the channels are divided by numbers there and
/// the weights multiplied by them here: the model's meaning stays.
///
/// For convolutions this is cross-layer equalization (Nagel et al., "Data-free quantization through weight equalization
/// and bias correction", 2019), for products after a normalization SmoothQuant (Xiao et al., 2022). Here the divisors
/// are those of the family max|x|^a / max|w|^(1-a) with the least expected error of the layers' outputs; none where
/// that gains nothing.
///
/// Returns the divisors of each site, all 1 where there are none, and changes `model` and the layers.
std::vector<std::vector<float>> scaleChannels(ModelGraph &model, LayerList &list,
                                              llvm::ArrayRef<Statistics> statistics);

} // namespace tegula

#endif
