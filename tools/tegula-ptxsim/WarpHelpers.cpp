//===- WarpHelpers.cpp - exchange between lanes -------------------------------===//
#include "Control.h"
#include "Shadow.h"
#include "llvm/ADT/bit.h"
#include <cstring>

namespace ptxsim {

template <typename T> static T *slot(Warp *warp, unsigned index) {
  return reinterpret_cast<T *>(warp->values + index * 512);
}

static void shuffle(Warp *warp, const Site *site, uint32_t mask) {
  uint32_t values[warpSize], *result = slot<uint32_t>(warp, 0), *operands = slot<uint32_t>(warp, 1);
  uint32_t *clamps = slot<uint32_t>(warp, 2), *members = slot<uint32_t>(warp, 3);
  uint8_t *isInside = slot<uint8_t>(warp, 4);
  memcpy(values, result, sizeof(values));
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    unsigned distance = operands[lane] & 31, clamp = clamps[lane] & 31, segment = clamps[lane] >> 8 & 31;
    int most = static_cast<int>((lane & segment) | (clamp & ~segment)), least = static_cast<int>(lane & segment);
    int from;
    bool inside;
    switch (site->operation) {
    case 'u':
      from = static_cast<int>(lane) - static_cast<int>(distance);
      inside = from >= most;
      break;
    case 'd':
      from = lane + distance;
      inside = from <= most;
      break;
    case 'b':
      from = lane ^ distance;
      inside = from <= most;
      break;
    default:
      from = least | (distance & ~segment);
      inside = from <= most;
    }
    if (!inside)
      from = lane;
    isInside[lane] = inside;
    result[lane] = values[from & 31];
    if (!(mask >> lane & 1) || (mask >> from & 1) || !(warp->exists >> from & 1))
      continue;
    // Before sm_70 such a value was undefined; with a member mask it is a mistake.
    if (site->extra[0])
      report(warp, site->line, lane, FaultKind::Barrier,
             "takes a value from lane " + std::to_string(from) + ", which does not take part");
  }
  if (site->extra[0])
    lanesMet(warp, members, mask);
}

static void match(Warp *warp, const Site *site, uint32_t mask) {
  uint32_t results[warpSize] = {}, *members = slot<uint32_t>(warp, 1);
  const char *values = warp->values;
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    if (!(mask >> lane & 1))
      continue;
    uint32_t same = 0, named = members[lane] & mask;
    for (uint32_t rest = named; rest; rest &= rest - 1)
      if (!memcmp(values + lane * site->bytes, values + llvm::countr_zero(rest) * site->bytes, site->bytes))
        same |= rest & -rest;
    results[lane] = site->operation == 'y' || same == named ? same : 0;
  }
  memcpy(warp->values, results, sizeof(results));
  lanesMet(warp, members, mask);
}

static uint32_t combine(const Site *site, uint32_t a, uint32_t b) {
  bool isSigned = site->type == Type::Signed;
  switch (site->operation) {
  case '+':
    return a + b;
  case '&':
    return a & b;
  case '|':
    return a | b;
  case '^':
    return a ^ b;
  case '<':
    return isSigned ? std::min(static_cast<int32_t>(a), static_cast<int32_t>(b)) : std::min(a, b);
  default:
    return isSigned ? std::max(static_cast<int32_t>(a), static_cast<int32_t>(b)) : std::max(a, b);
  }
}

static void reduce(Warp *warp, const Site *site, uint32_t mask) {
  uint32_t results[warpSize] = {}, *values = slot<uint32_t>(warp, 0), *members = slot<uint32_t>(warp, 1);
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    uint32_t named = members[lane] & mask;
    if (!(mask >> lane & 1) || !named)
      continue;
    uint32_t result = values[llvm::countr_zero(named)];
    for (uint32_t rest = named & (named - 1); rest; rest &= rest - 1)
      result = combine(site, result, values[llvm::countr_zero(rest)]);
    results[lane] = result;
  }
  memcpy(values, results, sizeof(results));
  lanesMet(warp, members, mask);
}

llvm::ArrayRef<Helper> warpHelpers() {
  static const Helper helpers[] = {
      {"ptxsim.shuffle", reinterpret_cast<void *>(&shuffle)},
      {"ptxsim.match", reinterpret_cast<void *>(&match)},
      {"ptxsim.reduce", reinterpret_cast<void *>(&reduce)},
  };
  return helpers;
}

} // namespace ptxsim
