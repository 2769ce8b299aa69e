//===- RegisterDots.cpp - the sums of a register tile that products of small integers make ---===//
//
// Of RegisterTile: several products at a time (Dot.h), in vectors, in matrix registers, or of a depthwise window.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/RegisterTile.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
namespace tegula {

//===- vectors ----------------------------------------------------------===//

SmallVector<Value> RegisterTile::packedIndices(OpOperand &operand, int64_t u, int64_t v, bool isSingle) {
  auto unpack = operand.get().getDefiningOp<linalg::UnPackOp>();
  ArrayRef<AffineExpr> exprs = root.getMatchingIndexingMap(&operand).getResults();
  SmallVector<Value> indices;
  if (!isPackedByRows(operand.get()))
    indices.push_back(arith::DivUIOp::create(b, loc, position[vectorLoop], constant(lanes * plan.getVectors())));
  for (AffineExpr expr : exprs.drop_back(2))
    indices.push_back(apply(expr, u, 0));
  Value count = constant(unpack.getStaticInnerTiles().back()), row = apply(exprs[exprs.size() - 2], u, 0);
  indices.push_back(b.createOrFold<arith::DivUIOp>(loc, row, count));
  if (!isPackedByRows(operand.get())) {
    indices.append({constant(v * lanes), constant(0)});
    return indices;
  }
  Value columns = constant(unpack.getStaticInnerTiles().front()), column = apply(exprs.back(), u, v);
  indices.push_back(b.createOrFold<arith::DivUIOp>(loc, column, columns));
  indices.push_back(b.createOrFold<arith::RemUIOp>(loc, column, columns));
  indices.push_back(isSingle ? b.createOrFold<arith::RemUIOp>(loc, row, count) : constant(0));
  return indices;
}

Value RegisterTile::dotOperand(OpOperand &operand, bool isLeft, int64_t u, int64_t v) {
  AffineMap map = root.getMatchingIndexingMap(&operand);
  int64_t keyU = isUnrolled(map) ? u : 0;
  Value &known = loaded[{&operand, keyU, isLeft && width == lanes ? 0 : v}];
  if (known)
    return known;
  Type bytes = getElementTypeOrSelf(operand.get().getType());
  auto type = VectorType::get({width, dot->count}, bytes);
  Value padding = arith::ConstantOp::create(b, loc, b.getZeroAttr(bytes));
  auto read = [&](Value source, ArrayRef<Value> indices, VectorType part) -> Value {
    auto identity = AffineMap::getMinorIdentityMap(indices.size(), part.getRank(), b.getContext());
    return vector::TransferReadOp::create(b, loc, part, source, indices, AffineMapAttr::get(identity), padding, Value(),
                                          b.getBoolArrayAttr(SmallVector<bool>(part.getRank(), true)));
  };
  SmallVector<Value> indices;
  Value result;
  if (isLeft) {
    for (AffineExpr expr : map.getResults())
      indices.push_back(apply(expr, u, v));
    result = read(operand.get(), indices, VectorType::get({dot->count}, bytes));
    result = vector::BroadcastOp::create(b, loc, type, result);
  } else {
    result = read(operand.get().getDefiningOp<linalg::UnPackOp>().getSource(), packedIndices(operand, u, v), type);
  }
  return loaded[{&operand, keyU, isLeft && width == lanes ? 0 : v}] = result;
}

void RegisterTile::emitDots(SmallVectorImpl<Value> &accumulators) {
  for (int64_t u = 0; u < tileUnroll; ++u)
    for (int64_t v = 0; v < vectors; ++v) {
      selectVector(v);
      Value x = dotOperand(*dot->left, true, u, v), w = dotOperand(*dot->right, false, u, v), products;
      if (dot->isReal) {
        auto wide = VectorType::get({width, dot->count}, b.getF32Type());
        products = arith::MulFOp::create(b, loc, arith::ExtFOp::create(b, loc, wide, x),
                                         arith::ExtFOp::create(b, loc, wide, w));
      } else {
        auto wide = VectorType::get({width, dot->count}, b.getI32Type());
        x = dot->isLeftUnsigned ? Value(arith::ExtUIOp::create(b, loc, wide, x))
                                : Value(arith::ExtSIOp::create(b, loc, wide, x));
        products = arith::MulIOp::create(b, loc, x, arith::ExtSIOp::create(b, loc, wide, w));
      }
      Value &sum = accumulators[u * vectors + v];
      sum = vector::MultiDimReductionOp::create(b, loc, products, sum, ArrayRef<bool>{false, true},
                                                vector::CombiningKind::ADD);
    }
  loaded.clear();
}

//===- two rows by two columns (mmla) -------------------------------------------===//

void RegisterTile::exchangeHalves(SmallVectorImpl<Value> &accumulators) {
  // A row without another gets one, which is not written.
  if (tileUnroll % 2 && (int64_t)accumulators.size() == tileUnroll * vectors)
    for (int64_t v = 0; v < vectors; ++v)
      accumulators.push_back(arith::ConstantOp::create(b, loc, b.getZeroAttr(accumulators[v].getType())));
  for (int64_t u = 0; u < tileUnroll; u += 2)
    for (int64_t v = 0; v < vectors; ++v) {
      Value &first = accumulators[u * vectors + v], &second = accumulators[(u + 1) * vectors + v];
      Value low = vector::ShuffleOp::create(b, loc, first, second, ArrayRef<int64_t>{0, 1, 4, 5});
      second = vector::ShuffleOp::create(b, loc, first, second, ArrayRef<int64_t>{2, 3, 6, 7});
      first = low;
    }
}

void RegisterTile::emitMmla(SmallVectorImpl<Value> &accumulators) {
  Type i8 = b.getI8Type(), i32 = b.getI32Type();
  auto square = VectorType::get({2, 2}, i32), pair = VectorType::get({2, 8}, i8), flat = VectorType::get({4}, i32);
  auto wide = VectorType::get(pair.getShape(), i32);
  AffineExpr m, n, k;
  bindDims(b.getContext(), m, n, k);
  AffineExpr left[] = {m, k}, right[] = {n, k}, out[] = {m, n};
  ArrayRef<AffineExpr> maps[] = {left, right, out};
  using Kind = vector::IteratorType;
  Kind kinds[] = {Kind::parallel, Kind::parallel, Kind::reduction};
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(i8));
  auto read = [&](Value source, ValueRange indices, VectorType type) -> Value {
    auto identity = AffineMap::getMinorIdentityMap(indices.size(), type.getRank(), b.getContext());
    return vector::TransferReadOp::create(b, loc, type, source, indices, AffineMapAttr::get(identity), zero, Value(),
                                          b.getBoolArrayAttr(SmallVector<bool>(type.getRank(), true)));
  };
  auto row = [&](int64_t u) {
    SmallVector<Value> indices;
    for (AffineExpr expr : root.getMatchingIndexingMap(dot->left).getResults())
      indices.push_back(apply(expr, u, 0));
    return read(dot->left->get(), indices, VectorType::get({8}, i8));
  };
  Value panels = dot->right->get().getDefiningOp<linalg::UnPackOp>().getSource();
  SmallVector<Value> pairs;
  for (int64_t u = 0; u < tileUnroll; u += 2) {
    SmallVector<int64_t> both = llvm::to_vector(llvm::seq<int64_t>(0, 16));
    Value rows = vector::ShuffleOp::create(b, loc, row(u), row(std::min(u + 1, tileUnroll - 1)), both);
    rows = vector::ShapeCastOp::create(b, loc, pair, rows);
    pairs.push_back(dot->isLeftUnsigned ? Value(arith::ExtUIOp::create(b, loc, wide, rows))
                                        : Value(arith::ExtSIOp::create(b, loc, wide, rows)));
  }
  // Few columns at a time: the sums take most registers.
  for (int64_t v = 0; v < vectors; ++v)
    for (int64_t half : {0, 1}) {
      SmallVector<Value> indices = packedIndices(*dot->right, 0, v);
      Value &column = indices[indices.size() - 2];
      column = b.createOrFold<arith::AddIOp>(loc, column, constant(2 * half));
      Value columns = arith::ExtSIOp::create(b, loc, wide, read(panels, indices, pair));
      for (auto [i, rows] : llvm::enumerate(pairs)) {
        Value &sums = accumulators[(2 * i + half) * vectors + v];
        Value known = vector::ShapeCastOp::create(b, loc, square, sums);
        Value product = vector::ContractionOp::create(b, loc, rows, columns, known, maps, kinds);
        sums = vector::ShapeCastOp::create(b, loc, flat, product);
      }
    }
}

