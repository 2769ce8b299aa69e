//===- Node.cpp - what a row sees of an ONNX node ------------------------------------------------===//

#include "tegula/compiler/import/Node.h"
#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Limits.h"

using namespace mlir;

namespace tegula {

const onnx::AttributeProto *Node::attribute(StringRef name) const {
  for (const onnx::AttributeProto &attribute : proto.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}
int64_t Node::getInt(StringRef name, int64_t absent) const {
  const onnx::AttributeProto *found = attribute(name);
  return found && found->type() == onnx::AttributeProto::INT ? found->i() : absent;
}
double Node::getFloat(StringRef name, double absent) const {
  const onnx::AttributeProto *found = attribute(name);
  return found && found->type() == onnx::AttributeProto::FLOAT ? found->f() : absent;
}
std::string Node::getString(StringRef name, StringRef absent) const {
  const onnx::AttributeProto *found = attribute(name);
  return found && found->type() == onnx::AttributeProto::STRING ? found->s() : absent.str();
}
std::optional<Ints> Node::getInts(StringRef name) const {
  const onnx::AttributeProto *found = attribute(name);
  if (!found || found->type() != onnx::AttributeProto::INTS)
    return std::nullopt;
  return Ints(found->ints().begin(), found->ints().end());
}
std::optional<SmallVector<double>> Node::getFloats(StringRef name) const {
  const onnx::AttributeProto *found = attribute(name);
  if (!found || found->type() != onnx::AttributeProto::FLOATS)
    return std::nullopt;
  return SmallVector<double>(found->floats().begin(), found->floats().end());
}

FailureOr<int64_t> Node::axis(int64_t value, int64_t rank, bool inclusive) {
  int64_t last = inclusive ? rank : rank - 1;
  int64_t index = value < 0 ? value + rank : value;
  if (index < 0 || index > last)
    return refuse("T0202", "axis " + Twine(value) + " is out of range for " + Twine(rank) + " axes");
  return index;
}

LogicalResult Node::refuse(StringRef code, const Twine &text, const Twine &help) {
  if (failedBefore)
    return failure();
  failedBefore = true;
  InFlightDiagnostic diagnostic = emitError(loc) << "[" << code << "] " << text;
  for (auto [index, value] : llvm::enumerate(inputs))
    if (value)
      diagnostic.attachNote() << "input " << index << " '" << proto.input(index) << "' is " << value.getType();
  if (!help.isTriviallyEmpty())
    diagnostic.attachNote() << "help: " << help;
  return failure();
}

Value Node::finish(StringRef name, ValueRange operands, TypeRange types, ArrayRef<NamedAttribute> attributes) {
  for (Type type : types)
    if (!elementsWithin(llvm::cast<RankedTensorType>(type).getShape())) {
      (void)refuse("T0401", "a result has more than 2^" + Twine(kMaxElementsLog2) + " elements");
      return {};
    }
  OperationState state(loc, name, operands, types, attributes);
  Operation *op = b.create(state);
  SmallVector<Value> folded;
  if (op->getNumResults() == 1 && succeeded(b.tryFold(op, folded)) && !folded.empty()) {
    op->erase();
    return folded[0];
  }
  return op->getResult(0);
}

Value Node::unary(StringRef kind, Value x, ArrayRef<double> params) {
  SmallVector<NamedAttribute> attributes{word("kind", kind)};
  if (!params.empty())
    attributes.push_back(attr("params", b.getDenseF64ArrayAttr(params)));
  return make<nn::UnaryOp>(x, attributes);
}

Value Node::binary(StringRef kind, Value x, Value y) {
  if (!x || !y || failed(importer.unify(*this, {&x, &y})))
    return {};
  return make<nn::BinaryOp>({x, y}, word("kind", kind));
}
Value Node::select(Value condition, Value x, Value y) {
  if (!condition || !x || !y || failed(importer.unify(*this, {&condition, &x, &y})))
    return {};
  return make<nn::SelectOp>({condition, x, y});
}
Value Node::cast(Value x, Type element) {
  if (!x || elementOf(x) == element)
    return x;
  return finish("nn.cast", x, RankedTensorType::get(shapeOf(x), element), {});
}
Value Node::reshape(Value x, ArrayRef<int64_t> shape, Value runtimeShape) {
  if (!x)
    return {};
  auto type = RankedTensorType::get(shape, elementOf(x));
  if (type == x.getType() && type.hasStaticShape())
    return x;
  if (type.hasStaticShape() && typeOf(x).hasStaticShape() && type.getNumElements() != typeOf(x).getNumElements()) {
    (void)refuse("T0202", "cannot reshape " + Twine(typeOf(x).getNumElements()) + " elements to " +
                              Twine(type.getNumElements()));
    return {};
  }
  SmallVector<Value> operands{x};
  if (runtimeShape && !type.hasStaticShape())
    operands.push_back(runtimeShape);
  return finish("nn.reshape", operands, type, {});
}
Value Node::standard(StringRef op, int opset, Values operands) {
  if (failedBefore || llvm::is_contained(operands, Value())) {
    failedBefore = true;
    return {};
  }
  RowBuilder row = findRow(op, opset);
  if (!row) {
    (void)refuse("T0201", "opset " + Twine(opset) + " has no " + op);
    return {};
  }
  Node other = *this;
  other.inputs = std::move(operands);
  other.opset = opset;
  FailureOr<Values> results = row(other);
  failedBefore |= other.failedBefore || failed(results);
  return failed(results) ? Value() : results->front();
}

Value Node::regroup(Value x, ArrayRef<Group> groups) {
  if (!x)
    return {};
  Ints shape;
  for (const Group &group : groups) {
    int64_t extent = group.times;
    for (int64_t axis : group.axes)
      if (int64_t factor = shapeOf(x)[axis]; ShapedType::isDynamic(factor) || ShapedType::isDynamic(extent))
        extent = ShapedType::kDynamic;
      else
        extent *= factor;
    shape.push_back(ShapedType::isDynamic(extent) ? extent : extent / group.over);
  }
  if (!ShapedType::isDynamicShape(shape))
    return reshape(x, shape);
  Values extents;
  for (auto [group, known] : llvm::zip(groups, shape)) {
    Value extent = ints({ShapedType::isDynamic(known) ? group.times : known});
    if (ShapedType::isDynamic(known)) {
      for (int64_t axis : group.axes)
        extent = binary("mul", extent, this->shape(x, axis, axis + 1));
      extent = group.over == 1 ? extent : binary("div", extent, ints({group.over}));
    }
    extents.push_back(extent);
  }
  return reshape(x, shape, concat(extents, 0));
}
Value Node::transpose(Value x, ArrayRef<int64_t> perm) {
  if (!x || llvm::equal(perm, llvm::seq<int64_t>(0, perm.size())))
    return x;
  return make<nn::TransposeOp>(x, attr("perm", perm));
}
Value Node::reduce(StringRef kind, Value x, ArrayRef<int64_t> axes, bool keepdims) {
  if (!x)
    return {};
  return make<nn::ReduceOp>(x, {word("kind", kind), attr("axes", axes), flag("keepdims", keepdims)});
}
Value Node::slice(Value x, int64_t axis, int64_t start, int64_t size) {
  if (!x)
    return {};
  Ints starts(rankOf(x), 0), sizes(rankOf(x), -1), steps(rankOf(x), 1);
  starts[axis] = start;
  sizes[axis] = size;
  return make<nn::SliceOp>(x, {attr("starts", starts), attr("sizes", sizes), attr("steps", steps)});
}
Value Node::concat(ValueRange values, int64_t axis) {
  if (values.size() == 1)
    return values[0];
  return make<nn::ConcatOp>(values, attr("axis", axis));
}
Value Node::shape(Value x, int64_t start, int64_t end) {
  if (!x)
    return {};
  return make<nn::ShapeOp>(x, {attr("start", start), attr("end", end < 0 ? rankOf(x) : end)});
}
Value Node::constant(ElementsAttr value) { return nn::ConstantOp::create(b, loc, value); }
Value Node::require(Value x, Value holds, StringRef text) {
  if (!x || !holds)
    return {};
  return finish(nn::RequireOp::getOperationName(), {x, holds}, x.getType(), word("text", text));
}
Value Node::ints(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({(int64_t)values.size()}, b.getI64Type());
  return constant(DenseElementsAttr::get(type, values));
}
Value Node::intScalar(int64_t value) {
  return constant(DenseElementsAttr::get(RankedTensorType::get({}, b.getI64Type()), value));
}
Value Node::number(Type element, double value) {
  auto type = RankedTensorType::get({}, element);
  if (auto floatType = dyn_cast<FloatType>(element))
    return constant(DenseElementsAttr::get(type, b.getFloatAttr(floatType, value).getValue()));
  return constant(DenseElementsAttr::get(
      type, APInt(64, (uint64_t)(int64_t)value, true).sextOrTrunc(element.getIntOrFloatBitWidth())));
}

static DenseElementsAttr smallConstant(Value value) {
  auto constant = value ? value.getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
  return constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
}

std::optional<Ints> Node::constInts(Value value) const {
  DenseElementsAttr elements = smallConstant(value);
  if (!elements || !isa<IntegerType>(elements.getElementType()))
    return std::nullopt;
  bool isUnsigned = elements.getElementType().isUnsignedInteger() || elements.getElementType().isInteger(1);
  Ints result;
  for (const APInt &element : elements.getValues<APInt>())
    result.push_back(isUnsigned ? (int64_t)element.getZExtValue() : element.getSExtValue());
  return result;
}

std::optional<SmallVector<double>> Node::constFloats(Value value) const {
  DenseElementsAttr elements = smallConstant(value);
  if (!elements || !isa<FloatType>(elements.getElementType()))
    return std::nullopt;
  SmallVector<double> result;
  for (APFloat element : elements.getValues<APFloat>()) {
    bool ignored;
    element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &ignored);
    result.push_back(element.convertToDouble());
  }
  return result;
}

/// Looks through the few ops that shape arithmetic is made of.
static std::optional<Ints> partial(const Node &node, Value value, int depth) {
  if (auto known = node.constInts(value))
    return known;
  auto type = Node::typeOf(value);
  if (!type.hasStaticShape() || type.getNumElements() > 64)
    return std::nullopt;
  Ints unknown(type.getNumElements(), ShapedType::kDynamic);
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return unknown;
  if (auto shape = dyn_cast<nn::ShapeOp>(op)) {
    ArrayRef<int64_t> extents = Node::shapeOf(shape.getX());
    return Ints(extents.slice(shape.getStart(), shape.getEnd() - shape.getStart()));
  }
  if (isa<nn::ReshapeOp, nn::CastOp>(op))
    return partial(node, op->getOperand(0), depth - 1);
  if (auto concat = dyn_cast<nn::ConcatOp>(op)) {
    Ints all;
    for (Value part : concat.getXs()) {
      auto values = partial(node, part, depth - 1);
      if (!values)
        return std::nullopt;
      llvm::append_range(all, *values);
    }
    return all;
  }
  if (auto gather = dyn_cast<nn::GatherOp>(op)) {
    auto source = partial(node, gather.getX(), depth - 1);
    auto indices = node.constInts(gather.getIndices());
    if (!source || !indices || Node::rankOf(gather.getX()) != 1)
      return unknown;
    Ints picked;
    for (int64_t index : *indices) {
      index += index < 0 ? source->size() : 0;
      picked.push_back(index >= 0 && index < (int64_t)source->size() ? (*source)[index] : ShapedType::kDynamic);
    }
    return picked;
  }
  if (auto slice = dyn_cast<nn::SliceOp>(op)) {
    auto source = partial(node, slice.getX(), depth - 1);
    if (!source || Node::rankOf(slice.getX()) != 1)
      return unknown;
    Ints picked;
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      picked.push_back((*source)[slice.getStarts()[0] + i * slice.getSteps()[0]]);
    return picked;
  }
  return unknown;
}

std::optional<Ints> Node::partialInts(Value value) const { return partial(*this, value, 16); }

std::optional<Ints> Node::inferredShape(int i) const {
  if (i >= (int)facts.size() || !facts[i].type.tensor_type().has_shape())
    return std::nullopt;
  Ints shape;
  for (const auto &dim : facts[i].type.tensor_type().shape().dim())
    shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : ShapedType::kDynamic);
  return shape;
}

} // namespace tegula
