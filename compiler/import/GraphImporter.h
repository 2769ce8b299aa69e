//===- GraphImporter.h - walks an ONNX graph and makes nn ops --------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_GRAPHIMPORTER_H
#define TEGULA_COMPILER_IMPORT_GRAPHIMPORTER_H

#include "tegula/compiler/import/ExternalData.h"
#include "tegula/compiler/import/Importer.h"
#include "tegula/compiler/import/Node.h"
#include "tegula/compiler/import/OnnxLibrary.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

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
  /// Whether the tensor holds integers of 4 bits.
  static bool isFourBit(const onnx::TensorProto &proto);
  /// A TensorProto as an nn attribute; null after reporting. Integers of 4 bits become bytes, where they may be some.
  mlir::ElementsAttr tensor(const onnx::TensorProto &proto, mlir::Location loc, bool mayBeFourBit = false);
  /// The nn element type of a TensorProto.DataType; null when not supported.
  mlir::Type elementType(int32_t dataType);
  /// Its name for messages, for numbers that name none too.
  static std::string elementTypeName(int32_t dataType);
  /// Imports the body of a branch in place; returns its outputs.
  llvm::FailureOr<Values> inlineGraph(const onnx::GraphProto &graph, mlir::OpBuilder &b, llvm::StringRef prefix);
  /// The same for a branch that need not fit its inputs: where the standard forbids it there ([T0202]), that goes into
  /// `why` and is no problem of the model. What was made stays in the block.
  llvm::FailureOr<Values> tryInlineGraph(const onnx::GraphProto &graph, mlir::OpBuilder &b, llvm::StringRef prefix,
                                         std::string &why);
  llvm::StringRef modelPath() const { return path; }
  int opsetOf(llvm::StringRef domain) const;

  mlir::MLIRContext &context;

private:
  using Scope = llvm::StringMap<mlir::Value>;
  /// What value_info or an output says of a value.
  struct Declared {
    mlir::Type element;        ///< null when not said
    std::optional<Ints> shape; ///< kDynamic where not said
  };

  bool importOpsets();
  bool bindShapes();
  /// What the model declares of its values is checked, never believed: nothing is inferred from it.
  void declare(const onnx::ValueInfoProto &info);
  bool checkDeclared(llvm::StringRef name, mlir::Value value, mlir::Location loc);
  /// What the file says of itself and what types do not tell, for reports: an attribute of the module.
  mlir::DictionaryAttr provenance(mlir::Block &body);
  /// What ONNX's library is told of a value.
  ValueFacts factsOf(mlir::Value value);
  /// Sets `node.facts`; returns why the standard forbids the node, or nothing.
  std::string inferNodeFacts(Node &node);
  /// Remembers of a result what inference found.
  void learn(mlir::Value value, const ValueFacts &facts);
  bool importInputs(mlir::OwningOpRef<mlir::ModuleOp> &module);
  bool importOutputs(mlir::func::FuncOp function, mlir::OpBuilder &b);
  bool importInitializers(const onnx::GraphProto &graph, mlir::OpBuilder &b);
  bool importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes, mlir::OpBuilder &b,
                   llvm::StringRef prefix);
  bool importNode(const onnx::NodeProto &proto, int index, mlir::OpBuilder &b, llvm::StringRef prefix);
  bool readsFourBit(Node &node);
  bool defineOutputs(Node &node, Values results);
  bool expandFunction(const onnx::FunctionProto &function, Node &node, llvm::StringRef name, Values &results);
  bool gatherInputs(const onnx::NodeProto &proto, mlir::Location loc, Values &inputs);
  mlir::Value lookup(llvm::StringRef name) const;
  llvm::FailureOr<mlir::RankedTensorType> inputType(const onnx::ValueInfoProto &info);
  mlir::Location named(llvm::StringRef name);
  const onnx::FunctionProto *localFunction(const onnx::NodeProto &proto) const;
  std::string symbolKey(mlir::Value value, int64_t axis) const;
  llvm::FailureOr<mlir::RankedTensorType> tensorType(const onnx::TensorProto &proto, bool mayBeFourBit,
                                                     std::string &code, std::string &why);
  mlir::ElementsAttr externalTensor(const onnx::TensorProto &proto, mlir::RankedTensorType type, mlir::Location loc);

  onnx::ModelProto &model;
  std::string path;
  const ImportOptions &options;
  std::vector<Scope> scopes;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<std::string>>
      symbolsOf;                                                  // extents: numbers, or symbols for unknown ones
  llvm::DenseMap<mlir::Value, onnx::TensorShapeProto> elementsOf; // likewise, the elements of short vectors
  int64_t newSymbols = 0;
  llvm::StringMap<int> opsets;
  llvm::StringMap<Declared> declared;
  llvm::StringMap<int64_t> dims; // extents of symbols that the options fix
  llvm::StringSet<> fourBit;     // values of 4-bit integers, one in each byte
  llvm::StringSet<> broken;      // values that failed: what depends on them is skipped, other problems are still found
  ExternalFiles externalFiles;
  bool areShapesAsDeclared = true; // false when --shape changes an extent that the model fixes
  bool isBodyOfStandard = false;   // while a function body of the standard is imported, which needs no check
  int64_t expandedNodes = 0;
  int depth = 0;
};

} // namespace tegula

#endif
