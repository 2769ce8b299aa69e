//===- Matrix.cpp - products of small matrices --------------------------------===//
//
// Fragments are put together to whole matrices, multiplied, and taken apart again. The products of narrow
// floating-point numbers are exact and are added in double; the sum is rounded once. (A GPU adds in float in an order,
// and with a truncation, of its own.)
//
//===----------------------------------------------------------------------===//
#include "Matrix.h"
#include "Control.h"
#include "MemoryAccess.h"
#include "Narrow.h"
#include "llvm/ADT/bit.h"
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_HOST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_HOST
#endif

namespace ptxsim {

namespace {
/// At most 32 x 16 by 16 x 32, or 16 x 64 by 64 x 8.
struct Matrices {
  double a[32][64], b[64][32], c[32][32];
  int64_t ia[32][64], ib[64][32], ic[32][32];
};

struct Place {
  unsigned row, column;
};
} // namespace

FOR_EACH_HOST static void multiply(double (*a)[64], double (*b)[32], double (*c)[32], unsigned m, unsigned n,
                                   unsigned k) {
  for (unsigned i = 0; i < m; ++i)
    for (unsigned x = 0; x < k; ++x)
      for (unsigned j = 0; j < n; ++j)
        c[i][j] += a[i][x] * b[x][j];
}

static void multiplyIntegers(Matrices &all, unsigned m, unsigned n, unsigned k) {
  for (unsigned i = 0; i < m; ++i)
    for (unsigned x = 0; x < k; ++x)
      for (unsigned j = 0; j < n; ++j)
        all.ic[i][j] += all.ia[i][x] * all.ib[x][j];
}

//===----------------------------------------------------------------------===//
// Where an element of a fragment belongs
//===----------------------------------------------------------------------===//

/// Element `e` of register `r`, of registers with `per` elements.
static Place placeOfA(const MatrixShape &s, unsigned lane, unsigned r, unsigned e, unsigned per) {
  unsigned index = r * per + e, group = lane / 4, in = lane % 4;
  if (s.isWmma) {
    unsigned linear = lane * perLane(s.m * s.k) + index;
    return {linear / s.k, linear % s.k};
  }
  if (s.isQuadPair) {
    unsigned high = lane < 16 ? 0 : 4;
    return s.isColumnA ? Place{index + high, in} : Place{in + high, index};
  }
  if (s.m == 8)
    return {group, r * 4 * per + in * per + e};
  return {group + 8 * (r & 1), (r >> 1) * 4 * per + in * per + e};
}

static Place placeOfB(const MatrixShape &s, unsigned lane, unsigned r, unsigned e, unsigned per) {
  unsigned index = r * per + e, in = lane % 4;
  if (s.isWmma) {
    unsigned linear = lane * perLane(s.k * s.n) + index;
    return {linear / s.n, linear % s.n};
  }
  if (s.isQuadPair) {
    unsigned high = lane < 16 ? 0 : 4;
    return s.isColumnB ? Place{index, in + high} : Place{in, index + high};
  }
  return {r * 4 * per + in * per + e, lane / 4};
}

static Place placeOfC(const MatrixShape &s, unsigned lane, unsigned index, bool isHalf) {
  if (s.isWmma) {
    unsigned linear = lane * perLane(s.m * s.n) + index;
    return {linear / s.n, linear % s.n};
  }
  if (s.isQuadPair) {
    unsigned high = lane < 16 ? 0 : 4;
    if (isHalf)
      return {lane % 4 + high, index};
    return {(lane & 1) + (index & 2) + high, (index & 4) + (lane & 2) + (index & 1)};
  }
  return {lane / 4 + 8 * (index >> 1), lane % 4 * 2 + (index & 1)};
}

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

static uint64_t elementBits(const char *values, unsigned registerBytes, unsigned lane, unsigned r, unsigned e,
                            unsigned bits) {
  uint64_t whole = 0;
  memcpy(&whole, values + r * warpSize * registerBytes + lane * registerBytes, registerBytes);
  return bits == 64 ? whole : whole >> (e * bits) & ((uint64_t(1) << bits) - 1);
}

static int64_t integerOf(uint64_t bits, Type type) {
  unsigned unused = 64 - type.bits;
  return type.isSigned() ? static_cast<int64_t>(bits << unused) >> unused : static_cast<int64_t>(bits);
}

/// Reads a fragment of lanes first, first + 1, ...; `visit` gets lane, register, element and bits.
template <typename Visit>
static void readFragment(const char *values, Type type, unsigned elements, uint32_t lanes, Visit visit) {
  unsigned registerBytes = type.bits == 64 ? 8 : 4, per = registerBytes * 8 / type.bits;
  for (; lanes; lanes &= lanes - 1) {
    unsigned lane = llvm::countr_zero(lanes);
    for (unsigned index = 0; index < elements; ++index)
      visit(lane, index / per, index % per, per,
            elementBits(values, registerBytes, lane, index / per, index % per, type.bits));
  }
}

static bool isInteger(Type type) { return type.kind == Type::Signed || type.kind == Type::Unsigned; }

static void readInputs(const Warp *warp, const MatrixShape &s, uint32_t lanes, Matrices &all) {
  unsigned count = llvm::popcount(lanes);
  readFragment(warp->values + placeA, s.a, s.m * s.k / count, lanes,
               [&](unsigned lane, unsigned r, unsigned e, unsigned per, uint64_t bits) {
                 Place p = placeOfA(s, lane, r, e, per);
                 if (isInteger(s.a))
                   all.ia[p.row][p.column] = integerOf(bits, s.a);
                 else
                   all.a[p.row][p.column] = decodeNarrow(bits, s.a);
               });
  readFragment(warp->values + placeB, s.b, s.k * s.n / count, lanes,
               [&](unsigned lane, unsigned r, unsigned e, unsigned per, uint64_t bits) {
                 Place p = placeOfB(s, lane, r, e, per);
                 if (isInteger(s.b))
                   all.ib[p.row][p.column] = integerOf(bits, s.b);
                 else
                   all.b[p.row][p.column] = decodeNarrow(bits, s.b);
               });
  readFragment(warp->values + placeC, s.c, s.m * s.n / count, lanes,
               [&](unsigned lane, unsigned r, unsigned e, unsigned per, uint64_t bits) {
                 Place p = placeOfC(s, lane, r * per + e, s.c.bits == 16);
                 if (isInteger(s.c))
                   all.ic[p.row][p.column] = integerOf(bits, s.c);
                 else
                   all.c[p.row][p.column] = decodeNarrow(bits, s.c);
               });
}

static uint64_t resultBits(const MatrixShape &s, const Matrices &all, Place p) {
  if (isInteger(s.d)) {
    int64_t sum = all.ic[p.row][p.column];
    if (s.isSaturated)
      sum = std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX);
    return static_cast<uint32_t>(sum);
  }
  double sum = all.c[p.row][p.column];
  if (s.d.bits == 64)
    return llvm::bit_cast<uint64_t>(sum);
  if (s.d.bits == 32)
    return llvm::bit_cast<uint32_t>(static_cast<float>(sum));
  return encodeNarrow(sum, s.d);
}

