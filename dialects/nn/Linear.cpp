//===- Linear.cpp - contractions ------------------------------------------===//
//
// Every contraction is one linalg.generic: parallel loops in the order of the result's axes, then the reduction loops.
// Padding, and the zeros between the elements of a transposed convolution's input, are written out before it.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace tegula::nn;

using Exprs = SmallVector<AffineExpr>;
using Shape = LoweringBuilder::Shape;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The element type of sums of products: i32 for integers of 8 and 16 bits.
static Type sumType(Type element) {
  return element.isInteger(8) || element.isInteger(16) ? IntegerType::get(element.getContext(), 32) : element;
}
/// What sums are kept in while they grow: short floats would lose their last bits.
static Type accumulatorType(Type element) {
  return element.isF16() || element.isBF16() ? Float32Type::get(element.getContext()) : sumType(element);
}
/// Sums as elements of the result.
static Value rounded(LoweringBuilder &b, Value sums, ArrayRef<OpFoldResult> shape, Type element) {
  if (tensorType(sums).getElementType() == element)
    return sums;
  return b.map({sums}, {b.b.getMultiDimIdentityMap(shape.size())}, shape, element,
               [&](ArrayRef<Value> elements) { return b.cast(elements[0], element); });
}
/// Whether products of the two element types are defined: one type, integers of 8 and 16 bits of either sign, or f32 by
/// shorter ones.
static bool canMultiply(Type a, Type b) {
  auto isSmall = [](Type type) { return type.isInteger(8) || type.isInteger(16); };
  return a == b || (isSmall(a) && isSmall(b)) || (a.isF32() && (b.isF16() || b.isBF16()));
}

/// `sum += product of elements`, each widened to the type of the sum; the sum is the last element.
static Value multiplyAdd(LoweringBuilder &b, ArrayRef<Value> elements, ArrayRef<Type> nnElements) {
  Value sum = elements.back(), product;
  for (auto [element, type] : llvm::zip(elements, nnElements)) {
    Value factor = b.cast(element, sum.getType(), type.isUnsignedInteger());
    product = product ? b.mul(product, factor, /*reassoc=*/true) : factor;
  }
  return b.add(sum, product, /*reassoc=*/true);
}

/// Sums products of `inputs` over all but the first `parallel` loops. One list of expressions per input, then the
/// result's. Inputs without an entry in `nnElements` lend their shape only.
static Value contract(LoweringBuilder &b, ArrayRef<Value> inputs, ArrayRef<Type> nnElements, ArrayRef<Exprs> exprs,
                      unsigned parallel, unsigned loops, ArrayRef<OpFoldResult> shape, bool isRounded = true) {
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), parallel, utils::IteratorType::parallel);
  SmallVector<AffineMap> maps;
  for (const Exprs &list : exprs)
    maps.push_back(AffineMap::get(loops, 0, list, b.b.getContext()));
  Type element = loweredType(nnElements[0]);
  Value sums = b.generic(inputs, b.fill(b.number(accumulatorType(element), 0), shape), maps, iterators,
                         [&](ArrayRef<Value> elements) { return multiplyAdd(b, elements, nnElements); });
  return isRounded ? rounded(b, sums, shape, sumType(element)) : sums;
}

//===- matmul -------------------------------------------------------------===//

LogicalResult MatMulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, MatMulOp::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto a = cast<RankedTensorType>(adaptor.getA().getType()), b = cast<RankedTensorType>(adaptor.getB().getType());
  if (a.getRank() < 2 || b.getRank() < 2) // matmul C1
    return emitOptionalError(location, "expects inputs with at least 2 axes, but got ", a.getRank(), " and ",
                             b.getRank());
  if (!canMultiply(a.getElementType(), b.getElementType())) // matmul C1
    return emitOptionalError(location, "expects one element type, but got ", a.getElementType(), " and ",
                             b.getElementType());
  int64_t columns = a.getShape().back(), rows = b.getDimSize(b.getRank() - 2), axes = 2, result = b.getShape().back();
  if (adaptor.getColumns()) {
    axes = 3;
    result = *adaptor.getColumns();
    if (b.getRank() < 3 || !b.hasStaticShape() || rows % MatMulOp::kPackedColumns || result > rows) // matmul C4
      return emitOptionalError(location, "expects ", result, " columns in packed rows of a multiple of ",
                               MatMulOp::kPackedColumns, ", but got ", b);
    rows = b.getShape().back() * b.getDimSize(b.getRank() - 3);
  }
  if (columns != rows && !ShapedType::isDynamic(columns) && !ShapedType::isDynamic(rows)) // matmul C2
    return emitOptionalError(location, "the left input has ", columns, " columns, but the right one has ", rows,
                             " rows");
  std::string why;
  FailureOr<SmallVector<int64_t>> shape =
      broadcastShapes({a.getShape().drop_back(2), b.getShape().drop_back(axes)}, why); // matmul C3
  if (failed(shape))
    return emitOptionalError(location, "leading ", why);
  shape->append({a.getDimSize(a.getRank() - 2), result});
  Type sum = adaptor.getUnrounded() ? accumulatorType(a.getElementType()) : sumType(a.getElementType());
  types.push_back(RankedTensorType::get(*shape, sum));
  return success();
}

