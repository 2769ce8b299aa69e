//===- Extents.h - which extents known at run time only are equal ------------------===//
#ifndef TEGULA_COMPILER_GRAPH_EXTENTS_H
#define TEGULA_COMPILER_GRAPH_EXTENTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>

namespace tegula {

/// Numbers for the extents of a function's tensors: extents with one number are equal in every run. Computed from the
/// inputs' symbols through the ops on the way; what an op does to an extent is part of the number.
class Extents {
public:
  explicit Extents(mlir::func::FuncOp function);

  /// The number of axis `axis` of `value`.
  int64_t of(mlir::Value value, int64_t axis);
  /// The number of the extent that element `index` of a vector of extents holds.
  int64_t inVector(mlir::Value vector, int64_t index);

private:
  using Key = llvm::SmallVector<int64_t, 8>;
  int64_t compute(mlir::Value value, int64_t axis);
  int64_t computeElement(mlir::Value vector, int64_t index);
  int64_t ofInput(mlir::BlockArgument input, int64_t axis);
  /// A spatial or batch axis of a convolution's or pool's result.
  template <typename Op> int64_t ofWindows(Op op, llvm::ArrayRef<int64_t> kernel, int64_t axis);
  /// How many windows, `stride` apart, an extent holds that is `more` elements longer, or shorter.
  int64_t window(int64_t extent, int64_t more, int64_t stride, bool isPool = false);
  int64_t number(Key key) { return numbers.try_emplace(key, numbers.size()).first->second; }
  int64_t fresh() { return number({kFresh, static_cast<int64_t>(numbers.size())}); }

  enum Kind : int64_t { kConstant, kSymbol, kFresh, kMax, kWindow, kPool, kSum };
  mlir::func::FuncOp function;
  std::map<Key, int64_t> numbers;
  llvm::StringMap<int64_t> symbols;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, int64_t> known, elements;
};

} // namespace tegula

#endif
