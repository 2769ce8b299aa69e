//===- Bands.cpp - loops over independent bands of a tensor ----------------------===//

#include "tegula/compiler/tile/Bands.h"

using namespace mlir;
namespace tegula {

/// Strips for each thread: more would balance better, but need more memory.
static constexpr int64_t kStripsPerThread = 2;
/// The share of the threads' time that has to be used: what the threads reach that share each band.
static constexpr double kLeastUse = 0.8;

int64_t stripsOf(scf::ForOp loop, tgl::TargetAttr target) {
  auto bands = loop->getAttrOfType<IntegerAttr>(tgl::kBands);
  int64_t threads = target ? target.getThreads() : 1;
  if (!bands || threads < 2)
    return 1;
  int64_t count = bands.getInt(), strips = std::min(count, threads * kStripsPerThread);
  int64_t rounds = (count + threads - 1) / threads;
  return static_cast<double>(count) / static_cast<double>(rounds * threads) < kLeastUse ? 1 : strips;
}

} // namespace tegula
