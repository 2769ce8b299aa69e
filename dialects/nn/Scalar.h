//===- Scalar.h - numbers that are known now or at run time ----------------===//
//
// A formula written on `Scalar` is evaluated at once where all of its inputs are known, and emits f64 arithmetic where
// one of them is not. Truth values are the numbers 0 and 1.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_SCALAR_H
#define TEGULA_DIALECTS_NN_SCALAR_H

#include "tegula/dialects/nn/Lowering.h"
#include <optional>

namespace tegula::nn {

class Scalar {
public:
  Scalar(double number) : known(number) {}
  /// A run-time value of index, integer or float type; `b` must outlive the scalar.
  Scalar(LoweringBuilder &b, mlir::Value value);

  std::optional<double> known;

  Scalar floor() const;
  Scalar abs() const { return max(*this, -*this); }
  Scalar operator-() const { return 0 - *this; }
  friend Scalar operator+(const Scalar &x, const Scalar &y);
  friend Scalar operator-(const Scalar &x, const Scalar &y);
  friend Scalar operator*(const Scalar &x, const Scalar &y);
  friend Scalar operator/(const Scalar &x, const Scalar &y);
  static Scalar less(const Scalar &x, const Scalar &y);
  static Scalar equal(const Scalar &x, const Scalar &y);
  static Scalar select(const Scalar &condition, const Scalar &x, const Scalar &y);
  static Scalar min(const Scalar &x, const Scalar &y) { return select(less(x, y), x, y); }
  static Scalar max(const Scalar &x, const Scalar &y) { return select(less(x, y), y, x); }
  static Scalar either(const Scalar &x, const Scalar &y) { return max(x, y); }
  /// The sum of term(0), ..., term(count - 1): written out where the count is known, else a loop.
  static Scalar sum(const Scalar &count, llvm::function_ref<Scalar(Scalar)> term);

  /// The number as a value of float, integer or index type.
  mlir::Value as(LoweringBuilder &b, mlir::Type type) const;
  /// The number as an extent.
  mlir::OpFoldResult asExtent(LoweringBuilder &b) const;

private:
  LoweringBuilder *builder = nullptr;
  mlir::Value value; // f64; null when known
  static LoweringBuilder *either(LoweringBuilder *x, LoweringBuilder *y) { return x ? x : y; }
};

} // namespace tegula::nn

#endif
