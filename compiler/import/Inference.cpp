//===- Inference.cpp - what ONNX's inference knows of the importer's values ------------------------===//
//
// Inference runs node by node on the types and constants that the importer has made, in functions and subgraphs too. So
// nothing that a model declares of its own values is taken for a fact, what the importer folded is known to the
// library, and a node that the standard forbids is reported where it stands. ONNX's own walk over a model does not
// bound the expansion of functions, nor the vectors whose elements it lists.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

using namespace mlir;

namespace tegula {

static std::optional<onnx::TensorProto> constantOf(Value value, const onnx::TypeProto &type) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!elements || elements.getNumElements() > nn::kSmallElements)
    return std::nullopt;
  onnx::TensorProto proto;
  proto.set_data_type(type.tensor_type().elem_type());
  for (int64_t extent : elements.getType().getShape())
    proto.add_dims(extent);
  bool isInt64 = proto.data_type() == onnx::TensorProto::INT64;
  if (isInt64 || proto.data_type() == onnx::TensorProto::INT32) {
    for (const APInt &element : elements.getValues<APInt>())
      isInt64 ? proto.add_int64_data(element.getSExtValue()) : proto.add_int32_data((int32_t)element.getSExtValue());
  } else if (proto.data_type() == onnx::TensorProto::FLOAT) {
    for (const APFloat &element : elements.getValues<APFloat>())
      proto.add_float_data(element.convertToFloat());
  } else {
    return std::nullopt; // inference reads no others
  }
  return proto;
}

ValueFacts GraphImporter::factsOf(Value value) {
  ValueFacts facts;
  if (!value)
    return facts;
  auto type = Node::typeOf(value);
  auto *tensor = facts.type.mutable_tensor_type();
  for (int32_t candidate = 1; candidate < 17; ++candidate)
    if (elementType(candidate) == type.getElementType())
      tensor->set_elem_type(candidate);
  tensor->mutable_shape();
  for (auto [axis, extent] : llvm::enumerate(type.getShape())) {
    auto *dim = tensor->mutable_shape()->add_dim();
    if (!ShapedType::isDynamic(extent))
      dim->set_dim_value(extent);
    else if (std::string symbol = symbolKey(value, axis); !symbol.empty())
      dim->set_dim_param(symbol);
  }
  facts.value = constantOf(value, facts.type);
  if (auto known = elementsOf.find(value); known != elementsOf.end())
    facts.elements = known->second;
  return facts;
}

std::string GraphImporter::inferNodeFacts(Node &node) {
  std::vector<ValueFacts> inputs;
  for (Value value : node.inputs)
    inputs.push_back(factsOf(value));
  std::string why;
  if (inferNode(node.proto, node.opset, inputs, node.facts, why))
    return "";
  // Many operators learned bf16 late. Converters of types write it into models of older opsets.
  std::string later;
  bool hasBf16 = llvm::any_of(node.inputs, [](Value value) { return value && Node::elementOf(value).isBF16(); });
  if (hasBf16 && inferNode(node.proto, kLatestOpset, inputs, node.facts, later))
    return "";
  node.facts.clear();
  // Exporters write vectors of one element for Range's scalars, and peers take them.
  return isBodyOfStandard || node.proto.op_type() == "Range" ? "" : why;
}

void GraphImporter::learn(Value value, const ValueFacts &facts) {
  auto type = Node::typeOf(value);
  // Propagation lists elements of matrices, too, and not always as many as there are.
  if (facts.elements && type.getRank() <= 1 && type.hasStaticShape() &&
      type.getNumElements() == facts.elements->dim_size())
    elementsOf.try_emplace(value, *facts.elements);
  const auto &shape = facts.type.tensor_type().shape();
  if (symbolsOf.count(value) || shape.dim_size() != type.getRank())
    return;
  SmallVector<std::string> symbols;
  for (auto [dim, extent] : llvm::zip(shape.dim(), type.getShape())) {
    if (!ShapedType::isDynamic(extent))
      symbols.push_back(std::to_string(extent));
    else if (!dim.dim_param().empty())
      symbols.push_back(dim.dim_param());
    else
      symbols.push_back("?" + std::to_string(newSymbols++));
  }
  symbolsOf[value] = symbols;
}

} // namespace tegula
