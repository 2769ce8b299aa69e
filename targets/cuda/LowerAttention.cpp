//===- LowerAttention.cpp - blocks of threads share the work of an attention ----------------===//
//
//   scf.forall (%i) in (1) { scores, scale, most, powers, sum, shares, values }  {tgl.plan}
// becomes
//   scf.forall (%batch, %m) in (batches, row blocks) {
//     for the keys, some at a time: their scores; the greatest so far; powers and sums relative to it
//     the result of each row, divided by the row's sum
//   } {tgl.threads}
//
// Needs: memrefs, units of FuseAttention. Leaves: none of these. Idempotent.
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "tegula/targets/cuda/Passes.h"
#include "tegula/targets/cuda/block/AttentionBlock.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERATTENTION
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
struct LowerAttention : impl::LowerAttentionBase<LowerAttention> {
  using LowerAttentionBase::LowerAttentionBase;
  void runOnOperation() override {
    for (scf::ForallOp unit : cuda::sharedUnitsOf(getOperation(), 4)) {
      SmallVector<cuda::Cores> families{cuda::Cores::None};
      if (unit->getAttrOfType<tgl::PlanAttr>(tgl::kPlan).getDot() > 1)
        families = cuda::familiesOf(unit, *cuda::factorsOf(*unit.getOps<linalg::GenericOp>().begin()));
      // Volta's matrices of results are not its matrices of factors: it has the way of all.
      for (cuda::Cores &cores : families)
        cores = cores == cuda::Cores::Volta ? cuda::Cores::None : cores;
      cuda::emitForFamilies(unit, getOperation(), families, [&](cuda::Cores cores) {
        return cores == cuda::Cores::None ? cuda::makeScalarAttention(unit)
                                          : cuda::makeMatrixAttention(unit, getOperation(), cores);
      });
      ++lowered;
    }
  }
};
} // namespace
} // namespace tegula
