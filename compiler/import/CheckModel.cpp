//===- CheckModel.cpp - a model's structure, before anything walks it -------------------------------===//

#include "tegula/compiler/import/CheckModel.h"
#include "tegula/compiler/import/Limits.h"
#include "tegula/compiler/import/OnnxLibrary.h"
#include "tegula/dialects/tgl/NodeName.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <algorithm>

using namespace mlir;

namespace tegula {

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

std::string nameOfNode(const onnx::NodeProto &node, int index, StringRef prefix) {
  std::string name = node.name().empty() ? node.op_type() + "_" + std::to_string(index) : node.name();
  return prefix.empty() ? name : (prefix + "/" + name).str();
}

Location locationOfNode(MLIRContext &context, StringRef path, const onnx::NodeProto &node, int index,
                        StringRef prefix) {
  std::string domain = node.domain().empty() || node.domain() == "ai.onnx" ? "" : node.domain() + "::";
  return nodeLocation(nameOfNode(node, index, prefix), domain + node.op_type(),
                      FileLineColLoc::get(&context, path, index + 1, 1));
}

namespace {
class Checker {
public:
  Checker(const onnx::ModelProto &model, StringRef path, MLIRContext &context)
      : model(model), path(path), context(context) {}
  LogicalResult run();

private:
  /// Names that a graph defines, and those of the graphs it lies in.
  struct Scope {
    const Scope *outer;
    llvm::StringSet<> names;
    bool has(StringRef name) const { return names.contains(name) || (outer && outer->has(name)); }
  };

  /// Nodes that expansion adds, and how deep graphs and calls nest.
  struct Size {
    int64_t nodes = 0;
    int depth = 0;
    void add(Size other) {
      nodes += other.nodes;
      depth = std::max(depth, other.depth);
    }
    Size inside(int64_t moreNodes) const { return {nodes + moreNodes, depth + 1}; }
    bool isWithinLimits() const { return nodes <= kMaxExpandedNodes && depth <= kMaxDepth; }
  };

  InFlightDiagnostic error(Location loc) {
    isGood = false;
    return emitError(loc);
  }
  Location named(StringRef name) { return NameLoc::get(StringAttr::get(&context, name)); }
  Location at(const onnx::NodeProto &node, int index, StringRef prefix) {
    return locationOfNode(context, path, node, index, prefix);
  }
  void checkVersions();
  template <typename Imports> void checkImports(const Imports &imports, const Twine &where);
  void checkFunctions();
  void checkFunction(const onnx::FunctionProto &function);
  void checkGraph(const onnx::GraphProto &graph, const Scope *outer, StringRef prefix, int depth);
  void checkNodes(const Nodes &nodes, Scope &scope, StringRef prefix, int depth);
  void checkUses(const onnx::NodeProto &node, const Scope &scope, const llvm::StringMap<const onnx::NodeProto *> &later,
                 Location loc);
  void checkAttributes(const onnx::NodeProto &node, const Scope &scope, StringRef name, Location loc, int depth);
  void define(StringRef name, Scope &scope, Location loc, StringRef what);
  Size sizeOf(const Nodes &nodes, int depth);
  Size sizeOf(const onnx::NodeProto &node, int depth);
  void checkExpansion();