/// How an operand with `shape` is read in a broadcast over leading loops of extents `result`.
static Exprs broadcastExprs(LoweringBuilder &b, ArrayRef<int64_t> shape, ArrayRef<int64_t> result) {
  return llvm::to_vector(b.broadcastMap(shape, result).getResults());
}

/// The extent of axis `axis` of the broadcast of the operands' leading axes.
static OpFoldResult batchExtent(LoweringBuilder &b, ValueRange operands, size_t axis, ArrayRef<int64_t> batch) {
  if (!ShapedType::isDynamic(batch[axis]))
    return b.b.getIndexAttr(batch[axis]);
  for (Value operand : operands) {
    int64_t at = (int64_t)axis - ((int64_t)batch.size() - (tensorType(operand).getRank() - 2));
    if (at >= 0 && tensorType(operand).isDynamicDim(at))
      return b.extent(operand, at);
  }
  return b.b.getIndexAttr(1);
}

/// What `packed` holds, [..., k, columns]: a view that whoever multiplies by it reads through.
static Value unpacked(LoweringBuilder &b, Location loc, Value packed, int64_t columns) {
  SmallVector<int64_t> shape(tensorType(packed).getShape());
  int64_t ofPart = shape.pop_back_val(), width = MatMulOp::kPackedColumns, rank = shape.size();
  SmallVector<ReassociationIndices> parts;
  for (int64_t axis = 0; axis < rank; ++axis)
    parts.push_back({axis});
  parts.back().push_back(rank);
  parts.push_back({rank + 1});
  SmallVector<int64_t> split(shape), natural(shape);
  split.back() /= width;
  split.append({width, ofPart});
  natural[rank - 2] *= ofPart;
  natural.back() = columns;
  Type element = tensorType(packed).getElementType();
  Value panels = tensor::ExpandShapeOp::create(b.b, loc, RankedTensorType::get(split, element), packed, parts);
  Value whole = tensor::EmptyOp::create(b.b, loc, natural, element);
  SmallVector<OpFoldResult> tiles{b.b.getIndexAttr(width), b.b.getIndexAttr(ofPart)};
  return linalg::UnPackOp::create(b.b, loc, panels, whole, ArrayRef<int64_t>{rank - 1, rank - 2}, tiles)->getResult(0);
}

FailureOr<SmallVector<Value>> MatMulOp::lower(LoweringBuilder &b, ValueRange operands) {
  SmallVector<Value> whole(operands);
  if (getColumns()) {
    whole[1] = unpacked(b, getLoc(), operands[1], *getColumns());
    operands = whole;
  }
  // (batch..., m, n | k)
  RankedTensorType left = tensorType(operands[0]), right = tensorType(operands[1]);
  ArrayRef<int64_t> leftBatch = left.getShape().drop_back(2), rightBatch = right.getShape().drop_back(2);
  std::string why;
  FailureOr<SmallVector<int64_t>> batch = broadcastShapes({leftBatch, rightBatch}, why);
  if (failed(batch))
    return emitOpError(why);
  Shape shape;
  for (size_t axis = 0; axis < batch->size(); ++axis)
    shape.push_back(batchExtent(b, operands, axis, *batch));
  shape.push_back(b.extent(operands[0], left.getRank() - 2));
  shape.push_back(b.extent(operands[1], right.getRank() - 1));

  Value columns = b.dim(operands[0], left.getRank() - 1), rows = b.dim(operands[1], right.getRank() - 2);
  if (columns != rows && (left.isDynamicDim(left.getRank() - 1) || right.isDynamicDim(right.getRank() - 2)))
    b.check(b.compare("ne", columns, rows), "the left matrix has other columns than the right one has rows");
  // What is 1 at run time only is not broadcast.
  for (size_t axis = 0; axis < std::min(leftBatch.size(), rightBatch.size()); ++axis) {
    int64_t ofLeft = leftBatch.size() - 1 - axis, ofRight = rightBatch.size() - 1 - axis;
    bool isOpen = left.isDynamicDim(ofLeft) || right.isDynamicDim(ofRight);
    if (isOpen && leftBatch[ofLeft] != 1 && rightBatch[ofRight] != 1)
      b.check(b.compare("ne", b.dim(operands[0], ofLeft), b.dim(operands[1], ofRight)),
              "the two factors have different leading extents");
  }
  unsigned first = batch->size();
  AffineExpr m = b.b.getAffineDimExpr(first), n = b.b.getAffineDimExpr(first + 1), k = b.b.getAffineDimExpr(first + 2);
  Exprs a = broadcastExprs(b, leftBatch, *batch), w = broadcastExprs(b, rightBatch, *batch);
  Exprs y = broadcastExprs(b, *batch, *batch);
  a.append({m, k});
  w.append({k, n});
  y.append({m, n});
  Type types[] = {getElementTypeOrSelf(getA()), getElementTypeOrSelf(getB())};
  return SmallVector<Value>{
      contract(b, SmallVector<Value>(operands), types, {a, w, y}, first + 2, first + 3, shape, !getUnrounded())};
}