//===- matrix registers --------------------------------------------------===//

/// Sums that wait in vector registers, of the rows that fill no matrix.
static constexpr int64_t kVectorSums = 24;

Value RegisterTile::emitMatrices(Value target) {
  const LoopRange &range = ranges[unrollLoop];
  Value begin = range.begin;
  int64_t left = range.extent;
  auto wholeTiles = [&](int64_t step) {
    if (left == 0 || (!ShapedType::isDynamic(left) && left < step))
      return;
    Value end = range.end;
    if (ShapedType::isDynamic(left)) {
      Value extent = arith::SubIOp::create(b, loc, range.end, begin);
      end = arith::SubIOp::create(b, loc, range.end, arith::RemUIOp::create(b, loc, extent, constant(step)));
    } else {
      end = b.createOrFold<arith::AddIOp>(loc, begin, constant(left / step * step));
      left %= step;
    }
    target = loop(begin, end, step, target, [&](Value at, Value inner) {
      position[unrollLoop] = at;
      return emitTile(step, inner);
    });
    begin = end;
  };
  wholeTiles(plan.getUnroll());
  wholeTiles(plan.getRows());
  depth = 0;
  int64_t most = std::min(kVectorSums / vectors, plan.getRows() - 1);
  if (!ShapedType::isDynamic(left) && left > 0)
    most = (left + (left + most - 1) / most - 1) / ((left + most - 1) / most);
  for (int64_t step = most; step > 0; step /= 2)
    wholeTiles(step);
  depth = plan.getDepth();
  return target;
}