  const onnx::ModelProto &model;
  StringRef path;
  MLIRContext &context;
  bool isGood = true, isInFunction = false;
  llvm::StringMap<const onnx::FunctionProto *> functions; // by domain and name
  llvm::StringMap<Size> sizes;                            // of functions, by the same
};
} // namespace

static std::string keyOf(StringRef domain, StringRef name) {
  return ((domain == "ai.onnx" ? "" : domain) + "::" + name).str();
}

LogicalResult Checker::run() {
  checkVersions();
  checkGraph(model.graph(), nullptr, "", 0);
  checkFunctions();
  if (isGood) // Only what is defined once and nests within bounds can be counted.
    checkExpansion();
  return success(isGood);
}

//===- versions --------------------------------------------------------------===//

template <typename Imports> void Checker::checkImports(const Imports &imports, const Twine &where) {
  llvm::StringMap<int64_t> versions;
  for (const onnx::OperatorSetIdProto &set : imports) {
    StringRef domain = set.domain() == "ai.onnx" ? StringRef() : StringRef(set.domain());
    StringRef shown = domain.empty() ? StringRef("ai.onnx") : domain;
    int64_t last = domain.empty() ? kLatestOpset : INT32_MAX;
    if (set.version() < 1 || set.version() > last)
      error(named(model.graph().name())) << "[T0201] opset " << set.version() << " of " << shown << ", imported by "
                                         << where.str() << ", is not known; expected 1 to " << last;
    auto [known, isNew] = versions.try_emplace(domain, set.version());
    if (!isNew && known->second != set.version())
      error(named(model.graph().name())) << "[T0201] " << where.str() << " imports two opsets of " << shown << ": "
                                         << known->second << " and " << set.version();
  }
}

void Checker::checkVersions() {
  if (model.ir_version() < 1 || model.ir_version() > kLatestIrVersion)
    error(named(model.graph().name())) << "[T0201] ir_version " << model.ir_version() << " is not known; expected 1 to "
                                       << kLatestIrVersion;
  checkImports(model.opset_import(), "the model");
}

//===- names -----------------------------------------------------------------===//

void Checker::define(StringRef name, Scope &scope, Location loc, StringRef what) {
  if (name.empty())
    return;
  if (what == "output" && scope.outer && scope.outer->has(name)) // Inputs and initializers may.
    error(loc) << "[T0201] " << what << " '" << name << "' hides a value of the enclosing graph";
  else if (!scope.names.insert(name).second)
    error(loc) << "[T0201] " << what << " '" << name << "' is defined a second time";
}

static bool agree(const onnx::ValueInfoProto &input, const onnx::TensorProto &tensor) {
  if (!input.type().has_tensor_type())
    return false;
  const auto &type = input.type().tensor_type();
  if (type.elem_type() != tensor.data_type())
    return false;
  if (type.has_shape() && type.shape().dim_size() != tensor.dims_size())
    return false;
  for (int i = 0; i < type.shape().dim_size(); ++i)
    if (type.shape().dim(i).has_dim_value() && type.shape().dim(i).dim_value() != tensor.dims(i))
      return false;
  return true;
}

void Checker::checkGraph(const onnx::GraphProto &graph, const Scope *outer, StringRef prefix, int depth) {
  Scope scope{outer, {}};
  llvm::StringMap<const onnx::ValueInfoProto *> inputs;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    define(input.name(), scope, named(input.name()), "input");
    inputs[input.name()] = &input;
  }
  llvm::StringSet<> initializers;
  auto defineTensor = [&](const onnx::TensorProto &tensor) {
    if (!initializers.insert(tensor.name()).second && !tensor.name().empty())
      error(named(tensor.name())) << "[T0201] initializer '" << tensor.name() << "' is defined a second time";
    else if (!inputs.count(tensor.name())) // An input of the same name has this value unless the caller gives one.
      define(tensor.name(), scope, named(tensor.name()), "initializer");
    else if (!agree(*inputs[tensor.name()], tensor))
      error(named(tensor.name())) << "[T0202] initializer '" << tensor.name()
                                  << "' has another type than the input of the same name";
  };
  for (const onnx::TensorProto &tensor : graph.initializer())
    defineTensor(tensor);
  for (const onnx::SparseTensorProto &tensor : graph.sparse_initializer())
    scope.names.insert(tensor.values().name());
  checkNodes(graph.node(), scope, prefix, depth);
  for (const onnx::ValueInfoProto &output : graph.output())
    if (!scope.has(output.name()))
      error(named(output.name())) << "[T0201] output '" << output.name() << "' is made by no node";
  if (depth == 0 && graph.output().empty())
    error(named(graph.name())) << "[T0201] the graph has no output";
}

void Checker::checkNodes(const Nodes &nodes, Scope &scope, StringRef prefix, int depth) {
  if (depth > kMaxDepth) {
    error(named(prefix)) << "[T0401] graphs nest more than " << kMaxDepth << " deep";
    return;
  }
  llvm::StringMap<const onnx::NodeProto *> later;
  for (const onnx::NodeProto &node : nodes)
    for (const std::string &output : node.output())
      later.try_emplace(output, &node);
  for (auto [index, node] : llvm::enumerate(nodes)) {
    Location loc = at(node, index, prefix);
    if (node.op_type().empty())
      error(loc) << "[T0201] the node names no operator";
    checkUses(node, scope, later, loc);
    checkAttributes(node, scope, nameOfNode(node, index, prefix), loc, depth);
    for (const std::string &output : node.output())
      define(output, scope, loc, "output");
  }
}

