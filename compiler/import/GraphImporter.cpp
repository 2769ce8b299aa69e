//===- GraphImporter.cpp - walks an ONNX graph and makes nn ops ------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/OnnxLibrary.h"
#include "tegula/dialects/tgl/NodeName.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tegula {

static constexpr int kMaxDepth = 64;
static constexpr int64_t kMaxExpandedNodes = 1 << 16;
static constexpr int64_t kMaxElements = int64_t(1) << 40;

GraphImporter::GraphImporter(onnx::ModelProto &model, StringRef path, const ImportOptions &options,
                             MLIRContext &context)
    : context(context), model(model), path(path.str()), options(options) {}

Location GraphImporter::named(StringRef name) { return NameLoc::get(StringAttr::get(&context, name)); }

Location GraphImporter::locationOf(const onnx::NodeProto &proto, int index, StringRef prefix) {
  std::string name = proto.name().empty() ? proto.op_type() + "_" + std::to_string(index) : proto.name();
  if (!prefix.empty())
    name = (prefix + "/" + name).str();
  std::string domain = proto.domain().empty() || proto.domain() == "ai.onnx" ? "" : proto.domain() + "::";
  return nodeLocation(name, domain + proto.op_type(), FileLineColLoc::get(&context, path, index + 1, 1));
}

int GraphImporter::opsetOf(StringRef domain) const {
  auto found = opsets.find(domain == "ai.onnx" ? "" : domain);
  return found == opsets.end() ? -1 : found->second;
}

Type GraphImporter::elementType(int32_t dataType) {
  Builder b(&context);
  auto unsignedType = [&](unsigned width) { return IntegerType::get(&context, width, IntegerType::Unsigned); };
  switch (dataType) {
  case onnx::TensorProto::FLOAT:
    return b.getF32Type();
  case onnx::TensorProto::DOUBLE:
    return b.getF64Type();
  case onnx::TensorProto::FLOAT16:
    return b.getF16Type();
  case onnx::TensorProto::BFLOAT16:
    return b.getBF16Type();
  case onnx::TensorProto::INT8:
    return b.getIntegerType(8);
  case onnx::TensorProto::INT16:
    return b.getIntegerType(16);
  case onnx::TensorProto::INT32:
    return b.getI32Type();
  case onnx::TensorProto::INT64:
    return b.getI64Type();
  case onnx::TensorProto::UINT8:
    return unsignedType(8);
  case onnx::TensorProto::UINT16:
    return unsignedType(16);
  case onnx::TensorProto::UINT32:
    return unsignedType(32);
  case onnx::TensorProto::UINT64:
    return unsignedType(64);
  case onnx::TensorProto::BOOL:
    return b.getI1Type();
  default:
    return {};
  }
}

bool GraphImporter::checkModel() {
  Location loc = named(model.graph().name());
  bool ok = true;
  for (const onnx::OperatorSetIdProto &set : model.opset_import()) {
    std::string domain = set.domain() == "ai.onnx" ? "" : set.domain();
    opsets[domain] = (int)std::min<int64_t>(set.version(), 1 << 20);
    if (domain.empty() && (set.version() < 1 || set.version() > kLatestOpset)) {
      emitError(loc) << "[T0201] opset " << set.version() << " is not known; expected 1 to " << kLatestOpset;
      ok = false;
    }
  }
  if (!opsets.count("")) {
    if (model.graph().node_size() && llvm::any_of(model.graph().node(), [](const onnx::NodeProto &node) {
          return node.domain().empty() || node.domain() == "ai.onnx";
        })) {
      emitError(loc) << "[T0201] the model imports no opset of ai.onnx";
      return false;
    }
    opsets[""] = kLatestOpset;
  }
  return ok;
}

/// Extents of every tensor as text, from ONNX's inference: numbers, or symbols that say which unknown extents are
/// equal.
void GraphImporter::collectSymbols() {
  auto record = [&](const onnx::ValueInfoProto &info) {
    if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape())
      return;
    SmallVector<std::string> dims;
    for (const auto &dim : info.type().tensor_type().shape().dim())
      dims.push_back(dim.has_dim_value() ? std::to_string(dim.dim_value()) : dim.dim_param());
    dimsOf[info.name()] = dims;
  };
  for (const onnx::ValueInfoProto &info : model.graph().value_info())
    record(info);
  for (const onnx::ValueInfoProto &info : model.graph().input())
    record(info);
  for (const onnx::ValueInfoProto &info : model.graph().output())
    record(info);
}

