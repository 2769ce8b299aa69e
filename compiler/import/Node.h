//===- Node.h - what a row sees of an ONNX node ------------------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_NODE_H
#define TEGULA_COMPILER_IMPORT_NODE_H

#include "tegula/compiler/import/OnnxLibrary.h"
#include "tegula/dialects/nn/Nn.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include <onnx/onnx_pb.h>
#include <optional>

namespace tegula {

class GraphImporter;

using Values = llvm::SmallVector<mlir::Value>;
using Ints = llvm::SmallVector<int64_t>;

/// An ONNX node with its imported inputs. Rows read attributes and inputs from it and make nn ops with it. A method
/// that fails has reported why; a row then returns failure.
class Node {
public:
  Node(GraphImporter &importer, const onnx::NodeProto &proto, int opset, mlir::OpBuilder &builder, mlir::Location loc,
       Values inputs)
      : importer(importer), proto(proto), opset(opset), b(builder), loc(loc), inputs(std::move(inputs)) {}

  GraphImporter &importer;
  const onnx::NodeProto &proto;
  int opset;
  mlir::OpBuilder &b;
  mlir::Location loc;
  Values inputs;

  // Inputs. An absent optional input is null.
  mlir::Value in(size_t i) const { return i < inputs.size() ? inputs[i] : mlir::Value(); }
  bool has(size_t i) const { return !!in(i); }
  bool wantsOutput(int i) const { return i < proto.output_size() && !proto.output(i).empty(); }

  // Attributes, with the value to use when absent.
  const onnx::AttributeProto *attribute(llvm::StringRef name) const;
  int64_t getInt(llvm::StringRef name, int64_t absent) const;
  double getFloat(llvm::StringRef name, double absent) const;
  std::string getString(llvm::StringRef name, llvm::StringRef absent) const;
  std::optional<Ints> getInts(llvm::StringRef name) const;
  std::optional<llvm::SmallVector<double>> getFloats(llvm::StringRef name) const;

  // Types.
  static mlir::RankedTensorType typeOf(mlir::Value value) {
    return llvm::cast<mlir::RankedTensorType>(value.getType());
  }
  static int64_t rankOf(mlir::Value value) { return typeOf(value).getRank(); }
  static llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return typeOf(value).getShape(); }
  static mlir::Type elementOf(mlir::Value value) { return typeOf(value).getElementType(); }
  /// A possibly negative axis as 0..rank-1 (rank itself too with `inclusive`); fails when out of range.
  llvm::FailureOr<int64_t> axis(int64_t value, int64_t rank, bool inclusive = false);

  // Making ops. `make` is for ops that infer their type.
  template <typename Op>
  mlir::Value make(mlir::ValueRange operands, llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    typename Op::Properties properties;
    mlir::DictionaryAttr dictionary = b.getDictionaryAttr(attributes);
    llvm::SmallVector<mlir::Type> types;
    if (failedBefore || llvm::is_contained(operands, mlir::Value()) ||
        mlir::failed(Op::setPropertiesFromAttr(properties, dictionary, [&] { return mlir::emitError(loc); })) ||
        mlir::failed(Op::inferReturnTypes(b.getContext(), loc, operands, dictionary,
                                          mlir::OpaqueProperties(&properties), {}, types))) {
      failedBefore = true;
      return {};
    }
    return finish(Op::getOperationName(), operands, types, attributes);
  }
  mlir::Value finish(llvm::StringRef name, mlir::ValueRange operands, mlir::TypeRange types,
                     llvm::ArrayRef<mlir::NamedAttribute> attributes);
  mlir::NamedAttribute attr(llvm::StringRef name, mlir::Attribute value) { return b.getNamedAttr(name, value); }
  mlir::NamedAttribute attr(llvm::StringRef name, int64_t value) { return attr(name, b.getI64IntegerAttr(value)); }
  mlir::NamedAttribute attr(llvm::StringRef name, llvm::ArrayRef<int64_t> v) {
    return attr(name, b.getDenseI64ArrayAttr(v));
  }
  mlir::NamedAttribute flag(llvm::StringRef name, bool value) { return attr(name, b.getBoolAttr(value)); }
  mlir::NamedAttribute word(llvm::StringRef name, llvm::StringRef value) { return attr(name, b.getStringAttr(value)); }