//===- einsum -------------------------------------------------------------===//

namespace {
/// "ij,jk->ik": the letters of each input and of the result.
struct Equation {
  SmallVector<std::string> terms;
  std::string result;
};
} // namespace

static Equation parseEquation(StringRef text) {
  std::string letters;
  for (char c : text)
    if (c != ' ')
      letters.push_back(c);
  bool isExplicit = StringRef(letters).contains("->");
  auto [left, right] = StringRef(letters).split("->");
  Equation equation;
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  for (StringRef term : terms)
    equation.terms.push_back(term.str());
  if (isExplicit) {
    equation.result = right.str();
    return equation;
  }
  // Without an arrow the result has the letters that occur once, in alphabetical order.
  for (char c : left)
    if (c != ',' && left.count(c) == 1)
      equation.result.push_back(c);
  llvm::sort(equation.result);
  return equation;
}

LogicalResult EinsumOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, EinsumOp::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  Equation equation = parseEquation(adaptor.getEquation());
  ValueRange xs = adaptor.getXs();
  if (xs.empty() || equation.terms.size() != xs.size()) // einsum C1
    return emitOptionalError(location, "equation '", adaptor.getEquation(), "' has ", equation.terms.size(),
                             " terms, but got ", xs.size(), " inputs");
  Type element = getElementTypeOrSelf(xs[0]);
  llvm::MapVector<char, int64_t> extents;
  for (auto [i, x] : llvm::enumerate(xs)) {
    StringRef term = equation.terms[i];
    auto type = cast<RankedTensorType>(x.getType());
    if ((int64_t)term.size() != type.getRank()) // einsum C1
      return emitOptionalError(location, "term '", term, "' has ", term.size(), " letters, but input ", i, " has ",
                               type.getRank(), " axes");
    if (type.getElementType() != element) // einsum C1
      return emitOptionalError(location, "expects one element type, but got ", element, " and ", type.getElementType());
    for (auto [letter, extent] : llvm::zip(term, type.getShape())) {
      int64_t &have = extents.try_emplace(letter, extent).first->second;
      if (have == extent || extent == 1 || (ShapedType::isDynamic(extent) && have != 1))
        continue;
      if (have != 1 && !ShapedType::isDynamic(have)) // einsum C2
        return emitOptionalError(location, "axis '", StringRef(&letter, 1), "' has extents ", have, " and ", extent);
      have = extent;
    }
  }
  SmallVector<int64_t> shape;
  for (char letter : equation.result) {
    auto found = extents.find(letter);
    if (found == extents.end()) // einsum C1
      return emitOptionalError(location, "letter '", StringRef(&letter, 1), "' of the result is in no input");
    shape.push_back(found->second);
  }
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

/// Contracts `xs`, whose axes are named by `terms`, to a tensor with the axes `result`.
static Value contractLetters(LoweringBuilder &b, ArrayRef<Value> xs, ArrayRef<std::string> terms, StringRef result,
                             Type nnElement) {
  // Loops: the result's letters, then the others as they come. An extent of 1 gives way to any other.
  llvm::MapVector<char, OpFoldResult> extents;
  for (char letter : result)
    extents.insert({letter, b.b.getIndexAttr(1)});
  for (auto [x, term] : llvm::zip(xs, terms))
    for (auto [axis, letter] : llvm::enumerate(term)) {
      OpFoldResult &have = extents.try_emplace(letter, b.b.getIndexAttr(1)).first->second;
      OpFoldResult extent = b.extent(x, axis);
      std::optional<int64_t> known = getConstantIntValue(extent);
      if (getConstantIntValue(have) == 1 || (known && *known != 1))
        have = extent;
    }
  SmallVector<Exprs> exprs(xs.size() + 1);
  auto loopOf = [&](char letter) { return b.b.getAffineDimExpr(extents.find(letter) - extents.begin()); };
  for (size_t i = 0; i < xs.size(); ++i)
    for (auto [axis, letter] : llvm::enumerate(terms[i])) {
      bool isRepeated = tensorType(xs[i]).getDimSize(axis) == 1 && getConstantIntValue(extents[letter]) != 1;
      exprs[i].push_back(isRepeated ? b.b.getAffineConstantExpr(0) : loopOf(letter));
    }
  Shape shape;
  for (char letter : result) {
    exprs.back().push_back(loopOf(letter));
    shape.push_back(extents[letter]);
  }
  unsigned loops = extents.size();
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), result.size(), utils::IteratorType::parallel);
  SmallVector<AffineMap> maps;
  for (const Exprs &list : exprs)
    maps.push_back(AffineMap::get(loops, 0, list, b.b.getContext()));
  SmallVector<Type> types(xs.size(), nnElement);
  bool isSum = loops > result.size();
  Type element = loweredType(nnElement), sum = isSum && !element.isInteger() ? accumulatorType(element) : element;
  Value sums = b.generic(xs, b.fill(b.number(sum, 0), shape), maps, iterators,
                         [&](ArrayRef<Value> elements) { return multiplyAdd(b, elements, types); });
  return rounded(b, sums, shape, element);
}

