//===- Rewrite.cpp - the models that are made of the given one --------------===//
#include "Rewrite.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

using onnx::TensorProto;

namespace {
/// A copy of the model in which nodes are added before others, and operands are exchanged.
class Rewriter {
public:
  explicit Rewriter(ModelGraph &model) : model(model), result(model.proto), graph(*result.mutable_graph()) {
    nodes.Swap(graph.mutable_node());
    before.resize(nodes.size());
  }

  std::string fresh(const Twine &name) { return model.freshName(name.str()); }

  /// A node with one output, before node `place`.
  onnx::NodeProto &add(int place, StringRef op, ArrayRef<std::string> inputs, const std::string &output) {
    onnx::NodeProto &node = before[place].emplace_back();
    node.set_op_type(op.str());
    node.set_name(fresh(output + "_" + op));
    for (const std::string &input : inputs)
      node.add_input(input);
    node.add_output(output);
    return node;
  }
  static void setInt(onnx::NodeProto &node, StringRef name, int64_t value) {
    onnx::AttributeProto *attribute = node.add_attribute();
    attribute->set_name(name.str());
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }

  template <typename T>
  std::string constant(const Twine &name, int32_t type, ArrayRef<int64_t> shape, ArrayRef<T> values) {
    std::string given = fresh(name);
    *graph.add_initializer() = makeTensor(given, type, shape, values.data(), values.size() * sizeof(T));
    return given;
  }
  std::string input(const Twine &name, int32_t type, ArrayRef<int64_t> shape) {
    std::string given = fresh(name);
    onnx::ValueInfoProto *port = graph.add_input();
    port->set_name(given);
    port->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    auto *extents = port->mutable_type()->mutable_tensor_type()->mutable_shape();
    for (int64_t extent : shape)
      extents->add_dim()->set_dim_value(extent);
    return given;
  }
  void output(const std::string &name, int32_t type) {
    onnx::ValueInfoProto *port = graph.add_output();
    port->set_name(name);
    port->mutable_type()->mutable_tensor_type()->set_elem_type(type);
  }

  void setOperand(Use use, const std::string &value) {
    onnx::NodeProto &node = *nodes.Mutable(use.node);
    while (node.input_size() <= use.operand)
      node.add_input("");
    node.set_input(use.operand, value);
  }

  /// The first node that reads a site.
  int firstUse(const LayerList &list, const Site &site) const {
    int first = INT32_MAX;
    for (int layer : site.layers)
      first = std::min(first, list.layers[layer].node);
    for (Use use : site.others)
      first = std::min(first, use.node);
    return first;
  }
  void setSite(const LayerList &list, const Site &site, const std::string &value) {
    for (int layer : site.layers)
      setOperand({list.layers[layer].node, 0}, value);
    for (Use use : site.others)
      setOperand(use, value);
  }
  /// Where the node is that takes a layer's bias.
  Use biasUse(const Layer &layer) const {
    return layer.biasOperand < 0 ? model.usesOf(layer.bias).front() : Use{layer.node, layer.biasOperand};
  }

  /// Puts the nodes together and drops constants that nothing reads any more.
  onnx::ModelProto take() {
    StringSet<> used;
    for (int index = 0; index < nodes.size(); ++index) {
      for (onnx::NodeProto &node : before[index])
        graph.add_node()->Swap(&node);
      graph.add_node()->Swap(nodes.Mutable(index));
    }
    for (const onnx::NodeProto &node : graph.node())
      for (const std::string &input : node.input())
        used.insert(input);
    auto isUsed = [&](const std::string &name) {
      return used.contains(name) || model.isSeen(name) || model.isInput(name);
    };
    google::protobuf::RepeatedPtrField<TensorProto> kept;
    for (TensorProto &tensor : *graph.mutable_initializer())
      if (isUsed(tensor.name()))
        kept.Add()->Swap(&tensor);
    graph.mutable_initializer()->Swap(&kept);
    google::protobuf::RepeatedPtrField<onnx::NodeProto> keptNodes;
    for (onnx::NodeProto &node : *graph.mutable_node())
      if (node.op_type() != "Constant" || node.output_size() != 1 || isUsed(node.output(0)))
        keptNodes.Add()->Swap(&node);
    graph.mutable_node()->Swap(&keptNodes);
    return std::move(result);
  }

private:
  ModelGraph &model;
  onnx::ModelProto result;
  onnx::GraphProto &graph;
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  std::vector<std::vector<onnx::NodeProto>> before;
};
} // namespace

