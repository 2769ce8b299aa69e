//===- MemoryAccess.cpp - loads and stores ------------------------------------===//
//
// The addresses of a warp are taken apart into runs of lanes that have the same address or one next to the other;
// almost always it is one run, which is checked and copied as a whole.
//
//===----------------------------------------------------------------------===//
#include "MemoryAccess.h"
#include "Shadow.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

namespace ptxsim {

namespace {
struct Run {
  unsigned first, lanes;
  bool isUniform;
  uint64_t address;
};

/// What an access is, for all its runs.
struct Access {
  Warp *warp;
  const Site *site;
  unsigned bytes; ///< of one lane
  bool isShared, isLoad;
};
} // namespace

/// The longest run that begins with the lowest lane of `mask`.
static Run findRun(const uint64_t *addresses, uint32_t mask, unsigned bytes) {
  unsigned first = llvm::countr_zero(mask);
  Run run{first, 1, false, addresses[first]};
  uint32_t rest = mask >> first;
  unsigned limit = llvm::countr_one(rest);
  if (limit < 2)
    return run;
  uint64_t step = addresses[first + 1] - addresses[first];
  if (step != 0 && step != bytes)
    return run;
  run.isUniform = step == 0;
  unsigned lanes = 2;
  while (lanes < limit && addresses[first + lanes] - addresses[first + lanes - 1] == step)
    ++lanes;
  run.lanes = lanes;
  return run;
}

static std::string describe(const Access &access, uint64_t address) {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << (access.isLoad ? "load" : "store") << " of " << access.bytes << " bytes at ";
  if (access.isShared)
    out << "byte " << address << " of shared memory";
  else
    out << "address 0x" << llvm::utohexstr(address, true);
  return text;
}

/// Tells where an address is that no allocation holds.
static std::string nearest(Warp *warp, uint64_t address) {
  Memory::Pages &pages = *warp->block->launch->pages;
  std::lock_guard<std::mutex> hold(pages.lock);
  auto after = pages.allocations.upper_bound(address);
  if (after == pages.allocations.begin())
    return ", which is in no allocation";
  auto before = std::prev(after);
  return ", which is " + std::to_string(address - before->first) + " bytes after the start of an allocation of " +
         std::to_string(before->second) + " bytes";
}

static bool isInside(const Access &access, uint64_t address, uint64_t bytes) {
  const Block *block = access.warp->block;
  if (access.isShared)
    return address < block->sharedBytes && bytes <= block->sharedBytes - address;
  return block->launch->pages->contains(address, bytes);
}

/// False after a report: the lane's access does not happen.
static bool checkLane(const Access &access, uint64_t address, unsigned lane) {
  Warp *warp = access.warp;
  if (address % access.bytes) {
    report(warp, access.site->line, lane, FaultKind::Alignment, "misaligned " + describe(access, address));
    return false;
  }
  if (isInside(access, address, access.bytes))
    return true;
  std::string where = access.isShared
                          ? ", of which the block has " + std::to_string(warp->block->sharedBytes) + " bytes"
                          : nearest(warp, address);
  report(warp, access.site->line, lane, FaultKind::Bounds, describe(access, address) + where);
  return false;
}

static bool areAllOne(const uint8_t *bytes, uint64_t count) {
  constexpr uint64_t ones = 0x0101010101010101;
  uint64_t difference = 0, word;
  uint64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    memcpy(&word, bytes + i, 8);
    difference |= word ^ ones;
  }
  for (; i < count; ++i)
    difference |= bytes[i] ^ 1;
  return !difference;
}

static void checkValid(const Access &access, const uint8_t *isValid, const Run &run) {
  unsigned total = run.isUniform ? access.bytes : run.lanes * access.bytes;
  if (areAllOne(isValid, total))
    return;
  for (unsigned i = 0; i < total; ++i) {
    if (isValid[i] == 1)
      continue;
    unsigned lane = run.first + i / access.bytes;
    if (isValid[i] == 2)
      report(access.warp, access.site->line, lane, FaultKind::AsyncWait,
             describe(access, run.address + i / access.bytes * access.bytes) + ", to which cp.async still copies");
    else
      report(access.warp, access.site->line, lane, FaultKind::Uninitialised,
             describe(access, run.address + i / access.bytes * access.bytes) + ", which nothing has written");
    return;
  }
}