SmallVector<Value> RegisterTile::startMatrices() {
  // As wide as a panel's vectors: all matrices of a unit have the same shapes, to which registers are configured once.
  Type sum = dot->isReal ? Type(b.getF32Type()) : b.getI32Type();
  auto type = VectorType::get({plan.getRows(), lanes}, sum);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  return SmallVector<Value>(tileUnroll / plan.getRows() * vectors, zero);
}

SmallVector<Value> RegisterTile::rowsOfMatrices(ArrayRef<Value> sums) {
  SmallVector<Value> rows;
  for (int64_t u = 0; u < tileUnroll; ++u)
    for (int64_t v = 0; v < vectors; ++v) {
      selectVector(v);
      Value sum = sums[u / plan.getRows() * vectors + v];
      Value row = vector::ExtractOp::create(b, loc, sum, u % plan.getRows());
      if (width < lanes)
        row = vector::ExtractStridedSliceOp::create(b, loc, row, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{width},
                                                    ArrayRef<int64_t>{1});
      rows.push_back(row);
    }
  return rows;
}

Value RegisterTile::leftMatrix(int64_t u) {
  Value &known = loaded[{dot->left, u, 0}];
  if (known)
    return known;
  auto [axis, distance] = rowsOfLeft(root, unrollLoop);
  ArrayRef<AffineExpr> exprs = root.getMatchingIndexingMap(dot->left).getResults();
  SmallVector<OpFoldResult> offsets, sizes(exprs.size(), b.getIndexAttr(1)), strides(exprs.size(), b.getIndexAttr(1));
  for (AffineExpr expr : exprs)
    offsets.push_back(apply(expr, u, 0));
  sizes[axis] = b.getIndexAttr(plan.getRows());
  sizes.back() = b.getIndexAttr(depth);
  strides[axis] = b.getIndexAttr(distance);
  Type element = getElementTypeOrSelf(dot->left->get().getType());
  auto slice = RankedTensorType::get({plan.getRows(), depth}, element);
  Value rows = tensor::ExtractSliceOp::create(b, loc, slice, dot->left->get(), offsets, sizes, strides);
  SmallVector<Value> start(2, constant(0));
  auto type = VectorType::get({plan.getRows(), depth}, element);
  Value padding = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  Value read = vector::TransferReadOp::create(b, loc, type, rows, start,
                                              AffineMapAttr::get(AffineMap::getMultiDimIdentityMap(2, b.getContext())),
                                              padding, Value(), b.getBoolArrayAttr({true, true}));
  auto split = VectorType::get({plan.getRows(), depth / dot->count, dot->count}, element);
  return known = vector::ShapeCastOp::create(b, loc, split, read);
}

Value RegisterTile::rightMatrix(int64_t v) {
  Value &known = loaded[{dot->right, 0, v}];
  if (known)
    return known;
  SmallVector<Value> indices = packedIndices(*dot->right, 0, v);
  Value panels = dot->right->get().getDefiningOp<linalg::UnPackOp>().getSource();
  Type element = getElementTypeOrSelf(panels.getType());
  SmallVector<int64_t> shape{depth / dot->count, lanes, dot->count};
  if (isPackedByRows(dot->right->get())) {
    // Rows lie apart: [.., rows, 1, lanes, count].
    SmallVector<OpFoldResult> offsets(indices.begin(), indices.end()), sizes(indices.size(), b.getIndexAttr(1)),
        strides(indices.size(), b.getIndexAttr(1));
    for (auto [axis, size] : llvm::zip(ArrayRef<size_t>{4, 2, 1}, shape))
      sizes[indices.size() - axis] = b.getIndexAttr(size);
    panels =
        tensor::ExtractSliceOp::create(b, loc, RankedTensorType::get(shape, element), panels, offsets, sizes, strides);
    indices.assign(3, constant(0));
  }
  Value padding = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  auto identity = AffineMap::getMinorIdentityMap(indices.size(), 3, b.getContext());
  return known = vector::TransferReadOp::create(b, loc, VectorType::get(shape, element), panels, indices,
                                                AffineMapAttr::get(identity), padding, Value(),
                                                b.getBoolArrayAttr({true, true, true}));
}

