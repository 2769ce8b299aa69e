//===- ControlHelpers.cpp - which lanes run next, barriers, findings ----------===//
#include "Control.h"
#include "MemoryAccess.h"
#include "Shadow.h"
#include "llvm/ADT/bit.h"

namespace ptxsim {

void report(Warp *warp, uint32_t line, unsigned lane, FaultKind kind, const std::string &what) {
  LaunchState *launch = warp->block->launch;
  std::lock_guard<std::mutex> hold(launch->lock);
  Fault fault;
  fault.kind = kind;
  fault.kernel = launch->kernel;
  fault.line = line;
  fault.block = {warp->ctaid[0], warp->ctaid[1], warp->ctaid[2]};
  fault.thread = {warp->tid[0][lane], warp->tid[1][lane], warp->tid[2][lane]};
  fault.text = what;
  Status status = kind == FaultKind::Bounds      ? Status::IllegalAddress
                  : kind == FaultKind::Alignment ? Status::MisalignedAddress
                  : kind == FaultKind::Other     ? Status::LaunchFailed
                                                 : Status::Ok;
  if (status != Status::Ok && launch->status == Status::Ok) {
    launch->status = status;
    launch->why = "line " + std::to_string(line) + ": " + what;
    launch->stop = true;
  }
  for (Fault &known : launch->faults) {
    if (known.kind == kind && known.line == line) {
      ++known.count;
      return;
    }
  }
  launch->faults.push_back(std::move(fault));
}

void stopLaunch(Warp *warp, Status status, const std::string &why) {
  LaunchState *launch = warp->block->launch;
  std::lock_guard<std::mutex> hold(launch->lock);
  if (launch->status == Status::Ok) {
    launch->status = status;
    launch->why = why;
  }
  launch->stop = true;
}

//===----------------------------------------------------------------------===//
// Lanes
//===----------------------------------------------------------------------===//

static void findOthers(Warp *warp) {
  uint32_t least = noBlock;
  for (uint32_t rest = warp->alive & ~warp->waiting & ~warp->active; rest; rest &= rest - 1)
    least = std::min(least, warp->next[llvm::countr_zero(rest)]);
  warp->minOther = least;
}

/// The block at which lanes go on: the least one, so that lanes meet again; or any, where the order is adversarial or
/// lanes wait for what others have yet to do.
static uint32_t chooseBlock(Warp *warp, uint32_t runnable) {
  if (warp->block->launch->settings->isAdversarial) {
    unsigned skip = warp->block->random() % llvm::popcount(runnable);
    while (skip--)
      runnable &= runnable - 1;
    return warp->next[llvm::countr_zero(runnable)];
  }
  uint32_t least = noBlock, most = 0;
  for (uint32_t rest = runnable; rest; rest &= rest - 1) {
    uint32_t next = warp->next[llvm::countr_zero(rest)];
    least = std::min(least, next);
    most = std::max(most, next);
  }
  return warp->prefersLast ? most : least;
}

static uint32_t pick(Warp *warp, const Site *) {
  LaunchState *launch = warp->block->launch;
  if (launch->stop.load(std::memory_order_relaxed))
    return codeOf(Result::Finished);
  uint32_t runnable = warp->alive & ~warp->waiting & ~warp->parked;
  if (!runnable) {
    if (!warp->alive)
      return codeOf(Result::Finished);
    return codeOf(Result::Waiting);
  }
  if (warp->fuel <= 0)
    return codeOf(Result::Yielded);
  uint32_t block = chooseBlock(warp, runnable), active = 0;
  for (uint32_t rest = runnable | warp->parked; rest; rest &= rest - 1) {
    unsigned lane = llvm::countr_zero(rest);
    if (warp->next[lane] == block)
      active |= 1u << lane;
  }
  warp->parked &= ~active;
  warp->active = active;
  findOthers(warp);
  return block;
}

static void stand(Warp *warp, const Site *, uint32_t lanes, uint32_t block) {
  for (; lanes; lanes &= lanes - 1)
    warp->next[llvm::countr_zero(lanes)] = block;
}

static void exitLanes(Warp *warp, const Site *, uint32_t lanes) { warp->alive &= ~lanes; }

/// Lanes arrive at an instruction that has to be run by all lanes it names. Returns those that can go on.
static uint32_t meet(Warp *warp, const Site *site, uint32_t active, uint32_t block) {
  const uint32_t *members = reinterpret_cast<const uint32_t *>(warp->values);
  uint32_t ready = 0, gone = 0;
  for (uint32_t rest = active; rest; rest &= rest - 1) {
    unsigned lane = llvm::countr_zero(rest);
    uint32_t named = members[lane] & warp->exists;
    gone |= named & ~warp->alive;
    if (!(named & warp->alive & ~active))
      ready |= 1u << lane;
    else
      warp->waitLine[lane] = site->line;
  }
  // A barrier of the block does not wait for threads that have ended.
  if (gone && site->operation != 'b')
    report(warp, site->line, llvm::countr_zero(active), FaultKind::Barrier,
           "waits for lanes of its warp (mask 0x" + llvm::utohexstr(gone, true) + ") that have ended");
  stand(warp, site, active & ~ready, block);
  warp->parked |= active & ~ready;
  warp->active = ready;
  findOthers(warp);
  return ready;
}

/// Lanes have met: what each of them did is in order with what the others do next.
void lanesMet(Warp *warp, const uint32_t *members, uint32_t mask) {
  Block *block = warp->block;
  if (!block->launch->settings->isChecked)
    return;
  bool isFull = mask == warp->alive;
  for (uint32_t rest = mask; rest; rest &= rest - 1)
    isFull &= (warp->alive & ~members[llvm::countr_zero(rest)]) == 0;
  if (isFull) {
    warp->fullSync = block->now;
    tick(block);
    return;
  }
  if (warp->laneClock.empty())
    warp->laneClock.resize(warpSize * warpSize);
  std::vector<uint32_t> before = warp->laneClock;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = llvm::countr_zero(rest);
    uint32_t *own = &warp->laneClock[lane * warpSize];
    for (uint32_t others = members[lane] & mask; others; others &= others - 1) {
      unsigned other = llvm::countr_zero(others);
      for (unsigned k = 0; k < warpSize; ++k)
        own[k] = std::max(own[k], before[other * warpSize + k]);
      own[other] = block->now;
    }
  }
  tick(block);
}

