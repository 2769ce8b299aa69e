//===- Scaling.cpp - equal ranges for the channels of a tensor --------------===//
#include "Scaling.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

/// Divisors beyond it lose more to the range of floats than they gain.
static constexpr double kMaxDivisor = 1024;
/// The share of the expected error that has to go, and that for which a multiplication is worth its time.
static constexpr double kLeastGain = 0.05, kLeastGainOfMul = 0.4;

namespace {
/// A constant that is divided along an axis when channels are.
struct Factor {
  std::string constant;
  int64_t axis;
};
} // namespace

/// The axis of a constant that counts the channels of `site`, if the others are 1.
static std::optional<int64_t> channelAxis(const ModelGraph &model, const Site &site, StringRef name, int64_t spatial) {
  const onnx::TensorProto *tensor = model.constantOf(name);
  if (!tensor || tensor->data_type() != onnx::TensorProto::FLOAT || elementCount(*tensor) != site.channels)
    return std::nullopt;
  int64_t axis = tensor->dims_size() - 1 - (site.isImage ? spatial : 0);
  return axis >= 0 && tensor->dims(axis) == site.channels ? std::optional(axis) : std::nullopt;
}

/// Adds operand `name` of a normalization or layer to `factors`; an absent one is no hindrance.
static bool addFactor(const ModelGraph &model, const onnx::NodeProto &node, int operand, int64_t axis, int64_t channels,
                      std::vector<Factor> &factors) {
  if (operand >= node.input_size() || node.input(operand).empty())
    return true;
  const std::string &name = node.input(operand);
  const onnx::TensorProto *tensor = model.constantOf(name);
  bool fits = tensor && tensor->data_type() == onnx::TensorProto::FLOAT && tensor->dims_size() > axis &&
              tensor->dims(axis) == channels && model.usesOf(name).size() == 1 && !model.isSeen(name);
  if (fits)
    factors.push_back({name, axis});
  return fits;
}

/// What has to be divided so that the site's channels are; false where that is not possible. Walks up from the tensor
/// through operators f with f(x / d) = f(x) / d.
static bool findFactors(const ModelGraph &model, const LayerList &list, const Site &site,
                        std::vector<Factor> &factors) {
  StringRef value = site.value;
  int64_t spatial = list.layers[site.layers.front()].shape.size() - 2;
  if (model.usesOf(value).size() != site.layers.size() || model.isSeen(value))
    return false;
  while (true) {
    int producer = model.producerOf(value);
    if (producer < 0)
      return false;
    const onnx::NodeProto &node = model.node(producer);
    StringRef op = node.op_type();
    if (op == "Conv" && site.isImage)
      return addFactor(model, node, 1, 0, site.channels, factors) && node.input_size() > 1 &&
             addFactor(model, node, 2, 0, site.channels, factors);
    if (op == "MatMul" && !site.isImage)
      return model.constantOf(node.input(1)) && model.constantOf(node.input(1))->dims_size() == 2 &&
             addFactor(model, node, 1, 1, site.channels, factors);
    if (op == "Gemm" && !site.isImage) {
      bool hasRow = node.input_size() < 3 || !model.constantOf(node.input(2)) ||
                    model.constantOf(node.input(2))->dims_size() == 1;
      return hasRow && addFactor(model, node, 1, intOf(node, "transB", 0) ? 0 : 1, site.channels, factors) &&
             addFactor(model, node, 2, 0, site.channels, factors);
    }
    bool isNormalization = StringSwitch<bool>(op)
                               .Cases({"LayerNormalization", "RMSNormalization"}, !site.isImage)
                               .Cases({"BatchNormalization", "InstanceNormalization"}, site.isImage)
                               .Default(false);
    if (isNormalization)
      return node.input_size() > 1 && addFactor(model, node, 1, 0, site.channels, factors) &&
             addFactor(model, node, 2, 0, site.channels, factors);
    bool isBinary = (op == "Mul" || op == "Add") && node.input_size() == 2;
    bool isLinear = StringSwitch<bool>(op)
                        .Cases({"Relu", "LeakyRelu", "Identity"}, true)
                        .Cases({"MaxPool", "AveragePool", "GlobalAveragePool"}, site.isImage && node.output_size() == 1)
                        .Default(false);
    if (!isStandard(node) || (!isBinary && !isLinear))
      return false;
    int constant = isBinary && model.constantOf(node.input(0)) ? 0 : 1;
    if (isBinary) {
      std::optional<int64_t> axis = channelAxis(model, site, node.input(constant), spatial);
      if (!axis || !addFactor(model, node, constant, *axis, site.channels, factors))
        return false;
      if (op == "Mul")
        return true;
    }
    value = node.input(isBinary ? 1 - constant : 0);
    if (model.usesOf(value).size() != 1 || model.isSeen(value))
      return false;
  }
}

