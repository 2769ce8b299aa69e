//===- LowerContractions.cpp - blocks of threads share the work of a product ----------------===//
//
//   scf.forall (%i) in (1) { linalg.generic: %c = %a . %b;  linalg.generic: %y = relu(%c) } {tgl.plan}
// becomes
//   scf.forall (%batch, %m, %n) in (batches, row blocks, column blocks) {
//     for the depth, a tile at a time: tiles of %a and %b to shared memory; products of registers
//     relu and stores, by each thread of its sums
//   } {tgl.threads}
//
// The next tiles are on their way while this one is multiplied: one barrier a tile. A convolution is such a product, of
// rows at computed places (implicit GEMM). With `dot` in the plan, matrix instructions multiply; families of GPUs
// differ in these, so that the work is built once for each family among the target's chips, and a kernel takes its own:
//
//     %chip = llvm.call @tegula_chip();  if %chip >= 80 { ... } else { ... }
//
// Needs: memrefs, linalg in units with `threads` in their plan. Leaves: none of these. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Passes.h"
#include "tegula/targets/cuda/ProductBlock.h"

#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERCONTRACTIONS
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
struct LowerContractions : impl::LowerContractionsBase<LowerContractions> {
  using LowerContractionsBase::LowerContractionsBase;
  void runOnOperation() override {
    SmallVector<scf::ForallOp> units;
    getOperation().walk([&](scf::ForallOp unit) {
      if (auto plan = unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
          plan && plan.getThreads() && plan.getBlock().size() == 3)
        units.push_back(unit);
    });
    for (scf::ForallOp unit : units) {
      lower(unit);
      ++lowered;
    }
  }

  /// The instructions that the target's chips have for this unit, the newest first.
  SmallVector<cuda::Cores> coresOf(scf::ForallOp unit) {
    SmallVector<cuda::Cores> all;
    std::vector<cuda::Chip> chips = cuda::chipsOf(tgl::targetOf(unit));
    if (unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan).getDot() == 1)
      chips.clear();
    for (cuda::Chip chip : llvm::reverse(chips))
      if (cuda::Cores cores = cuda::coresOf(chip, *cuda::factorsOf(*unit.getOps<linalg::GenericOp>().begin()));
          !llvm::is_contained(all, cores))
        all.push_back(cores);
    if (all.empty())
      all.push_back(cuda::Cores::None);
    return all;
  }

  void lower(scf::ForallOp unit) {
    SmallVector<cuda::Cores> all = coresOf(unit);
    std::vector<std::unique_ptr<cuda::ProductBlock>> products;
    for (cuda::Cores cores : all)
      products.push_back(cores == cuda::Cores::None ? cuda::makeScalarProduct(unit, getOperation())
                                                    : cuda::makeMatrixProduct(unit, getOperation(), cores));
    cuda::OpenBlock block = products.front()->open();
    Location loc = unit.getLoc();
    OpBuilder b(&getContext());
    b.restoreInsertionPoint(block.inside);
    Value chip;
    if (all.size() > 1) {
      FailureOr<LLVM::LLVMFuncOp> chipOf = LLVM::lookupOrCreateFn(b, getOperation(), kChip, {}, b.getI32Type());
      chip = LLVM::CallOp::create(b, loc, *chipOf, ValueRange()).getResult();
    }
    for (auto [cores, product] : llvm::drop_end(llvm::zip(all, products))) {
      Value first = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(cuda::firstChipOf(cores)));
      Value isNew = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, chip, first);
      auto branch = scf::IfOp::create(b, loc, isNew, /*withElseRegion=*/true);
      b.setInsertionPointToStart(branch.thenBlock());
      block.inside = b.saveInsertionPoint();
      product->emit(block);
      b.setInsertionPointToStart(branch.elseBlock());
      block.inside = b.saveInsertionPoint();
    }
    products.back()->emit(block);
    unit.erase();
  }
};
} // namespace
} // namespace tegula
