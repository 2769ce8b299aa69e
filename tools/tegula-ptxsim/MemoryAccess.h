//===- MemoryAccess.h - what loads, atomics and copies share ------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_MEMORYACCESS_H
#define TEGULA_TOOLS_PTXSIM_MEMORYACCESS_H

#include "Runtime.h"

namespace ptxsim {

/// The space of a generic address, which becomes one of that space.
Space takeOffWindow(uint64_t &address);

/// Counts the sectors of 32 bytes that the launch had not touched before.
void countSectors(Block *block, uint64_t offset, uint64_t bytes, bool isLoad);

/// The extra cycles of an access to shared memory.
unsigned countConflicts(const uint64_t *addresses, uint32_t mask, unsigned bytes);

/// Loads or stores the bytes of one lane (shared or global memory) with all checks. False after a report.
bool accessOne(Warp *warp, const Site *site, unsigned lane, Space space, uint64_t address, char *data, unsigned bytes,
               bool isLoad);

/// A release and an acquire at the warp's addresses (of global memory): what the block did before is in order with
/// what a block does that acquires there later.
void releaseAt(Warp *warp, uint32_t mask);
void acquireAt(Warp *warp, uint32_t mask);

} // namespace ptxsim

#endif