/// The value before the last function of an output; empty if that is none that saturates. Shapes may change after it.
static std::string beforeSaturation(const ModelGraph &model, StringRef value) {
  // Not for ever: nobody has checked yet that the graph has no cycle.
  for (int step = 0; step < model.nodeCount(); ++step) {
    int producer = model.producerOf(value);
    if (producer < 0 || !isStandard(model.node(producer)) || model.node(producer).input_size() == 0)
      return "";
    const onnx::NodeProto &node = model.node(producer);
    bool isSaturating =
        StringSwitch<bool>(node.op_type()).Cases({"Softmax", "Sigmoid", "HardSigmoid", "Tanh"}, true).Default(false);
    if (isSaturating)
      return node.input(0);
    const onnx::TensorProto *constant = node.input_size() > 1 ? model.constantOf(node.input(1)) : nullptr;
    bool isLinear = (node.op_type() == "Mul" || node.op_type() == "Add") && constant && elementCount(*constant) == 1;
    bool isMove = StringSwitch<bool>(node.op_type())
                      .Cases({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}, true)
                      .Default(false);
    if (!isLinear && !isMove)
      return "";
    value = node.input(0);
  }
  return "";
}

std::vector<int> tegula::comparedOutputs(const ModelGraph &model) {
  std::vector<int> result;
  int further = 0;
  for (const onnx::ValueInfoProto &output : model.proto.graph().output())
    result.push_back(beforeSaturation(model, output.name()).empty() ? -1 : further++);
  return result;
}

/// Adds the further outputs. A copy: the value may be an output already.
static void addComparedOutputs(Rewriter &rewriter, const ModelGraph &model) {
  for (const onnx::ValueInfoProto &output : model.proto.graph().output()) {
    std::string value = beforeSaturation(model, output.name());
    if (value.empty())
      continue;
    std::string copy = rewriter.fresh("tegula_compared");
    rewriter.add(model.producerOf(output.name()), "Identity", {value}, copy);
    rewriter.output(copy, TensorProto::FLOAT);
  }
}

onnx::ModelProto tegula::makeObserved(ModelGraph &model, const LayerList &list) {
  Rewriter rewriter(model);
  addComparedOutputs(rewriter, model);
  for (auto [index, site] : enumerate(list.sites)) {
    // A copy: the tensor may be an input, or an output already.
    std::string copy = rewriter.fresh("tegula_site_" + Twine(index));
    rewriter.add(rewriter.firstUse(list, site), "Identity", {site.value}, copy);
    rewriter.output(copy, TensorProto::FLOAT);
  }
  return rewriter.take();
}

/// The tensor of a site with its channels divided, where they are.
static std::string addDivision(Rewriter &rewriter, int place, const LayerList &list, const Site &site) {
  if (site.divisor.empty())
    return site.value;
  std::vector<float> factors;
  for (float divisor : site.divisor)
    factors.push_back(1 / divisor);
  SmallVector<int64_t> shape{site.channels};
  for (size_t i = 2; site.isImage && i < list.layers[site.layers.front()].shape.size(); ++i)
    shape.push_back(1);
  std::string result = rewriter.fresh(site.value + "_divided");
  rewriter.add(place, "Mul",
               {site.value, rewriter.constant<float>(site.value + "_factors", TensorProto::FLOAT, shape, factors)},
               result);
  return result;
}

onnx::ModelProto tegula::makeProducts(ModelGraph &model, const LayerList &list, ArrayRef<size_t> sites) {
  Rewriter rewriter(model);
  for (size_t index : sites) {
    const Site &site = list.sites[index];
    int place = rewriter.firstUse(list, site);
    std::string prefix = "tegula_products_" + std::to_string(index);
    std::string rows = rewriter.fresh(prefix + "_rows"), columns = rewriter.fresh(prefix + "_columns"),
                products = rewriter.fresh(prefix);
    std::string shape = rewriter.constant<int64_t>(prefix + "_shape", TensorProto::INT64, {2}, {-1, site.channels});
    rewriter.add(place, "Reshape", {site.value, shape}, rows);
    rewriter.add(place, "Transpose", {rows}, columns);
    rewriter.add(place, "MatMul", {columns, rows}, products);
    rewriter.output(products, TensorProto::FLOAT);
    std::string extents = rewriter.fresh(prefix + "_extents");
    rewriter.add(place, "Shape", {rows}, extents);
    rewriter.output(extents, TensorProto::INT64);
  }
  return rewriter.take();
}