std::optional<Ints> GraphImporter::inferredShape(StringRef tensor) const {
  auto found = dimsOf.find(tensor);
  if (found == dimsOf.end() || depth > 0)
    return std::nullopt;
  Ints shape;
  for (const std::string &dim : found->second) {
    int64_t extent;
    shape.push_back(StringRef(dim).getAsInteger(10, extent) || extent < 0 ? ShapedType::kDynamic : extent);
  }
  return shape;
}

Value GraphImporter::lookup(StringRef name) const {
  for (const Scope &scope : llvm::reverse(scopes)) {
    auto found = scope.find(name);
    if (found != scope.end())
      return found->second;
  }
  return {};
}

std::string GraphImporter::symbolKey(Value value, int64_t axis) const {
  auto found = symbolsOf.find(value);
  return found == symbolsOf.end() || axis >= (int64_t)found->second.size() ? "" : found->second[axis];
}

LogicalResult GraphImporter::unify(Node &node, ArrayRef<Value *> values) {
  int64_t rank = 0;
  for (Value *value : values)
    rank = std::max(rank, Node::rankOf(*value));
  bool isKnown = true;
  for (int64_t axis = 0; axis < rank; ++axis) {
    std::string symbol;
    bool isFirst = true;
    int64_t dynamic = 0, wide = 0;
    for (Value *value : values) {
      int64_t at = axis - (rank - Node::rankOf(*value));
      if (at < 0 || Node::shapeOf(*value)[at] == 1)
        continue;
      if (!ShapedType::isDynamic(Node::shapeOf(*value)[at])) {
        ++wide;
        continue;
      }
      std::string key = symbolKey(*value, at);
      dynamic += !isFirst && (key.empty() || key != symbol);
      symbol = key;
      isFirst = false;
    }
    isKnown &= dynamic == 0 && (isFirst || wide == 0);
  }
  if (isKnown)
    return success();
  // The joint shape at run time: the maximum of the extents.
  Value joint;
  SmallVector<ArrayRef<int64_t>> shapes;
  for (Value *value : values) {
    shapes.push_back(Node::shapeOf(*value));
    Value shape = node.shape(*value);
    int64_t missing = rank - Node::rankOf(*value);
    if (missing > 0)
      shape = node.concat({node.ints(Ints(missing, 1)), shape}, 0);
    joint = joint ? node.make<nn::BinaryOp>({joint, shape}, node.word("kind", "max")) : shape;
  }
  std::string why;
  FailureOr<SmallVector<int64_t>> shape = nn::broadcastShapes(shapes, why);
  if (failed(shape) || !joint)
    return node.refuse("T0202", why);
  for (Value *value : values) {
    auto type = RankedTensorType::get(*shape, Node::elementOf(*value));
    if (value->getType() == type && type.hasStaticShape())
      continue;
    *value = node.finish("nn.expand", {*value, joint}, type, {});
  }
  return success();
}

FailureOr<RankedTensorType> GraphImporter::inputType(const onnx::ValueInfoProto &info) {
  Location loc = named(info.name());
  if (!info.type().has_tensor_type())
    return emitError(loc) << "[T0102] input '" << info.name() << "' is not a tensor; only tensors are supported";
  const auto &tensor = info.type().tensor_type();
  Type element = elementType(tensor.elem_type());
  if (!element)
    return emitError(loc) << "[T0102] input '" << info.name() << "' has element type "
                          << onnx::TensorProto::DataType_Name((onnx::TensorProto::DataType)tensor.elem_type())
                          << ", which is not supported";
  auto given = options.shapes.find(info.name());
  if (given != options.shapes.end()) {
    Ints shape;
    for (int64_t extent : given->second)
      shape.push_back(extent < 0 ? ShapedType::kDynamic : extent);
    return RankedTensorType::get(shape, element);
  }
  if (!tensor.has_shape()) {
    InFlightDiagnostic diagnostic = emitError(loc) << "[T0102] input '" << info.name() << "' has no shape";
    diagnostic.attachNote() << "help: --shape " << info.name() << ":1x3x224x224";
    return failure();
  }
  Ints shape;
  int64_t elements = 1;
  for (const auto &dim : tensor.shape().dim()) {
    // Some exporters write an unknown extent as -1.
    bool isKnown = dim.has_dim_value() && dim.dim_value() != -1;
    int64_t extent = isKnown ? dim.dim_value() : ShapedType::kDynamic;
    if (dim.has_dim_param() && options.dims.count(dim.dim_param()))
      extent = options.dims.lookup(dim.dim_param());
    if (isKnown && extent < 0)
      return emitError(loc) << "[T0201] input '" << info.name() << "' has the extent " << extent;
    if (!ShapedType::isDynamic(extent) &&
        (extent > kMaxElements || (elements *= std::max<int64_t>(extent, 1)) > kMaxElements))
      return emitError(loc) << "[T0401] input '" << info.name() << "' has more than 2^40 elements";
    shape.push_back(extent);
  }
  return RankedTensorType::get(shape, element);
}

