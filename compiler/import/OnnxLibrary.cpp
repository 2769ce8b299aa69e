//===- OnnxLibrary.cpp - ONNX's own C++ library behind a border without exceptions ------------===//

#include "tegula/compiler/import/OnnxLibrary.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/defs/function.h>
#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>
#include <unordered_map>

namespace tegula {

/// Messages inside messages. A graph in a node of a graph takes three.
static constexpr int kMaxMessageDepth = 200;

/// Runs `body`; what the library throws becomes `why` and false.
template <typename Body> static bool guarded(std::string &why, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    why = "not enough memory";
  } catch (const std::exception &error) {
    why = error.what();
  } catch (...) {
    why = "unknown failure of ONNX's library";
  }
  return false;
}

/// The library's messages start with the kind of exception and hold its source's lines; users need neither.
static void trim(std::string &why) {
  if (why.rfind("[", 0) == 0 && why.find("] ") != std::string::npos)
    why.erase(0, why.find("] ") + 2);
  why.erase(std::min(why.find('\n'), why.size()));
  while (!why.empty() && (why.back() == '.' || why.back() == ' '))
    why.pop_back();
}

bool parseModel(const char *data, size_t size, onnx::ModelProto &model, std::string &why) {
  google::protobuf::LogSilencer silence; // the message below says it
  bool isParsed = guarded(why, [&] {
    google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t *>(data), (int)size);
    stream.SetTotalBytesLimit(INT32_MAX);
    stream.SetRecursionLimit(kMaxMessageDepth);
    return size != 0 && model.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
  });
  if (!isParsed) {
    why = why.empty() ? "not an ONNX model: the file is truncated or of another kind" : "not readable: " + why;
    return false;
  }
  if (!model.has_graph())
    why = "not an ONNX model: it has no graph";
  return model.has_graph();
}

static const onnx::OpSchema *schemaOf(const onnx::NodeProto &node, int opset) {
  const onnx::OpSchema *schema = nullptr;
  std::string ignored;
  guarded(ignored, [&] {
    schema = onnx::OpSchemaRegistry::Schema(node.op_type(), opset, node.domain() == "ai.onnx" ? "" : node.domain());
    return true;
  });
  return schema;
}

bool hasSchema(const onnx::NodeProto &node, int opset) { return schemaOf(node, opset) != nullptr; }

bool checkNode(const onnx::NodeProto &node, int opset, std::string &why) {
  const onnx::OpSchema *schema = schemaOf(node, opset);
  if (!schema)
    return true;
  if (schema->deprecated()) {
    why = "operator " + node.op_type() + " was removed from the standard at opset " +
          std::to_string(schema->since_version());
    return false;
  }
  bool isGood = guarded(why, [&] {
    schema->Verify(node);
    return true;
  });
  if (!isGood)
    trim(why);
  return isGood;
}

/// Propagation lists every element of a vector that it meets, also of one with 2^30.
static bool arePropagatable(const std::vector<ValueFacts> &inputs) {
  constexpr int64_t longest = 1024;
  for (const ValueFacts &input : inputs) {
    const auto &shape = input.type.tensor_type().shape();
    if (shape.dim_size() == 1 && shape.dim(0).dim_value() > longest)
      return false;
  }
  return true;
}

/// The body of inferNode; throws.
static void infer(const onnx::OpSchema &schema, onnx::NodeProto &node, std::vector<ValueFacts> &inputs,
                  std::vector<ValueFacts> &outputs) {
  std::unordered_map<std::string, onnx::TypeProto *> types;
  std::unordered_map<std::string, const onnx::TensorProto *> values;
  onnx::shape_inference::DataValueMap elements;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string &name = node.input((int)i);
    if (name.empty() || inputs[i].type.value_case() == onnx::TypeProto::VALUE_NOT_SET)
      continue;
    types[name] = &inputs[i].type;
    if (inputs[i].value)
      values[name] = &*inputs[i].value;
    if (inputs[i].elements)
      elements[name] = *inputs[i].elements;
  }
  onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict_mode=*/1, /*data_prop=*/true);
  onnx::shape_inference::InferenceContextImpl context(node, types, values, {}, options, &elements);
  if (schema.has_type_and_shape_inference_function())
    schema.GetTypeAndShapeInferenceFunction()(context);
  schema.CheckInputOutputType(context);
  for (int i = 0; i < node.output_size(); ++i)
    outputs[i].type = *context.getOutputType(i);
  if (!schema.has_data_propagation_function() || !arePropagatable(inputs))
    return;
  for (int i = 0; i < node.output_size(); ++i)
    types[node.output(i)] = &outputs[i].type;
  // Propagation takes [4, 1] and [1, 6] for vectors and then finds them of different length: no fault of the node.
  std::string ignored;
  bool isPropagated = guarded(ignored, [&] {
    onnx::shape_inference::DataPropagationContextImpl propagation(node, types, values, elements);
    schema.GetDataPropagationFunction()(propagation);
    return true;
  });
  if (!isPropagated)
    return;
  for (int i = 0; i < node.output_size(); ++i)
    if (auto known = elements.find(node.output(i)); known != elements.end())
      outputs[i].elements = known->second;
}

bool inferNode(const onnx::NodeProto &node, int opset, std::vector<ValueFacts> &inputs,
               std::vector<ValueFacts> &outputs, std::string &why) {
  outputs.assign(node.output_size(), {});
  const onnx::OpSchema *schema = schemaOf(node, opset);
  bool hasGraph = false;
  for (const onnx::AttributeProto &attribute : node.attribute())
    hasGraph |= attribute.has_g() || attribute.graphs_size() > 0;
  if (!schema || hasGraph)
    return true;
  onnx::NodeProto copy = node; // the library's context can change it
  bool isGood = guarded(why, [&] {
    infer(*schema, copy, inputs, outputs);
    return true;
  });
  if (!isGood)
    trim(why);
  return isGood;
}

std::optional<onnx::FunctionProto> functionBody(const onnx::NodeProto &node, int opset,
                                                const std::vector<onnx::TypeProto> &inputTypes) {
  const onnx::OpSchema *schema = schemaOf(node, opset);
  if (!schema)
    return std::nullopt;
  onnx::FunctionProto function;
  std::string ignored;
  bool isBuilt = guarded(ignored, [&] {
    if (schema->HasContextDependentFunction()) {
      onnx::FunctionBodyBuildContextImpl context(node, inputTypes);
      if (schema->BuildContextDependentFunction(context, function))
        return true;
    }
    const onnx::FunctionProto *fixed = schema->GetFunction();
    if (fixed)
      function = *fixed;
    return fixed != nullptr;
  });
  return isBuilt ? std::optional<onnx::FunctionProto>(std::move(function)) : std::nullopt;
}

} // namespace tegula
