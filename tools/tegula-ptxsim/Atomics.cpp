//===- Atomics.cpp - atom, red and the order they make ------------------------===//
//
// An atomic operation on global memory that a fence came before, in its block, is a release; every one is an acquire.
// That is what kernels rely on in which the last block to finish adds up what the others have left.
//
//===----------------------------------------------------------------------===//
#include "Atomics.h"
#include "MemoryAccess.h"
#include "Narrow.h"
#include "Shadow.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <cstring>

namespace ptxsim {

static bool isGlobal(Warp *warp, uint64_t address) {
  uint64_t start, size;
  return warp->block->launch->pages->find(address, start, size);
}

void releaseAt(Warp *warp, uint32_t mask) {
  Block *block = warp->block;
  if (!block->launch->settings->isChecked)
    return;
  LaunchState *launch = block->launch;
  std::lock_guard<std::mutex> hold(launch->lock);
  for (; mask; mask &= mask - 1) {
    uint64_t address = warp->addresses[llvm::countr_zero(mask)];
    if (!isGlobal(warp, address))
      continue;
    std::set<uint32_t> &releases = launch->releases[address];
    releases.insert(block->number & 0xfffff);
    releases.insert(block->acquired.begin(), block->acquired.end());
    launch->hasReleases = true;
  }
}

void acquireAt(Warp *warp, uint32_t mask) {
  Block *block = warp->block;
  LaunchState *launch = block->launch;
  if (!launch->hasReleases.load(std::memory_order_relaxed))
    return;
  std::lock_guard<std::mutex> hold(launch->lock);
  for (; mask; mask &= mask - 1) {
    auto found = launch->releases.find(warp->addresses[llvm::countr_zero(mask)]);
    if (found != launch->releases.end())
      block->acquired.insert(found->second.begin(), found->second.end());
  }
}

//===----------------------------------------------------------------------===//
// One operation on one element
//===----------------------------------------------------------------------===//

template <typename T> static T load(const char *from) {
  T value;
  memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T> static T changed(char operation, T old, T b, T c) {
  switch (operation) {
  case '+':
    return old + b;
  case '&':
    return old & b;
  case '|':
    return old | b;
  case '^':
    return old ^ b;
  case 'x':
    return b;
  case 'c':
    return old == b ? c : old;
  case '<':
    return std::min(old, b);
  case '>':
    return std::max(old, b);
  case 'i':
    return old >= b ? 0 : old + 1;
  default:
    return old == 0 || old > b ? b : old - 1;
  }
}

static uint16_t changedHalf(char operation, uint16_t old, uint16_t b, bool isBfloat) {
  Type type{isBfloat ? Type::BFloat : Type::Float, 1, 16};
  double x = decodeNarrow(old, type), y = decodeNarrow(b, type);
  double result = operation == '+' ? x + y : operation == '<' ? std::fmin(x, y) : std::fmax(x, y);
  return encodeNarrow(result, type);
}

template <typename T> static void changeFloat(char *place, const char *b) {
  T result = load<T>(place) + load<T>(b);
  memcpy(place, &result, sizeof(T));
}

template <typename T> static void changeInteger(char operation, char *place, const char *b, const char *c) {
  T result = changed<T>(operation, load<T>(place), load<T>(b), load<T>(c));
  memcpy(place, &result, sizeof(T));
}

/// `extra[2]` is the number of numbers in an element (2 for f16x2).
void changeElement(const Site *site, char *place, const char *b, const char *c) {
  char operation = static_cast<char>(site->operation);
  bool isExchange = operation == 'x' || operation == 'c';
  if (!isExchange && (site->type == Type::Float || site->type == Type::BFloat)) {
    if (site->bytes / site->extra[2] == 2) {
      for (unsigned k = 0; k < site->extra[2]; ++k) {
        uint16_t result = changedHalf(operation, load<uint16_t>(place + 2 * k), load<uint16_t>(b + 2 * k),
                                      site->type == Type::BFloat);
        memcpy(place + 2 * k, &result, 2);
      }
      return;
    }
    return site->bytes == 4 ? changeFloat<float>(place, b) : changeFloat<double>(place, b);
  }
  if (site->bytes == 16) {
    // Only exchanges are that wide.
    if (operation == 'x' || !memcmp(place, b, 16))
      memcpy(place, operation == 'x' ? b : c, 16);
  } else if (site->bytes == 8) {
    site->type == Type::Signed ? changeInteger<int64_t>(operation, place, b, c)
                               : changeInteger<uint64_t>(operation, place, b, c);
  } else if (site->bytes == 4) {
    site->type == Type::Signed ? changeInteger<int32_t>(operation, place, b, c)
                               : changeInteger<uint32_t>(operation, place, b, c);
  } else {
    changeInteger<uint16_t>(operation, place, b, c);
  }
}

//===----------------------------------------------------------------------===//
// One lane
//===----------------------------------------------------------------------===//

static char *checkPlace(Warp *warp, const Site *site, unsigned lane, uint64_t address, Space space, uint64_t &offset) {
  Block *block = warp->block;
  unsigned bytes = site->bytes * site->count;
  std::string what = "atomic operation on " + std::to_string(bytes) + " bytes at " +
                     (space == Space::Shared ? "shared byte " : "address ") + std::to_string(address);
  if (address % bytes) {
    report(warp, site->line, lane, FaultKind::Alignment, "misaligned " + what);
    return nullptr;
  }
  offset = address;
  if (space == Space::Shared) {
    if (address < block->sharedBytes && bytes <= block->sharedBytes - address)
      return block->shared + address;
  } else if (space == Space::Global && block->launch->pages->contains(address, bytes)) {
    offset = address - block->launch->pages->base;
    return block->launch->pages->host(address);
  }
  report(warp, site->line, lane, FaultKind::Bounds, what + ", which is in no memory that takes them");
  return nullptr;
}

static void changeLane(Warp *warp, const Site *site, unsigned lane, Space space, uint64_t address) {
  Block *block = warp->block;
  LaunchState *launch = block->launch;
  uint64_t offset;
  char *place = checkPlace(warp, site, lane, address, space, offset);
  bool isShared = space == Space::Shared;
  unsigned bytes = site->bytes * site->count;
  for (unsigned k = 0; k < site->count && !place; ++k)
    memset(warp->values + (k * warpSize + lane) * site->bytes, 0, site->bytes);
  if (!place)
    return;
  uint8_t *isValid = isShared ? block->sharedValid + offset : launch->pages->isValid + offset;
  if (launch->settings->isChecked) {
    if (memchr(isValid, 0, bytes) && site->operation != 'x')
      report(warp, site->line, lane, FaultKind::Uninitialised,
             "atomic operation on bytes at " + std::to_string(address) + ", which nothing has written");
    touchLane(warp, site, isShared ? block->sharedCells : launch->pages->cells, isShared, offset, lane, bytes,
              Touch::Atomic);
  }
  std::unique_lock<std::mutex> hold;
  if (!isShared) {
    hold = std::unique_lock<std::mutex>(launch->atomics[address / 16 % 64]);
    countSectors(block, offset, bytes, true);
    countSectors(block, offset, bytes, false);
  }
  char old[32];
  memcpy(old, place, bytes);
  for (unsigned k = 0; k < site->count; ++k) {
    // Operands b and c are element by element in the two halves of `values`.
    char *b = warp->values + (k * warpSize + lane) * site->bytes;
    changeElement(site, place + k * site->bytes, b, b + 2048);
    memcpy(b, old + k * site->bytes, site->bytes);
  }
  memset(isValid, 1, bytes);
}

static void atomic(Warp *warp, const Site *site, uint32_t mask) {
  if (!mask)
    return;
  Block *block = warp->block;
  if (block->hasFenced || site->extra[1])
    releaseAt(warp, mask);
  uint64_t bytes = uint64_t(llvm::popcount(mask)) * site->bytes * site->count;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = llvm::countr_zero(rest);
    uint64_t address = warp->addresses[lane];
    Space space = static_cast<Space>(site->space);
    if (space == Space::Generic)
      space = takeOffWindow(address);
    changeLane(warp, site, lane, space, address);
  }
  bool isShared = site->space == static_cast<uint8_t>(Space::Shared);
  (isShared ? block->counters.sharedLoadBytes : block->counters.globalLoadBytes) += bytes;
  (isShared ? block->counters.sharedStoreBytes : block->counters.globalStoreBytes) += bytes;
  acquireAt(warp, mask);
}

llvm::ArrayRef<Helper> atomicHelpers() {
  static const Helper helpers[] = {{"ptxsim.atomic", reinterpret_cast<void *>(&atomic)}};
  return helpers;
}

} // namespace ptxsim