bool GraphImporter::importInputs(OwningOpRef<ModuleOp> &module) {
  llvm::StringSet<> initializers, seen;
  for (const onnx::TensorProto &tensor : model.graph().initializer())
    initializers.insert(tensor.name());
  OpBuilder b(&context);
  auto function = func::FuncOp::create(named(model.graph().name()), options.symbol, b.getFunctionType({}, {}));
  module->push_back(function);
  Block *body = function.addEntryBlock();
  SmallVector<Attribute> names, types;
  bool ok = true;
  for (onnx::ValueInfoProto &info : *model.mutable_graph()->mutable_input()) {
    if (initializers.contains(info.name()))
      continue;
    if (!seen.insert(info.name()).second) {
      emitError(named(info.name())) << "[T0201] two inputs are called '" << info.name() << "'";
      ok = false;
      continue;
    }
    FailureOr<RankedTensorType> type = inputType(info);
    if (failed(type)) {
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
      else if (!shape->dim(axis).has_dim_param() || shape->dim(axis).dim_param().empty())
        shape->mutable_dim(axis)->set_dim_param(info.name() + "." + std::to_string(axis));
      symbols.push_back(shape->dim(axis).dim_param());
    }
    Value argument = body->addArgument(*type, named(info.name()));
    scopes.back()[info.name()] = argument;
    symbolsOf[argument] = symbols;
    names.push_back(b.getStringAttr(info.name()));
    types.push_back(TypeAttr::get(*type));
  }
  for (const auto &given : options.shapes)
    if (!seen.contains(given.first())) {
      emitError(named(given.first())) << "[T0201] --shape names no input: '" << given.first() << "'";
      ok = false;
    }
  function->setAttr(tgl::kInputs, b.getArrayAttr(names));
  function->setAttr(tgl::kInputTypes, b.getArrayAttr(types));
  return ok;
}

bool GraphImporter::importInitializers(const onnx::GraphProto &graph, OpBuilder &b) {
  bool ok = true;
  for (const onnx::TensorProto &proto : graph.initializer()) {
    ElementsAttr value = tensor(proto, named(proto.name()));
    if (!value) {
      ok = false;
      continue;
    }
    scopes.back()[proto.name()] = nn::ConstantOp::create(b, named(proto.name()), value);
  }
  if (graph.sparse_initializer_size()) {
    emitError(named(graph.sparse_initializer(0).values().name())) << "[T0102] sparse initializers are not supported";
    ok = false;
  }
  return ok;
}

bool GraphImporter::gatherInputs(const onnx::NodeProto &proto, Location loc, Values &inputs) {
  for (const std::string &name : proto.input()) {
    Value value = name.empty() ? Value() : lookup(name);
    if (!name.empty() && !value) {
      emitError(loc) << "[T0201] input '" << name << "' of " << proto.op_type() << " is made by no node before it";
      return false;
    }
    inputs.push_back(value);
  }
  return true;
}

const onnx::FunctionProto *GraphImporter::localFunction(const onnx::NodeProto &proto) const {
  for (const onnx::FunctionProto &function : model.functions())
    if (function.name() == proto.op_type() && function.domain() == proto.domain())
      return &function;
  return nullptr;
}

std::vector<onnx::TypeProto> GraphImporter::inputTypes(const Node &node) {
  std::vector<onnx::TypeProto> types;
  for (Value value : node.inputs) {
    onnx::TypeProto proto;
    if (value) {
      auto type = Node::typeOf(value);
      for (int32_t candidate = 1; candidate < 17; ++candidate)
        if (elementType(candidate) == type.getElementType())
          proto.mutable_tensor_type()->set_elem_type(candidate);
      for (int64_t extent : type.getShape()) {
        auto *dim = proto.mutable_tensor_type()->mutable_shape()->add_dim();
        if (!ShapedType::isDynamic(extent))
          dim->set_dim_value(extent);
      }
      proto.mutable_tensor_type()->mutable_shape();
    }
    types.push_back(proto);
  }
  return types;
}

