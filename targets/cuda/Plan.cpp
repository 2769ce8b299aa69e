//===- Plan.cpp - how a unit is spread over a GPU ----------------------------------------===//

#include "tegula/targets/cuda/Cuda.h"

using namespace mlir;

namespace tegula::cuda {

tgl::PlanAttr planUnit(linalg::GenericOp root, tgl::TargetAttr) {
  // An element of the result each thread; neighbours along the last loop are neighbours in a warp.
  SmallVector<int64_t> block(root.getNumParallelLoops(), 1);
  return tgl::PlanAttr::get(root.getContext(), /*vectorLoop=*/-1, /*lanes=*/1, /*vectors=*/1, /*unrollLoop=*/-1,
                            /*unroll=*/1, block, /*dot=*/1, /*rows=*/0, /*depth=*/0, /*outer=*/1);
}

} // namespace tegula::cuda
