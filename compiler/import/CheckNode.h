//===- CheckNode.h - a node against the standard, before its row reads it ------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_CHECKNODE_H
#define TEGULA_COMPILER_IMPORT_CHECKNODE_H

#include "tegula/compiler/import/Node.h"

namespace tegula {

/// Checks a node of ai.onnx against its schema, and the rules of the standard that the schema does not hold: words,
/// bounds of numbers, constant indices. Reports; rows rely on all of it.
llvm::LogicalResult checkStandardNode(Node &node);

/// Refuses results that no memory holds, which a later product of extents could even wrap.
llvm::LogicalResult checkResults(Node &node, const Values &results);

} // namespace tegula

#endif
