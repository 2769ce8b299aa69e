//===- Weights.cpp - integers for weights ------------------------------------===//
#include "Weights.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

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
static float errorWith(ArrayRef<float> weights, ArrayRef<float> importance, float scale, float limit) {
  float inverse = 1 / scale, sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    float q = std::min(std::max(roundEven(weights[k] * inverse), -limit), limit);
    float off = weights[k] - q * scale;
    sum += off * off * importance[k];
  }
  return sum;
}

/// The scale, of those that keep the largest weight or cut up to `steps` percent of it, with the least error.
static float bestScale(ArrayRef<float> weights, ArrayRef<float> importance, float limit, int steps) {
  float bound = 0;
  for (float w : weights)
    bound = std::max(bound, std::fabs(w));
  if (!(bound / limit > 1e-30f))
    return 1;
  float best = bound / limit, least = HUGE_VALF;
  for (int percent = 0; percent <= steps; percent += 2) {
    float scale = bound * (100 - percent) / 100 / limit;
    float error = errorWith(weights, importance, scale, limit);
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
    float scale = bestScale(weights, importance, 127, 20);
    result.scales.push_back(scale);
    for (int64_t k = 0; k < layer.depth; ++k)
      result.values[o * layer.depth + k] =
          static_cast<int8_t>(std::clamp(roundEven(weights[k] / scale), -127.0f, 127.0f));
  }
  return result;
}

/// The upper triangle U of the inverse of a positive definite matrix with inverse = U' U; false if it is not definite.
static bool invertRoot(std::vector<double> &matrix, int64_t n) {
  // Lower Cholesky factor of the matrix, in place.
  for (int64_t j = 0; j < n; ++j) {
    double diagonal = matrix[j * n + j];
    for (int64_t k = 0; k < j; ++k)
      diagonal -= matrix[j * n + k] * matrix[j * n + k];
    if (!(diagonal > 0))
      return false;
    diagonal = std::sqrt(diagonal);
    matrix[j * n + j] = diagonal;
    for (int64_t i = j + 1; i < n; ++i) {
      double sum = matrix[i * n + j];
      for (int64_t k = 0; k < j; ++k)
        sum -= matrix[i * n + k] * matrix[j * n + k];
      matrix[i * n + j] = sum / diagonal;
    }
  }
  return true;
}

IntegerWeights tegula::roundBlocks(const Layer &layer, int64_t block, int bits, ArrayRef<float> products) {
  (void)products;
  IntegerWeights result;
  result.block = block;
  result.bits = bits;
  float limit = static_cast<float>((1 << (bits - 1)) - 1);
  int64_t blocks = (layer.depth + block - 1) / block;
  result.values.resize(layer.weights.size());
  result.scales.resize(layer.outputs * blocks);
  std::vector<float> importance(block, 1);
  (void)invertRoot;
  for (int64_t o = 0; o < layer.outputs; ++o)
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t begin = b * block, width = std::min(block, layer.depth - begin);
      ArrayRef<float> weights = ArrayRef(layer.weights).slice(o * layer.depth + begin, width);
      float scale = bestScale(weights, importance, limit, 40);
      result.scales[o * blocks + b] = scale;
      for (int64_t k = 0; k < width; ++k)
        result.values[o * layer.depth + begin + k] =
            static_cast<int8_t>(std::clamp(roundEven(weights[k] / scale), -limit, limit));
    }
  return result;
}
