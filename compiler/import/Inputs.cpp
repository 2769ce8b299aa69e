//===- Inputs.cpp - a model's inputs, initializers and declared types ------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Limits.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tegula {

/// The name of an unknown extent, empty when it has none. Some exporters call every one "?".
static StringRef symbolOf(const onnx::TensorShapeProto::Dimension &dim) {
  return llvm::any_of(dim.dim_param(), llvm::isAlnum) ? StringRef(dim.dim_param()) : StringRef();
}

FailureOr<RankedTensorType> GraphImporter::inputType(const onnx::ValueInfoProto &info) {
  Location loc = named(info.name());
  if (!info.type().has_tensor_type())
    return emitError(loc) << "[T0102] input '" << info.name() << "' is not a tensor; only tensors are supported";
  const auto &tensor = info.type().tensor_type();
  Type element = elementType(tensor.elem_type());
  if (!element)
    return emitError(loc) << "[T0102] input '" << info.name() << "' has element type "
                          << elementTypeName(tensor.elem_type()) << ", which is not supported";
  auto given = options.shapes.find(info.name());
  if (given == options.shapes.end() && !tensor.has_shape()) {
    InFlightDiagnostic diagnostic = emitError(loc) << "[T0102] input '" << info.name() << "' has no shape";
    diagnostic.attachNote() << "help: --shape " << info.name() << ":1x3x224x224";
    return failure();
  }
  Ints shape;
  if (given != options.shapes.end())
    for (int64_t extent : given->second)
      shape.push_back(extent < 0 ? ShapedType::kDynamic : extent);
  else
    for (const auto &dim : tensor.shape().dim()) {
      // Some exporters write an unknown extent as -1.
      bool isKnown = dim.has_dim_value() && dim.dim_value() != -1;
      int64_t extent = isKnown ? dim.dim_value() : ShapedType::kDynamic;
      if (auto fixed = dims.find(symbolOf(dim)); fixed != dims.end())
        extent = fixed->second;
      if (isKnown && extent < 0)
        return emitError(loc) << "[T0201] input '" << info.name() << "' has the extent " << extent;
      shape.push_back(extent);
    }
  if ((int64_t)shape.size() > kMaxRank)
    return emitError(loc) << "[T0401] input '" << info.name() << "' has " << shape.size() << " axes; at most "
                          << kMaxRank << " are supported";
  if (!elementsWithin(shape))
    return emitError(loc) << "[T0401] input '" << info.name() << "' has more than 2^" << kMaxElementsLog2
                          << " elements";
  return RankedTensorType::get(shape, element);
}

/// Takes the options' extents: a symbol that one of them fixes is fixed for every input that has it.
bool GraphImporter::bindShapes() {
  bool ok = true;
  for (const auto &given : options.dims)
    dims[given.first()] = given.second;
  llvm::StringSet<> inputs, symbols;
  for (const onnx::ValueInfoProto &info : model.graph().input()) {
    inputs.insert(info.name());
    for (const auto &dim : info.type().tensor_type().shape().dim())
      symbols.insert(symbolOf(dim));
    auto given = options.shapes.find(info.name());
    const auto &shape = info.type().tensor_type().shape();
    if (given == options.shapes.end() || !info.type().tensor_type().has_shape())
      continue;
    if (shape.dim_size() != (int)given->second.size()) {
      emitError(named(info.name())) << "[T0202] --shape gives input '" << info.name() << "' " << given->second.size()
                                    << " axes, but the model declares " << shape.dim_size();
      ok = false;
      continue;
    }
    for (auto [dim, extent] : llvm::zip(shape.dim(), given->second)) {
      areShapesAsDeclared &= !dim.has_dim_value() || dim.dim_value() == extent || dim.dim_value() < 0;
      if (extent < 0 || symbolOf(dim).empty())
        continue;
      auto [known, isNew] = dims.try_emplace(symbolOf(dim), extent);
      if (isNew || known->second == extent)
        continue;
      emitError(named(info.name())) << "[T0202] dimension '" << dim.dim_param() << "' gets two extents, "
                                    << known->second << " and " << extent;
      ok = false;
    }
  }
  for (const auto &given : options.dims)
    if (!symbols.contains(given.first())) {
      emitError(named(given.first())) << "[T0201] --dim names no dimension of an input: '" << given.first() << "'";
      ok = false;
    }
  for (const auto &given : options.shapes)
    if (!inputs.contains(given.first())) {
      emitError(named(given.first())) << "[T0201] --shape names no input: '" << given.first() << "'";
      ok = false;
    }
  return ok;
}

