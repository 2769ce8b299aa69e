//===- Scalar.cpp - numbers that are known now or at run time --------------===//

#include "tegula/dialects/nn/Scalar.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;

namespace tegula::nn {

Scalar::Scalar(LoweringBuilder &b, Value number) : builder(&b) {
  Type f64 = b.b.getF64Type();
  value = number.getType().isIndex() ? b.fromIndex(number, f64) : b.cast(number, f64);
}

Scalar Scalar::floor() const {
  if (known)
    return std::floor(*known);
  return Scalar(*builder, builder->math<math::FloorOp>(value));
}

Value Scalar::as(LoweringBuilder &b, Type type) const {
  if (known)
    return type.isIndex() ? b.index((int64_t)*known) : b.number(type, *known);
  if (type.isIndex())
    return b.toIndex(b.cast(value, b.b.getI64Type()));
  return b.cast(value, type);
}

OpFoldResult Scalar::asExtent(LoweringBuilder &b) const {
  if (known)
    return b.b.getIndexAttr((int64_t)*known);
  return as(b, b.b.getIndexType());
}

Scalar operator+(const Scalar &x, const Scalar &y) {
  if (x.known && y.known)
    return *x.known + *y.known;
  LoweringBuilder &b = *Scalar::either(x.builder, y.builder);
  Type f64 = b.b.getF64Type();
  return Scalar(b, b.add(x.as(b, f64), y.as(b, f64)));
}
Scalar operator-(const Scalar &x, const Scalar &y) {
  if (x.known && y.known)
    return *x.known - *y.known;
  LoweringBuilder &b = *Scalar::either(x.builder, y.builder);
  Type f64 = b.b.getF64Type();
  return Scalar(b, b.sub(x.as(b, f64), y.as(b, f64)));
}
Scalar operator*(const Scalar &x, const Scalar &y) {
  if (x.known && y.known)
    return *x.known * *y.known;
  LoweringBuilder &b = *Scalar::either(x.builder, y.builder);
  Type f64 = b.b.getF64Type();
  return Scalar(b, b.mul(x.as(b, f64), y.as(b, f64)));
}
Scalar operator/(const Scalar &x, const Scalar &y) {
  if (x.known && y.known)
    return *x.known / *y.known;
  LoweringBuilder &b = *Scalar::either(x.builder, y.builder);
  Type f64 = b.b.getF64Type();
  return Scalar(b, b.div(x.as(b, f64), y.as(b, f64)));
}

Scalar Scalar::less(const Scalar &x, const Scalar &y) {
  if (x.known && y.known)
    return *x.known < *y.known ? 1 : 0;
  LoweringBuilder &b = *either(x.builder, y.builder);
  Type f64 = b.b.getF64Type();
  return Scalar(b, b.compare("lt", x.as(b, f64), y.as(b, f64)));
}
Scalar Scalar::equal(const Scalar &x, const Scalar &y) {
  if (x.known && y.known)
    return *x.known == *y.known ? 1 : 0;
  LoweringBuilder &b = *either(x.builder, y.builder);
  Type f64 = b.b.getF64Type();
  return Scalar(b, b.compare("eq", x.as(b, f64), y.as(b, f64)));
}
Scalar Scalar::select(const Scalar &condition, const Scalar &x, const Scalar &y) {
  if (condition.known)
    return *condition.known != 0 ? x : y;
  LoweringBuilder &b = *condition.builder;
  Type f64 = b.b.getF64Type();
  Value isTrue = b.compare("ne", condition.value, b.number(f64, 0));
  return Scalar(b, b.select(isTrue, x.as(b, f64), y.as(b, f64)));
}

Scalar Scalar::sum(const Scalar &count, llvm::function_ref<Scalar(Scalar)> term) {
  if (count.known) {
    Scalar total = 0;
    for (int64_t i = 0; i < (int64_t)*count.known; ++i)
      total = total + term((double)i);
    return total;
  }
  LoweringBuilder &b = *count.builder;
  Type f64 = b.b.getF64Type();
  SmallVector<Value> totals =
      b.loop(count.as(b, b.b.getIndexType()), b.number(f64, 0), [&](Value i, ValueRange carried) {
        return SmallVector<Value>{b.add(carried[0], term(Scalar(b, i)).as(b, f64))};
      });
  return Scalar(b, totals[0]);
}

} // namespace tegula::nn
