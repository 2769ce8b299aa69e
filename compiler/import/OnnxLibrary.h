//===- OnnxLibrary.h - ONNX's own C++ library behind a border without exceptions --------------===//
//
// The library throws; OnnxLibrary.cpp is the one file compiled with exceptions and turns each into a message.
//
//===----------------------------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_ONNXLIBRARY_H
#define TEGULA_COMPILER_IMPORT_ONNXLIBRARY_H

#include <cstdint>
#include <onnx/onnx_pb.h>
#include <optional>
#include <string>
#include <vector>

namespace tegula {

/// Largest opset of ai.onnx that the library and the rows know.
constexpr int kLatestOpset = 28;

/// Largest ir_version that the library knows.
constexpr int kLatestIrVersion = onnx::IR_VERSION;

/// Parses a model. Returns false with a message when the bytes are not one.
bool parseModel(const char *data, size_t size, onnx::ModelProto &model, std::string &why);

/// Checks a node's inputs, outputs and attributes against the schema of its operator at `opset`. Returns false with a
/// message; an operator without schema passes.
bool checkNode(const onnx::NodeProto &node, int opset, std::string &why);

/// Runs the standard's type and shape inference on one node, given the types of its inputs (not set where there is
/// none). Returns false with a message when the standard forbids the node. A node without schema, or with graphs or
/// tensors in attributes, passes.
bool checkTypes(const onnx::NodeProto &node, int opset, std::vector<onnx::TypeProto> inputTypes, std::string &why);

/// Runs the standard's shape inference over the model, functions included; what it finds goes to value_info and
/// outputs. It expands functions without bounds: checkModel comes before it. What it cannot infer stays unknown.
void inferShapes(onnx::ModelProto &model);

/// Whether the standard knows the operator in this domain and opset.
bool hasSchema(const onnx::NodeProto &node, int opset);

/// The operator's function body in the standard, specialised for the input types where it depends on them; nullopt when
/// it has none.
std::optional<onnx::FunctionProto> functionBody(const onnx::NodeProto &node, int opset,
                                                const std::vector<onnx::TypeProto> &inputTypes);

} // namespace tegula

#endif