bool GraphImporter::importInputs(OwningOpRef<ModuleOp> &module) {
  llvm::StringSet<> initializers;
  for (const onnx::TensorProto &tensor : model.graph().initializer())
    initializers.insert(tensor.name());
  OpBuilder b(&context);
  auto function = func::FuncOp::create(named(model.graph().name()), options.symbol, b.getFunctionType({}, {}));
  module->push_back(function);
  Block *body = function.addEntryBlock();
  SmallVector<Attribute> names, types;
  bool ok = bindShapes();
  for (onnx::ValueInfoProto &info : *model.mutable_graph()->mutable_input()) {
    if (initializers.contains(info.name()))
      continue;
    FailureOr<RankedTensorType> type = inputType(info);
    if (failed(type)) {
      broken.insert(info.name());
      ok = false;
      continue;
    }
    // What the options fix is known to shape inference too.
    auto *shape = info.mutable_type()->mutable_tensor_type()->mutable_shape();
    SmallVector<std::string> symbols;
    while (shape->dim_size() < type->getRank())
      shape->add_dim();
    for (auto [axis, extent] : llvm::enumerate(type->getShape())) {
      if (!ShapedType::isDynamic(extent))
        shape->mutable_dim(axis)->set_dim_value(extent);
      else if (symbolOf(shape->dim(axis)).empty())
        shape->mutable_dim(axis)->set_dim_param(info.name() + "." + std::to_string(axis));
      symbols.push_back(shape->dim(axis).dim_param());
    }
    Value argument = body->addArgument(*type, named(info.name()));
    scopes.back()[info.name()] = argument;
    symbolsOf[argument] = symbols;
    names.push_back(b.getStringAttr(info.name()));
    types.push_back(TypeAttr::get(*type));
  }
  function->setAttr(tgl::kInputs, b.getArrayAttr(names));
  function->setAttr(tgl::kInputTypes, b.getArrayAttr(types));
  return ok;
}

bool GraphImporter::importInitializers(const onnx::GraphProto &graph, OpBuilder &b) {
  bool ok = true;
  for (const onnx::TensorProto &proto : graph.initializer()) {
    ElementsAttr value = tensor(proto, named(proto.name()), /*mayBeFourBit=*/true);
    if (isFourBit(proto))
      fourBit.insert(proto.name());
    if (!value) {
      broken.insert(proto.name());
      ok = false;
      continue;
    }
    scopes.back()[proto.name()] = nn::ConstantOp::create(b, named(proto.name()), value);
  }
  for (const onnx::SparseTensorProto &sparse : graph.sparse_initializer()) {
    const std::string &name = sparse.values().name();
    emitError(named(name)) << "[T0102] initializer '" << name << "' is sparse, which is not supported";
    broken.insert(name);
    ok = false;
  }
  return ok;
}

//===- what the model declares of its values ---------------------------------===//

void GraphImporter::declare(const onnx::ValueInfoProto &info) {
  if (!info.type().has_tensor_type())
    return;
  const auto &tensor = info.type().tensor_type();
  Declared &known = declared[info.name()];
  known.element = elementType(tensor.elem_type());
  if (!tensor.has_shape() || !areShapesAsDeclared)
    return;
  known.shape.emplace();
  for (const auto &dim : tensor.shape().dim())
    known.shape->push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : ShapedType::kDynamic);
}

bool GraphImporter::checkDeclared(StringRef name, Value value, Location loc) {
  auto found = declared.find(name);
  if (found == declared.end())
    return true;
  const Declared &claim = found->second;
  auto type = Node::typeOf(value);
  bool isTrue = !claim.element || claim.element == type.getElementType();
  // Exporters often declare a wrong number of axes for outputs, and every runtime goes by what is computed.
  bool isOtherRank = claim.shape && (int64_t)claim.shape->size() != type.getRank();
  if (claim.shape && !isOtherRank) {
    for (auto [said, is] : llvm::zip(*claim.shape, type.getShape()))
      isTrue &= ShapedType::isDynamic(said) || ShapedType::isDynamic(is) || said == is;
  }
  if (isTrue && !isOtherRank)
    return true;
  Type element = claim.element ? claim.element : type.getElementType();
  InFlightDiagnostic diagnostic = isTrue ? emitWarning(loc) : emitError(loc);
  diagnostic << "[T0202] '" << name << "' is declared as ";
  if (claim.shape)
    diagnostic << RankedTensorType::get(*claim.shape, element);
  else
    diagnostic << element;
  diagnostic << ", but the model computes " << type;
  diagnostic.attachNote() << "help: correct or remove the declaration in value_info or output";
  return isTrue;
}

} // namespace tegula
