//===- Statistics.cpp - what is seen of a tensor, and the range it gets -----===//
#include "Statistics.h"
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace tegula;

/// Below it a scale's reciprocal is no number.
static constexpr float kMinScale = 1e-30f;

Grid Grid::of(double low, double high) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  Grid grid;
  grid.scale = static_cast<float>((high - low) / 255);
  if (!(grid.scale > kMinScale)) {
    grid.scale = high > low ? kMinScale : 1;
    return grid;
  }
  grid.zero = static_cast<uint8_t>(std::clamp(std::nearbyint(-low / grid.scale), 0.0, 255.0));
  return grid;
}

float Grid::round(float x) const {
  float q = std::clamp(std::nearbyint(x / scale) + zero, 0.0f, 255.0f);
  return (q - zero) * scale;
}

bool tegula::splitShape(const Site &site, ArrayRef<int64_t> shape, int64_t &outer, int64_t &inner) {
  if (shape.size() < (site.isImage ? 3 : 1))
    return false;
  size_t axis = site.isImage ? 1 : shape.size() - 1;
  auto product = [](ArrayRef<int64_t> extents) {
    return std::accumulate(extents.begin(), extents.end(), int64_t(1), std::multiplies<int64_t>());
  };
  outer = product(shape.take_front(axis));
  inner = product(shape.drop_front(axis + 1));
  return shape[axis] == site.channels;
}

/// Calls `take(channel, values)` with each run of numbers of one channel; one number each where channels are innermost.
template <typename Take> static bool forEachRun(const Site &site, const HostTensor &tensor, Take take) {
  int64_t outer, inner;
  if (tensor.dtype != TEGULA_FLOAT || !splitShape(site, tensor.shape, outer, inner))
    return false;
  const float *at = reinterpret_cast<const float *>(tensor.data.data());
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t channel = 0; channel < site.channels; ++channel, at += inner)
      take(channel, ArrayRef<float>(at, inner));
  return true;
}

bool tegula::addMoments(Statistics &statistics, const Site &site, const HostTensor &tensor) {
  if (statistics.low.empty()) {
    statistics.low.assign(site.channels, 0); // a range holds 0 in any case
    statistics.high.assign(site.channels, 0);
    statistics.sum.assign(site.channels, 0);
    statistics.squares.assign(site.channels, 0);
    statistics.roundedSum.assign(site.channels, 0);
  }
  bool isFinite = true;
  bool ok = forEachRun(site, tensor, [&](int64_t channel, ArrayRef<float> values) {
    float low = statistics.low[channel], high = statistics.high[channel];
    double sum = 0, squares = 0;
    for (float x : values) {
      low = std::min(low, x);
      high = std::max(high, x);
      sum += x;
      squares += static_cast<double>(x) * x;
    }
    isFinite &= std::isfinite(squares);
    statistics.low[channel] = low;
    statistics.high[channel] = high;
    statistics.sum[channel] += sum;
    statistics.squares[channel] += squares;
  });
  statistics.samples += 1;
  if (ok)
    statistics.seen += static_cast<double>(tensor.data.size()) / sizeof(float) / site.channels;
  return ok && isFinite;
}

bool tegula::addHistogram(Statistics &statistics, const Site &site, const HostTensor &tensor, ArrayRef<float> divisor,
                          ArrayRef<double> weight) {
  Histogram &histogram = statistics.histogram;
  if (histogram.low == histogram.high)
    for (int64_t channel = 0; channel < site.channels; ++channel) {
      histogram.low = std::min<double>(histogram.low, statistics.low[channel] / divisor[channel]);
      histogram.high = std::max<double>(histogram.high, statistics.high[channel] / divisor[channel]);
    }
  double width = histogram.high - histogram.low;
  if (!(width > 0))
    return true;
  return forEachRun(site, tensor, [&](int64_t channel, ArrayRef<float> values) {
    float perUnit = static_cast<float>(Histogram::kBins / width), factor = perUnit / divisor[channel];
    float offset = static_cast<float>(histogram.low * perUnit);
    for (float x : values) {
      int bin = std::clamp(static_cast<int>(x * factor - offset), 0, Histogram::kBins - 1);
      histogram.count[bin] += 1;
      histogram.weight[bin] += weight[channel];
    }
  });
}

