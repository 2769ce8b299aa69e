//===- Work.cpp - arithmetic and memory traffic of a unit --------------------===//

#include "tegula/compiler/tile/Work.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tegula {

/// Iterations of an op's loops; 0 if one is dynamic.
static double iterationsOf(linalg::GenericOp op) {
  double count = 1;
  for (int64_t extent : op.getStaticLoopRanges())
    count *= ShapedType::isDynamic(extent) ? 0 : static_cast<double>(extent);
  return count;
}

static double elementBytes(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIntOrFloat() ? (element.getIntOrFloatBitWidth() + 7) / 8 : 8;
}

static double bytesOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape())
    return 0;
  return static_cast<double>(type.getNumElements()) * elementBytes(type);
}

/// Arithmetic ops of one iteration. Integers that make a real number are what it was taken apart into; three products
/// of digits (nn.block_matmul) are one product and its sum.
static double operationsOf(linalg::GenericOp op) {
  double count = 0;
  bool isReal = isa<FloatType>(op.getBody()->getTerminator()->getOperand(0).getType());
  op.getBody()->walk([&](Operation *inner) {
    if (!isa<arith::ArithDialect, math::MathDialect>(inner->getDialect()) || inner->getNumResults() != 1)
      return;
    Type type = inner->getResult(0).getType();
    // Bits that are taken out of packed numbers are none.
    if (type.isIndex() || isa<CastOpInterface>(inner) ||
        isa<arith::ConstantOp, arith::SelectOp, arith::AndIOp, arith::ShRUIOp>(inner))
      return;
    if (isReal && isa<IntegerType>(type) && !type.isInteger(1))
      count += isa<arith::MulIOp>(inner) ? 2.0 / 3 : 0;
    else
      count += isa<math::FmaOp>(inner) ? 2 : 1;
  });
  return count;
}

/// Bytes that the body reads by computed indices (gather), at most the whole tensor.
static double gatheredBytes(linalg::GenericOp op) {
  double sum = 0;
  op.getBody()->walk([&](tensor::ExtractOp extract) {
    double read = iterationsOf(op) * elementBytes(extract.getType()), whole = bytesOf(extract.getTensor());
    sum += whole > 0 ? std::min(read, whole) : read;
  });
  return sum;
}

/// Trips of the loops around an op; 0 where a bound is known at run time only.
static double tripsAround(Operation *op) {
  double trips = 1;
  for (Operation *parent = op->getParentOp(); parent; parent = parent->getParentOp()) {
    if (isa<scf::WhileOp>(parent))
      return 0;
    auto loop = dyn_cast<scf::ForOp>(parent);
    if (!loop)
      continue;
    std::optional<APInt> count = loop.getStaticTripCount();
    trips *= count ? static_cast<double>(count->getZExtValue()) : 0;
  }
  return trips;
}

/// What tells tensors apart: a constant that is read in several ways is one.
static const void *identityOf(Value value) {
  if (auto unpack = value.getDefiningOp<linalg::UnPackOp>())
    value = unpack.getSource();
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  return constant ? constant.getValue().getAsOpaquePointer() : value.getAsOpaquePointer();
}

/// Adds the tensors that `op` reads, each once; `skipped` is what stays in registers.
static bool addReads(linalg::GenericOp op, Value skipped, SmallPtrSetImpl<const void *> &seen, double &bytes) {
  for (OpOperand *operand : op.getDpsInputOperands()) {
    Value value = operand->get();
    if (value == skipped || !isa<RankedTensorType>(value.getType()) || !seen.insert(identityOf(value)).second)
      continue;
    if (!cast<RankedTensorType>(value.getType()).hasStaticShape())
      return false;
    bytes += bytesOf(value);
  }
  bytes += gatheredBytes(op);
  return true;
}

double flopsOf(linalg::GenericOp op) { return tripsAround(op) * operationsOf(op) * iterationsOf(op); }

Work workOf(linalg::GenericOp root, linalg::GenericOp epilogue) {
  Work work;
  double trips = tripsAround(root);
  linalg::GenericOp last = epilogue ? epilogue : root;
  work.flops = flopsOf(root) + (epilogue ? flopsOf(epilogue) : 0);
  SmallPtrSet<const void *, 8> seen;
  bool isKnown = addReads(root, {}, seen, work.bytes);
  if (epilogue)
    isKnown &= addReads(epilogue, root.getResult(0), seen, work.bytes);
  double written = bytesOf(last.getResult(0));
  work.bytes = isKnown && (written > 0 || iterationsOf(last) == 0) ? trips * (work.bytes + written) : 0;
  return work;
}

void setWork(Operation *op, const Work &work) {
  Builder b(op->getContext());
  op->setDiscardableAttr(tgl::kFlops, b.getF64FloatAttr(work.flops));
  op->setDiscardableAttr(tgl::kBytes, b.getF64FloatAttr(work.bytes));
}

} // namespace tegula
