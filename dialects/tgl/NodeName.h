//===- NodeName.h - ONNX node names in locations ---------------------------------===//
#ifndef TEGULA_DIALECTS_TGL_NODENAME_H
#define TEGULA_DIALECTS_TGL_NODENAME_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/SmallVector.h"
#include <string>

namespace tegula {

/// The ONNX node names that a location carries, joined by '+' in order of appearance (four at most, then "..."). Empty
/// when there is none.
std::string nodeNameOf(mlir::Location loc);

/// An ONNX node as a location tells it; `op` is its operator, empty where the location is that of a tensor.
struct NodeRef {
  llvm::StringRef name, op;
  bool operator==(const NodeRef &other) const { return name == other.name && op == other.op; }
};

/// Every node that a location carries, in order of appearance; tensors where it carries no node.
llvm::SmallVector<NodeRef> nodesOf(mlir::Location loc);

/// The location of a node: `file` is a place in the model's file. Nothing else makes such locations.
mlir::Location nodeLocation(llvm::StringRef name, llvm::StringRef op, mlir::Location file);

} // namespace tegula

#endif
