//===- ModelGraph.h - an ONNX model that is changed in memory -----*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_MODELGRAPH_H
#define TEGULA_TOOLS_QUANTIZE_MODELGRAPH_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <onnx/onnx_pb.h>

namespace tegula {

/// Input `operand` of node `node` of the main graph.
struct Use {
  int node, operand;
};

/// A model with where each value of its main graph is made and used. Graphs inside nodes are left as they are; what
/// they take from the main graph counts as seen from outside.
class ModelGraph {
public:
  explicit ModelGraph(onnx::ModelProto proto);

  /// Reads a file with all its data, that beside it as well.
  static llvm::Expected<onnx::ModelProto> read(llvm::StringRef path);
  /// Writes a file; tensors beyond what a file can hold go to `path`.data. On failure nothing is left.
  static llvm::Error write(onnx::ModelProto &proto, llvm::StringRef path);

  onnx::ModelProto proto;

  int nodeCount() const { return proto.graph().node_size(); }
  const onnx::NodeProto &node(int index) const { return proto.graph().node(index); }
  /// The user's name of a node, as in the compiler's messages.
  std::string nameOf(int index) const;
  /// The node that makes a value; -1 for inputs and constants.
  int producerOf(llvm::StringRef value) const;
  llvm::ArrayRef<Use> usesOf(llvm::StringRef value) const;
  /// Whether a value is an output of the model or taken by a graph inside a node.
  bool isSeen(llvm::StringRef value) const { return seen.contains(value); }
  /// An initializer that is no input, or the tensor of a Constant; null for others.
  const onnx::TensorProto *constantOf(llvm::StringRef value) const;
  onnx::TensorProto *constantOf(llvm::StringRef value);
  bool isInput(llvm::StringRef value) const { return inputs.contains(value); }
  /// A name that no value and no node has yet.
  std::string freshName(llvm::StringRef base);

private:
  void addUsesOfGraph(const onnx::GraphProto &inner);
  llvm::StringMap<int> producers;
  llvm::StringMap<llvm::SmallVector<Use, 2>> uses;
  llvm::StringMap<onnx::TensorProto *> constants;
  llvm::StringSet<> seen, inputs, names;
};

/// The number of elements, or -1 if an extent is negative or it exceeds 2^40.
int64_t elementCount(const onnx::TensorProto &tensor);

/// The elements of a tensor of float; false for other types and where the data does not fit the shape.
bool readFloats(const onnx::TensorProto &tensor, std::vector<float> &values);
/// Replaces the elements of a tensor of float; its shape stays.
void writeFloats(onnx::TensorProto &tensor, llvm::ArrayRef<float> values);
/// A new tensor from raw elements.
onnx::TensorProto makeTensor(llvm::StringRef name, int32_t type, llvm::ArrayRef<int64_t> shape, const void *data,
                             size_t bytes);

/// Attributes with their defaults.
int64_t intOf(const onnx::NodeProto &node, llvm::StringRef name, int64_t otherwise);
float floatOf(const onnx::NodeProto &node, llvm::StringRef name, float otherwise);

/// Whether the operator is of the standard's own domain.
bool isStandard(const onnx::NodeProto &node);

/// The version of the standard that the model follows.
int64_t opsetOf(const onnx::ModelProto &proto);

/// Brings a model to `opset` by ONNX's converter (OnnxVersion.cpp). On failure `why` says what it found and the model
/// is unchanged.
bool convertVersion(onnx::ModelProto &proto, int opset, std::string &why);

} // namespace tegula

#endif