static void met(Warp *warp, const Site *, uint32_t mask) {
  lanesMet(warp, reinterpret_cast<const uint32_t *>(warp->values), mask);
}

void metAll(Warp *warp) {
  if (!warp->block->launch->settings->isChecked)
    return;
  warp->fullSync = warp->block->now;
  tick(warp->block);
}

//===----------------------------------------------------------------------===//
// Barriers of a block
//===----------------------------------------------------------------------===//

static uint32_t aliveThreads(const Block *block) {
  uint32_t count = 0;
  for (unsigned w = 0; w < block->warpCount; ++w)
    count += llvm::popcount(block->warps[w].alive);
  return count;
}

static void complete(Block *block, unsigned id) {
  Barrier &barrier = block->barriers[id];
  bool isOfAll = barrier.syncing >= aliveThreads(block);
  for (unsigned w = 0; w < block->warpCount; ++w) {
    Warp &warp = block->warps[w];
    uint32_t released = 0;
    for (uint32_t rest = warp.waiting; rest; rest &= rest - 1) {
      unsigned lane = llvm::countr_zero(rest);
      if (warp.barrierId[lane] == id)
        released |= 1u << lane;
    }
    if (!released)
      continue;
    warp.waiting &= ~released;
    warp.reduced = barrier.reduced;
    for (unsigned k = 0; k < maxWarps; ++k)
      block->clock[w][k] = std::max(block->clock[w][k], barrier.clock[k]);
    if (released == warp.alive)
      warp.fullSync = block->now;
  }
  if (isOfAll)
    block->floor = block->now;
  tick(block);
  barrier = Barrier();
}

