//===- Families.cpp - work that families of GPUs do in different ways ----------------------===//

#include "tegula/targets/cuda/block/Families.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula::cuda {

SmallVector<Cores> familiesOf(Operation *op, const Factors &factors) {
  SmallVector<Cores> all;
  std::vector<Chip> chips = chipsOf(tgl::targetOf(op));
  for (Chip chip : llvm::reverse(chips))
    if (Cores cores = coresOf(chip, factors); !llvm::is_contained(all, cores))
      all.push_back(cores);
  return all;
}

void emitForFamilies(scf::ForallOp unit, ModuleOp module, ArrayRef<Cores> families,
                     llvm::function_ref<std::unique_ptr<BlockWork>(Cores)> make) {
  SmallVector<std::unique_ptr<BlockWork>> works;
  for (Cores cores : families)
    works.push_back(make(cores));
  OpenBlock block = works.front()->open();
  Location loc = unit.getLoc();
  OpBuilder b(unit.getContext());
  b.restoreInsertionPoint(block.inside);
  Value chip;
  if (families.size() > 1) {
    FailureOr<LLVM::LLVMFuncOp> chipOf = LLVM::lookupOrCreateFn(b, module, kChip, {}, b.getI32Type());
    chip = LLVM::CallOp::create(b, loc, *chipOf, ValueRange()).getResult();
  }
  for (auto [cores, work] : llvm::drop_end(llvm::zip(families, works))) {
    Value first = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(firstChipOf(cores)));
    Value isNew = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, chip, first);
    auto branch = scf::IfOp::create(b, loc, isNew, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    block.inside = b.saveInsertionPoint();
    work->emit(block);
    b.setInsertionPointToStart(branch.elseBlock());
    block.inside = b.saveInsertionPoint();
  }
  works.back()->emit(block);
  unit.erase();
}

} // namespace tegula::cuda
