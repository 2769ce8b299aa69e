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
    for (int64_t k = 0; k < layer.depth; ++k)
      result[o * layer.depth + k] = values[o * layer.depth + k] * scales[o * blocks + k / width];
  return result;
}

/// The weighted squared error of rounding `weights` with `scale`.
static float errorWith(ArrayRef<float> weights, ArrayRef<float> importance, float scale, float lowest, float limit) {
  float inverse = 1 / scale, sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    float q = std::min(std::max(roundEven(weights[k] * inverse), lowest), limit);
    float off = weights[k] - q * scale;
    sum += off * off * importance[k];
  }
  return sum;
}

/// The scale, of those that keep the largest weight or cut up to `steps` percent of it, with the least error.
static float bestScale(ArrayRef<float> weights, ArrayRef<float> importance, float lowest, float limit, int steps) {
  float bound = 0;
  for (float w : weights)
    bound = std::max(bound, std::fabs(w));
  if (!(bound / limit > 1e-30f))
    return 1;
  float best = bound / limit, least = HUGE_VALF;
  for (int percent = 0; percent <= steps; percent += 2) {
    float scale = bound * (100 - percent) / 100 / limit;
    float error = errorWith(weights, importance, scale, lowest, limit);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

IntegerWeights tegula::roundWeights(const Layer &layer, ArrayRef<double> meanSquares) {
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
    float scale = bestScale(weights, importance, -127, 127, 20);
    result.scales.push_back(scale);
    for (int64_t k = 0; k < layer.depth; ++k)
      result.values[o * layer.depth + k] =
          static_cast<int8_t>(std::clamp(roundEven(weights[k] / scale), -127.0f, 127.0f));
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
static void roundOutputs(const Layer &layer, int64_t first, int64_t count, int64_t block,
                         const Compensation &compensation, IntegerWeights &result) {
  int64_t depth = layer.depth, blocks = (depth + block - 1) / block;
  float limit = static_cast<float>((1 << (result.bits - 1)) - 1), lowest = result.bits == 8 ? -limit : -limit - 1;
  std::vector<float> alike(compensation.importance.empty() ? depth : 0, 1), rows(count * depth);
  ArrayRef<float> importance = alike.empty() ? compensation.importance : alike;
  for (int64_t o = 0; o < count; ++o) {
    ArrayRef<float> weights = ArrayRef(layer.weights).slice((first + o) * depth, depth);
    for (int64_t begin = 0; begin < depth; begin += block) {
      int64_t width = std::min(block, depth - begin);
      result.scales[(first + o) * blocks + begin / block] =
          bestScale(weights.slice(begin, width), importance.slice(begin, width), lowest, limit, 30);
    }
    for (int64_t k = 0; k < depth; ++k)
      rows[o * depth + k] = weights[compensation.order[k]];
  }
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t o = 0; o < count; ++o) {
      int64_t input = compensation.order[k];
      float *row = &rows[o * depth], scale = result.scales[(first + o) * blocks + input / block];
      float q = std::min(std::max(roundEven(row[k] / scale), lowest), limit), off = row[k] - q * scale;
      result.values[(first + o) * depth + input] = static_cast<int8_t>(q);
      if (compensation.rows.empty())
        continue;
      const float *u = &compensation.rows[k * depth];
      for (int64_t j = k + 1; j < depth; ++j)
        row[j] -= off * u[j];
    }
}

IntegerWeights tegula::roundBlocks(const Layer &layer, int64_t block, int bits, const Compensation &compensation) {
  IntegerWeights result;
  result.block = block;
  result.bits = bits;
  int64_t width = block ? block : layer.depth, blocks = (layer.depth + width - 1) / width;
  result.values.resize(layer.weights.size());
  result.scales.resize(layer.outputs * blocks);
  // As many outputs together as keep a row of the compensation in use while it is in the cache.
  constexpr int64_t kTogether = 8;
  parallelFor(0, (layer.outputs + kTogether - 1) / kTogether, [&](size_t group) {
    int64_t first = group * kTogether, count = std::min<int64_t>(kTogether, layer.outputs - first);
    roundOutputs(layer, first, count, width, compensation, result);
  });
  return result;
}