namespace {
/// The weights of all layers of a site, as the expected error needs them.
class Weighing {
public:
  Weighing(const LayerList &list, const Site &site, const Statistics &statistics)
      : list(list), site(site), statistics(statistics), low(site.channels), high(site.channels), squares(site.channels),
        largest(site.channels) {
    // Few samples say little of a channel's extremes: it may well reach those of the others.
    double least = *std::min_element(statistics.low.begin(), statistics.low.end());
    double most = *std::max_element(statistics.high.begin(), statistics.high.end()), trust = statistics.trust();
    for (int64_t c = 0; c < site.channels; ++c) {
      low[c] = trust * statistics.low[c] + (1 - trust) * least;
      high[c] = trust * statistics.high[c] + (1 - trust) * most;
    }
    for (int index : site.layers) {
      const Layer &layer = list.layers[index];
      for (int64_t o = 0; o < layer.outputs; ++o)
        for (int64_t k = 0; k < layer.depth; ++k) {
          double w = layer.weights[o * layer.depth + k];
          int64_t channel = layer.channelOf(o, k);
          squares[channel] += w * w;
          largest[channel] = std::max(largest[channel], std::fabs(w));
        }
    }
  }

  /// The mean squared error of all outputs that rounding inputs and weights to 8 bits is expected to leave.
  double errorWith(ArrayRef<float> divisor) const {
    double least = 0, most = 0, perStep = 0, total = 0;
    for (int64_t c = 0; c < site.channels; ++c) {
      least = std::min(least, low[c] / divisor[c]);
      most = std::max(most, high[c] / divisor[c]);
      perStep += squares[c] * divisor[c] * divisor[c];
    }
    bool isScaled = any_of(divisor, [](float value) { return value != 1; });
    double width = (most - least) * (isScaled ? statistics.headroom() : 1);
    total = std::pow(width / 255, 2) / 12 * perStep;
    for (int index : site.layers) {
      const Layer &layer = list.layers[index];
      for (int64_t o = 0; o < layer.outputs; ++o) {
        double bound = 0, input = 0;
        for (int64_t k = 0; k < layer.depth; ++k) {
          int64_t c = layer.channelOf(o, k);
          bound = std::max<double>(bound, std::fabs(layer.weights[o * layer.depth + k] * divisor[c]));
          input += statistics.meanSquare(c) / (divisor[c] * divisor[c]);
        }
        total += std::pow(bound / 127, 2) / 12 * input;
      }
    }
    return total;
  }

  std::vector<float> divisorsOf(double exponent) const {
    std::vector<float> divisor(site.channels, 1);
    double logs = 0, count = 0;
    for (int64_t c = 0; c < site.channels; ++c) {
      double x = std::max(-low[c], high[c]);
      if (!(x > 0) || !(largest[c] > 0))
        continue;
      divisor[c] = static_cast<float>(std::pow(x, exponent) / std::pow(largest[c], 1 - exponent));
      logs += std::log(divisor[c]);
      ++count;
    }
    double mean = count ? std::exp(logs / count) : 1;
    for (int64_t c = 0; c < site.channels; ++c)
      if (std::max(-low[c], high[c]) > 0 && largest[c] > 0)
        divisor[c] = static_cast<float>(std::clamp(divisor[c] / mean, 1 / kMaxDivisor, kMaxDivisor));
    return divisor;
  }

private:
  const LayerList &list;
  const Site &site;
  const Statistics &statistics;
  std::vector<double> low, high;        // of each channel
  std::vector<double> squares, largest; // of each channel's weights
};
} // namespace