static void writeResult(Warp *warp, const MatrixShape &s, uint32_t lanes, const Matrices &all) {
  unsigned registerBytes = s.d.bits == 64 ? 8 : 4, per = registerBytes * 8 / s.d.bits;
  unsigned elements = s.m * s.n / llvm::popcount(lanes);
  for (; lanes; lanes &= lanes - 1) {
    unsigned lane = llvm::countr_zero(lanes);
    for (unsigned r = 0; r < elements / per; ++r) {
      uint64_t whole = 0;
      for (unsigned e = 0; e < per; ++e)
        whole |= resultBits(s, all, placeOfC(s, lane, r * per + e, s.d.bits == 16)) << (e * s.d.bits % 64);
      memcpy(warp->values + r * warpSize * registerBytes + lane * registerBytes, &whole, registerBytes);
    }
  }
}

static void multiplyFragments(Warp *warp, const MatrixShape *shape, uint32_t) {
  ++warp->block->counters.tensorInstructions;
  const MatrixShape &s = *shape;
  Matrices all;
  char result[1024];
  char *const values = warp->values;
  for (unsigned quad = 0; quad < (s.isQuadPair ? 4u : 1u); ++quad) {
    uint32_t lanes = s.isQuadPair ? 0x000f000fu << (4 * quad) : 0xffffffff;
    readInputs(warp, s, lanes, all);
    if (isInteger(s.a))
      multiplyIntegers(all, s.m, s.n, s.k);
    else
      multiply(all.a, all.b, all.c, s.m, s.n, s.k);
    if (!s.isQuadPair) {
      writeResult(warp, s, lanes, all);
      continue;
    }
    // The other products still need their operands, which the results would overwrite.
    char kept[1024];
    memcpy(kept, values, sizeof(kept));
    writeResult(warp, s, lanes, all);
    for (unsigned r = 0; r < 8; ++r)
      for (uint32_t rest = lanes; rest; rest &= rest - 1) {
        unsigned place = r * 128 + llvm::countr_zero(rest) * 4;
        memcpy(result + place, values + place, 4);
      }
    memcpy(values, kept, sizeof(kept));
  }
  if (s.isQuadPair)
    memcpy(values, result, sizeof(result));
  metAll(warp);
}

