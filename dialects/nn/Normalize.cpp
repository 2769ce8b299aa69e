//===- Normalize.cpp - softmax and normalisations -------------------------===//

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Checks that `axis` is an axis of x and that x holds floats.
static LogicalResult verifyFloatAxis(Operation *op, Value x, int64_t axis) {
  RankedTensorType type = tensorType(x);
  if (axis < 0 || axis >= type.getRank())
    return op->emitOpError("axis is ") << axis << ", but the input has " << type.getRank() << " axes";
  if (!isa<FloatType>(type.getElementType()))
    return op->emitOpError("expects floats, but the input holds ") << type.getElementType();
  return success();
}

namespace {
/// Rows along axes [begin, end) of a tensor: reductions to one number a row, and maps that see each row's numbers
/// again. Short floats are computed in f32.
struct Rows {
  Rows(LoweringBuilder &b, Value x, int64_t begin, int64_t end) : b(b), shape(b.extents(x)) {
    element = tensorType(x).getElementType();
    number = element.getIntOrFloatBitWidth() < 32 ? b.b.getF32Type() : element;
    SmallVector<AffineExpr> kept;
    for (int64_t i = 0; i < (int64_t)shape.size(); ++i) {
      bool isInRow = i >= begin && i < end;
      iterators.push_back(isInRow ? utils::IteratorType::reduction : utils::IteratorType::parallel);
      if (isInRow)
        continue;
      kept.push_back(b.b.getAffineDimExpr(i));
      rowShape.push_back(shape[i]);
    }
    whole = b.b.getMultiDimIdentityMap(shape.size());
    perRow = AffineMap::get(shape.size(), 0, kept, b.b.getContext());
  }

  /// One number a row: folds `body(x..., so far)` from `start`. `inputs[0]` is whole, the others are numbers per row.
  Value reduce(ArrayRef<Value> inputs, Value start, LoweringBuilder::Body body) {
    SmallVector<AffineMap> maps(inputs.size() + 1, perRow);
    maps[0] = whole;
    return b.generic(inputs, b.fill(start, rowShape), maps, iterators, body);
  }
  /// A function of each row's numbers.
  Value mapRows(ArrayRef<Value> inputs, LoweringBuilder::Body body) {
    SmallVector<AffineMap> maps(inputs.size(), b.b.getMultiDimIdentityMap(rowShape.size()));
    return b.map(inputs, maps, rowShape, number, body);
  }
  /// A function of `inputs[0]`, which is whole, and of each row's numbers.
  Value map(ArrayRef<Value> inputs, Type to, LoweringBuilder::Body body) {
    SmallVector<AffineMap> maps(inputs.size(), perRow);
    maps[0] = whole;
    return b.map(inputs, maps, shape, to, body);
  }
  Value wide(Value x) { return b.cast(x, number); }

  LoweringBuilder &b;
  LoweringBuilder::Shape shape, rowShape;
  Type element, number;
  AffineMap whole, perRow;
  SmallVector<utils::IteratorType> iterators;
};
} // namespace

//===- softmax ------------------------------------------------------------===//

LogicalResult SoftmaxOp::verify() {
  if (getKind() != "softmax" && getKind() != "log_softmax")
    return emitOpError("has no kind '") << getKind() << "'";
  return verifyFloatAxis(getOperation(), getX(), getAxis()); // softmax C1
}

/// (log_)softmax of x along `axis`.
static Value softmax(LoweringBuilder &b, Value x, int64_t axis, bool isLog) {
  Rows rows(b, x, axis, axis + 1);
  Value zero = b.number(rows.number, 0);
  Value top = rows.reduce({x}, b.extreme(rows.number, false, false),
                          [&](ArrayRef<Value> elements) { return b.max(rows.wide(elements[0]), elements[1]); });
  auto exponential = [&](ArrayRef<Value> elements) {
    return b.math<math::ExpOp>(b.sub(rows.wide(elements[0]), elements[1]));
  };
  if (isLog) {
    Value sum = rows.reduce({x, top}, zero, [&](ArrayRef<Value> elements) {
      return b.add(elements[2], exponential(elements), /*reassoc=*/true);
    });
    Value logSum = rows.mapRows({sum}, [&](ArrayRef<Value> elements) { return b.math<math::LogOp>(elements[0]); });
    return rows.map({x, top, logSum}, rows.element, [&](ArrayRef<Value> elements) {
      return b.cast(b.sub(b.sub(rows.wide(elements[0]), elements[1]), elements[2]), rows.element);
    });
  }
  Value powers = rows.map({x, top}, rows.number, exponential);
  Value sum = rows.reduce({powers}, zero,
                          [&](ArrayRef<Value> elements) { return b.add(elements[1], elements[0], /*reassoc=*/true); });
  Value scale =
      rows.mapRows({sum}, [&](ArrayRef<Value> elements) { return b.div(b.number(rows.number, 1), elements[0]); });
  return rows.map({powers, scale}, rows.element,
                  [&](ArrayRef<Value> elements) { return b.cast(b.mul(elements[0], elements[1]), rows.element); });
}