void RegisterTile::emitMatrixProducts(SmallVectorImpl<Value> &accumulators) {
  AffineExpr m, n, k, part;
  bindDims(b.getContext(), m, n, k, part);
  AffineExpr left[] = {m, k, part}, right[] = {k, n, part}, out[] = {m, n};
  using Kind = vector::IteratorType;
  Kind kinds[] = {Kind::parallel, Kind::parallel, Kind::reduction, Kind::reduction};
  // The sums, a register for each row of matrices, and those that are left for the columns in turn; the same in each
  // tile of the unit.
  int64_t registers = tgl::targetOf(root).getTiles(), groups = plan.getUnroll() / plan.getRows();
  int64_t sums = groups * vectors;
  for (int64_t v = 0; v < vectors; ++v)
    for (int64_t u = 0; u < tileUnroll; u += plan.getRows()) {
      auto wide = [&](Value bytes, bool isUnsigned) -> Value {
        auto narrow = cast<VectorType>(bytes.getType());
        if (dot->isReal)
          return arith::ExtFOp::create(b, loc, narrow.clone(b.getF32Type()), bytes);
        Type type = narrow.clone(b.getI32Type());
        return isUnsigned ? Value(arith::ExtUIOp::create(b, loc, type, bytes))
                          : Value(arith::ExtSIOp::create(b, loc, type, bytes));
      };
      Value x = wide(leftMatrix(u), dot->isLeftUnsigned), w = wide(rightMatrix(v), false);
      Value &sum = accumulators[u / plan.getRows() * vectors + v];
      ArrayRef<AffineExpr> maps[] = {left, right, out};
      auto product = vector::ContractionOp::create(b, loc, x, w, sum, maps, kinds);
      int64_t group = u / plan.getRows();
      int64_t right = sums + groups + v % std::max<int64_t>(registers - sums - groups, 1);
      product->setAttr(tgl::kRegisters, b.getDenseI64ArrayAttr({group * vectors + v, sums + group, right}));
      sum = product;
    }
  loaded.clear();
}

//===- windows of depthwise sums ---------------------------------------===//
//
// With four places at a time, a, b, c and d of 16 channels:
//
//   a0 .. a15, b0 .. b15, c0 .. c15, d0 .. d15   ->   a0 b0 c0 d0 a1 b1 c1 d1 ..., from channels 4, from 8, from 12
//
// by rounds of unpacking within 16 bytes. With longer vectors each 16 bytes are so for themselves, and the sums are put
// in order at the end.

/// Units of `unit` elements in turn from the low or the high half of each 16 bytes of two vectors.
static Value unpack(OpBuilder &b, Location loc, Value x, Value y, int64_t unit, bool isHigh) {
  auto type = cast<VectorType>(x.getType());
  int64_t count = type.getNumElements(), chunk = 128 / type.getElementTypeBitWidth();
  SmallVector<int64_t> order;
  for (int64_t begin = isHigh ? chunk / 2 : 0; begin < count; begin += chunk)
    for (int64_t at = begin; at < begin + chunk / 2; at += unit)
      for (int64_t source : {int64_t(0), count})
        for (int64_t i = 0; i < unit; ++i)
          order.push_back(source + at + i);
  return vector::ShuffleOp::create(b, loc, x, y, order);
}

bool RegisterTile::hasTaps() {
  return taps && vectors == plan.getVectors() && lastLanes == lanes && maskedFrom >= vectors;
}