void countSectors(Block *block, uint64_t offset, uint64_t bytes, bool isLoad) {
  LaunchState *launch = block->launch;
  uint8_t *sectors = isLoad ? launch->pages->sectorRead : launch->pages->sectorWritten;
  uint64_t &counter = isLoad ? block->counters.sectorsRead : block->counters.sectorsWritten;
  for (uint64_t sector = offset / 32; sector <= (offset + bytes - 1) / 32; ++sector)
    if (__atomic_load_n(&sectors[sector], __ATOMIC_RELAXED) != launch->number)
      counter += __atomic_exchange_n(&sectors[sector], launch->number, __ATOMIC_RELAXED) != launch->number;
}

/// Extra cycles: banks are four bytes wide, and an instruction is done in parts of at most 128 bytes.
unsigned countConflicts(const uint64_t *addresses, uint32_t mask, unsigned bytes) {
  unsigned lanesAtOnce = std::min(warpSize, 128 / std::max(bytes, 4u)), extra = 0;
  for (unsigned start = 0; start < warpSize; start += lanesAtOnce) {
    uint64_t words[32][32];
    uint8_t counts[32] = {}, most = 1;
    for (unsigned lane = start; lane < start + lanesAtOnce; ++lane) {
      if (!(mask >> lane & 1))
        continue;
      for (uint64_t word = addresses[lane] / 4; word <= (addresses[lane] + bytes - 1) / 4; ++word) {
        unsigned bank = word % 32, k = 0;
        while (k < counts[bank] && words[bank][k] != word)
          ++k;
        if (k == counts[bank] && k < 32)
          words[bank][counts[bank]++] = word;
        most = std::max(most, counts[bank]);
      }
    }
    extra += most - 1;
  }
  return extra;
}

//===----------------------------------------------------------------------===//
// Copying between memory and the warp's values
//===----------------------------------------------------------------------===//

template <unsigned size> static void fetch(Warp *warp, const Site *site, const Run &run, const char *from) {
  unsigned count = site->count, bytes = size * count;
  char *to = warp->values + run.first * size;
  if (count == 1 && !run.isUniform) {
    memcpy(to, from, run.lanes * size);
    return;
  }
  for (unsigned element = 0; element < count; ++element, to += warpSize * size)
    for (unsigned lane = 0; lane < run.lanes; ++lane)
      memcpy(to + lane * size, from + (run.isUniform ? 0 : lane * bytes) + element * size, size);
}

template <unsigned size> static void put(Warp *warp, const Site *site, const Run &run, char *to) {
  unsigned count = site->count, bytes = size * count;
  const char *from = warp->values + run.first * size;
  if (count == 1 && !run.isUniform) {
    memcpy(to, from, run.lanes * size);
    return;
  }
  for (unsigned element = 0; element < count; ++element, from += warpSize * size)
    for (unsigned lane = 0; lane < run.lanes; ++lane)
      memcpy(to + (run.isUniform ? 0 : lane * bytes) + element * size, from + lane * size, size);
}

template <unsigned size> static bool isSameForAll(Warp *warp, const Site *site, const Run &run) {
  for (unsigned element = 0; element < site->count; ++element) {
    const char *from = warp->values + element * warpSize * size + run.first * size;
    for (unsigned lane = 1; lane < run.lanes; ++lane)
      if (memcmp(from, from + lane * size, size))
        return false;
  }
  return true;
}

template <unsigned size> static void clear(const Access &access, const Run &run) {
  for (unsigned element = 0; element < access.site->count && access.isLoad; ++element)
    memset(access.warp->values + (element * warpSize + run.first) * size, 0, run.lanes * size);
}

template <unsigned size> static void accessRun(const Access &access, const Run &run) {
  Warp *warp = access.warp;
  Block *block = warp->block;
  LaunchState *launch = block->launch;
  uint64_t total = run.isUniform ? access.bytes : uint64_t(run.lanes) * access.bytes;
  if (run.address % access.bytes || !isInside(access, run.address, total)) {
    for (unsigned lane = 0; lane < run.lanes; ++lane) {
      Run one{run.first + lane, 1, false, run.isUniform ? run.address : run.address + lane * access.bytes};
      if (!checkLane(access, one.address, one.first))
        clear<size>(access, one);
      else if (run.lanes > 1)
        accessRun<size>(access, one);
    }
    return;
  }
  uint64_t offset = access.isShared ? run.address : run.address - launch->pages->base;
  char *host = (access.isShared ? block->shared : launch->pages->contents) + offset;
  uint8_t *isValid = (access.isShared ? block->sharedValid : launch->pages->isValid) + offset;
  bool isChecked = launch->settings->isChecked;
  if (!access.isShared)
    countSectors(block, offset, total, access.isLoad);
  if (isChecked) {
    const Cells &cells = access.isShared ? block->sharedCells : launch->pages->cells;
    Touch touch = access.site->isStrong ? Touch::Atomic : access.isLoad ? Touch::Read : Touch::Write;
    if (access.isLoad)
      checkValid(access, isValid, run);
    if (!run.isUniform) {
      if (run.lanes > 1) {
        touchRun(warp, access.site, cells, access.isShared, offset, run.first, run.lanes, access.bytes, touch);
      } else {
        bool isSame = !access.isLoad && access.site->count == 1 && !memcmp(host, warp->values + run.first * size, size);
        touchLane(warp, access.site, cells, access.isShared, offset, run.first, access.bytes, touch, isSame);
      }
    } else {
      // Of many readers two are enough. Of many writers of one value, too.
      touchLane(warp, access.site, cells, access.isShared, offset, run.first, access.bytes, touch);
      bool isSame = !access.isLoad && isSameForAll<size>(warp, access.site, run);
      if (!isSame)
        touchLane(warp, access.site, cells, access.isShared, offset, run.first + run.lanes - 1, access.bytes, touch);
    }
    if (!access.isLoad && access.isShared && memchr(isValid, 2, total))
      report(warp, access.site->line, run.first, FaultKind::AsyncWait,
             describe(access, run.address) + ", to which cp.async still copies");
  }
  if (access.isLoad) {
    fetch<size>(warp, access.site, run, host);
    return;
  }
  put<size>(warp, access.site, run, host);
  memset(isValid, 1, total);
}