FailureOr<SmallVector<Value>> EinsumOp::lower(LoweringBuilder &b, ValueRange operands) {
  Equation equation = parseEquation(getEquation());
  SmallVector<Value> xs(operands);
  SmallVector<std::string> terms = equation.terms;
  Type element = getElementTypeOrSelf(getXs()[0]);
  // Pairs from the left, each keeping only what is still read.
  while (xs.size() > 2) {
    std::string later = equation.result, kept;
    for (const std::string &term : ArrayRef(terms).drop_front(2))
      later += term;
    for (char letter : terms[0] + terms[1])
      if (StringRef(later).contains(letter) && !StringRef(kept).contains(letter))
        kept.push_back(letter);
    xs[1] = contractLetters(b, {xs[0], xs[1]}, {terms[0], terms[1]}, kept, element);
    terms[1] = kept;
    xs.erase(xs.begin());
    terms.erase(terms.begin());
  }
  return SmallVector<Value>{contractLetters(b, xs, terms, equation.result, element)};
}

//===- conv ---------------------------------------------------------------===//

/// Checks that `values` has one entry per spatial axis, none below `least`.
static LogicalResult checkPerAxis(std::optional<Location> location, StringRef name, ArrayRef<int64_t> values,
                                  int64_t spatial, int64_t least) {
  if ((int64_t)values.size() != spatial)
    return emitOptionalError(location, name, " expects ", spatial, " numbers, one per spatial axis, but got ",
                             values.size());
  for (int64_t value : values)
    if (value < least)
      return emitOptionalError(location, name, " expects numbers from ", least, ", but got ", value);
  return success();
}

namespace {
/// The three orders of a kernel's axes, see nn.conv.
enum class KernelForm { OneGroup, Depthwise, Grouped };
} // namespace

static KernelForm kernelForm(RankedTensorType x, RankedTensorType w, bool isLast, int64_t group) {
  if (isLast) {
    if (w.getRank() == x.getRank())
      return KernelForm::OneGroup;
    return w.getRank() < x.getRank() ? KernelForm::Depthwise : KernelForm::Grouped;
  }
  if (group == 1)
    return KernelForm::OneGroup;
  return w.getDimSize(0) == group && w.getDimSize(1) == 1 ? KernelForm::Depthwise : KernelForm::Grouped;
}

static ArrayRef<int64_t> kernelExtents(RankedTensorType x, RankedTensorType w, bool isLast) {
  if (!isLast)
    return w.getShape().drop_front(2);
  return w.getShape().drop_front(w.getRank() > x.getRank() ? 1 : 0).take_front(x.getRank() - 2);
}

SmallVector<int64_t> ConvOp::kernelShape() {
  return llvm::to_vector(kernelExtents(tensorType(getX()), tensorType(getW()), isChannelsLast()));
}

