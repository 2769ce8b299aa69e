//===- Layers.cpp - what of a model can be computed with integers -----------===//
#include "Layers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/GlobPattern.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

/// Channels of a group below which no instruction sums their products.
static constexpr int64_t kLeastChannels = 4;

/// Operators that pass numbers of an image on, or add few of them: on integers' bytes they take a quarter of the time.
static bool isFollower(StringRef op) {
  return StringSwitch<bool>(op)
      .Cases({"Add", "Sub", "Mul", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool"}, true)
      .Cases({"Slice", "Split", "Pad", "Relu", "Transpose", "Reshape"}, true)
      .Default(false);
}

static bool matches(ArrayRef<std::string> patterns, StringRef name, StringRef op) {
  return any_of(patterns, [&](StringRef text) {
    Expected<GlobPattern> pattern = GlobPattern::create(text);
    if (!pattern) {
      consumeError(pattern.takeError());
      return text == name || text == op;
    }
    return pattern->match(name) || pattern->match(op);
  });
}

/// The shape of the weights says the rest. An empty text, or why this node is no layer.
static std::string fillConv(Layer &layer, const onnx::NodeProto &node) {
  layer.groups = intOf(node, "group", 1);
  if (layer.shape.size() < 3 || layer.groups < 1 || layer.shape[0] % layer.groups)
    return "its weights have no shape of a convolution";
  layer.outputs = layer.shape[0];
  layer.channels = layer.shape[1] * layer.groups;
  layer.biasOperand = 2;
  return "";
}

static std::string fillProduct(Layer &layer, const onnx::NodeProto &node) {
  if (layer.shape.size() != 2)
    return "its weights are no matrix";
  bool isGemm = node.op_type() == "Gemm", isTransposed = isGemm && intOf(node, "transB", 0);
  if (isGemm && (intOf(node, "transA", 0) || floatOf(node, "alpha", 1) != 1 || floatOf(node, "beta", 1) != 1))
    return "it transposes or scales its operands";
  layer.outputAxis = isTransposed ? 0 : 1;
  layer.outputs = layer.shape[layer.outputAxis];
  layer.channels = layer.shape[1 - layer.outputAxis];
  layer.biasOperand = isGemm ? 2 : -1;
  return "";
}

/// The constant that a node Add after a product adds to each row; it serves as the product's bias.
static void findBiasAfter(Layer &layer, const ModelGraph &model, const onnx::NodeProto &node) {
  ArrayRef<Use> uses = model.usesOf(node.output(0));
  if (uses.size() != 1 || model.isSeen(node.output(0)) || model.node(uses.front().node).op_type() != "Add")
    return;
  const onnx::NodeProto &add = model.node(uses.front().node);
  const std::string &name = add.input(1 - uses.front().operand);
  const onnx::TensorProto *constant = model.constantOf(name);
  bool isRow = constant && constant->dims_size() == 1 && constant->dims(0) == layer.outputs;
  if (isRow && model.usesOf(name).size() == 1 && !model.isSeen(name) && readFloats(*constant, layer.biases))
    layer.bias = name;
}

static std::string fill(Layer &layer, const ModelGraph &model, const onnx::NodeProto &node) {
  if (node.input_size() < 2 || node.input(0).empty() || node.output_size() != 1)
    return "it lacks operands or results";
  if (model.constantOf(node.input(0)))
    return "its left side is constant";
  const onnx::TensorProto *weight = model.constantOf(node.input(1));
  if (!weight) {
    int producer = model.producerOf(node.input(1));
    bool isDone = producer >= 0 && model.node(producer).op_type() == "DequantizeLinear";
    return isDone ? "it is quantized already" : "its right side is no constant: both vary";
  }
  std::vector<float> values;
  if (weight->data_type() != onnx::TensorProto::FLOAT)
    return "its weights are " + onnx::TensorProto::DataType_Name(weight->data_type()) + ", not FLOAT";
  if (!readFloats(*weight, values) || values.empty())
    return "its weights do not fit their shape";
  layer.shape.assign(weight->dims().begin(), weight->dims().end());
  std::string why = node.op_type() == "Conv" ? fillConv(layer, node) : fillProduct(layer, node);
  if (!why.empty())
    return why;
  layer.depth = values.size() / layer.outputs;
  layer.weights = layer.fromModel(values);
  if (!all_of(values, [](float value) { return std::isfinite(value); }))
    return "its weights are not finite";
  layer.input = node.input(0);
  layer.weight = node.input(1);
  if (layer.biasOperand < 0) {
    findBiasAfter(layer, model, node);
    return "";
  }
  if (node.input_size() <= layer.biasOperand || node.input(layer.biasOperand).empty())
    return "";
  layer.bias = node.input(layer.biasOperand);
  const onnx::TensorProto *bias = model.constantOf(layer.bias);
  if (!bias || !readFloats(*bias, layer.biases))
    return "its bias is no constant";
  if (layer.biases.size() == 1)
    layer.biases.resize(layer.outputs, layer.biases.front());
  bool isRow = bias->dims_size() == 1 || (bias->dims_size() == 2 && bias->dims(0) == 1);
  return isRow && static_cast<int64_t>(layer.biases.size()) == layer.outputs ? "" : "its bias is no row";
}

LayerList tegula::findLayers(const ModelGraph &model, ArrayRef<std::string> kept, bool isAll) {
  LayerList list;
  MapVector<StringRef, int> sites;
  for (int index = 0; index < model.nodeCount(); ++index) {
    const onnx::NodeProto &node = model.node(index);
    bool isSum = StringSwitch<bool>(node.op_type())
                     .Cases({"Conv", "MatMul", "Gemm", "ConvTranspose", "LSTM", "GRU", "RNN", "Einsum"}, true)
                     .Default(false);
    if (!isStandard(node) || !isSum)
      continue;
    Layer layer;
    layer.node = index;
    layer.name = model.nameOf(index);
    bool isKnown = node.op_type() == "Conv" || node.op_type() == "MatMul" || node.op_type() == "Gemm";
    std::string why = matches(kept, layer.name, node.op_type()) ? "asked for by --keep-fp"
                      : !isKnown                                ? node.op_type() + " has no integer form"
                                                                : fill(layer, model, node);
    if (why.empty() && !isAll && layer.groups > 1 && layer.channels / layer.groups < kLeastChannels)
      why = "float is faster: its groups have " + std::to_string(layer.channels / layer.groups) +
            " channels, too few to sum products of (--all quantizes it anyway)";
    if (!why.empty()) {
      list.refusals.push_back({index, why});
      continue;
    }
    auto [it, isNew] = sites.insert({node.input(0), list.sites.size()});
    bool isImage = node.op_type() == "Conv";
    if (isNew)
      list.sites.push_back({layer.input, isImage, layer.channels, {}, {}, {}});
    Site &site = list.sites[it->second];
    if (site.isImage != isImage || site.channels != layer.channels) {
      list.refusals.push_back({index, "its input is read in another way by " + list.layers[site.layers.front()].name});
      continue;
    }
    layer.site = it->second;
    site.layers.push_back(list.layers.size());
    list.layers.push_back(std::move(layer));
  }
  for (Site &site : list.sites)
    for (Use use : model.usesOf(site.value)) {
      const onnx::NodeProto &node = model.node(use.node);
      bool isShape = use.operand > 0 && (node.op_type() == "Reshape" || node.op_type() == "Slice");
      if (site.isImage && isStandard(node) && isFollower(node.op_type()) && !isShape &&
          !matches(kept, model.nameOf(use.node), node.op_type()))
        site.others.push_back(use);
    }
  return list;
}
