//===- IntegerSums.h - convolutions and products of dequantized numbers as sums of integers ---===//
//
// Of FoldDequantize.
//
//===------------------------------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_GRAPH_INTEGERSUMS_H
#define TEGULA_COMPILER_GRAPH_INTEGERSUMS_H

#include "tegula/dialects/nn/Nn.h"

#include "mlir/IR/PatternMatch.h"

#include <optional>

namespace tegula {

inline mlir::RankedTensorType typeOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()); }
inline mlir::Type elementOf(mlir::Value value) { return typeOf(value).getElementType(); }
inline bool isOne(mlir::Value value) { return typeOf(value).hasStaticShape() && typeOf(value).getNumElements() == 1; }

/// Builds nn ops at one place; constants among them are folded later.
struct NnBuilder {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value binary(llvm::StringRef kind, mlir::Value x, mlir::Value y);
  mlir::Value cast(mlir::Value x, mlir::Type element);
  mlir::Value number(mlir::Type element, int64_t value); ///< a scalar
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> perm);
  mlir::Value pad(mlir::Value x, mlir::Value value, llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high);
  mlir::Value dequantize(mlir::Value x, mlir::Value scale, mlir::Value zero, mlir::Type element);
};

/// The only number in a constant; nullopt where there are several, or none is known.
std::optional<double> splatOf(mlir::Value value);

/// What the target sums, of which the patterns make their sums.
struct SumForms {
  bool hasBytes;     ///< products of four bytes
  bool isLeftSigned; ///< of these
  bool hasPairs;     ///< products of pairs of 16-bit integers
  bool hasMmla;      ///< products of eight bytes, of two rows by two columns
  bool isInPlace;    ///< factors that are computed at run time are read as they lie
};

/// Adds what turns nn.conv and nn.matmul of dequantized numbers, or of 8-bit integers less their zero points, into sums
/// of integers.
void populateIntegerSums(mlir::RewritePatternSet &patterns, SumForms forms);

/// Turns a single one, or tells the rewriter why not.
llvm::LogicalResult convertToIntegerSums(mlir::Operation *op, SumForms forms, mlir::PatternRewriter &rewriter);

/// Whether `value` is sums of products of integers, in real numbers.
bool isOfIntegers(mlir::Value value);

} // namespace tegula

#endif
