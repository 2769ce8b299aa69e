//===- Rewrite.h - the models that are made of the given one -------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_REWRITE_H
#define TEGULA_TOOLS_QUANTIZE_REWRITE_H

#include "Weights.h"

namespace tegula {

/// What becomes of a site, and of the layers that read it.
struct SitePlan {
  bool isQuantized = false;
  Grid grid;
};

/// The numbers of a layer that is quantized.
struct LayerNumbers {
  IntegerWeights weights;
  std::vector<float> biases; ///< with what corrects the mean; empty: none
};

/// What each output is compared by, -1: itself; else a number of the further outputs of the models below, which are
/// what a last Softmax or Sigmoid reads: where it saturates, its own numbers say nothing of what rounding does.
std::vector<int> comparedOutputs(const ModelGraph &model);

/// The model that also returns what outputs are compared by, then the sites' tensors.
onnx::ModelProto makeObserved(ModelGraph &model, const LayerList &list);

/// The model that also returns, for each of these sites, the sums of x_i * x_j over all rows x, [channels, channels],
/// and [rows, channels].
onnx::ModelProto makeProducts(ModelGraph &model, const LayerList &list, llvm::ArrayRef<size_t> sites);

/// Inputs of the model that tries plans.
struct TrialNames {
  struct OfSite {
    std::string gate, scale, zero;
  };
  struct OfLayer {
    std::string weight, bias; ///< no bias: empty
  };
  std::vector<OfSite> sites;
  std::vector<OfLayer> layers;
};

/// The model whose grids, weights and biases are inputs, and a switch for each site: compiled once, it runs any plan.
/// It also returns what outputs are compared by.
onnx::ModelProto makeTrial(ModelGraph &model, const LayerList &list, TrialNames &names);

/// The quantized model: QuantizeLinear and DequantizeLinear at the sites, integers for weights and biases.
onnx::ModelProto makeQuantized(ModelGraph &model, const LayerList &list, llvm::ArrayRef<SitePlan> plans,
                               llvm::ArrayRef<LayerNumbers> numbers);

/// The model with integers for the weights of all layers alone, in blocks or by output.
onnx::ModelProto makeWeightsOnly(ModelGraph &model, const LayerList &list, llvm::ArrayRef<IntegerWeights> weights,
                                 bool isAsymmetric);

/// The bias of a layer as the quantized model holds it: 32-bit integers times `input` times the scales of the weights,
/// which are widened where the integers would not fit.
std::vector<int32_t> roundBiases(float input, LayerNumbers &numbers);

} // namespace tegula

#endif