template <unsigned size, bool isLoad>
static void accessSpace(Warp *warp, const Site *site, uint32_t mask, bool isShared) {
  Access access{warp, site, size * site->count, isShared, isLoad};
  Counters &counters = warp->block->counters;
  uint64_t moved = uint64_t(llvm::popcount(mask)) * access.bytes;
  (isShared ? (isLoad ? counters.sharedLoadBytes : counters.sharedStoreBytes)
            : (isLoad ? counters.globalLoadBytes : counters.globalStoreBytes)) += moved;
  uint32_t rest = mask;
  while (rest) {
    Run run = findRun(warp->addresses, rest, access.bytes);
    accessRun<size>(access, run);
    if (isShared && rest == mask && run.lanes != static_cast<unsigned>(llvm::popcount(mask)) &&
        warp->block->launch->settings->isChecked)
      counters.sharedConflicts += countConflicts(warp->addresses, mask, access.bytes);
    uint32_t done = run.lanes == warpSize ? ~0u : ((1u << run.lanes) - 1) << run.first;
    rest &= ~done;
  }
}

//===----------------------------------------------------------------------===//
// Local memory and parameters
//===----------------------------------------------------------------------===//

template <unsigned size, bool isLoad> static void accessLocal(Warp *warp, const Site *site, uint32_t mask) {
  unsigned bytes = size * site->count;
  bool isChecked = warp->block->launch->settings->isChecked;
  for (; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    uint64_t address = warp->addresses[lane];
    bool isBad = address % bytes || address > warp->localBytes || bytes > warp->localBytes - address;
    if (isBad) {
      std::string what = std::string(isLoad ? "load" : "store") + " of " + std::to_string(bytes) + " bytes at byte " +
                         std::to_string(address) + " of local memory, of which there are " +
                         std::to_string(warp->localBytes);
      report(warp, site->line, lane, address % bytes ? FaultKind::Alignment : FaultKind::Bounds, what);
    }
    uint64_t place = uint64_t(lane) * warp->localBytes + (isBad ? 0 : address);
    if (isLoad && !isBad && isChecked && !areAllOne(warp->localValid + place, bytes))
      report(warp, site->line, lane, FaultKind::Uninitialised,
             "load at byte " + std::to_string(address) + " of local memory, which nothing has written");
    for (unsigned element = 0; element < site->count; ++element) {
      char *value = warp->values + (element * warpSize + lane) * size;
      if (isBad)
        memset(value, 0, size);
      else if (isLoad)
        memcpy(value, warp->local + place + element * size, size);
      else
        memcpy(warp->local + place + element * size, value, size);
    }
    if (!isLoad && !isBad)
      memset(warp->localValid + place, 1, bytes);
  }
}

template <unsigned size> static void loadParameters(Warp *warp, const Site *site, uint32_t mask) {
  unsigned bytes = size * site->count;
  uint64_t limit = warp->block->launch->parameters.size();
  for (; mask; mask &= mask - 1) {
    unsigned lane = llvm::countr_zero(mask);
    uint64_t address = warp->addresses[lane];
    bool isBad = address % bytes || address > limit || bytes > limit - address;
    if (isBad)
      report(warp, site->line, lane, address % bytes ? FaultKind::Alignment : FaultKind::Bounds,
             "load at byte " + std::to_string(address) + " of " + std::to_string(limit) + " bytes of parameters");
    for (unsigned element = 0; element < site->count; ++element) {
      char *value = warp->values + (element * warpSize + lane) * size;
      if (isBad)
        memset(value, 0, size);
      else
        memcpy(value, warp->parameters + address + element * size, size);
    }
  }
}

