//===- Nn.cpp - the nn dialect --------------------------------------------===//

#include "tegula/dialects/nn/Nn.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace tegula::nn;

/// The keyword after the mnemonic (`nn.unary exp`), held as a string attribute.
static ParseResult parseKind(OpAsmParser &parser, StringAttr &kind) {
  StringRef keyword;
  if (failed(parser.parseKeyword(&keyword)))
    return failure();
  kind = parser.getBuilder().getStringAttr(keyword);
  return success();
}
static void printKind(OpAsmPrinter &printer, Operation *, StringAttr kind) { printer << kind.getValue(); }

#include "tegula/dialects/nn/NnDialect.cpp.inc"

#include "tegula/dialects/nn/NnInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "tegula/dialects/nn/NnOps.cpp.inc"

void NnDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "tegula/dialects/nn/NnOps.cpp.inc"
      >();
}

Operation *NnDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  if (type.isInteger(1)) // nn.condition
    return arith::ConstantOp::materialize(builder, value, type, loc);
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getShapedType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, elements);
}

FailureOr<SmallVector<int64_t>> tegula::nn::broadcastShapes(ArrayRef<ArrayRef<int64_t>> shapes, std::string &why) {
  size_t rank = 0;
  for (ArrayRef<int64_t> shape : shapes)
    rank = std::max(rank, shape.size());
  SmallVector<int64_t> result(rank, 1);
  for (ArrayRef<int64_t> shape : shapes)
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      int64_t &have = result[rank - shape.size() + axis], extent = shape[axis];
      if (extent == 1 || extent == have)
        continue;
      if (have == 1 || ShapedType::isDynamic(have)) {
        have = extent;
        continue;
      }
      if (ShapedType::isDynamic(extent))
        continue;
      why = ("extents " + Twine(have) + " and " + Twine(extent) + " do not broadcast").str();
      return failure();
    }
  return result;
}
