//===- Control.h - what the scheduler and the helpers share -------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_CONTROL_H
#define TEGULA_TOOLS_PTXSIM_CONTROL_H

#include "Runtime.h"
#include "llvm/ADT/StringExtras.h"

namespace ptxsim {

/// Results share a number space with blocks.
constexpr uint32_t codeOf(Result result) { return 0xfffffff0u + static_cast<uint32_t>(result); }

/// Lets threads go on whose barriers are complete. False if there are none.
bool completeBarriers(Block *block);

/// Lanes have met others, which each of them names: what those did is in order with what it does next.
void lanesMet(Warp *warp, const uint32_t *members, uint32_t mask);
/// All lanes of a warp have met.
void metAll(Warp *warp);

/// Runs all blocks of a launch on the threads of `settings`.
struct Needs {
  uint32_t frameBytes = 0, sharedBytes = 0, dynamicShared = 0,
           localBytes = 0; ///< of a warp, a block, a block, a thread
};
void runLaunch(LaunchState &launch, const Needs &needs, Counters &counters);

} // namespace ptxsim

#endif
