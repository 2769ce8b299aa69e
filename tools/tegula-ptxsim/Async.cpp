//===- Async.cpp - cp.async ---------------------------------------------------===//
//
// A copy is done when its thread waits for it, not before: who reads earlier gets what was there before, and a finding.
// Until then its bytes are marked as being copied (2). When it is done it counts as a write of that moment, which other
// threads may read after a barrier.
//
//===----------------------------------------------------------------------===//
#include "MemoryAccess.h"
#include "Shadow.h"
#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cstring>

namespace ptxsim {

static bool checkCopy(Warp *warp, const Site *site, unsigned lane, uint64_t to, uint64_t from, unsigned sourceBytes) {
  Block *block = warp->block;
  unsigned bytes = site->bytes;
  if (to % bytes || from % bytes) {
    report(warp, site->line, lane, FaultKind::Alignment,
           "cp.async of " + std::to_string(bytes) + " bytes from or to an address that is no multiple of it");
    return false;
  }
  if (to > block->sharedBytes || bytes > block->sharedBytes - to) {
    report(warp, site->line, lane, FaultKind::Bounds,
           "cp.async to byte " + std::to_string(to) + " of " + std::to_string(block->sharedBytes) +
               " of shared memory");
    return false;
  }
  if (sourceBytes && !block->launch->pages->contains(from, sourceBytes)) {
    report(warp, site->line, lane, FaultKind::Bounds,
           "cp.async of " + std::to_string(sourceBytes) + " bytes from an address that is in no allocation");
    return false;
  }
  return true;
}

/// Destinations in slot 0 (64 bits), sizes of the sources in slot 1, the sources in `addresses`.
static void beginCopies(Warp *warp, const Site *site, uint32_t mask) {
  Block *block = warp->block;
  LaunchState *launch = block->launch;
  bool isChecked = launch->settings->isChecked;
  const uint64_t *destinations = reinterpret_cast<const uint64_t *>(warp->values);
  const uint32_t *sizes = reinterpret_cast<const uint32_t *>(warp->values + 512);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = llvm::countr_zero(rest);
    uint64_t to = destinations[lane], from = warp->addresses[lane];
    if (site->space == static_cast<uint8_t>(Space::Generic))
      takeOffWindow(to);
    unsigned sourceBytes = std::min<uint32_t>(sizes[lane], site->bytes);
    if (!checkCopy(warp, site, lane, to, from, sourceBytes))
      continue;
    uint8_t *isValid = block->sharedValid + to;
    if (isChecked) {
      if (memchr(isValid, 2, site->bytes))
        report(warp, site->line, lane, FaultKind::AsyncWait,
               "cp.async to bytes to which another cp.async still copies");
      touchLane(warp, site, block->sharedCells, true, to, lane, site->bytes, Touch::Copy);
      if (sourceBytes)
        touchLane(warp, site, launch->pages->cells, false, from - launch->pages->base, lane, sourceBytes, Touch::Read);
    }
    memset(isValid, 2, site->bytes);
    if (sourceBytes)
      countSectors(block, from - launch->pages->base, sourceBytes, true);
    block->counters.globalLoadBytes += sourceBytes;
    block->counters.sharedStoreBytes += site->bytes;
    PendingCopy copy{site,
                     static_cast<uint32_t>(to),
                     warp->copyGroup[lane],
                     static_cast<uint8_t>(lane),
                     site->bytes,
                     static_cast<uint8_t>(sourceBytes),
                     from};
    warp->copies.push_back(copy);
  }
}

static void finish(Warp *warp, const PendingCopy &copy) {
  Block *block = warp->block;
  Memory::Pages &pages = *block->launch->pages;
  char *to = block->shared + copy.to;
  memset(to, 0, copy.bytes);
  memset(block->sharedValid + copy.to, 1, copy.bytes);
  if (copy.sourceBytes) {
    memcpy(to, pages.host(copy.from), copy.sourceBytes);
    memcpy(block->sharedValid + copy.to, pages.isValid + (copy.from - pages.base), copy.sourceBytes);
  }
  if (block->launch->settings->isChecked)
    touchLane(warp, copy.site, block->sharedCells, true, copy.to, copy.lane, copy.bytes, Touch::Copy);
}

static void commit(Warp *warp, const Site *, uint32_t mask) {
  for (; mask; mask &= mask - 1)
    ++warp->copyGroup[llvm::countr_zero(mask)];
}

/// Finishes all but the last `left` groups of each lane.
static void wait(Warp *warp, const Site *, uint32_t mask, uint32_t left) {
  auto isDone = [&](const PendingCopy &copy) {
    bool waits = mask >> copy.lane & 1 && copy.group + left < warp->copyGroup[copy.lane];
    if (waits)
      finish(warp, copy);
    return waits;
  };
  warp->copies.erase(std::remove_if(warp->copies.begin(), warp->copies.end(), isDone), warp->copies.end());
}

llvm::ArrayRef<Helper> asyncHelpers() {
  static const Helper helpers[] = {
      {"ptxsim.copy", reinterpret_cast<void *>(&beginCopies)},
      {"ptxsim.commit", reinterpret_cast<void *>(&commit)},
      {"ptxsim.wait", reinterpret_cast<void *>(&wait)},
  };
  return helpers;
}

} // namespace ptxsim
