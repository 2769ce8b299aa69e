//===- Layers.h - what of a model can be computed with integers ----*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_LAYERS_H
#define TEGULA_TOOLS_QUANTIZE_LAYERS_H

#include "ModelGraph.h"
#include "llvm/ADT/ArrayRef.h"

namespace tegula {

/// A sum of products with constant weights: Conv, or MatMul and Gemm with the weights on the right.
struct Layer {
  int node;
  std::string name;
  std::string input, weight, bias;  ///< values; no bias: empty
  int biasOperand = -1;             ///< operand of the node; -1: a node Add after it has it as a constant, if any
  llvm::SmallVector<int64_t> shape; ///< of the weights, as in the model
  int64_t outputs = 0, depth = 0;   ///< a weight for each of `depth` inputs of each output
  int64_t channels = 0, groups = 1; ///< of the input
  int64_t outputAxis = 0;           ///< of `shape`
  std::vector<float> weights;       ///< [outputs, depth]
  std::vector<float> biases;        ///< [outputs]; empty if there is none
  int site = 0;

  /// The input's channel that weight `k` of output `o` multiplies.
  int64_t channelOf(int64_t o, int64_t k) const {
    int64_t inGroup = channels / groups;
    return (o / (outputs / groups)) * inGroup + k / (depth / inGroup);
  }
  /// Numbers [outputs, depth] in the order of the model, and back.
  template <typename T> std::vector<T> toModel(llvm::ArrayRef<T> values) const {
    std::vector<T> result(values.begin(), values.end());
    for (int64_t o = 0; outputAxis == 1 && o < outputs; ++o)
      for (int64_t k = 0; k < depth; ++k)
        result[k * outputs + o] = values[o * depth + k];
    return result;
  }
  std::vector<float> fromModel(llvm::ArrayRef<float> values) const {
    std::vector<float> result(values.begin(), values.end());
    for (int64_t o = 0; outputAxis == 1 && o < outputs; ++o)
      for (int64_t k = 0; k < depth; ++k)
        result[o * depth + k] = values[k * outputs + o];
    return result;
  }
};

/// A tensor that layers read: what is quantized, or stays real, as one.
struct Site {
  std::string value;
  bool isImage = false; ///< [N, C, ...]; otherwise [..., C]
  int64_t channels = 0;
  std::vector<int> layers;
  std::vector<float> divisor; ///< of each channel before it is rounded, by a node Mul; empty: none
  std::vector<Use> others; ///< reads of other nodes that follow: sums and copies of images, which gain by small numbers
};

/// Why a node is no layer.
struct Refusal {
  int node;
  std::string reason;
};

struct LayerList {
  std::vector<Layer> layers;
  std::vector<Site> sites;
  std::vector<Refusal> refusals; ///< of nodes that multiply matrices
};

/// Finds them all. A node whose name or operator matches one of `kept` (with * and ?) is refused, and without `isAll`
/// one that integers would not make faster: instructions for them sum products of neighbouring channels, of which a
/// depthwise convolution has none. (With AVX2 and with AVX-512 VNNI networks whose depthwise layers stay float are
/// faster.)
LayerList findLayers(const ModelGraph &model, llvm::ArrayRef<std::string> kept, bool isAll);

} // namespace tegula

#endif