bool completeBarriers(Block *block) {
  bool isAny = false;
  uint32_t alive = 0;
  for (unsigned id = 0; id < block->barriers.size(); ++id) {
    const Barrier &barrier = block->barriers[id];
    if (!barrier.arrived)
      continue;
    if (!alive)
      alive = aliveThreads(block);
    if (barrier.arrived < (barrier.expected ? barrier.expected : alive))
      continue;
    complete(block, id);
    isAny = true;
  }
  return isAny;
}

static void arrive(Warp *warp, const Site *site, unsigned id, uint32_t lanes, uint32_t threads, uint32_t predicates) {
  Block *block = warp->block;
  Barrier &barrier = block->barriers[id];
  unsigned count = llvm::popcount(lanes);
  if (threads % warpSize || (barrier.arrived && barrier.expected != threads))
    report(warp, site->line, llvm::countr_zero(lanes), FaultKind::Barrier,
           "barrier " + std::to_string(id) + " with " + std::to_string(threads) +
               " threads, which is no multiple of 32 or " + "not what other threads say");
  bool isFirst = !barrier.arrived;
  barrier.expected = threads;
  barrier.arrived += count;
  unsigned ones = llvm::popcount(predicates & lanes);
  if (site->operation == 'p')
    barrier.reduced += ones;
  else if (site->operation == 'o')
    barrier.reduced |= ones != 0;
  else if (site->operation == 'a')
    barrier.reduced = (isFirst || barrier.reduced) && ones == count;
  for (unsigned k = 0; k < maxWarps; ++k)
    barrier.clock[k] = std::max(barrier.clock[k], block->clock[warp->warpId][k]);
  barrier.clock[warp->warpId] = block->now;
  tick(block);
  if (site->operation == 'r')
    return;
  barrier.syncing += count;
  warp->waiting |= lanes;
  for (; lanes; lanes &= lanes - 1) {
    warp->barrierId[llvm::countr_zero(lanes)] = id;
    warp->waitLine[llvm::countr_zero(lanes)] = site->line;
  }
}

static void barrier(Warp *warp, const Site *site, uint32_t active, uint32_t predicates, uint32_t next) {
  const uint32_t *ids = reinterpret_cast<const uint32_t *>(warp->values);
  const uint32_t *threads = reinterpret_cast<const uint32_t *>(warp->values + 512);
  stand(warp, site, active, next);
  while (active) {
    unsigned first = llvm::countr_zero(active);
    uint32_t lanes = 0;
    for (uint32_t rest = active; rest; rest &= rest - 1)
      if (ids[llvm::countr_zero(rest)] == ids[first])
        lanes |= rest & -rest;
    active &= ~lanes;
    if (ids[first] > 15)
      return report(warp, site->line, first, FaultKind::Other, "there is no barrier " + std::to_string(ids[first]));
    arrive(warp, site, ids[first], lanes, threads[first], predicates);
  }
}

static void trap(Warp *warp, const Site *site, uint32_t lanes) {
  if (lanes)
    report(warp, site->line, llvm::countr_zero(lanes), FaultKind::Other, "trap");
}

static void badIndex(Warp *warp, const Site *site, uint32_t lanes) {
  if (lanes)
    report(warp, site->line, llvm::countr_zero(lanes), FaultKind::Other, "the index of a jump is outside its list");
}

static void fence(Warp *warp, const Site *, uint32_t) { warp->block->hasFenced = true; }

llvm::ArrayRef<Helper> controlHelpers() {
  static const Helper helpers[] = {
      {"ptxsim.pick", reinterpret_cast<void *>(&pick)},      {"ptxsim.stand", reinterpret_cast<void *>(&stand)},
      {"ptxsim.exit", reinterpret_cast<void *>(&exitLanes)}, {"ptxsim.meet", reinterpret_cast<void *>(&meet)},
      {"ptxsim.met", reinterpret_cast<void *>(&met)},        {"ptxsim.barrier", reinterpret_cast<void *>(&barrier)},
      {"ptxsim.trap", reinterpret_cast<void *>(&trap)},      {"ptxsim.badIndex", reinterpret_cast<void *>(&badIndex)},
      {"ptxsim.fence", reinterpret_cast<void *>(&fence)},
  };
  return helpers;
}

} // namespace ptxsim
