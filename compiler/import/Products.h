//===- Products.h - products that several operators are made of ----------------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_PRODUCTS_H
#define TEGULA_COMPILER_IMPORT_PRODUCTS_H

#include "tegula/compiler/import/Node.h"

namespace tegula {

/// MatMul of the standard, of vectors too.
llvm::FailureOr<Values> product(Node &node, mlir::Value a, mlir::Value b);

/// Conv of the standard, with the node's attributes; `bias` of the sums' type may be null.
llvm::FailureOr<Values> convolution(Node &node, mlir::Value x, mlir::Value w, mlir::Value bias);

} // namespace tegula

#endif