bool tegula::addRounded(Statistics &statistics, const Site &site, const HostTensor &tensor, ArrayRef<float> divisor,
                        Grid grid) {
  return forEachRun(site, tensor, [&](int64_t channel, ArrayRef<float> values) {
    double sum = 0;
    for (float x : values)
      sum += grid.round(x / divisor[channel]);
    statistics.roundedSum[channel] += sum * divisor[channel];
  });
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

StringRef tegula::nameOf(RangeMethod method) {
  static constexpr StringRef names[] = {"minmax", "percentile", "mse", "entropy"};
  return names[static_cast<int>(method)];
}

GridError tegula::errorOf(const Histogram &histogram, Grid grid) {
  GridError result;
  double total = 0;
  for (int bin = 0; bin < Histogram::kBins; ++bin) {
    if (histogram.count[bin] == 0)
      continue;
    double x = histogram.valueOf(bin), off = x - grid.round(static_cast<float>(x));
    // Within a bin and a step numbers are spread evenly, though the bin's middle may lie on the grid.
    double square = std::max(off * off, x > grid.low() && x < grid.high() ? double(grid.scale) * grid.scale / 12 : 0);
    result.error += square * histogram.count[bin];
    result.weightedError += square * histogram.weight[bin];
    result.square += x * x * histogram.count[bin];
    total += histogram.count[bin];
  }
  if (total) {
    result.error /= total;
    result.weightedError /= total;
    result.square /= total;
  }
  return result;
}

static Grid percentileGrid(const Histogram &histogram, double percentile) {
  double total = std::accumulate(histogram.count.begin(), histogram.count.end(), 0.0);
  double outside = total * (1 - percentile / 100);
  int first = 0, last = Histogram::kBins - 1;
  for (double sum = histogram.count[first]; first < last && sum <= outside; sum += histogram.count[first])
    ++first;
  for (double sum = histogram.count[last]; last > first && sum <= outside; sum += histogram.count[last])
    --last;
  double step = (histogram.high - histogram.low) / Histogram::kBins;
  return Grid::of(histogram.low + first * step, histogram.low + (last + 1) * step);
}

/// Narrows both sides together, then each by itself, in steps of a hundredth.
static Grid leastError(const Histogram &histogram) {
  double left = 1, right = 1, least = HUGE_VAL;
  auto attempt = [&](double newLeft, double newRight) {
    double error = errorOf(histogram, Grid::of(histogram.low * newLeft, histogram.high * newRight)).weightedError;
    if (error >= least)
      return;
    least = error;
    left = newLeft;
    right = newRight;
  };
  for (int percent = 100; percent >= 10; percent -= 2)
    attempt(percent / 100.0, percent / 100.0);
  for (int round = 0; round < 2; ++round) {
    double fixedLeft = left, fixedRight = right;
    for (int percent = 100; histogram.low < 0 && percent >= 10; percent -= 2)
      attempt(percent / 100.0, fixedRight);
    fixedLeft = left;
    for (int percent = 100; percent >= 10; percent -= 2)
      attempt(fixedLeft, percent / 100.0);
  }
  return Grid::of(histogram.low * left, histogram.high * right);
}

/// The divergence of the numbers below a threshold from themselves in `levels` steps.
static double divergence(ArrayRef<double> magnitudes, size_t inside, size_t levels) {
  double outside = std::accumulate(magnitudes.begin() + inside, magnitudes.end(), 0.0);
  double total = std::accumulate(magnitudes.begin(), magnitudes.end(), 0.0), result = 0;
  for (size_t level = 0; level < levels; ++level) {
    size_t begin = level * inside / levels, end = (level + 1) * inside / levels;
    double sum = 0, filled = 0;
    for (size_t bin = begin; bin < end; ++bin) {
      sum += magnitudes[bin];
      filled += magnitudes[bin] > 0;
    }
    for (size_t bin = begin; bin < end && sum > 0; ++bin) {
      if (magnitudes[bin] == 0)
        continue;
      double p = (magnitudes[bin] + (bin + 1 == inside ? outside : 0)) / total, q = sum / filled / (total - outside);
      result += p * std::log(p / q);
    }
  }
  return result;
}

static Grid leastDivergence(const Histogram &histogram) {
  constexpr size_t kMagnitudes = 2048;
  double bound = std::max(-histogram.low, histogram.high), least = HUGE_VAL;
  std::vector<double> magnitudes(kMagnitudes);
  for (int bin = 0; bin < Histogram::kBins; ++bin)
    magnitudes[std::min<size_t>(std::fabs(histogram.valueOf(bin)) / bound * kMagnitudes, kMagnitudes - 1)] +=
        histogram.count[bin];
  size_t levels = histogram.low < 0 ? 128 : 256, best = kMagnitudes;
  for (size_t inside = levels; inside <= kMagnitudes; inside += 16) {
    double found = divergence(magnitudes, inside, levels);
    if (found < least) {
      least = found;
      best = inside;
    }
  }
  double threshold = bound * best / kMagnitudes;
  return Grid::of(std::max(histogram.low, -threshold), std::min(histogram.high, threshold));
}

Grid tegula::chooseGrid(const Histogram &histogram, RangeMethod method, double percentile) {
  if (!(histogram.high > histogram.low))
    return Grid();
  switch (method) {
  case RangeMethod::MinMax:
    return Grid::of(histogram.low, histogram.high);
  case RangeMethod::Percentile:
    return percentileGrid(histogram, percentile);
  case RangeMethod::Mse:
    return leastError(histogram);
  case RangeMethod::Entropy:
    return leastDivergence(histogram);
  }
  llvm_unreachable("all methods are above");
}
