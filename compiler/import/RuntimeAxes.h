//===- RuntimeAxes.h - axes that are known at run time only -----------------------------------------===//
//
// ONNX passes many axes as inputs. Where they are not constants, a row works on marks: a boolean per axis of the
// tensor, computed by ops on vectors of a few elements. The ranks stay known, and with them the loops.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_RUNTIMEAXES_H
#define TEGULA_COMPILER_IMPORT_RUNTIMEAXES_H

#include "tegula/compiler/import/Node.h"

namespace tegula {

/// Axes of a tensor of `rank` axes, from an integer vector (negative ones count from the end).
class RuntimeAxes {
public:
  RuntimeAxes(Node &node, mlir::Value axes, int64_t rank);

  /// `tensor<rank x i1>`: whether each axis is named.
  mlir::Value marks() const { return isNamed; }
  /// The entries of the vector, counted from 0.
  mlir::Value axis() const { return axes; }
  /// How many axes are named, when they are distinct; nullopt when the vector's length is unknown.
  std::optional<int64_t> count() const;
  /// Names all axes when the vector is empty.
  void allWhenEmpty();
  /// `values` (one per entry of the vector) put at their axes; `absent` at the others. `tensor<rank x i64>`.
  mlir::Value spread(mlir::Value values, int64_t absent) const;
  /// The axes that are not named, in increasing order: `tensor<rank - count x i64>`. Needs the count.
  mlir::Value others() const;

  /// x reduced over the named axes, in one pass: x is seen as [a0, b0, a1, b1, ...] with the extent of axis i in a_i
  /// when it is named and in b_i when not, and every a is reduced. Null when the result's rank is not known.
  mlir::Value reduce(llvm::StringRef kind, mlir::Value x, bool keepdims) const;

private:
  Node &n;
  mlir::Value axes;    // tensor<k x i64>, from 0 on
  mlir::Value isHere;  // tensor<k x rank x i1>: entry i names axis j
  mlir::Value isNamed; // tensor<rank x i1>
  int64_t rank;
};

} // namespace tegula

#endif
