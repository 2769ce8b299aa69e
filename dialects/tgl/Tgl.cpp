//===- Tgl.cpp - decisions that travel with the IR --------------------------===//

#include "tegula/dialects/tgl/Tgl.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tegula::tgl;

#include "tegula/dialects/tgl/TglDialect.cpp.inc"

/// `[48, 0]`, also without any.
static ParseResult parseSizes(AsmParser &parser, SmallVector<int64_t> &sizes) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                        [&] { return parser.parseInteger(sizes.emplace_back()); });
}
static void printSizes(AsmPrinter &printer, ArrayRef<int64_t> sizes) {
  printer << '[';
  llvm::interleaveComma(sizes, printer);
  printer << ']';
}

#define GET_ATTRDEF_CLASSES
#include "tegula/dialects/tgl/TglAttrs.cpp.inc"

void TglDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "tegula/dialects/tgl/TglAttrs.cpp.inc"
      >();
}

TargetAttr tegula::tgl::targetOf(mlir::Operation *op) {
  auto module = mlir::isa<mlir::ModuleOp>(op) ? mlir::cast<mlir::ModuleOp>(op) : op->getParentOfType<mlir::ModuleOp>();
  return module ? module->getAttrOfType<TargetAttr>(kTarget) : TargetAttr();
}
