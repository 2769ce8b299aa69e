//===- SharedUnit.cpp - a unit whose threads share the work -------------------------------===//

#include "tegula/targets/cuda/block/SharedUnit.h"
#include "tegula/targets/cuda/Contraction.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tegula::cuda {

SmallVector<scf::ForallOp> sharedUnitsOf(Operation *op, size_t entries) {
  SmallVector<scf::ForallOp> units;
  op->walk([&](scf::ForallOp unit) {
    if (auto plan = unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
        plan && plan.getThreads() && plan.getBlock().size() == entries)
      units.push_back(unit);
  });
  return units;
}

Nest::Nest(Indices &at, linalg::GenericOp op) : at(at), op(op) {
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    extents.push_back(extentOf(loop));
}

Value Nest::extentOf(unsigned loop) {
  int64_t known = op.getStaticLoopRanges()[loop];
  if (!ShapedType::isDynamic(known))
    return at.constant(known);
  for (OpOperand &operand : op->getOpOperands())
    if (auto place = op.getMatchingIndexingMap(&operand).getResultPosition(at.b.getAffineDimExpr(loop)))
      return at.b.createOrFold<memref::DimOp>(at.loc, operand.get(), *place);
  return at.constant(1);
}

Value Nest::extentOf(ArrayRef<unsigned> all) {
  Value product = at.constant(1);
  for (unsigned loop : all)
    product = at.mul(product, extents[loop]);
  return product;
}

OpFoldResult Nest::blocksOf(ArrayRef<unsigned> all, int64_t size) {
  if (std::optional<int64_t> known = cuda::extentOf(op, all))
    return at.b.getIndexAttr((*known + size - 1) / size);
  return at.b.createOrFold<arith::CeilDivUIOp>(at.loc, extentOf(all), at.constant(size));
}

void Nest::split(Value linear, ArrayRef<unsigned> all, SmallVectorImpl<Value> &indices) {
  for (unsigned loop : llvm::reverse(all.drop_front(all.empty() ? 0 : 1))) {
    indices[loop] = at.b.createOrFold<arith::RemUIOp>(at.loc, linear, extents[loop]);
    linear = at.b.createOrFold<arith::DivUIOp>(at.loc, linear, extents[loop]);
  }
  if (!all.empty())
    indices[all.front()] = linear;
}

SharedUnit::SharedUnit(scf::ForallOp unit, linalg::GenericOp root, linalg::GenericOp epilogue)
    : unit(unit), b(unit), loc(unit.getLoc()), at(b, loc), plan(unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan)),
      root(root), epilogue(epilogue) {
  nest.emplace(at, root);
}

static linalg::GenericOp opOf(scf::ForallOp unit, size_t number) {
  auto ops = llvm::to_vector(unit.getOps<linalg::GenericOp>());
  return number < ops.size() ? ops[number] : linalg::GenericOp();
}

SharedUnit::SharedUnit(scf::ForallOp unit) : SharedUnit(unit, opOf(unit, 0), opOf(unit, 1)) {}

Value SharedUnit::inlineBody(linalg::GenericOp op, ArrayRef<Value> arguments, ArrayRef<Value> indices) {
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(op.getBlock()->getArguments(), arguments))
    if (value)
      mapping.map(argument, value);
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner))
      mapping.map(index.getResult(), indices[index.getDim()]);
    else
      b.clone(inner, mapping);
  }
  return mapping.lookupOrDefault(op.getBlock()->getTerminator()->getOperand(0));
}

Value SharedUnit::read(linalg::GenericOp op, OpOperand &operand, ArrayRef<Value> indices) {
  if (!isa<MemRefType>(operand.get().getType()))
    return operand.get();
  auto place = affine::expandAffineMap(b, loc, op.getMatchingIndexingMap(&operand), indices);
  return memref::LoadOp::create(b, loc, operand.get(), ValueRange(*place));
}

void SharedUnit::write(Value sum, ArrayRef<Value> indices) {
  SmallVector<Value> place;
  for (AffineExpr expr : root.getIndexingMapsArray().back().getResults())
    place.push_back(indices[cast<AffineDimExpr>(expr).getPosition()]);
  if (!epilogue) {
    memref::StoreOp::create(b, loc, sum, root.getDpsInitOperand(0)->get(), place);
    return;
  }
  // Axes of the root's result are the epilogue's loops.
  SmallVector<Value> arguments;
  for (OpOperand *operand : epilogue.getDpsInputOperands())
    arguments.push_back(operand->get() == root.getDpsInitOperand(0)->get() ? sum : read(epilogue, *operand, place));
  arguments.push_back({}); // the result, which is not read
  Value result = inlineBody(epilogue, arguments, place);
  OpOperand *target = epilogue.getDpsInitOperand(0);
  auto where = affine::expandAffineMap(b, loc, epilogue.getMatchingIndexingMap(target), place);
  memref::StoreOp::create(b, loc, result, target->get(), ValueRange(*where));
}

Value SharedUnit::exchange(Value value, int64_t distance) {
  Type type = value.getType(), i32 = b.getI32Type();
  auto number = [&](int64_t bits) { return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(bits)).getResult(); };
  unsigned width = type.getIntOrFloatBitWidth();
  Type bits = b.getIntegerType(width);
  Value plain = type == bits ? value : arith::BitcastOp::create(b, loc, bits, value).getResult();
  plain = width < 32 ? arith::ExtUIOp::create(b, loc, i32, plain).getResult() : plain;
  Value moved = NVVM::ShflOp::create(b, loc, i32, number(-1), plain, number(distance), number(31), NVVM::ShflKind::bfly,
                                     UnitAttr());
  moved = width < 32 ? arith::TruncIOp::create(b, loc, bits, moved).getResult() : moved;
  return type == bits ? moved : arith::BitcastOp::create(b, loc, type, moved).getResult();
}

SmallVector<Value> SharedUnit::beginBlocks(ArrayRef<OpFoldResult> blocks, int64_t threads) {
  auto forall = scf::ForallOp::create(b, loc, blocks, ValueRange(), std::nullopt);
  forall->setDiscardableAttrs(unit->getDiscardableAttrDictionary());
  forall->removeAttr(tgl::kPlan);
  forall->setAttr(tgl::kThreads, b.getI64IntegerAttr(threads));
  b.setInsertionPoint(forall.getTerminator());
  thread = arith::IndexCastOp::create(b, loc, b.getIndexType(), NVVM::ThreadIdXOp::create(b, loc, b.getI32Type()));
  return forall.getInductionVars();
}

} // namespace tegula::cuda