static std::vector<float> bestDivisors(const LayerList &list, const Site &site, const Statistics &statistics,
                                       double leastGain) {
  Weighing weighing(list, site, statistics);
  std::vector<float> best(site.channels, 1);
  double least = weighing.errorWith(best) * (1 - leastGain);
  for (int tenths = 0; tenths <= 10; ++tenths) {
    std::vector<float> divisor = weighing.divisorsOf(tenths / 10.0);
    double error = weighing.errorWith(divisor);
    if (error >= least)
      continue;
    least = error;
    best = std::move(divisor);
  }
  return best;
}

static void divide(ModelGraph &model, const Factor &factor, ArrayRef<float> divisor) {
  onnx::TensorProto &tensor = *model.constantOf(factor.constant);
  std::vector<float> values;
  if (!readFloats(tensor, values))
    return;
  int64_t inner = 1;
  for (int axis = factor.axis + 1; axis < tensor.dims_size(); ++axis)
    inner *= tensor.dims(axis);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] /= divisor[i / inner % divisor.size()];
  writeFloats(tensor, values);
}

/// Takes weights and biases anew from the model.
static void readAgain(const ModelGraph &model, Layer &layer) {
  std::vector<float> values;
  if (readFloats(*model.constantOf(layer.weight), values))
    layer.weights = layer.fromModel(values);
  if (!layer.bias.empty() && readFloats(*model.constantOf(layer.bias), values) && values.size() == layer.biases.size())
    layer.biases = values;
}

static void multiplyWeights(Layer &layer, ArrayRef<float> divisor) {
  for (int64_t o = 0; o < layer.outputs; ++o)
    for (int64_t k = 0; k < layer.depth; ++k)
      layer.weights[o * layer.depth + k] *= divisor[layer.channelOf(o, k)];
}

std::vector<std::vector<float>> tegula::scaleChannels(ModelGraph &model, LayerList &list,
                                                      ArrayRef<Statistics> statistics) {
  std::vector<std::vector<float>> divisors;
  std::vector<std::vector<Factor>> factors(list.sites.size());
  // All are chosen by the weights as they were: what divides a layer's outputs multiplies what reads them, so that its
  // error weighs as much as before.
  for (auto [index, site] : enumerate(list.sites)) {
    bool isOnce = all_of(site.layers, [&](int layer) { return model.usesOf(list.layers[layer].weight).size() == 1; });
    bool isTaken = isOnce && findFactors(model, list, site, factors[index]);
    if (!isTaken)
      factors[index].clear();
    if (isTaken || site.others.empty())
      divisors.push_back(bestDivisors(list, site, statistics[index], isTaken ? kLeastGain : kLeastGainOfMul));
    else
      divisors.emplace_back(site.channels, 1.0f);
    if (!isTaken && any_of(divisors.back(), [](float value) { return value != 1; }))
      site.divisor = divisors.back();
  }
  for (auto [site, divisor] : zip(list.sites, divisors))
    for (int index : site.layers) {
      Layer &layer = list.layers[index];
      if (!site.divisor.empty())
        continue;
      multiplyWeights(layer, divisor);
      writeFloats(*model.constantOf(layer.weight), layer.toModel<float>(layer.weights));
    }
  for (auto [list, divisor] : zip(factors, divisors))
    for (const Factor &factor : list)
      divide(model, factor, divisor);
  for (Layer &layer : list.layers) {
    readAgain(model, layer);
    if (!list.sites[layer.site].divisor.empty())
      multiplyWeights(layer, list.sites[layer.site].divisor);
  }
  return divisors;
}
