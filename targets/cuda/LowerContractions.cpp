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

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "tegula/targets/cuda/Passes.h"
#include "tegula/targets/cuda/block/ProductBlock.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERCONTRACTIONS
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
struct LowerContractions : impl::LowerContractionsBase<LowerContractions> {
  using LowerContractionsBase::LowerContractionsBase;
  void runOnOperation() override {
    for (scf::ForallOp unit : cuda::sharedUnitsOf(getOperation(), 3)) {
      lower(unit);
      ++lowered;
    }
  }

  void lower(scf::ForallOp unit) {
    SmallVector<cuda::Cores> families{cuda::Cores::None};
    auto plan = unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
    if (plan.getBlock()[2] == 1)
      return cuda::emitForFamilies(unit, getOperation(), families,
                                   [&](cuda::Cores) { return cuda::makeFewRowsProduct(unit, getOperation()); });
    if (plan.getDot() > 1)
      families = cuda::familiesOf(unit, *cuda::factorsOf(*unit.getOps<linalg::GenericOp>().begin()));
    cuda::emitForFamilies(unit, getOperation(), families, [&](cuda::Cores cores) {
      return cores == cuda::Cores::None ? cuda::makeScalarProduct(unit, getOperation())
                                        : cuda::makeMatrixProduct(unit, getOperation(), cores);
    });
  }
};
} // namespace
} // namespace tegula
