//===- Weights.cpp - integers for weights ------------------------------------===//
#include "Weights.h"
#include "llvm/Support/Parallel.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

/// Of the mean diagonal, added to it: keeps the products invertible where inputs go together.
static constexpr double kDamping = 0.01;
/// Of as many rows as there are inputs, the share by which what they say of two inputs is taken for less.
static constexpr double kDoubt = 0.2;

/// Rounds half to even; |x| is below 2^22.
static float roundEven(float x) {
  constexpr float kMagic = 12582912; // 1.5 * 2^23
  return (x + kMagic) - kMagic;
}

std::vector<float> IntegerWeights::dequantized(const Layer &layer) const {
  std::vector<float> result(values.size());
  int64_t width = block ? block : layer.depth, blocks = (layer.depth + width - 1) / width;
  for (int64_t o = 0; o < layer.outputs; ++o)
    for (int64_t k = 0; k < layer.depth; ++k) {
      int64_t at = o * blocks + k / width;
      result[o * layer.depth + k] = static_cast<float>(values[o * layer.depth + k] - zeros[at]) * scales[at];
    }
  return result;
}

namespace {
/// The integers of some weights, and which of them stands for what.
struct WeightGrid {
  float lowest, highest, scale = 1, zero = 0;

  float round(float x) const { return std::min(std::max(roundEven(x / scale) + zero, lowest), highest); }
};
} // namespace

/// Of `bits`. Symmetric ones of 8 leave -128 out, as runtimes that multiply bytes like it.
static WeightGrid gridOf(int bits, bool isAsymmetric) {
  auto highest = static_cast<float>((1 << (bits - 1)) - 1);
  return {bits == 8 && !isAsymmetric ? -highest : -highest - 1, highest};
}

/// The weighted squared error of rounding `weights`.
static float errorWith(ArrayRef<float> weights, ArrayRef<float> importance, WeightGrid grid) {
  float inverse = 1 / grid.scale, sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    float q = std::min(std::max(roundEven(weights[k] * inverse) + grid.zero, grid.lowest), grid.highest);
    float off = weights[k] - (q - grid.zero) * grid.scale;
    sum += off * off * importance[k];
  }
  return sum;
}

