//===- Shadow.cpp - data races ------------------------------------------------===//
#include "Shadow.h"
#include "llvm/Support/raw_ostream.h"

// The loops over words are what checked programs spend most of their time in.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_HOST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_HOST
#endif

namespace ptxsim {

constexpr uint32_t mostRaces = 100000;
constexpr uint64_t sameThreadMask = ~((timeMask << timeShift) | atomicBit | bytesMask);

void tick(Block *block) {
  // A block that synchronises more often than a stamp can tell is not checked any further.
  if (++block->now >= lastTime)
    block->isRaceChecked = false;
}

/// Whether any of these words was read or written in no order with their new readers (exactly; or perhaps: false alarms
/// are sorted out by the caller).
FOR_EACH_HOST static bool mayConflictOnRead(const uint64_t *written, const uint64_t *read, const uint64_t *before,
                                            unsigned words, unsigned shift, Order order, uint64_t key) {
  uint64_t bad = 0;
  for (unsigned j = 0; j < words; ++j) {
    uint64_t w = written[j], thread = key + (static_cast<uint64_t>(j >> shift) << threadShift);
    bool isOpen = w - order.from < order.span && w - order.own >= order.limit && ((w ^ thread) & sameThreadMask) != 0;
    bad |= static_cast<uint64_t>(isOpen) | ((read[j] | before[j]) & atomicBit);
  }
  return bad;
}

FOR_EACH_HOST static void noteRead(uint64_t *read, uint64_t *before, unsigned words, unsigned shift, Order order,
                                   uint64_t key) {
  for (unsigned j = 0; j < words; ++j) {
    uint64_t r = read[j], thread = key + (static_cast<uint64_t>(j >> shift) << threadShift);
    bool isOther = r - order.from < order.span && r - order.own >= order.limit && ((r ^ thread) & sameThreadMask) != 0;
    before[j] = isOther ? r : before[j];
    read[j] = thread;
  }
}

FOR_EACH_HOST static bool mayConflictOnWrite(const uint64_t *written, const uint64_t *read, const uint64_t *before,
                                             unsigned words, unsigned shift, Order order, uint64_t key) {
  uint64_t bad = 0;
  for (unsigned j = 0; j < words; ++j) {
    uint64_t thread = key + (static_cast<uint64_t>(j >> shift) << threadShift);
    // As a number, so that the loop over words has no branches.
    auto isOpen = [&](uint64_t s) -> uint64_t {
      return s - order.from < order.span && s - order.own >= order.limit && ((s ^ thread) & sameThreadMask) != 0;
    };
    bad |= isOpen(written[j]) | isOpen(read[j]) | isOpen(before[j]);
  }
  return bad;
}

FOR_EACH_HOST static void noteWrite(uint64_t *written, uint64_t *read, uint64_t *before, unsigned words, unsigned shift,
                                    uint64_t key) {
  for (unsigned j = 0; j < words; ++j) {
    written[j] = key + (static_cast<uint64_t>(j >> shift) << threadShift);
    read[j] = 0;
    before[j] = 0;
  }
}

//===----------------------------------------------------------------------===//
// One word
//===----------------------------------------------------------------------===//

static bool isConflict(const Warp *warp, const Order &order, uint64_t stamp, uint64_t key) {
  if (!(stamp & key & bytesMask) || !order.isUnordered(stamp))
    return false;
  const Block *block = warp->block;
  if ((stamp ^ key) >> blockShift)
    return !block->acquired.count(stamp >> blockShift & 0xfffff);
  unsigned other = stamp >> threadShift & threadMask, own = key >> threadShift & threadMask;
  uint32_t time = stamp >> timeShift & timeMask;
  if (other / warpSize != own / warpSize)
    return time > block->clock[own / warpSize][other / warpSize];
  if (other == own || ((stamp | key) & mixedBit) || time <= warp->fullSync)
    return false;
  return warp->laneClock.empty() || time > warp->laneClock[own % warpSize * warpSize + other % warpSize];
}

static const char *touchName(Touch touch) {
  return touch == Touch::Read     ? "reads"
         : touch == Touch::Write  ? "writes"
         : touch == Touch::Atomic ? "changes (atomic)"
                                  : "copies to";
}

static void reportRace(Warp *warp, const Site *site, bool isShared, uint64_t place, unsigned lane, Touch touch,
                       uint64_t stamp, bool isWrite) {
  // A kernel without any order would be busy with reports alone.
  if (++warp->block->launch->races > mostRaces)
    warp->block->isRaceChecked = false;
  unsigned thread = stamp >> threadShift & threadMask;
  uint64_t block = stamp >> blockShift & 0xfffff;
  const uint32_t *dims = warp->ntid;
  bool isCopy = isWrite && stamp & atomicBit;
  std::string text;
  llvm::raw_string_ostream out(text);
  out << touchName(touch) << (isShared ? " shared" : " global") << " memory at byte " << place << ", which thread ("
      << thread % dims[0] << "," << thread / dims[0] % dims[1] << "," << thread / dims[0] / dims[1]
      << ") of block number " << block
      << (isCopy              ? " copied with cp.async"
          : isWrite           ? " wrote"
          : stamp & atomicBit ? " changed (atomic)"
                              : " read")
      << ", with no barrier in between";
  report(warp, site->line, lane, isCopy ? FaultKind::AsyncWait : FaultKind::Race, text);
}

/// Joins the bytes of a word that lanes of one warp touch at the same time.
static uint64_t merge(uint64_t old, uint64_t key) {
  constexpr uint64_t warpBits = ~(uint64_t(31) << threadShift | mixedBit | bytesMask);
  if ((old ^ key) & warpBits)
    return key;
  bool isOther = ((old ^ key) >> threadShift & 31) || (old & mixedBit);
  return key | (old & bytesMask) | (isOther ? mixedBit : 0);
}

static void touchWord(Warp *warp, const Site *site, const Cells &cells, bool isShared, uint64_t word, unsigned lane,
                      uint64_t key, const Order &order, Touch touch, bool isSame) {
  uint64_t &written = cells.written[word], &read = cells.read[word], &before = cells.readBefore[word];
  bool isPlainRead = touch == Touch::Read, isAtomic = touch == Touch::Atomic;
  if (isConflict(warp, order, written, key)) {
    // Lanes that write the same value at the same time: one of them does, and it does not matter which.
    if (!isSame || (written ^ key) >> (threadShift + 5))
      reportRace(warp, site, isShared, word * 4, lane, touch, written, true);
  } else {
    for (uint64_t stamp : {read, before}) {
      bool counts = isPlainRead ? stamp & atomicBit : isAtomic ? !(stamp & atomicBit) : true;
      if (!counts || !isConflict(warp, order, stamp, key))
        continue;
      reportRace(warp, site, isShared, word * 4, lane, touch, stamp, false);
      break;
    }
  }
  if (isPlainRead || isAtomic) {
    if (isAtomic)
      key |= atomicBit;
    uint64_t merged = merge(read, key);
    if (merged == key && ((read ^ key) & sameThreadMask) && order.isUnordered(read))
      before = read;
    read = merged;
    return;
  }
  written = merge(written, touch == Touch::Copy ? key | atomicBit : key);
  read = before = 0;
}

void touchLane(Warp *warp, const Site *site, const Cells &cells, bool isShared, uint64_t place, unsigned lane,
               unsigned bytes, Touch touch, bool isSame) {
  if (!warp->block->isRaceChecked)
    return;
  Order order(warp, isShared);
  uint64_t key = stampOf(warp, lane);
  for (uint64_t at = place, end = place + bytes; at < end;) {
    uint64_t next = std::min(end, (at | 3) + 1);
    uint64_t mask = ((1u << (next - at)) - 1) << (at & 3);
    touchWord(warp, site, cells, isShared, at / 4, lane, key | mask, order, touch, isSame);
    at = next;
  }
}

void touchRun(Warp *warp, const Site *site, const Cells &cells, bool isShared, uint64_t place, unsigned first,
              unsigned lanes, unsigned bytes, Touch touch) {
  if (!warp->block->isRaceChecked)
    return;
  if (bytes % 4 == 0 && (touch == Touch::Read || touch == Touch::Write)) {
    Order order(warp, isShared);
    uint64_t key = stampOf(warp, first) | bytesMask;
    unsigned words = lanes * bytes / 4, shift = bytes == 4 ? 0 : bytes == 8 ? 1 : bytes == 16 ? 2 : 3;
    uint64_t *w = cells.written + place / 4, *r = cells.read + place / 4, *b = cells.readBefore + place / 4;
    if (touch == Touch::Read) {
      if (!mayConflictOnRead(w, r, b, words, shift, order, key))
        return noteRead(r, b, words, shift, order, key);
    } else if (!mayConflictOnWrite(w, r, b, words, shift, order, key)) {
      return noteWrite(w, r, b, words, shift, key);
    }
  }
  for (unsigned lane = 0; lane < lanes; ++lane)
    touchLane(warp, site, cells, isShared, place + lane * bytes, first + lane, bytes, touch);
}

} // namespace ptxsim