//===----------------------------------------------------------------------===//
// Matrices of 8 x 8 halfwords
//===----------------------------------------------------------------------===//

/// Rows of a matrix are at the addresses of eight lanes; a lane holds two elements of a row, or of a column if
/// transposed.
static void moveMatrices(Warp *warp, const Site *site, uint32_t, bool isLoad) {
  bool isTransposed = site->extra[0];
  uint64_t addresses[warpSize];
  for (unsigned matrix = 0; matrix < site->count; ++matrix) {
    uint16_t rows[8][8] = {};
    auto element = [&](unsigned lane, unsigned e) -> uint16_t & {
      unsigned row = lane / 4, column = lane % 4 * 2 + e;
      return isTransposed ? rows[column][row] : rows[row][column];
    };
    char *values = warp->values + matrix * warpSize * 4;
    if (!isLoad)
      for (unsigned lane = 0; lane < warpSize; ++lane)
        for (unsigned e = 0; e < 2; ++e)
          memcpy(&element(lane, e), values + lane * 4 + e * 2, 2);
    for (unsigned row = 0; row < 8; ++row) {
      unsigned lane = matrix * 8 + row;
      uint64_t address = warp->addresses[lane];
      Space space = static_cast<Space>(site->space);
      if (space == Space::Generic)
        space = takeOffWindow(address);
      addresses[lane] = address;
      if (space != Space::Shared)
        report(warp, site->line, lane, FaultKind::Bounds, "the address of a matrix's row is not in shared memory");
      else
        accessOne(warp, site, lane, space, address, reinterpret_cast<char *>(rows[row]), 16, isLoad);
    }
    if (isLoad)
      for (unsigned lane = 0; lane < warpSize; ++lane)
        for (unsigned e = 0; e < 2; ++e)
          memcpy(values + lane * 4 + e * 2, &element(lane, e), 2);
  }
  if (warp->block->launch->settings->isChecked) {
    uint32_t lanes = site->count == 4 ? 0xffffffff : (1u << site->count * 8) - 1;
    warp->block->counters.sharedConflicts += countConflicts(addresses, lanes, 16);
  }
}

static void loadMatrices(Warp *warp, const Site *site, uint32_t mask) { moveMatrices(warp, site, mask, true); }
static void storeMatrices(Warp *warp, const Site *site, uint32_t mask) { moveMatrices(warp, site, mask, false); }

static void transpose(Warp *warp, const Site *, uint32_t) {
  uint16_t rows[8][8], *values = reinterpret_cast<uint16_t *>(warp->values);
  memcpy(rows, values, sizeof(rows));
  for (unsigned i = 0; i < 8; ++i)
    for (unsigned j = 0; j < 8; ++j)
      values[i * 8 + j] = rows[j][i];
  metAll(warp);
}

llvm::ArrayRef<Helper> matrixHelpers() {
  static const Helper helpers[] = {
      {"ptxsim.multiply", reinterpret_cast<void *>(&multiplyFragments)},
      {"ptxsim.loadMatrices", reinterpret_cast<void *>(&loadMatrices)},
      {"ptxsim.storeMatrices", reinterpret_cast<void *>(&storeMatrices)},
      {"ptxsim.transpose", reinterpret_cast<void *>(&transpose)},
  };
  return helpers;
}

} // namespace ptxsim