void Checker::checkUses(const onnx::NodeProto &node, const Scope &scope,
                        const llvm::StringMap<const onnx::NodeProto *> &later, Location loc) {
  for (const std::string &input : node.input()) {
    if (input.empty() || scope.has(input))
      continue;
    InFlightDiagnostic diagnostic = error(loc) << "[T0201] input '" << input << "' ";
    auto maker = later.find(input);
    if (maker == later.end()) {
      diagnostic << "is made by no node, input or initializer";
      continue;
    }
    diagnostic << "is made only later, by " << (maker->second->name().empty() ? "a node" : "node '")
               << maker->second->name() << (maker->second->name().empty() ? "" : "'");
    diagnostic.attachNote() << "help: nodes must come after those whose outputs they read, without a cycle";
  }
}

void Checker::checkAttributes(const onnx::NodeProto &node, const Scope &scope, StringRef name, Location loc,
                              int depth) {
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (attribute.name().empty())
      error(loc) << "[T0201] an attribute has no name";
    if (!attribute.ref_attr_name().empty() && !isInFunction)
      error(loc) << "[T0201] attribute '" << attribute.name() << "' refers to '" << attribute.ref_attr_name()
                 << "', but the node lies in no function";
    if (attribute.has_g())
      checkGraph(attribute.g(), &scope, name, depth + 1);
    for (const onnx::GraphProto &graph : attribute.graphs())
      checkGraph(graph, &scope, name, depth + 1);
  }
}

//===- functions ---------------------------------------------------------------===//

void Checker::checkFunction(const onnx::FunctionProto &function) {
  Scope scope{nullptr, {}};
  for (const std::string &input : function.input())
    define(input, scope, named(function.name()), "function '" + function.name() + "' and its input");
  checkImports(function.opset_import(), "function '" + function.name() + "'");
  checkNodes(function.node(), scope, function.name(), 1);
  for (const std::string &output : function.output())
    if (!scope.has(output))
      error(named(function.name())) << "[T0201] output '" << output << "' of function '" << function.name()
                                    << "' is made by no node";
}

void Checker::checkFunctions() {
  isInFunction = true;
  for (const onnx::FunctionProto &function : model.functions()) {
    if (!functions.try_emplace(keyOf(function.domain(), function.name()), &function).second)
      error(named(function.name())) << "[T0201] function '" << function.domain() << "::" << function.name()
                                    << "' is defined a second time";
    checkFunction(function);
  }
}

Checker::Size Checker::sizeOf(const Nodes &nodes, int depth) {
  Size total;
  for (const onnx::NodeProto &node : nodes) {
    total.add(sizeOf(node, depth));
    if (!total.isWithinLimits())
      break;
  }
  return total;
}

/// What a node adds once every call is expanded. Recursion ends at the limit, also that of a function that calls
/// itself.
Checker::Size Checker::sizeOf(const onnx::NodeProto &node, int depth) {
  if (depth > kMaxDepth)
    return {0, kMaxDepth + 1};
  Size total;
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (attribute.has_g())
      total.add(sizeOf(attribute.g().node(), depth + 1).inside(0));
    for (const onnx::GraphProto &graph : attribute.graphs())
      total.add(sizeOf(graph.node(), depth + 1).inside(0));
  }
  std::string key = keyOf(node.domain(), node.op_type());
  auto function = functions.find(key);
  if (function == functions.end())
    return total;
  auto known = sizes.find(key);
  if (known == sizes.end()) {
    const Nodes &body = function->second->node();
    known = sizes.try_emplace(key, sizeOf(body, depth + 1).inside(body.size())).first;
  }
  total.add(known->second);
  return total;
}

void Checker::checkExpansion() {
  Size total;
  for (auto [index, node] : llvm::enumerate(model.graph().node())) {
    Size size = sizeOf(node, 0);
    total.add(size);
    if (total.isWithinLimits())
      continue;
    error(at(node, index, "")) << "[T0401] the model's functions, up to this call of '" << node.op_type()
                               << "', call themselves, nest more than " << kMaxDepth << " deep or expand to more than "
                               << kMaxExpandedNodes << " nodes";
    return;
  }
}

LogicalResult checkModel(const onnx::ModelProto &model, StringRef path, MLIRContext &context) {
  return Checker(model, path, context).run();
}

} // namespace tegula
