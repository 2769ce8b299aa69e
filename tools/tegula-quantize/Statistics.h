//===- Statistics.h - what is seen of a tensor, and the range it gets -*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_STATISTICS_H
#define TEGULA_TOOLS_QUANTIZE_STATISTICS_H

#include "Layers.h"
#include "tegula/tools/tegula/HostTensor.h"
#include <cmath>

namespace tegula {

/// How 8-bit numbers without sign stand for real ones: (q - zero) * scale.
struct Grid {
  float scale = 1;
  uint8_t zero = 0;

  /// The grid that covers [low, high], which is widened to hold 0.
  static Grid of(double low, double high);
  /// As QuantizeLinear and DequantizeLinear of the standard: round half to even, saturate.
  float round(float x) const;
  double low() const { return (0 - zero) * static_cast<double>(scale); }
  double high() const { return (255 - zero) * static_cast<double>(scale); }
};

/// How often values fall where, between `low` and `high`; `weight` counts each by how much it moves what reads it.
struct Histogram {
  static constexpr int kBins = 4096;
  double low = 0, high = 0;
  std::vector<double> count = std::vector<double>(kBins), weight = std::vector<double>(kBins);

  double valueOf(int bin) const { return low + (bin + 0.5) * (high - low) / kBins; }
};

/// What is known of a tensor [outer, channels, inner] over all samples.
struct Statistics {
  std::vector<float> low, high;     ///< of each channel
  std::vector<double> sum, squares; ///< of each channel
  std::vector<double> roundedSum;   ///< of each channel, rounded to a grid
  double seen = 0;                  ///< numbers in each channel
  double samples = 0;               ///< that they come from
  Histogram histogram;

  /// Numbers of a channel that are independent, more or less: places of one sample are alike, so that they count by
  /// their square root.
  double independent() const { return std::sqrt(seen * samples); }

  /// How much of what is seen of one channel is to be believed, from 0 to 1.
  double trust() const { return independent() / (independent() + 32); }

  /// How much wider a range has to be where each channel comes near its ends, so that it holds numbers that were not
  /// seen as well as the range of all channels together does: the largest of n normal numbers grows as sqrt(2 ln n).
  double headroom() const {
    double count = std::max(independent(), 3.0);
    return std::sqrt(std::log(count * std::max<size_t>(low.size(), 1)) / std::log(count));
  }

  double mean(int64_t channel) const { return seen ? sum[channel] / seen : 0; }
  double meanSquare(int64_t channel) const { return seen ? squares[channel] / seen : 0; }
  double roundedMean(int64_t channel) const { return seen ? roundedSum[channel] / seen : 0; }
};

/// The tensor's extents around its axis of channels; false if it has none that fits.
bool splitShape(const Site &site, llvm::ArrayRef<int64_t> shape, int64_t &outer, int64_t &inner);

/// First reading: extremes, sums. Second: the histogram of x / divisor, each number weighted by its channel's weight.
/// Third: the sum of x / divisor rounded to `grid`, times divisor.
bool addMoments(Statistics &statistics, const Site &site, const HostTensor &tensor);
bool addHistogram(Statistics &statistics, const Site &site, const HostTensor &tensor, llvm::ArrayRef<float> divisor,
                  llvm::ArrayRef<double> weight);
bool addRounded(Statistics &statistics, const Site &site, const HostTensor &tensor, llvm::ArrayRef<float> divisor,
                Grid grid);

/// How a range is chosen from a histogram:
///   MinMax      all that was seen
///   Percentile  without the outermost share of numbers on each side
///   Mse         the least squared error, each number weighted by what it moves
///   Entropy     the least Kullback-Leibler divergence (Migacz, "8-bit inference with TensorRT", 2017)
enum class RangeMethod { MinMax, Percentile, Mse, Entropy };

llvm::StringRef nameOf(RangeMethod method);

/// `percentile`: the share of numbers inside, in percent.
Grid chooseGrid(const Histogram &histogram, RangeMethod method, double percentile);

/// The mean squared error that the grid leaves, by the histogram's counts, and the mean square; by its weights.
struct GridError {
  double error = 0, square = 0, weightedError = 0;
};
GridError errorOf(const Histogram &histogram, Grid grid);

} // namespace tegula

#endif