FailureOr<SmallVector<Value>> SoftmaxOp::lower(LoweringBuilder &b, ValueRange operands) {
  return SmallVector<Value>{softmax(b, operands[0], getAxis(), getKind() == "log_softmax")};
}

//===- normalize ----------------------------------------------------------===//

LogicalResult NormalizeOp::verify() {
  if (getKind() != "layer" && getKind() != "rms")
    return emitOpError("has no kind '") << getKind() << "'";
  return verifyFloatAxis(getOperation(), getX(), getAxis()); // normalize C1
}

/// The axes of x in two groups: those before `axis` (none for axis 0) and the others.
static SmallVector<ReassociationIndices> rowGroups(int64_t rank, int64_t axis) {
  SmallVector<ReassociationIndices> groups;
  if (axis > 0)
    groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, axis)));
  groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(axis, rank)));
  return groups;
}

FailureOr<SmallVector<Value>> NormalizeOp::lower(LoweringBuilder &b, ValueRange operands) {
  // Rows of several axes are seen as [rows, row]; groups of unknown extents could not be taken apart again. Rows of one
  // axis stay as they are, so that what follows can be fused.
  RankedTensorType type = tensorType(operands[0]);
  SmallVector<ReassociationIndices> groups = rowGroups(type.getRank(), getAxis());
  bool isFlat = !type.hasStaticShape() || (int64_t)getAxis() == type.getRank() - 1;
  Value x = isFlat ? operands[0] : tensor::CollapseShapeOp::create(b.b, b.loc, operands[0], groups).getResult();
  int64_t rank = tensorType(x).getRank(), axis = isFlat ? getAxis() : (int64_t)groups.size() - 1;
  Rows rows(b, x, axis, rank);
  Value zero = b.number(rows.number, 0), epsilon = b.number(rows.number, getEpsilon().convertToDouble());
  Value length = b.index(1);
  for (; axis < rank; ++axis)
    length = b.b.createOrFold<arith::MulIOp>(b.loc, length, b.dim(x, axis));
  std::optional<int64_t> known = getConstantIntValue(length);
  length = known ? b.number(rows.number, *known) : b.fromIndex(length, rows.number);

  SmallVector<Value> inputs{x};
  if (getKind() == "layer") {
    Value sum = rows.reduce({x}, zero, [&](ArrayRef<Value> elements) {
      return b.add(elements[1], rows.wide(elements[0]), /*reassoc=*/true);
    });
    inputs.push_back(rows.mapRows({sum}, [&](ArrayRef<Value> elements) { return b.div(elements[0], length); }));
  }
  // x, or its distance from the mean.
  auto centred = [&](ArrayRef<Value> elements) {
    Value value = rows.wide(elements[0]);
    return inputs.size() == 2 ? b.sub(value, elements[1]) : value;
  };
  size_t sumAt = inputs.size();
  Value squares = rows.reduce(inputs, zero, [&](ArrayRef<Value> elements) {
    Value value = centred(elements);
    return b.add(elements[sumAt], b.mul(value, value), /*reassoc=*/true);
  });
  Value scale = rows.mapRows({squares}, [&](ArrayRef<Value> elements) {
    Value variance = b.add(b.div(elements[0], length), epsilon);
    return b.div(b.number(rows.number, 1), b.math<math::SqrtOp>(variance));
  });
  SmallVector<Value> scaled(inputs);
  scaled.push_back(scale);
  Value y = rows.map(scaled, rows.element, [&](ArrayRef<Value> elements) {
    return b.cast(b.mul(centred(elements), elements[sumAt]), rows.element);
  });
  if (!isFlat)
    y = tensor::ExpandShapeOp::create(b.b, b.loc, type, y, groups);
  return SmallVector<Value>{y};
}
