//===- GraphImporter.cpp - walks an ONNX graph and makes nn ops ------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/CheckModel.h"
#include "tegula/compiler/import/CheckNode.h"
#include "tegula/compiler/import/OnnxLibrary.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace tegula {

GraphImporter::GraphImporter(onnx::ModelProto &model, StringRef path, const ImportOptions &options,
                             MLIRContext &context)
    : context(context), model(model), path(path.str()), options(options), externalFiles(path) {}

Location GraphImporter::named(StringRef name) { return NameLoc::get(StringAttr::get(&context, name)); }

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

/// checkModel has seen that the versions are known.
bool GraphImporter::importOpsets() {
  for (const onnx::OperatorSetIdProto &set : model.opset_import())
    opsets[set.domain() == "ai.onnx" ? "" : set.domain()] = (int)set.version();
  if (opsets.count(""))
    return true;
  auto isStandard = [](const onnx::NodeProto &node) { return node.domain().empty() || node.domain() == "ai.onnx"; };
  if (llvm::any_of(model.graph().node(), isStandard)) {
    emitError(named(model.graph().name())) << "[T0201] the model has nodes of ai.onnx, but no opset_import of it";
    return false;
  }
  opsets[""] = kLatestOpset;
  return true;
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

static std::string operatorOf(const onnx::NodeProto &proto) {
  bool isStandard = proto.domain().empty() || proto.domain() == "ai.onnx";
  return (isStandard ? "" : proto.domain() + "::") + proto.op_type();
}

/// Runs a row. What ops say of their operands has no code; it gets one here, and the types of the node's inputs.
static FailureOr<Values> build(RowBuilder row, Node &node) {
  std::string text;
  FailureOr<Values> results = failure();
  {
    ScopedDiagnosticHandler watch(node.loc.getContext(), [&](Diagnostic &diagnostic) {
      std::string words = diagnostic.str();
      bool isOwn = diagnostic.getSeverity() == DiagnosticSeverity::Error && diagnostic.getLocation() == node.loc &&
                   !StringRef(words).starts_with("[T");
      if (isOwn && text.empty())
        text = words;
      return success(isOwn);
    });
    results = row(node);
  }
  if (text.empty())
    return results;
  node.failedBefore = false; // by what is reported here
  return node.refuse("T0202", text);
}

/// Whether a node may read integers of 4 bits, each in a byte of its own; reported where not. What moves them gives
/// such.
bool GraphImporter::readsFourBit(Node &node) {
  bool isMove = llvm::StringSwitch<bool>(operatorOf(node.proto))
                    .Cases({"Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten"}, true)
                    .Default(false);
  bool isRead = llvm::StringSwitch<bool>(operatorOf(node.proto))
                    .Cases({"DequantizeLinear", "com.microsoft::DequantizeLinear"}, true)
                    .Case("com.microsoft::GatherBlockQuantized", true)
                    .Default(false);
  for (const std::string &name : node.proto.output())
    if (isMove)
      fourBit.insert(name);
  if (!isMove && !isRead)
    (void)node.refuse("T0102", "it reads integers of 4 bits, which only DequantizeLinear and moves of elements may");
  return isMove || isRead;
}

bool GraphImporter::importNode(const onnx::NodeProto &proto, int index, OpBuilder &b, StringRef prefix) {
  Location loc = locationOfNode(context, path, proto, index, prefix);
  int opset = opsetOf(proto.domain());
  bool isStandard = proto.domain().empty() || proto.domain() == "ai.onnx";
  Values inputs;
  if (!gatherInputs(proto, loc, inputs))
    return false;
  Node node(*this, proto, opset, b, loc, std::move(inputs));
  for (const std::string &name : proto.input())
    if (fourBit.contains(name) && !readsFourBit(node))
      return false;
  Values results;
  RowBuilder row = findRow(operatorOf(proto), opset);
  // ONNX Runtime has an operator of its own among the standard's.
  isStandard &= !row || hasSchema(proto, opset);
  const onnx::FunctionProto *local = localFunction(proto);
  if (isStandard && !local && !isBodyOfStandard && failed(checkStandardNode(node)))
    return false;
  // A row's own words come first: they say more than those of the standard's inference.
  std::string forbidden = isStandard && !local ? inferNodeFacts(node) : "";
  if (row && !local) {
    FailureOr<Values> built = build(row, node);
    if (failed(built) || node.failedBefore)
      return false;
    if (!forbidden.empty())
      return succeeded(node.refuse("T0202", forbidden));
    results = *built;
  } else if (local) {
    if (opset < 0)
      return succeeded(node.refuse("T0201", "domain '" + proto.domain() + "' is not among the imported opsets",
                                   "add it to opset_import"));
    if (!expandFunction(*local, node, cast<NameLoc>(loc).getName(), results))
      return false;
  } else if (!forbidden.empty()) {
    return succeeded(node.refuse("T0202", forbidden));
  } else {
    std::vector<onnx::TypeProto> inputTypes;
    for (Value value : node.inputs)
      inputTypes.push_back(factsOf(value).type);
    std::optional<onnx::FunctionProto> body = functionBody(proto, opset, inputTypes);
    if (!body) {
      return succeeded(node.refuse("T0101", "operator " + operatorOf(proto) + " is not supported",
                                   "tegulac --supported-ops lists those that are"));
    }
    llvm::SaveAndRestore trust(isBodyOfStandard, true);
    if (!expandFunction(*body, node, cast<NameLoc>(loc).getName(), results))
      return false;
  }
  if (failed(checkResults(node, results)))
    return false;
  return defineOutputs(node, results);
}

bool GraphImporter::defineOutputs(Node &node, Values results) {
  const onnx::NodeProto &proto = node.proto;
  for (int i = 0; i < proto.output_size(); ++i) {
    if (proto.output(i).empty())
      continue;
    if (i >= (int)results.size() || !results[i]) {
      (void)node.refuse("T0102", "output " + Twine(i) + " ('" + proto.output(i) + "') of " + proto.op_type() +
                                     " is not supported");
      return false;
    }
    // Nothing to compute: a tensor without elements is a constant, which keeps empty loops out of all stages.
    auto type = Node::typeOf(results[i]);
    if (type.hasStaticShape() && type.getNumElements() == 0 && !results[i].getDefiningOp<nn::ConstantOp>())
      results[i] = node.constant(DenseElementsAttr::getFromRawBuffer(type, {}));
    scopes.back()[proto.output(i)] = results[i];
    if (depth == 0 && !checkDeclared(proto.output(i), results[i], node.loc))
      return false;
    if (i < (int)node.facts.size())
      learn(results[i], node.facts[i]);
  }
  return true;
}

bool GraphImporter::importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes, OpBuilder &b,
                                StringRef prefix) {
  bool ok = true;
  for (auto [index, proto] : llvm::enumerate(nodes)) {
    bool isSkipped = llvm::any_of(proto.input(), [&](const std::string &input) { return broken.contains(input); });
    if (!isSkipped && importNode(proto, index, b, prefix))
      continue;
    bool hasRow = findRow(operatorOf(proto), opsetOf(proto.domain()));
    if (isSkipped && !hasRow && !localFunction(proto) && !hasSchema(proto, opsetOf(proto.domain())))
      emitError(locationOfNode(context, path, proto, index, prefix))
          << "[T0101] operator " << operatorOf(proto) << " is not supported";
    ok = false;
    for (const std::string &output : proto.output())
      if (!output.empty())
        broken.insert(output);
  }
  return ok;
}