/// Replaces references to a function's attributes by the call's values; drops those that the call leaves out.
static void bindAttributes(onnx::NodeProto &node, const onnx::FunctionProto &function, const onnx::NodeProto &call) {
  for (int i = node.attribute_size() - 1; i >= 0; --i) {
    onnx::AttributeProto &attribute = *node.mutable_attribute(i);
    if (attribute.ref_attr_name().empty())
      continue;
    const onnx::AttributeProto *source = nullptr;
    for (const onnx::AttributeProto &given : call.attribute())
      if (given.name() == attribute.ref_attr_name())
        source = &given;
    for (const onnx::AttributeProto &absent : function.attribute_proto())
      if (!source && absent.name() == attribute.ref_attr_name())
        source = &absent;
    if (!source) {
      node.mutable_attribute()->DeleteSubrange(i, 1);
      continue;
    }
    std::string name = attribute.name();
    attribute = *source;
    attribute.set_name(name);
  }
}

bool GraphImporter::expandFunction(const onnx::FunctionProto &function, Node &node, StringRef name, Values &results) {
  if (depth >= kMaxDepth || (expandedNodes += function.node_size()) > kMaxExpandedNodes) {
    emitError(node.loc) << "[T0401] function " << function.name() << " expands to too many nodes or nests too deeply";
    return false;
  }
  llvm::StringMap<int> saved = opsets;
  for (const onnx::OperatorSetIdProto &set : function.opset_import())
    opsets[set.domain() == "ai.onnx" ? "" : set.domain()] = (int)set.version();
  Scope scope;
  for (int i = 0; i < function.input_size(); ++i)
    if (node.in(i))
      scope[function.input(i)] = node.in(i);
  // A function sees its own names only.
  std::vector<Scope> outer;
  outer.swap(scopes);
  scopes.push_back(std::move(scope));
  google::protobuf::RepeatedPtrField<onnx::NodeProto> body = function.node();
  for (onnx::NodeProto &inner : body) {
    bindAttributes(inner, function, node.proto);
    for (std::string &input : *inner.mutable_input())
      if (!lookup(input) && llvm::is_contained(function.input(), input))
        input.clear(); // an optional input that the call leaves out
  }
  ++depth;
  bool ok = importNodes(body, node.b, name);
  --depth;
  for (const std::string &output : function.output())
    results.push_back(ok ? lookup(output) : Value());
  scopes.swap(outer);
  opsets = saved;
  return ok;
}

FailureOr<Values> GraphImporter::inlineGraph(const onnx::GraphProto &graph, OpBuilder &b, StringRef prefix) {
  if (depth >= kMaxDepth)
    return emitError(named(graph.name())) << "[T0401] graphs nest too deeply";
  scopes.emplace_back();
  ++depth;
  bool ok = importInitializers(graph, b) && importNodes(graph.node(), b, prefix);
  --depth;
  Values results;
  for (const onnx::ValueInfoProto &output : graph.output()) {
    Value value = ok ? lookup(output.name()) : Value();
    ok &= !!value;
    results.push_back(value);
  }
  scopes.pop_back();
  if (!ok)
    return failure();
  return results;
}

bool GraphImporter::importNode(const onnx::NodeProto &proto, int index, OpBuilder &b, StringRef prefix) {
  Location loc = locationOf(proto, index, prefix);
  int opset = opsetOf(proto.domain());
  bool isStandard = proto.domain().empty() || proto.domain() == "ai.onnx";
  std::string why;
  if (isStandard && depth == 0 && !checkNode(proto, opset, why)) {
    emitError(loc) << "[T0201] " << why;
    return false;
  }
  Values inputs;
  if (!gatherInputs(proto, loc, inputs))
    return false;
  Node node(*this, proto, opset, b, loc, std::move(inputs));
  Values results;
  RowBuilder row = isStandard ? findRow(proto.op_type(), opset) : nullptr;
  const onnx::FunctionProto *local = localFunction(proto);
  if (row && !local) {
    FailureOr<Values> built = row(node);
    if (failed(built) || node.failedBefore)
      return false;
    results = *built;
  } else if (local) {
    if (!expandFunction(*local, node, cast<NameLoc>(loc).getName(), results))
      return false;
  } else {
    std::optional<onnx::FunctionProto> body = functionBody(proto, opset, inputTypes(node));
    if (!body) {
      std::string domain = proto.domain().empty() ? "" : proto.domain() + "::";
      return succeeded(node.refuse("T0101", "operator " + domain + proto.op_type() + " is not supported",
                                   "tegulac --supported-ops lists those that are"));
    }
    if (!expandFunction(*body, node, cast<NameLoc>(loc).getName(), results))
      return false;
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    if (proto.output(i).empty())
      continue;
    if (i >= (int)results.size() || !results[i]) {
      (void)node.refuse("T0102", "output " + Twine(i) + " ('" + proto.output(i) + "') of " + proto.op_type() +
                                     " is not supported");
      return false;
    }
    scopes.back()[proto.output(i)] = results[i];
    auto known = dimsOf.find(proto.output(i));
    if (known != dimsOf.end() && depth == 0 && !symbolsOf.count(results[i]))
      symbolsOf[results[i]] = known->second;
  }
  return true;
}