onnx::ModelProto tegula::makeTrial(ModelGraph &model, const LayerList &list, TrialNames &names) {
  Rewriter rewriter(model);
  addComparedOutputs(rewriter, model);
  for (auto [index, site] : enumerate(list.sites)) {
    TrialNames::OfSite &of = names.sites.emplace_back();
    of.gate = rewriter.input("tegula_gate_" + Twine(index), TensorProto::BOOL, {});
    of.scale = rewriter.input("tegula_scale_" + Twine(index), TensorProto::FLOAT, {});
    of.zero = rewriter.input("tegula_zero_" + Twine(index), TensorProto::UINT8, {});
    int place = rewriter.firstUse(list, site);
    std::string prefix = "tegula_trial_" + std::to_string(index);
    std::string integers = rewriter.fresh(prefix + "_q"), rounded = rewriter.fresh(prefix + "_r"),
                chosen = rewriter.fresh(prefix);
    std::string divided = addDivision(rewriter, place, list, site);
    rewriter.add(place, "QuantizeLinear", {divided, of.scale, of.zero}, integers);
    rewriter.add(place, "DequantizeLinear", {integers, of.scale, of.zero}, rounded);
    rewriter.add(place, "Where", {of.gate, rounded, divided}, chosen);
    rewriter.setSite(list, site, chosen);
  }
  for (auto [index, layer] : enumerate(list.layers)) {
    TrialNames::OfLayer &of = names.layers.emplace_back();
    of.weight = rewriter.input("tegula_weight_" + Twine(index), TensorProto::FLOAT, layer.shape);
    rewriter.setOperand({layer.node, 1}, of.weight);
    if (layer.biasOperand < 0 && layer.bias.empty())
      continue;
    of.bias = rewriter.input("tegula_bias_" + Twine(index), TensorProto::FLOAT, {layer.outputs});
    rewriter.setOperand(rewriter.biasUse(layer), of.bias);
  }
  return rewriter.take();
}

std::vector<int32_t> tegula::roundBiases(float input, LayerNumbers &numbers) {
  std::vector<int32_t> integers;
  for (auto [bias, scale] : zip(numbers.biases, numbers.weights.scales)) {
    // Where all weights of an output are tiny, only the bias counts: its scale decides. Their integers are then zero.
    float least = std::fabs(bias) / (input * 1e9f);
    if (scale < least) {
      size_t output = &scale - numbers.weights.scales.data(),
             depth = numbers.weights.values.size() / numbers.weights.scales.size();
      for (size_t k = 0; k < depth; ++k) {
        int8_t &value = numbers.weights.values[output * depth + k], zero = numbers.weights.zeros[output];
        value = static_cast<int8_t>(std::nearbyint((value - zero) * (scale / least)) + zero);
      }
      scale = least;
    }
    integers.push_back(static_cast<int32_t>(std::nearbyint(bias / (static_cast<double>(input) * scale))));
  }
  return integers;
}

/// DequantizeLinear of a constant before `place`.
template <typename T>
static std::string addConstant(Rewriter &rewriter, int place, const std::string &name, int32_t type,
                               ArrayRef<int64_t> shape, ArrayRef<T> values, ArrayRef<float> scales,
                               ArrayRef<int8_t> zeros, int64_t axis) {
  int64_t count = scales.size();
  std::string result = rewriter.fresh(name + "_dequantized");
  std::vector<std::string> inputs{rewriter.constant<T>(name + "_quantized", type, shape, values),
                                  rewriter.constant<float>(name + "_scale", TensorProto::FLOAT, {count}, scales)};
  if (!zeros.empty())
    inputs.push_back(rewriter.constant<int8_t>(name + "_zero_point", type, {count}, zeros));
  Rewriter::setInt(rewriter.add(place, "DequantizeLinear", inputs, result), "axis", axis);
  return result;
}