/// Checks channels and groups; gives the number of output channels.
static FailureOr<int64_t> inferConvChannels(std::optional<Location> location, RankedTensorType x, RankedTensorType w,
                                            bool isLast, int64_t group) {
  int64_t channels = isLast ? x.getShape().back() : x.getDimSize(1);
  KernelForm form = kernelForm(x, w, isLast, group);
  bool isDepthwise = isLast && form == KernelForm::Depthwise, isGrouped = isLast && form == KernelForm::Grouped;
  int64_t reads = isDepthwise ? 1 : isLast ? w.getDimSize(w.getRank() - 2) : w.getDimSize(1);
  int64_t outputs = isLast ? w.getShape().back() : w.getDimSize(0);
  bool isKnown = !ShapedType::isDynamic(outputs);
  if (group < 1)
    return emitOptionalError(location, "group expects a positive number, but got ", group); // conv C1
  if (isGrouped && !ShapedType::isDynamic(w.getDimSize(0)) && w.getDimSize(0) != group)     // conv C1
    return emitOptionalError(location, "weight has ", w.getDimSize(0), " groups, but expected ", group);
  if (isLast && form == KernelForm::OneGroup && group != 1) // conv C1
    return emitOptionalError(location, "weight has 1 group, but expected ", group);
  if (isDepthwise && isKnown && outputs != group) // conv C1
    return emitOptionalError(location, "weight has ", outputs, " groups, but expected ", group);
  if (isGrouped && isKnown)
    outputs *= group;
  if (isKnown && outputs % group != 0) // conv C1
    return emitOptionalError(location, "weight has ", outputs, " output channels, which ", group,
                             " groups do not divide");
  if (ShapedType::isDynamic(channels) || ShapedType::isDynamic(reads))
    return outputs;
  if (channels % group != 0) // conv C1
    return emitOptionalError(location, "the input has ", channels, " channels, which ", group, " groups do not divide");
  if (reads * group != channels) // conv C1
    return emitOptionalError(location, "weight expects ", reads * group, " input channels, but the input has ",
                             channels);
  return outputs;
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, ConvOp::Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType()), w = cast<RankedTensorType>(adaptor.getW().getType());
  int64_t rank = x.getRank(), spatial = rank - 2;
  bool isLast = adaptor.getLayout() == "channels_last";
  if (!isLast && adaptor.getLayout() != "channels_first")
    return emitOptionalError(location, "has no layout '", adaptor.getLayout(), "'");
  if (rank < 2 || (isLast ? std::abs(w.getRank() - rank) > 1 : w.getRank() != rank)) // conv C1
    return emitOptionalError(location, "weight has ", w.getRank(), " axes, which does not fit an input with ", rank);
  if (!canMultiply(x.getElementType(), w.getElementType())) // conv C1
    return emitOptionalError(location, "weight holds ", w.getElementType(), ", but the input holds ",
                             x.getElementType());
  if (failed(checkPerAxis(location, "strides", adaptor.getStrides(), spatial, 1)) ||
      failed(checkPerAxis(location, "dilations", adaptor.getDilations(), spatial, 1)) ||
      failed(checkPerAxis(location, "low pads", adaptor.getLow(), spatial, 0)) ||
      failed(checkPerAxis(location, "high pads", adaptor.getHigh(), spatial, 0))) // conv C2
    return failure();
  FailureOr<int64_t> channels = inferConvChannels(location, x, w, isLast, adaptor.getGroup());
  if (failed(channels))
    return failure();
  SmallVector<int64_t> windows;
  ArrayRef<int64_t> kernel = kernelExtents(x, w, isLast);
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t extent = x.getDimSize(i + (isLast ? 1 : 2));
    if (ShapedType::isDynamic(extent) || ShapedType::isDynamic(kernel[i])) {
      windows.push_back(ShapedType::kDynamic);
      continue;
    }
    int64_t padded = adaptor.getLow()[i] + extent + adaptor.getHigh()[i];
    int64_t reach = (kernel[i] - 1) * adaptor.getDilations()[i] + 1;
    if (padded < reach) // conv C3
      return emitOptionalError(location, "the kernel covers ", reach, " elements of spatial axis ", i,
                               ", but the padded input has ", padded);
    windows.push_back((padded - reach) / adaptor.getStrides()[i] + 1);
  }
  SmallVector<int64_t> shape{x.getDimSize(0)};
  if (!isLast)
    shape.push_back(*channels);
  llvm::append_range(shape, windows);
  if (isLast)
    shape.push_back(*channels);
  Type sum = adaptor.getUnrounded() ? accumulatorType(x.getElementType()) : sumType(x.getElementType());
  types.push_back(RankedTensorType::get(shape, sum));
  return success();
}

/// `x * factor + offset`, at compile time where x is known.
static OpFoldResult linear(LoweringBuilder &b, OpFoldResult x, int64_t factor, int64_t offset) {
  if (auto known = getConstantIntValue(x))
    return b.b.getIndexAttr(*known * factor + offset);
  return b.add(b.mul(b.asValue(x), b.index(factor)), b.index(offset));
}

/// How many windows of `reach` elements, `stride` apart, fit into `padded` ones.
static OpFoldResult windowCount(LoweringBuilder &b, OpFoldResult padded, OpFoldResult reach, int64_t stride) {
  auto total = getConstantIntValue(padded), covered = getConstantIntValue(reach);
  if (total && covered)
    return b.b.getIndexAttr((*total - *covered) / stride + 1);
  Value room = b.max(b.add(b.sub(b.asValue(padded), b.asValue(reach)), b.index(stride)), b.index(0));
  return arith::DivUIOp::create(b.b, b.loc, room, b.index(stride)).getResult();
}