//===----------------------------------------------------------------------===//
// One lane, for instructions that gather rows
//===----------------------------------------------------------------------===//

bool accessOne(Warp *warp, const Site *site, unsigned lane, Space space, uint64_t address, char *data, unsigned bytes,
               bool isLoad) {
  Block *block = warp->block;
  LaunchState *launch = block->launch;
  bool isShared = space == Space::Shared;
  Access access{warp, site, bytes, isShared, isLoad};
  if (!checkLane(access, address, lane))
    return false;
  uint64_t offset = isShared ? address : address - launch->pages->base;
  uint8_t *isValid = (isShared ? block->sharedValid : launch->pages->isValid) + offset;
  char *host = (isShared ? block->shared : launch->pages->contents) + offset;
  if (launch->settings->isChecked) {
    if (isLoad)
      checkValid(access, isValid, {lane, 1, false, address});
    const Cells &cells = isShared ? block->sharedCells : launch->pages->cells;
    touchRun(warp, site, cells, isShared, offset, lane, 1, bytes, isLoad ? Touch::Read : Touch::Write);
  }
  Counters &counters = block->counters;
  (isShared ? (isLoad ? counters.sharedLoadBytes : counters.sharedStoreBytes)
            : (isLoad ? counters.globalLoadBytes : counters.globalStoreBytes)) += bytes;
  if (!isShared)
    countSectors(block, offset, bytes, isLoad);
  if (isLoad) {
    memcpy(data, host, bytes);
    return true;
  }
  memcpy(host, data, bytes);
  memset(isValid, 1, bytes);
  return true;
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

Space takeOffWindow(uint64_t &address) {
  uint64_t window = address / windowBytes * windowBytes;
  Space space = window == sharedWindow  ? Space::Shared
                : window == localWindow ? Space::Local
                : window == paramWindow ? Space::Param
                                        : Space::Global;
  if (space != Space::Global)
    address -= window;
  return space;
}

template <unsigned size, bool isLoad> static void accessIn(Warp *warp, const Site *site, uint32_t mask, Space space) {
  switch (space) {
  case Space::Local:
    return accessLocal<size, isLoad>(warp, site, mask);
  case Space::Param:
    if (isLoad)
      return loadParameters<size>(warp, site, mask);
    return report(warp, site->line, llvm::countr_zero(mask), FaultKind::Bounds, "store to the parameters of a kernel");
  default:
    return accessSpace<size, isLoad>(warp, site, mask, space == Space::Shared);
  }
}

template <unsigned size, bool isLoad> static void access(Warp *warp, const Site *site, uint32_t mask) {
  if (!mask)
    return;
  if (!isLoad && site->extra[1])
    releaseAt(warp, mask);
  Space space = static_cast<Space>(site->space);
  if (space != Space::Generic) {
    accessIn<size, isLoad>(warp, site, mask, space);
  } else {
    uint32_t lanesOf[6] = {};
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
      unsigned lane = llvm::countr_zero(rest);
      lanesOf[static_cast<unsigned>(takeOffWindow(warp->addresses[lane]))] |= 1u << lane;
    }
    for (unsigned k = 0; k < 6; ++k)
      if (lanesOf[k])
        accessIn<size, isLoad>(warp, site, lanesOf[k], static_cast<Space>(k));
  }
  if (isLoad && site->isStrong)
    acquireAt(warp, mask);
}

llvm::ArrayRef<Helper> memoryHelpers() {
  static const Helper helpers[] = {
      {"ptxsim.load.1", reinterpret_cast<void *>(&access<1, true>)},
      {"ptxsim.load.2", reinterpret_cast<void *>(&access<2, true>)},
      {"ptxsim.load.4", reinterpret_cast<void *>(&access<4, true>)},
      {"ptxsim.load.8", reinterpret_cast<void *>(&access<8, true>)},
      {"ptxsim.load.16", reinterpret_cast<void *>(&access<16, true>)},
      {"ptxsim.store.1", reinterpret_cast<void *>(&access<1, false>)},
      {"ptxsim.store.2", reinterpret_cast<void *>(&access<2, false>)},
      {"ptxsim.store.4", reinterpret_cast<void *>(&access<4, false>)},
      {"ptxsim.store.8", reinterpret_cast<void *>(&access<8, false>)},
      {"ptxsim.store.16", reinterpret_cast<void *>(&access<16, false>)},
  };
  return helpers;
}

} // namespace ptxsim
