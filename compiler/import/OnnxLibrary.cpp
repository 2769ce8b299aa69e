//===- OnnxLibrary.cpp - ONNX's own C++ library behind a border without exceptions ------------===//

#include "tegula/compiler/import/OnnxLibrary.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/defs/function.h>
#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>

namespace tegula {

bool parseModel(const char *data, size_t size, onnx::ModelProto &model, std::string &why) {
  google::protobuf::LogSilencer silence; // the message below says it
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t *>(data), (int)size);
  stream.SetTotalBytesLimit(INT32_MAX);
  stream.SetRecursionLimit(200);
  if (size == 0 || !model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage() || !model.has_graph()) {
    why = "not an ONNX model: the file is truncated or of another kind";
    return false;
  }
  return true;
}

void inferShapes(onnx::ModelProto &model) {
  try {
    onnx::ShapeInferenceOptions options(/*check_type=*/false, /*strict_mode=*/0, /*data_prop=*/true);
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), options);
  } catch (const std::exception &) {
  }
}

static const onnx::OpSchema *schemaOf(const onnx::NodeProto &node, int opset) {
  std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
  return onnx::OpSchemaRegistry::Schema(node.op_type(), opset, domain);
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
  try {
    schema->Verify(node);
  } catch (const std::exception &error) {
    why = error.what();
    return false;
  }
  return true;
}

std::optional<onnx::FunctionProto> functionBody(const onnx::NodeProto &node, int opset,
                                                const std::vector<onnx::TypeProto> &inputTypes) {
  const onnx::OpSchema *schema = schemaOf(node, opset);
  if (!schema)
    return std::nullopt;
  try {
    if (schema->HasContextDependentFunction()) {
      onnx::FunctionBodyBuildContextImpl context(node, inputTypes);
      onnx::FunctionProto function;
      if (schema->BuildContextDependentFunction(context, function))
        return function;
    }
    if (const onnx::FunctionProto *function = schema->GetFunction())
      return *function;
  } catch (const std::exception &) {
  }
  return std::nullopt;
}

} // namespace tegula