/// Zeros around x on the spatial axes, which start at axis `first`.
static Value padSpatial(LoweringBuilder &b, Value x, int64_t first, ArrayRef<int64_t> low, ArrayRef<int64_t> high) {
  auto isZero = [](int64_t pad) { return pad == 0; };
  if (llvm::all_of(low, isZero) && llvm::all_of(high, isZero))
    return x;
  Shape before(tensorType(x).getRank(), b.b.getIndexAttr(0)), after = before;
  for (size_t i = 0; i < low.size(); ++i) {
    before[first + i] = b.b.getIndexAttr(low[i]);
    after[first + i] = b.b.getIndexAttr(high[i]);
  }
  return b.surround(x, b.number(tensorType(x).getElementType(), 0), before, after);
}

/// Groups of axes in which `axis` and the one after it form a pair; `rank` counts them as one.
static SmallVector<ReassociationIndices> pairedAxes(int64_t rank, int64_t axis) {
  SmallVector<ReassociationIndices> groups;
  int64_t next = 0;
  for (int64_t i = 0; i < rank; ++i) {
    groups.push_back({next++});
    if (i == axis)
      groups.back().push_back(next++);
  }
  return groups;
}

/// Views `axis` as two axes, the outer one with `outer` elements.
static Value splitAxis(LoweringBuilder &b, Value x, int64_t axis, int64_t outer) {
  Shape shape = b.extents(x);
  OpFoldResult inner;
  if (auto known = getConstantIntValue(shape[axis]))
    inner = b.b.getIndexAttr(*known / outer);
  else
    inner = arith::DivUIOp::create(b.b, b.loc, b.asValue(shape[axis]), b.index(outer)).getResult();
  SmallVector<ReassociationIndices> groups = pairedAxes(shape.size(), axis);
  shape[axis] = b.b.getIndexAttr(outer);
  shape.insert(shape.begin() + axis + 1, inner);
  SmallVector<int64_t> extents;
  for (OpFoldResult extent : shape)
    extents.push_back(getConstantIntValue(extent).value_or(ShapedType::kDynamic));
  RankedTensorType type = tensorType(x).clone(extents);
  return tensor::ExpandShapeOp::create(b.b, b.loc, type, x, groups, shape);
}

/// Views `axis` and the one after it as one axis.
static Value joinAxes(LoweringBuilder &b, Value x, int64_t axis) {
  return tensor::CollapseShapeOp::create(b.b, b.loc, x, pairedAxes(tensorType(x).getRank() - 1, axis));
}

namespace {
/// The loops of a convolution: batch, group, output channel, input channel, place, window. Null where there is none.
struct ConvLoops {
  ConvLoops(LoweringBuilder &b, int64_t spatial, bool isLast, KernelForm form) : b(b), isLast(isLast), form(form) {
    n = next();
    if (isLast)
      addSpatial(places, spatial);
    if (form != KernelForm::OneGroup)
      g = next();
    if (form != KernelForm::Depthwise)
      m = next();
    if (!isLast)
      addSpatial(places, spatial);
    parallel = count;
    if (!isLast && form != KernelForm::Depthwise)
      c = next();
    addSpatial(windows, spatial);
    if (isLast && form != KernelForm::Depthwise)
      c = next();
  }

  /// The expressions of a tensor with the axes [batch, (group, channel), spatial...] in the layout's order.
  Exprs image(AffineExpr channel, ArrayRef<AffineExpr> spatial) const {
    Exprs result{n};
    if (isLast)
      llvm::append_range(result, spatial);
    for (AffineExpr expr : {g, channel})
      if (expr)
        result.push_back(expr);
    if (!isLast)
      llvm::append_range(result, spatial);
    return result;
  }
  Exprs x(ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations) const {
    Exprs spatial;
    for (size_t i = 0; i < places.size(); ++i)
      spatial.push_back(places[i] * strides[i] + windows[i] * dilations[i]);
    return image(c, spatial);
  }
  Exprs y() const { return image(m, places); }
  Exprs w() const {
    Exprs result;
    auto add = [&](ArrayRef<AffineExpr> exprs) {
      for (AffineExpr expr : exprs)
        if (expr)
          result.push_back(expr);
    };
    bool isDepthwise = form == KernelForm::Depthwise;
    if (!isLast) {
      add({g, m, isDepthwise ? b.b.getAffineConstantExpr(0) : c});
      add(windows);
    } else {
      if (!isDepthwise)
        add(g);
      add(windows);
      add({isDepthwise ? g : AffineExpr(), c, m});
    }
    return result;
  }