SmallVector<Value> RegisterTile::readTaps(OpOperand &operand, bool isUnsigned, int64_t first, int64_t u) {
  unsigned parallel = root.getNumParallelLoops();
  SmallVector<int64_t> extents(ArrayRef(root.getStaticLoopRanges()).drop_front(parallel));
  int64_t places = plan.getDot();
  SmallVector<Value> rows;
  for (int64_t tap = first; tap < first + places; ++tap) {
    int64_t at = std::min(tap, taps->count - 1); // whatever there is beside a weight of zero
    for (int64_t loop = extents.size() - 1; loop >= 0; at /= extents[loop--])
      position[parallel + loop] = constant(at % extents[loop]);
    SmallVector<Value> indices;
    for (AffineExpr expr : root.getMatchingIndexingMap(&operand).getResults())
      indices.push_back(apply(expr, u, 0));
    int64_t known = std::exchange(width, lanes * places);
    Value row = readVector(operand.get(), indices, Value());
    width = known;
    if (tap >= taps->count && &operand == taps->right)
      row = arith::ConstantOp::create(b, loc, b.getZeroAttr(row.getType()));
    if (places == 2) {
      auto wide = VectorType::get({lanes * places}, b.getI16Type());
      row = isUnsigned ? Value(arith::ExtUIOp::create(b, loc, wide, row))
                       : Value(arith::ExtSIOp::create(b, loc, wide, row));
    }
    rows.push_back(row);
  }
  auto halves = [&](Value x, Value y, int64_t unit) {
    return std::pair(unpack(b, loc, x, y, unit, false), unpack(b, loc, x, y, unit, true));
  };
  auto [low, high] = halves(rows[0], rows[1], 1);
  if (places == 2)
    return {low, high};
  auto [otherLow, otherHigh] = halves(rows[2], rows[3], 1);
  auto [first4, second4] = halves(low, otherLow, 2);
  auto [third4, fourth4] = halves(high, otherHigh, 2);
  return {first4, second4, third4, fourth4};
}

void RegisterTile::readTapWeights() {
  tapWeights.clear();
  for (int64_t tap = 0; tap < taps->count; tap += plan.getDot())
    llvm::append_range(tapWeights, readTaps(*taps->right, false, tap, 0));
}

void RegisterTile::emitTaps(SmallVectorImpl<Value> &accumulators) {
  int64_t places = plan.getDot();
  auto widened = [&](Value numbers, bool isUnsigned) -> Value {
    Type element = getElementTypeOrSelf(numbers.getType());
    numbers = vector::ShapeCastOp::create(b, loc, VectorType::get({lanes, places}, element), numbers);
    auto wide = VectorType::get({lanes, places}, b.getI32Type());
    return isUnsigned && places == 4 ? Value(arith::ExtUIOp::create(b, loc, wide, numbers))
                                     : Value(arith::ExtSIOp::create(b, loc, wide, numbers));
  };
  for (int64_t u = 0; u < tileUnroll; ++u) {
    MutableArrayRef<Value> sums = MutableArrayRef<Value>(accumulators).slice(u * vectors, vectors);
    for (int64_t tap = 0; tap < taps->count; tap += places) {
      SmallVector<Value> numbers = readTaps(*taps->left, taps->isLeftUnsigned, tap, u);
      for (int64_t v = 0; v < vectors; ++v) {
        Value products = arith::MulIOp::create(b, loc, widened(numbers[v], taps->isLeftUnsigned),
                                               widened(tapWeights[tap + v], false));
        sums[v] = vector::MultiDimReductionOp::create(b, loc, products, sums[v], ArrayRef<bool>{false, true},
                                                      vector::CombiningKind::ADD);
      }
    }
    // Lane 4 m + i of sum q is channel 4 (m places + q) + i.
    SmallVector<Value> parts(sums);
    for (int64_t v = 0; v < vectors && lanes > 4; ++v) {
      auto pick = [&](int64_t q, int64_t other) {
        SmallVector<int64_t> order;
        for (int64_t c = v * lanes; c < (v + 1) * lanes; ++c)
          if (int64_t of = c / 4 % places; of == q || of == other)
            order.push_back((of == q ? 0 : lanes) + c / 4 / places * 4 + c % 4);
        return order.empty() ? Value() : Value(vector::ShuffleOp::create(b, loc, parts[q], parts[other], order));
      };
      Value low = pick(0, 1), high = places == 4 ? pick(2, 3) : Value();
      sums[v] = !high ? low : high;
      if (low && high) {
        // Sixteen channels: two blocks of four of each half.
        SmallVector<int64_t> order;
        for (int64_t chunk = 0; chunk < lanes / 16; ++chunk)
          for (int64_t half : {int64_t(0), lanes / 2})
            for (int64_t i = 0; i < 8; ++i)
              order.push_back(half + chunk * 8 + i);
        sums[v] = vector::ShuffleOp::create(b, loc, low, high, order);
      }
    }
  }
}

} // namespace tegula