/// The scale and zero point, of those that keep all weights or cut up to `steps` percent of their range, with the least
/// error.
static WeightGrid bestGrid(ArrayRef<float> weights, ArrayRef<float> importance, WeightGrid grid, bool isAsymmetric,
                           int steps) {
  float low = 0, high = 0;
  for (float w : weights) {
    low = std::min(low, w);
    high = std::max(high, w);
  }
  if (!isAsymmetric)
    low = -(high = std::max(high, -low));
  float whole = isAsymmetric ? (high - low) / (grid.highest - grid.lowest) : high / grid.highest, least = HUGE_VALF;
  if (!(whole > 1e-30f))
    return grid;
  WeightGrid best = grid;
  best.scale = whole;
  for (int percent = 0; percent <= steps; percent += 2) {
    grid.scale = whole * (100 - percent) / 100;
    // What is cut is cut on both sides alike.
    if (isAsymmetric)
      grid.zero = std::min(std::max(roundEven(grid.lowest - low * (100 - percent) / 100 / grid.scale), grid.lowest),
                           grid.highest);
    float error = errorWith(weights, importance, grid);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

IntegerWeights tegula::roundWeights(const Layer &layer, ArrayRef<double> meanSquares, bool isAsymmetric) {
  IntegerWeights result;
  result.values.resize(layer.weights.size());
  std::vector<float> importance(layer.depth);
  for (int64_t o = 0; o < layer.outputs; ++o) {
    ArrayRef<float> weights = ArrayRef(layer.weights).slice(o * layer.depth, layer.depth);
    double total = 0;
    for (int64_t k = 0; k < layer.depth; ++k)
      total += meanSquares[layer.channelOf(o, k)];
    for (int64_t k = 0; k < layer.depth; ++k)
      importance[k] = total > 0 ? static_cast<float>(meanSquares[layer.channelOf(o, k)] * layer.depth / total) : 1;
    WeightGrid grid = bestGrid(weights, importance, gridOf(8, isAsymmetric), isAsymmetric, 20);
    result.scales.push_back(grid.scale);
    result.zeros.push_back(static_cast<int8_t>(grid.zero));
    for (int64_t k = 0; k < layer.depth; ++k)
      result.values[o * layer.depth + k] = static_cast<int8_t>(grid.round(weights[k]));
  }
  return result;
}

Compensation tegula::compensationOf(std::vector<float> given, int64_t depth, double rows) {
  Compensation result;
  double mean = 0;
  for (int64_t i = 0; i < depth; ++i) {
    mean += given[i * depth + i] / depth;
    result.order.push_back(i);
  }
  if (!std::isfinite(mean) || !(mean > 0))
    return result;
  for (int64_t i = 0; i < depth; ++i)
    result.importance.push_back(static_cast<float>(given[i * depth + i] / mean + kDamping));
  sort(result.order,
       [&](int64_t a, int64_t b) { return std::pair(-result.importance[a], a) < std::pair(-result.importance[b], b); });
  float share = static_cast<float>(rows / (rows + kDoubt * depth));
  std::vector<float> products(depth * depth);
  for (int64_t i = 0; i < depth; ++i)
    for (int64_t j = 0; j < depth; ++j) {
      float product = given[result.order[i] * depth + result.order[j]];
      products[i * depth + j] = i == j ? product + static_cast<float>(kDamping * mean) : share * product;
    }
  given.clear();
  // Products = R R' with R upper triangular, from the last row to the first; then U = inverse of R.
  std::vector<float> &r = products;
  for (int64_t j = depth - 1; j >= 0; --j) {
    float *row = &r[j * depth];
    double diagonal = row[j];
    for (int64_t k = j + 1; k < depth; ++k)
      diagonal -= static_cast<double>(row[k]) * row[k];
    if (!(diagonal > 0))
      return result;
    row[j] = static_cast<float>(std::sqrt(diagonal));
    parallelFor(0, j, [&](size_t i) {
      const float *other = &r[i * depth];
      float sums[8] = {};
      int64_t k = j + 1;
      for (; k + 8 <= depth; k += 8)
        for (int lane = 0; lane < 8; ++lane)
          sums[lane] += other[k + lane] * row[k + lane];
      for (; k < depth; ++k)
        sums[0] += other[k] * row[k];
      float sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
      r[i * depth + j] = (other[j] - sum) / row[j];
    });
  }
  result.rows.assign(depth * depth, 0);
  // Row i of the inverse, by rows of R: u_i R = e_i.
  parallelFor(0, depth, [&](size_t i) {
    float *u = &result.rows[i * depth];
    u[i] = 1;
    for (int64_t k = i; k < depth; ++k) {
      const float *row = &r[k * depth];
      u[k] /= row[k];
      float factor = u[k];
      for (int64_t j = k + 1; j < depth; ++j)
        u[j] -= factor * row[j];
    }
    float diagonal = u[i];
    for (int64_t j = i; j < depth; ++j)
      u[j] /= diagonal;
  });
  return result;
}

/// Rounds the weights of outputs [first, first + count).
static void roundOutputs(const Layer &layer, int64_t first, int64_t count, int64_t block, bool isAsymmetric,
                         const Compensation &compensation, IntegerWeights &result) {
  int64_t depth = layer.depth, blocks = (depth + block - 1) / block;
  WeightGrid grid = gridOf(result.bits, isAsymmetric);
  std::vector<float> alike(compensation.importance.empty() ? depth : 0, 1), rows(count * depth);
  ArrayRef<float> importance = alike.empty() ? compensation.importance : alike;
  for (int64_t o = 0; o < count; ++o) {
    ArrayRef<float> weights = ArrayRef(layer.weights).slice((first + o) * depth, depth);
    for (int64_t begin = 0; begin < depth; begin += block) {
      int64_t width = std::min(block, depth - begin);
      WeightGrid best = bestGrid(weights.slice(begin, width), importance.slice(begin, width), grid, isAsymmetric, 30);
      result.scales[(first + o) * blocks + begin / block] = best.scale;
      result.zeros[(first + o) * blocks + begin / block] = static_cast<int8_t>(best.zero);
    }
    for (int64_t k = 0; k < depth; ++k)
      rows[o * depth + k] = weights[compensation.order[k]];
  }
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t o = 0; o < count; ++o) {
      int64_t input = compensation.order[k];
      int64_t at = (first + o) * blocks + input / block;
      float *row = &rows[o * depth];
      grid.scale = result.scales[at];
      grid.zero = result.zeros[at];
      float q = grid.round(row[k]), off = row[k] - (q - grid.zero) * grid.scale;
      result.values[(first + o) * depth + input] = static_cast<int8_t>(q);
      if (compensation.rows.empty())
        continue;
      const float *u = &compensation.rows[k * depth];
      for (int64_t j = k + 1; j < depth; ++j)
        row[j] -= off * u[j];
    }
}

IntegerWeights tegula::roundBlocks(const Layer &layer, int64_t block, int bits, bool isAsymmetric,
                                   const Compensation &compensation) {
  IntegerWeights result;
  result.block = block;
  result.bits = bits;
  int64_t width = block ? block : layer.depth, blocks = (layer.depth + width - 1) / width;
  result.values.resize(layer.weights.size());
  result.scales.resize(layer.outputs * blocks);
  result.zeros.resize(layer.outputs * blocks);
  // As many outputs together as keep a row of the compensation in use while it is in the cache.
  constexpr int64_t kTogether = 8;
  parallelFor(0, (layer.outputs + kTogether - 1) / kTogether, [&](size_t group) {
    int64_t first = group * kTogether, count = std::min<int64_t>(kTogether, layer.outputs - first);
    roundOutputs(layer, first, count, width, isAsymmetric, compensation, result);
  });
  return result;
}
