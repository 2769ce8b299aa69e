//===- Views.h - a buffer becomes a part of another one ------------------------===//
#ifndef TEGULA_COMPILER_BUFFER_VIEWS_H
#define TEGULA_COMPILER_BUFFER_VIEWS_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace tegula {

/// Whether `value` can have the type of a part of another buffer: its views need no elements side by side.
bool canRetype(mlir::Value value, mlir::MemRefType type);

/// Puts `part` in the place of `alloc`, which goes away, and adapts the types of its views; see canRetype.
void replaceByPart(mlir::memref::AllocOp alloc, mlir::Value part);

} // namespace tegula

#endif
