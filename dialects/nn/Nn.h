//===- Nn.h - the nn dialect ----------------------------------------------===//
//
// Declarations of the dialect and its ops. What each op means stands in the .td files of this folder.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_NN_H
#define TEGULA_DIALECTS_NN_NN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "tegula/dialects/nn/Lowering.h"

#include "tegula/dialects/nn/NnDialect.h.inc"

#include "tegula/dialects/nn/NnInterfaces.h.inc"

#define GET_OP_CLASSES
#include "tegula/dialects/nn/NnOps.h.inc"

namespace tegula::nn {

/// Whether `kind` is listed in Elementwise.def as a function of one or of two values.
bool isUnaryKind(llvm::StringRef kind);
bool isBinaryKind(llvm::StringRef kind);
/// Whether the kind yields `i1` whatever its inputs' type (comparisons; is_nan, is_inf).
bool isPredicateKind(llvm::StringRef kind);

/// The numpy broadcast of shapes: 1 gives way, `?` (dynamic) meets a number: the number wins. Fails, with the reason in
/// `why`, when extents disagree.
llvm::FailureOr<llvm::SmallVector<int64_t>> broadcastShapes(llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes,
                                                            std::string &why);

/// Folds an op of the dialect over small constant tensors (shape arithmetic, not weights). Null attributes stand for
/// operands that are not constant. Returns null when the op cannot be folded.
mlir::OpFoldResult foldSmall(mlir::Operation *op, llvm::ArrayRef<mlir::Attribute> operands);

/// Largest element count that `foldSmall` looks at.
constexpr int64_t kSmallElements = 1024;

} // namespace tegula::nn

#endif
