//===- NodeName.cpp - ONNX node names in locations -------------------------------===//
//
// A node is `loc("name"(fused<"Operator">["model.onnx":3:1]))`.
//
//===----------------------------------------------------------------------===//

#include "tegula/dialects/tgl/NodeName.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace tegula {

Location nodeLocation(StringRef name, StringRef op, Location file) {
  MLIRContext *context = file.getContext();
  Location inner = FusedLoc::get({file}, StringAttr::get(context, op), context);
  return NameLoc::get(StringAttr::get(context, name), inner);
}

static StringRef operatorOf(NameLoc name) {
  auto inner = dyn_cast<FusedLoc>(name.getChildLoc());
  auto op = inner ? dyn_cast_or_null<StringAttr>(inner.getMetadata()) : StringAttr();
  return op ? op.getValue() : StringRef();
}

SmallVector<NodeRef> nodesOf(Location loc) {
  SmallVector<NodeRef> nodes;
  SmallVector<Location> stack{loc};
  while (!stack.empty()) {
    Location next = stack.pop_back_val();
    if (auto name = dyn_cast<NameLoc>(next)) {
      NodeRef node{name.getName().getValue(), operatorOf(name)};
      if (!llvm::is_contained(nodes, node))
        nodes.push_back(node);
    } else if (auto fused = dyn_cast<FusedLoc>(next)) {
      for (Location part : llvm::reverse(fused.getLocations()))
        stack.push_back(part);
    } else if (auto call = dyn_cast<CallSiteLoc>(next)) {
      stack.push_back(call.getCallee());
    }
  }
  // Where nodes are named, the tensors that went into them are not.
  if (llvm::any_of(nodes, [](const NodeRef &node) { return !node.op.empty(); }))
    llvm::erase_if(nodes, [](const NodeRef &node) { return node.op.empty(); });
  return nodes;
}

std::string nodeNameOf(Location loc) {
  SmallVector<NodeRef> nodes = nodesOf(loc);
  std::string text;
  for (const NodeRef &node : ArrayRef(nodes).take_front(4))
    text += (text.empty() ? "" : "+") + node.name.str();
  return nodes.size() > 4 ? text + "+..." : text;
}

} // namespace tegula
