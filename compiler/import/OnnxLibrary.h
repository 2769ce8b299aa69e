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

/// What is known of a value before it is computed.
struct ValueFacts {
  onnx::TypeProto type;                           ///< not set when there is no value; extents are numbers or symbols
  std::optional<onnx::TensorProto> value;         ///< a constant
  std::optional<onnx::TensorShapeProto> elements; ///< of a short vector: numbers, symbols, or nothing known
};

/// Runs the standard's type and shape inference and its propagation of short vectors on one node, given what is known
/// of its inputs. Returns false with a message when the standard forbids the node; `outputs` has a place for each
/// output in any case. A node without schema, or with graphs in attributes, passes and has no facts.
bool inferNode(const onnx::NodeProto &node, int opset, std::vector<ValueFacts> &inputs,
               std::vector<ValueFacts> &outputs, std::string &why);

/// Whether the standard knows the operator in this domain and opset.
bool hasSchema(const onnx::NodeProto &node, int opset);

/// The operator's function body in the standard, specialised for the input types where it depends on them; nullopt when
/// it has none.
std::optional<onnx::FunctionProto> functionBody(const onnx::NodeProto &node, int opset,
                                                const std::vector<onnx::TypeProto> &inputTypes);

} // namespace tegula

#endif