  LoweringBuilder &b;
  bool isLast;
  KernelForm form;
  AffineExpr n, g, m, c;
  Exprs places, windows;
  unsigned parallel = 0, count = 0;

private:
  AffineExpr next() { return b.b.getAffineDimExpr(count++); }
  void addSpatial(Exprs &exprs, int64_t spatial) {
    for (int64_t i = 0; i < spatial; ++i)
      exprs.push_back(next());
  }
};
} // namespace

FailureOr<SmallVector<Value>> ConvOp::lower(LoweringBuilder &b, ValueRange operands) {
  // One group, channels last: (n, places..., m | windows..., c)
  bool isLast = isChannelsLast();
  RankedTensorType type = tensorType(operands[0]), weightType = tensorType(operands[1]);
  int64_t spatial = type.getRank() - 2, group = getGroup();
  KernelForm form = kernelForm(type, weightType, isLast, group);
  Value w = operands[1], x = padSpatial(b, operands[0], isLast ? 1 : 2, getLow(), getHigh());
  ConvLoops loops(b, spatial, isLast, form);

  Shape places;
  int64_t firstWindow = !isLast ? 2 : form == KernelForm::Grouped ? 1 : 0;
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t dilation = getDilations()[i];
    OpFoldResult reach = linear(b, b.extent(w, firstWindow + i), dilation, 1 - dilation);
    places.push_back(windowCount(b, b.extent(x, i + (isLast ? 1 : 2)), reach, getStrides()[i]));
  }
  int64_t channelAxis = isLast ? type.getRank() - 1 : 1;
  if (form == KernelForm::Grouped) {
    x = splitAxis(b, x, channelAxis, group);
    if (!isLast)
      w = splitAxis(b, w, 0, group);
  }
  Shape shape{b.extent(x, 0)};
  if (isLast)
    llvm::append_range(shape, places);
  if (form == KernelForm::Grouped)
    shape.push_back(b.b.getIndexAttr(group));
  bool isSplitKernel = !isLast && form == KernelForm::Grouped;
  shape.push_back(b.extent(w, isLast ? tensorType(w).getRank() - 1 : isSplitKernel ? 1 : 0));
  if (!isLast)
    llvm::append_range(shape, places);
  Type types[] = {getElementTypeOrSelf(getX()), getElementTypeOrSelf(getW())};
  Exprs exprs[] = {loops.x(getStrides(), getDilations()), loops.w(), loops.y()};
  Value y = contract(b, {x, w}, types, exprs, loops.parallel, loops.count, shape, !getUnrounded());
  return SmallVector<Value>{form == KernelForm::Grouped ? joinAxes(b, y, channelAxis) : y};
}

//===- conv_transpose -----------------------------------------------------===//

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                ConvTransposeOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType()), w = cast<RankedTensorType>(adaptor.getW().getType());
  int64_t rank = x.getRank(), spatial = rank - 2, group = adaptor.getGroup();
  if (rank < 2 || w.getRank() != rank) // conv_transpose C1
    return emitOptionalError(location, "weight has ", w.getRank(), " axes, which does not fit an input with ", rank);
  if (!canMultiply(x.getElementType(), w.getElementType())) // conv_transpose C1
    return emitOptionalError(location, "weight holds ", w.getElementType(), ", but the input holds ",
                             x.getElementType());
  int64_t channels = x.getDimSize(1), reads = w.getDimSize(0);
  bool areKnown = !ShapedType::isDynamic(channels) && !ShapedType::isDynamic(reads);
  if (areKnown && channels != reads) // conv_transpose C1
    return emitOptionalError(location, "weight expects ", reads, " input channels, but the input has ", channels);
  if (group < 1 || (areKnown && channels % group != 0)) // conv_transpose C1
    return emitOptionalError(location, "the input has ", channels, " channels, which ", group, " groups do not divide");
  if (failed(checkPerAxis(location, "strides", adaptor.getStrides(), spatial, 1)) ||
      failed(checkPerAxis(location, "dilations", adaptor.getDilations(), spatial, 1)) ||
      failed(checkPerAxis(location, "low pads", adaptor.getLow(), spatial, INT64_MIN)) ||
      failed(checkPerAxis(location, "high pads", adaptor.getHigh(), spatial, INT64_MIN)) ||
      failed(checkPerAxis(location, "output_padding", adaptor.getOutputPadding(), spatial, 0))) // conv_transpose C2
    return failure();
  int64_t outputs = w.getDimSize(1);
  SmallVector<int64_t> shape{x.getDimSize(0), ShapedType::isDynamic(outputs) ? outputs : outputs * group};
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t extent = x.getDimSize(i + 2), kernel = w.getDimSize(i + 2);
    if (ShapedType::isDynamic(extent) || ShapedType::isDynamic(kernel)) {
      shape.push_back(ShapedType::kDynamic);
      continue;
    }
    int64_t size = adaptor.getStrides()[i] * (extent - 1) + adaptor.getOutputPadding()[i] +
                   (kernel - 1) * adaptor.getDilations()[i] + 1 - adaptor.getLow()[i] - adaptor.getHigh()[i];
    if (size < 0) // conv_transpose C2
      return emitOptionalError(location, "the pads cut more than the result has on spatial axis ", i);
    shape.push_back(size);
  }
  types.push_back(RankedTensorType::get(shape, sumType(x.getElementType())));
  return success();
}