  mlir::Value unary(llvm::StringRef kind, mlir::Value x, llvm::ArrayRef<double> params = {});
  /// Broadcasting, with the operands expanded first where extents are not known to fit.
  mlir::Value binary(llvm::StringRef kind, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value cast(mlir::Value x, mlir::Type element);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape, mlir::Value runtimeShape = {});
  /// One axis of a result of `regroup`: the product of axes of the input, `times` and `over` constants.
  struct Group {
    Ints axes;
    int64_t times = 1, over = 1;
  };
  /// Reshape to one axis a group, of whatever extents the input has in a run.
  mlir::Value regroup(mlir::Value x, llvm::ArrayRef<Group> groups);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> perm);
  mlir::Value reduce(llvm::StringRef kind, mlir::Value x, llvm::ArrayRef<int64_t> axes, bool keepdims);
  mlir::Value slice(mlir::Value x, int64_t axis, int64_t start, int64_t size);
  mlir::Value concat(mlir::ValueRange values, int64_t axis);
  mlir::Value shape(mlir::Value x, int64_t start = 0, int64_t end = -1);
  /// The first result of operator `op` of the standard, with this node's attributes, on other inputs.
  mlir::Value standard(llvm::StringRef op, int opset, Values operands);
  /// `x`, with an error of the run where `holds` (one boolean) is false.
  mlir::Value require(mlir::Value x, mlir::Value holds, llvm::StringRef text);
  mlir::Value ints(llvm::ArrayRef<int64_t> values);
  mlir::Value intScalar(int64_t value);
  /// A scalar constant of an element type.
  mlir::Value number(mlir::Type element, double value);
  mlir::Value constant(mlir::ElementsAttr value);

  // Values known at compile time.
  std::optional<Ints> constInts(mlir::Value value) const;
  std::optional<llvm::SmallVector<double>> constFloats(mlir::Value value) const;
  /// Elements of an integer vector where known, kDynamic elsewhere; nullopt when its length is unknown.
  std::optional<Ints> partialInts(mlir::Value value) const;
  /// Shape that ONNX's inference found for output `i`; nullopt when the rank is unknown.
  std::optional<Ints> inferredShape(int i) const;

  /// Reports why the node cannot be imported, and a way out.
  llvm::LogicalResult refuse(llvm::StringRef code, const llvm::Twine &text, const llvm::Twine &help = "");

  bool failedBefore = false;
  std::vector<ValueFacts> facts; ///< what ONNX's inference found of the outputs; empty when nothing
};

using RowBuilder = llvm::FailureOr<Values> (*)(Node &);

/// One operator from one version on.
struct Row {
  const char *op; ///< with its domain where that is not the standard's, e.g. "com.microsoft::QLinearAdd"
  int since;
  RowBuilder build;
};

// One table per family; each rules file defines its own.
llvm::ArrayRef<Row> elementwiseRows();
llvm::ArrayRef<Row> shapeRows();
llvm::ArrayRef<Row> indexRows();
llvm::ArrayRef<Row> reduceRows();
llvm::ArrayRef<Row> linearRows();
llvm::ArrayRef<Row> quantizeRows();
llvm::ArrayRef<Row> poolRows();
llvm::ArrayRef<Row> normalizeRows();
llvm::ArrayRef<Row> recurrentRows();
llvm::ArrayRef<Row> resizeRows();
llvm::ArrayRef<Row> controlRows();
llvm::ArrayRef<Row> fusedRows();
llvm::ArrayRef<Row> attentionRows();

/// The builder for an operator at an opset; null when there is none.
RowBuilder findRow(llvm::StringRef op, int opset);

/// Wraps one value, or failure when it is null (a helper has reported).
inline llvm::FailureOr<Values> one(mlir::Value value) {
  if (!value)
    return mlir::failure();
  return Values{value};
}

} // namespace tegula

#endif
