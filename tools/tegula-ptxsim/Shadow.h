//===- Shadow.h - who touched a word last -------------------------------------===//
//
// Data races are found with a stamp for each word of four bytes: the last plain write and the last two reads by
// different threads (an atomic operation counts as a read that has the atomic bit). Time is that of the block: it moves
// on at every synchronisation, and a block knows for each pair of warps up to which time they are in order, a warp
// for each pair of lanes. Blocks of a launch are not ordered, except by a release and an acquire of the same atomic.
//
//   launch:8 | block:20 | time:20 | thread:10 | atomic:1 | mixed:1 | bytes:4
//
// "mixed" is a word of which several lanes of a warp wrote different bytes; such a word tells warps apart, not lanes.
// In the stamp of a write the atomic bit says that cp.async wrote it.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_SHADOW_H
#define TEGULA_TOOLS_PTXSIM_SHADOW_H

#include "Runtime.h"

namespace ptxsim {

constexpr unsigned timeShift = 16, blockShift = 36, launchShift = 56, threadShift = 6;
constexpr uint64_t atomicBit = 1 << 5, mixedBit = 1 << 4, bytesMask = 15;
constexpr uint64_t timeMask = 0xfffff, threadMask = 0x3ff;
constexpr uint32_t lastTime = timeMask - 2;

enum class Touch : uint8_t { Read, Write, Atomic, Copy };

/// What a stamp is compared with, for one warp and one space: stamps in [from, from + span) and not in [own, own +
/// limit) are possibly in no order with the warp's accesses.
struct Order {
  uint64_t from, span, own, limit;
  Order(const Warp *warp, bool isShared) {
    const Block *block = warp->block;
    own = block->globalStamp;
    limit = static_cast<uint64_t>(block->floor + 1) << timeShift;
    from = isShared ? own : own >> launchShift << launchShift;
    span = uint64_t(1) << (isShared ? blockShift : launchShift);
  }
  bool isUnordered(uint64_t stamp) const { return stamp - from < span && stamp - own >= limit; }
};

inline uint64_t stampOf(const Warp *warp, unsigned lane) {
  uint64_t thread = warp->warpId * warpSize + lane;
  return warp->block->globalStamp | static_cast<uint64_t>(warp->block->now) << timeShift | thread << threadShift;
}

/// A run of `lanes` from `first` on touches `bytes` each, one after the other from `place` on (an index of bytes into
/// what `cells` are of). Reports races.
void touchRun(Warp *warp, const Site *site, const Cells &cells, bool isShared, uint64_t place, unsigned first,
              unsigned lanes, unsigned bytes, Touch touch);

/// One lane. `isSame` says that a write leaves the bytes as they are.
void touchLane(Warp *warp, const Site *site, const Cells &cells, bool isShared, uint64_t place, unsigned lane,
               unsigned bytes, Touch touch, bool isSame = false);

/// Moves the block's time on.
void tick(Block *block);

} // namespace ptxsim

#endif