onnx::ModelProto tegula::makeQuantized(ModelGraph &model, const LayerList &list, ArrayRef<SitePlan> plans,
                                       ArrayRef<LayerNumbers> numbers) {
  Rewriter rewriter(model);
  for (auto [site, plan] : zip(list.sites, plans)) {
    if (!plan.isQuantized)
      continue;
    int place = rewriter.firstUse(list, site);
    std::string scale = rewriter.constant<float>(site.value + "_scale", TensorProto::FLOAT, {}, plan.grid.scale);
    std::string zero = rewriter.constant<uint8_t>(site.value + "_zero_point", TensorProto::UINT8, {}, plan.grid.zero);
    std::string integers = rewriter.fresh(site.value + "_quantized");
    std::string rounded = rewriter.fresh(site.value + "_dequantized");
    std::string divided = addDivision(rewriter, place, list, site);
    rewriter.add(place, "QuantizeLinear", {divided, scale, zero}, integers);
    rewriter.add(place, "DequantizeLinear", {integers, scale, zero}, rounded);
    rewriter.setSite(list, site, rounded);
  }
  for (auto [layer, of] : zip(list.layers, numbers)) {
    const SitePlan &plan = plans[layer.site];
    if (!plan.isQuantized)
      continue;
    LayerNumbers numbers = of;
    std::vector<int32_t> biases = roundBiases(plan.grid.scale, numbers);
    std::vector<int8_t> values = layer.toModel<int8_t>(numbers.weights.values);
    std::string weight = addConstant<int8_t>(rewriter, layer.node, layer.weight, TensorProto::INT8, layer.shape, values,
                                             numbers.weights.scales, numbers.weights.zeros, layer.outputAxis);
    rewriter.setOperand({layer.node, 1}, weight);
    if (of.biases.empty())
      continue;
    if (layer.biasOperand < 0) {
      // What a node Add adds stays real: its other operand is.
      std::string bias =
          rewriter.constant<float>(layer.bias + "_corrected", TensorProto::FLOAT, {layer.outputs}, of.biases);
      rewriter.setOperand(rewriter.biasUse(layer), bias);
      continue;
    }
    std::vector<float> scales;
    for (float scale : numbers.weights.scales)
      scales.push_back(scale * plan.grid.scale);
    std::string name = layer.bias.empty() ? layer.weight + "_bias" : layer.bias;
    std::string bias =
        addConstant<int32_t>(rewriter, layer.node, name, TensorProto::INT32, {layer.outputs}, biases, scales, {}, 0);
    rewriter.setOperand({layer.node, layer.biasOperand}, bias);
  }
  return rewriter.take();
}

/// Two to a byte, the first in the low half.
static std::vector<int8_t> packed(ArrayRef<int8_t> values) {
  std::vector<int8_t> result((values.size() + 1) / 2);
  for (auto [i, value] : enumerate(values))
    result[i / 2] |= static_cast<int8_t>((value & 15) << (i % 2 * 4));
  return result;
}

onnx::ModelProto tegula::makeWeightsOnly(ModelGraph &model, const LayerList &list, ArrayRef<IntegerWeights> weights,
                                         bool isAsymmetric) {
  Rewriter rewriter(model);
  for (auto [layer, of] : zip(list.layers, weights)) {
    std::vector<int8_t> values = layer.toModel<int8_t>(of.values);
    if (!of.block) {
      rewriter.setOperand({layer.node, 1},
                          addConstant<int8_t>(rewriter, layer.node, layer.weight, TensorProto::INT8, layer.shape,
                                              values, of.scales, of.zeros, layer.outputAxis));
      continue;
    }
    int64_t blocks = of.scales.size() / layer.outputs, depthAxis = 1 - layer.outputAxis;
    Layer ofScales = layer; // the scales lie as the weights do
    ofScales.depth = blocks;
    SmallVector<int64_t> shape(layer.shape);
    shape[depthAxis] = blocks;
    bool isHalf = of.bits == 4;
    if (isHalf)
      values = packed(values);
    std::string scales = rewriter.constant<float>(layer.weight + "_scale", TensorProto::FLOAT, shape,
                                                  ofScales.toModel<float>(of.scales));
    std::string integers = rewriter.constant<int8_t>(
        layer.weight + "_quantized", isHalf ? TensorProto::INT4 : TensorProto::INT8, layer.shape, values);
    std::vector<std::string> inputs{integers, scales};
    if (isAsymmetric) {
      std::vector<int8_t> zeros = ofScales.toModel<int8_t>(of.zeros);
      inputs.push_back(rewriter.constant<int8_t>(layer.weight + "_zero_point",
                                                 isHalf ? TensorProto::INT4 : TensorProto::INT8, shape,
                                                 isHalf ? packed(zeros) : zeros));
    }
    std::string result = rewriter.fresh(layer.weight + "_dequantized");
    onnx::NodeProto &node = rewriter.add(layer.node, "DequantizeLinear", inputs, result);
    Rewriter::setInt(node, "axis", depthAxis);
    Rewriter::setInt(node, "block_size", of.block);
    rewriter.setOperand({layer.node, 1}, result);
  }
  return rewriter.take();
}
