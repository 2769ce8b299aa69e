//===- Functions.cpp - functions and graphs of attributes, imported in place -------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Limits.h"
#include "tegula/dialects/tgl/NodeName.h"

using namespace mlir;

namespace tegula {

const onnx::FunctionProto *GraphImporter::localFunction(const onnx::NodeProto &proto) const {
  for (const onnx::FunctionProto &function : model.functions())
    if (function.name() == proto.op_type() && function.domain() == proto.domain())
      return &function;
  return nullptr;
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

FailureOr<Values> GraphImporter::tryInlineGraph(const onnx::GraphProto &graph, OpBuilder &b, StringRef prefix,
                                                std::string &why) {
  llvm::StringSet<> brokenBefore = broken;
  std::vector<Diagnostic> heard;
  FailureOr<Values> results = failure();
  {
    ScopedDiagnosticHandler listen(&context, [&](Diagnostic &diagnostic) { heard.push_back(std::move(diagnostic)); });
    results = inlineGraph(graph, b, prefix);
  }
  auto isError = [](Diagnostic &one) { return one.getSeverity() == DiagnosticSeverity::Error; };
  auto isForbidden = [](Diagnostic &one) { return StringRef(one.str()).starts_with("[T0202] "); };
  auto first = llvm::find_if(heard, isError);
  bool isOwnProblem =
      first == heard.end() || llvm::any_of(heard, [&](Diagnostic &one) { return isError(one) && !isForbidden(one); });
  if (succeeded(results) || isOwnProblem) {
    for (Diagnostic &one : heard)
      context.getDiagEngine().emit(std::move(one));
    return results;
  }
  why = nodeNameOf(first->getLocation());
  why = (why.empty() ? "" : "node '" + why + "': ") + StringRef(first->str()).drop_front(strlen("[T0202] ")).str();
  broken = brokenBefore;
  return failure();
}

} // namespace tegula