/// x with `strides - 1` zeros between its elements and enough around them that y is the plain convolution of the result
/// with the mirrored kernel: element i goes to `i * stride + (K - 1) * dilation - low`.
static Value spreadInput(LoweringBuilder &b, ConvTransposeOp op, Value x, ArrayRef<OpFoldResult> places,
                         ArrayRef<int64_t> kernel) {
  Shape sizes = b.extents(x), shape = sizes;
  Shape starts(sizes.size(), b.b.getIndexAttr(0)), ones(sizes.size(), b.b.getIndexAttr(1));
  Shape offsets = starts, strides = ones;
  bool isCut = false;
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t stride = op.getStrides()[i], margin = (kernel[i] - 1) * op.getDilations()[i];
    int64_t offset = margin - op.getLow()[i], past = op.getHigh()[i] - op.getOutputPadding()[i] - margin;
    // Elements that no window reaches.
    int64_t cutLow = offset < 0 ? (-offset + stride - 1) / stride : 0;
    int64_t cutHigh = past > 0 ? (past + stride - 1) / stride : 0;
    isCut |= cutLow > 0 || cutHigh > 0;
    shape[i + 2] = linear(b, places[i], 1, margin);
    starts[i + 2] = b.b.getIndexAttr(cutLow);
    sizes[i + 2] = linear(b, sizes[i + 2], 1, -cutLow - cutHigh);
    offsets[i + 2] = b.b.getIndexAttr(offset + cutLow * stride);
    strides[i + 2] = b.b.getIndexAttr(stride);
    if (auto size = getConstantIntValue(sizes[i + 2]); size && *size <= 0)
      return b.fill(b.number(tensorType(x).getElementType(), 0), shape);
  }
  if (isCut)
    x = tensor::ExtractSliceOp::create(b.b, b.loc, x, starts, sizes, ones);
  Value zeros = b.fill(b.number(tensorType(x).getElementType(), 0), shape);
  return tensor::InsertSliceOp::create(b.b, b.loc, x, zeros, offsets, sizes, strides);
}

FailureOr<SmallVector<Value>> ConvTransposeOp::lower(LoweringBuilder &b, ValueRange operands) {
  // (n, [g], m, places... | c, windows...) over the spread input and the mirrored kernel.
  Value x = operands[0], w = operands[1];
  int64_t spatial = tensorType(x).getRank() - 2, group = getGroup();
  SmallVector<int64_t> kernel(tensorType(w).getShape().drop_front(2));
  if (ShapedType::isDynamicShape(kernel))
    return emitOpError("expects a kernel of known size");
  Shape places, windows = b.staticShape(kernel);
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t stride = getStrides()[i], margin = (kernel[i] - 1) * getDilations()[i];
    places.push_back(linear(b, b.extent(x, i + 2), stride,
                            margin + 1 - stride + getOutputPadding()[i] - getLow()[i] - getHigh()[i]));
  }
  x = spreadInput(b, *this, x, places, kernel);
  bool isGrouped = group > 1;
  if (isGrouped) {
    x = splitAxis(b, x, 1, group);
    w = splitAxis(b, w, 0, group);
  }
  Shape shape{b.extent(x, 0)};
  if (isGrouped)
    shape.push_back(b.b.getIndexAttr(group));
  shape.push_back(b.extent(w, isGrouped ? 2 : 1));
  llvm::append_range(shape, places);

  ConvLoops loops(b, spatial, /*isLast=*/false, isGrouped ? KernelForm::Grouped : KernelForm::OneGroup);
  Exprs weight{loops.c, loops.m};
  if (isGrouped)
    weight.insert(weight.begin(), loops.g);
  for (int64_t i = 0; i < spatial; ++i)
    weight.push_back(kernel[i] - 1 - loops.windows[i]);
  Type types[] = {getElementTypeOrSelf(getX()), getElementTypeOrSelf(getW())};
  SmallVector<int64_t> steps(spatial, 1);
  // The mirrored kernel's map cannot give the windows' extents: a tensor without contents does.
  Value extents = b.empty(windows, b.b.getI8Type());
  Value y = contract(b, {x, w, extents}, types, {loops.x(steps, getDilations()), weight, loops.windows, loops.y()},
                     loops.parallel, loops.count, shape);
  return SmallVector<Value>{isGrouped ? joinAxes(b, y, 1) : y};
}