bool GraphImporter::importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes, OpBuilder &b,
                                StringRef prefix) {
  bool ok = true;
  llvm::StringSet<>
      broken; // outputs of nodes that failed: what depends on them is skipped, other problems are still found
  for (auto [index, proto] : llvm::enumerate(nodes)) {
    bool isSkipped = llvm::any_of(proto.input(), [&](const std::string &input) { return broken.contains(input); });
    if (!isSkipped && importNode(proto, index, b, prefix))
      continue;
    if (isSkipped && !findRow(proto.op_type(), opsetOf(proto.domain())) && !localFunction(proto) &&
        !hasSchema(proto, opsetOf(proto.domain())))
      emitError(locationOf(proto, index, prefix)) << "[T0101] operator " << proto.op_type() << " is not supported";
    ok = false;
    for (const std::string &output : proto.output())
      if (!output.empty())
        broken.insert(output);
  }
  return ok;
}

DictionaryAttr GraphImporter::provenance(Block &body) {
  Builder b(&context);
  SmallVector<NamedAttribute> sets;
  for (const auto &set : opsets)
    sets.push_back(b.getNamedAttr(set.first().empty() ? "ai.onnx" : set.first(), b.getI64IntegerAttr(set.second)));
  SmallVector<Attribute> dims;
  for (BlockArgument argument : body.getArguments()) {
    SmallVector<StringRef> symbols;
    for (const std::string &symbol : symbolsOf.lookup(argument))
      symbols.push_back(symbol);
    dims.push_back(b.getStrArrayAttr(symbols));
  }
  std::string producer =
      model.producer_name() + (model.producer_version().empty() ? "" : " ") + model.producer_version();
  return b.getDictionaryAttr({b.getNamedAttr("producer", b.getStringAttr(producer)),
                              b.getNamedAttr("ir_version", b.getI64IntegerAttr(model.ir_version())),
                              b.getNamedAttr("opsets", b.getDictionaryAttr(sets)),
                              b.getNamedAttr("nodes", b.getI64IntegerAttr(model.graph().node_size())),
                              b.getNamedAttr("dims", b.getArrayAttr(dims))});
}

OwningOpRef<ModuleOp> GraphImporter::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(named(model.graph().name()));
  scopes.emplace_back();
  if (!checkModel() || !importInputs(module))
    return {};
  auto function = cast<func::FuncOp>(&module->getBody()->front());
  OpBuilder b = OpBuilder::atBlockEnd(&function.getBody().front());
  // Large weights are taken out of the proto first, so that inference copies none of them.
  if (!importInitializers(model.graph(), b))
    return {};
  inferShapes(model);
  collectSymbols();
  if (!importNodes(model.graph().node(), b, ""))
    return {};
  Values results;
  SmallVector<Attribute> names, types;
  bool ok = true;
  for (const onnx::ValueInfoProto &output : model.graph().output()) {
    Value value = lookup(output.name());
    if (!value) {
      emitError(named(output.name())) << "[T0201] output '" << output.name() << "' is made by no node";
      ok = false;
      continue;
    }
    Type declared = output.type().has_tensor_type() ? elementType(output.type().tensor_type().elem_type()) : Type();
    if (declared && declared != Node::elementOf(value)) {
      emitError(named(output.name())) << "[T0202] output '" << output.name() << "' is declared with element type "
                                      << declared << ", but the graph makes " << Node::elementOf(value);
      ok = false;
      continue;
    }
    results.push_back(value);
    names.push_back(b.getStringAttr(output.name()));
    types.push_back(TypeAttr::get(value.getType()));
  }
  if (!ok)
    return {};
  func::ReturnOp::create(b, function.getLoc(), results);
  SmallVector<Type> resultTypes;
  for (Value value : results)
    resultTypes.push_back(value.getType());
  function.setType(b.getFunctionType(function.getBody().getArgumentTypes(), resultTypes));
  function->setAttr(tgl::kOutputs, b.getArrayAttr(names));
  function->setAttr(tgl::kOutputTypes, b.getArrayAttr(types));
  (*module)->setAttr(tgl::kSource, provenance(function.getBody().front()));
  if (failed(verify(*module)))
    return {};
  return module;
}

} // namespace tegula