/// The end of the function: its results and the names and types of all that goes in and out.
bool GraphImporter::importOutputs(func::FuncOp function, OpBuilder &b) {
  Values results;
  SmallVector<Attribute> names, types;
  bool ok = true;
  for (const onnx::ValueInfoProto &output : model.graph().output()) {
    Value value = lookup(output.name());
    if (!value) { // what makes it has been reported
      ok = false;
      continue;
    }
    if (fourBit.contains(output.name())) {
      emitError(named(output.name())) << "[T0102] output '" << output.name()
                                      << "' holds integers of 4 bits, which is not supported";
      ok = false;
      continue;
    }
    declare(output);
    ok &= checkDeclared(output.name(), value, named(output.name()));
    results.push_back(value);
    names.push_back(b.getStringAttr(output.name()));
    types.push_back(TypeAttr::get(value.getType()));
  }
  func::ReturnOp::create(b, function.getLoc(), results);
  SmallVector<Type> resultTypes;
  for (Value value : results)
    resultTypes.push_back(value.getType());
  function.setType(b.getFunctionType(function.getBody().getArgumentTypes(), resultTypes));
  function->setAttr(tgl::kOutputs, b.getArrayAttr(names));
  function->setAttr(tgl::kOutputTypes, b.getArrayAttr(types));
  return ok;
}

DictionaryAttr GraphImporter::provenance(Block &body) {
  Builder b(&context);
  SmallVector<NamedAttribute> sets;
  for (const auto &set : opsets)
    sets.push_back(b.getNamedAttr(set.first().empty() ? "ai.onnx" : set.first(), b.getI64IntegerAttr(set.second)));
  SmallVector<Attribute> dims;
  for (BlockArgument argument : body.getArguments()) {
    auto names = symbolsOf.lookup(argument); // a copy, which the views below look at
    SmallVector<StringRef> symbols(names.begin(), names.end());
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
  if (failed(checkModel(model, path, context)) || !importOpsets())
    return {};
  bool ok = importInputs(module);
  auto function = cast<func::FuncOp>(&module->getBody()->front());
  OpBuilder b = OpBuilder::atBlockEnd(&function.getBody().front());
  ok &= importInitializers(model.graph(), b);
  for (const onnx::ValueInfoProto &info : model.graph().value_info())
    declare(info);
  // Each part marks what it could not import; the others still report what is wrong with them.
  ok &= importNodes(model.graph().node(), b, "");
  ok &= importOutputs(function, b);
  (*module)->setAttr(tgl::kSource, provenance(function.getBody().front()));
  if (!ok || failed(verify(*module)))
    return {};
  return module;
}

} // namespace tegula
