//===- Lowering.h - builder that nn ops lower themselves with --------------===//
//
// `LoweringBuilder` keeps an insertion point and a location and offers scalar arithmetic that looks at the element
// type, and the few tensor forms that every lowering uses: `generic`, `generate`, `fill`, `loop`.
//
// Lowered values are signless: `ui8` becomes `i8`, and booleans are stored as `i8` holding 0 or 1 (so that rows of them
// vectorise); scalar code sees `i1` between `load` and `store`.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_LOWERING_H
#define TEGULA_DIALECTS_NN_LOWERING_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

namespace tegula::nn {

/// The signless storage type of an nn type: tensors and scalars alike.
mlir::Type loweredType(mlir::Type type);

class LoweringBuilder {
public:
  using Value = mlir::Value;
  using Shape = llvm::SmallVector<mlir::OpFoldResult>;
  using Body = llvm::function_ref<Value(llvm::ArrayRef<Value>)>;

  LoweringBuilder(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}
  mlir::OpBuilder &b;
  mlir::Location loc;
  /// Whether each operation is rounded for itself, as the standard's are, but for sums in any order.
  bool roundsEach = false;

  // Scalars. `isUnsigned` matters to integers only. Floats carry the `contract` flag, unless each is rounded; `reassoc`
  // adds reassociation.
  Value index(int64_t value);
  Value number(mlir::Type type, double value);
  Value integer(mlir::Type type, int64_t value);
  /// Smallest (or, with `largest`, largest) value of a type; infinities for floats.
  Value extreme(mlir::Type type, bool largest, bool isUnsigned);
  Value add(Value x, Value y, bool reassoc = false);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y, bool reassoc = false);
  /// Integer division truncates; a zero divisor or an overflowing quotient gives 0 instead of a trap.
  Value div(Value x, Value y, bool isUnsigned = false);
  /// Remainder with the sign of the divisor (floor), or of the dividend (`truncate`).
  Value mod(Value x, Value y, bool isUnsigned, bool truncate);
  Value neg(Value x);
  Value min(Value x, Value y, bool isUnsigned = false);
  Value max(Value x, Value y, bool isUnsigned = false);
  /// `x > y ? x : y` and its mirror: one instruction; a NaN in `x` loses, one in `y` stays.
  Value quickMax(Value x, Value y, bool isUnsigned = false);
  Value quickMin(Value x, Value y, bool isUnsigned = false);
  /// Comparison: "eq", "ne", "lt", "le", "gt", "ge".
  Value compare(llvm::StringRef kind, Value x, Value y, bool isUnsigned = false);
  Value select(Value condition, Value x, Value y);
  Value logicalAnd(Value x, Value y);
  Value logicalOr(Value x, Value y);
  Value logicalNot(Value x);
  /// Converts a scalar as `nn.cast` does.
  Value cast(Value x, mlir::Type to, bool fromUnsigned = false, bool toUnsigned = false);
  Value toIndex(Value x);
  Value fromIndex(Value x, mlir::Type to);
  /// Clamps an index into [lo, hi].
  Value clampIndex(Value x, Value lo, Value hi);
  /// i8 storage of booleans <-> i1.
  Value load(Value stored, mlir::Type nnElement);
  Value store(Value computed, mlir::Type nnElement);
  template <typename Op> Value math(Value x) { return Op::create(b, loc, x, contractFlags()); }
  template <typename Op> Value math(Value x, Value y) { return Op::create(b, loc, x, y, contractFlags()); }
  mlir::arith::FastMathFlagsAttr contractFlags() const;

  // Tensors.
  Value dim(Value tensor, int64_t axis);
  mlir::OpFoldResult extent(Value tensor, int64_t axis);
  Shape extents(Value tensor);
  Value asValue(mlir::OpFoldResult extent);
  Shape staticShape(llvm::ArrayRef<int64_t> shape);
  Value extract(Value tensor, mlir::ValueRange indices);
  Value empty(llvm::ArrayRef<mlir::OpFoldResult> shape, mlir::Type element);
  Value fill(Value scalar, llvm::ArrayRef<mlir::OpFoldResult> shape);
  /// x inside a larger tensor of `border`, with `low` and `high` more elements (0 or more) before and after each axis.
  /// With known shapes the margins only are written, so that x can be made in place.
  Value surround(Value x, Value border, llvm::ArrayRef<mlir::OpFoldResult> low,
                 llvm::ArrayRef<mlir::OpFoldResult> high);
  /// linalg.generic with one result; `maps` has one map per input, then the result's; `body` gets the input elements
  /// and the element of `init`.
  Value generic(llvm::ArrayRef<Value> inputs, Value init, llvm::ArrayRef<mlir::AffineMap> maps,
                llvm::ArrayRef<mlir::utils::IteratorType> iterators, Body body);
  /// linalg.generic over all axes of `shape`; input i is read through maps[i].
  Value map(llvm::ArrayRef<Value> inputs, llvm::ArrayRef<mlir::AffineMap> maps,
            llvm::ArrayRef<mlir::OpFoldResult> shape, mlir::Type element, Body body);
  /// A tensor whose element at `indices` is `body(indices)`.
  Value generate(llvm::ArrayRef<mlir::OpFoldResult> shape, mlir::Type element, Body body);
  /// scf.for from 0 to `count` with carried values; `body(i, carried)` returns the next ones.
  llvm::SmallVector<Value> loop(Value count, mlir::ValueRange carried,
                                llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)> body);
  /// A loop over `count` bands of a result, of which there are `least` or more: each iteration reads what it reads of
  /// the carried tensors where it writes, so that bands may run at the same time.
  llvm::SmallVector<Value> bands(Value count, int64_t least, mlir::ValueRange carried,
                                 llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)> body);
  /// Nest of loops over `extents` with carried values.
  llvm::SmallVector<Value>
  loops(llvm::ArrayRef<Value> extents, mlir::ValueRange carried,
        llvm::function_ref<llvm::SmallVector<Value>(llvm::ArrayRef<Value>, mlir::ValueRange)> body);
  /// Map of an operand of `shape` broadcast into `rank` axes (aligned at the end; static 1 reads place 0).
  mlir::AffineMap broadcastMap(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> result);
  /// The extents of a broadcast of lowered operands, whose joint static shape is `result`.
  Shape broadcastExtents(mlir::ValueRange operands, llvm::ArrayRef<int64_t> result);
  /// Reshape to a static or dynamic shape.
  Value reshape(Value source, llvm::ArrayRef<mlir::OpFoldResult> shape);
  /// Ends the run with an error of `text` when `failed` holds. Not inside the body of a linalg op.
  void check(Value failed, const llvm::Twine &text);
  /// Ends the run with an error unless all of `indices` (a tensor of integers, negative ones counted from the end) are
  /// places on an axis of extents[0], or, with several extents, entry k of the last axis on one of extents[k]. Where
  /// indices and extents are constant the importer has done so.
  void checkIndices(Value indices, llvm::ArrayRef<Value> extents);
  void checkConstantIndices(mlir::DenseIntElementsAttr indices, llvm::ArrayRef<Value> extents);
};

} // namespace tegula::nn

#endif
