//===- GraphImporter.h - walks an ONNX graph and makes nn ops --------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_GRAPHIMPORTER_H
#define TEGULA_COMPILER_IMPORT_GRAPHIMPORTER_H

#include "tegula/compiler/import/Importer.h"
#include "tegula/compiler/import/Node.h"

namespace tegula {

/// Imports one model. Owns no IR; the module outlives it.
class GraphImporter {
public:
  GraphImporter(onnx::ModelProto &model, llvm::StringRef path, const ImportOptions &options,
                mlir::MLIRContext &context);

  /// The module, or null after problems have been reported.
  mlir::OwningOpRef<mlir::ModuleOp> run();

  // Services for Node and rows.
  /// Expands operands of an elementwise op where run-time extents might differ (see nn.binary). Fails when shapes
  /// disagree.
  llvm::LogicalResult unify(Node &node, llvm::ArrayRef<mlir::Value *> values);
  /// The shape that ONNX's inference gave a tensor; kDynamic where unknown.
  std::optional<Ints> inferredShape(llvm::StringRef tensor) const;
  /// A TensorProto as an nn attribute; null after reporting.
  mlir::ElementsAttr tensor(const onnx::TensorProto &proto, mlir::Location loc);
  /// The nn element type of a TensorProto.DataType; null when not supported.
  mlir::Type elementType(int32_t dataType);
  /// Imports the body of a branch in place; returns its outputs.
  llvm::FailureOr<Values> inlineGraph(const onnx::GraphProto &graph, mlir::OpBuilder &b, llvm::StringRef prefix);
  llvm::StringRef modelPath() const { return path; }
  int opsetOf(llvm::StringRef domain) const;

  mlir::MLIRContext &context;

private:
  using Scope = llvm::StringMap<mlir::Value>;

  bool checkModel();
  void collectSymbols();
  /// What the file says of itself and what types do not tell, for reports: an attribute of the module.
  mlir::DictionaryAttr provenance(mlir::Block &body);
  bool importInputs(mlir::OwningOpRef<mlir::ModuleOp> &module);
  bool importInitializers(const onnx::GraphProto &graph, mlir::OpBuilder &b);
  bool importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes, mlir::OpBuilder &b,
                   llvm::StringRef prefix);
  bool importNode(const onnx::NodeProto &proto, int index, mlir::OpBuilder &b, llvm::StringRef prefix);
  bool expandFunction(const onnx::FunctionProto &function, Node &node, llvm::StringRef name, Values &results);
  bool gatherInputs(const onnx::NodeProto &proto, mlir::Location loc, Values &inputs);
  mlir::Value lookup(llvm::StringRef name) const;
  llvm::FailureOr<mlir::RankedTensorType> inputType(const onnx::ValueInfoProto &info);
  mlir::Location locationOf(const onnx::NodeProto &proto, int index, llvm::StringRef prefix);
  mlir::Location named(llvm::StringRef name);
  std::vector<onnx::TypeProto> inputTypes(const Node &node);
  const onnx::FunctionProto *localFunction(const onnx::NodeProto &proto) const;
  std::string symbolKey(mlir::Value value, int64_t axis) const;
  mlir::ElementsAttr externalTensor(const onnx::TensorProto &proto, mlir::RankedTensorType type, mlir::Location loc);

  onnx::ModelProto &model;
  std::string path;
  const ImportOptions &options;
  std::vector<Scope> scopes;
  llvm::StringMap<llvm::SmallVector<std::string>> dimsOf; // tensor name -> extents as text
  llvm::DenseMap<mlir::Value, llvm::SmallVector<std::string>> symbolsOf;
  llvm::StringMap<int> opsets;
  int64_t expandedNodes = 0;
  int depth = 0;
};

} // namespace tegula

#endif
