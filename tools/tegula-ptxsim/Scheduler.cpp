//===- Scheduler.cpp - the blocks of a launch and their warps -----------------===//
#include "Control.h"
#include "Shadow.h"
#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cstring>
#include <thread>

namespace ptxsim {

/// Blocks of code that a warp runs before others get their turn, and before it counts as one that never ends.
constexpr int32_t turnFuel = 1 << 14, starvedFuel = 256;
constexpr uint64_t mostSteps = uint64_t(1) << 34;

namespace {
/// What a thread of the host needs to run blocks one after the other.
class Runner {
public:
  Runner(LaunchState &launch, const Needs &needs, unsigned number);
  ~Runner();
  void run(uint64_t index);
  const Counters &counters() const { return block.counters; }

private:
  void startWarp(Warp &warp, unsigned number, uint64_t index);
  bool runWarps();
  bool runWarp(Warp &warp);
  void reportStuck();
  LaunchState &launch;
  const Needs needs;
  unsigned threads;
  Block block;
  std::vector<char> locals;
  std::vector<uint8_t> localValid, sharedValid;
  std::vector<uint64_t> cells;
  char *frames = nullptr, *shared = nullptr;
};
} // namespace

Runner::Runner(LaunchState &launch, const Needs &needs, unsigned number) : launch(launch), needs(needs) {
  threads = launch.blockDim[0] * launch.blockDim[1] * launch.blockDim[2];
  block.launch = &launch;
  block.warpCount = (threads + warpSize - 1) / warpSize;
  block.warps = std::make_unique<Warp[]>(block.warpCount);
  block.clock.resize(block.warpCount);
  block.sharedBytes = needs.sharedBytes;
  block.random.seed(static_cast<uint32_t>(launch.settings->seed * 7919 + number + 1));
  locals.resize(uint64_t(needs.localBytes) * warpSize * block.warpCount + 64);
  localValid.resize(locals.size());
  sharedValid.resize(needs.sharedBytes + 64);
  uint64_t words = (needs.sharedBytes + 64) / 4;
  cells.resize(3 * words);
  frames = static_cast<char *>(aligned_alloc(64, uint64_t(needs.frameBytes) * block.warpCount));
  memset(frames, 0, uint64_t(needs.frameBytes) * block.warpCount);
  shared = static_cast<char *>(aligned_alloc(256, (needs.sharedBytes + 511) / 256 * 256));
  // What nothing has written looks like a large NaN.
  memset(shared, 0xcb, needs.sharedBytes);
  block.shared = shared;
  block.sharedValid = sharedValid.data();
  block.sharedCells = {cells.data(), cells.data() + words, cells.data() + 2 * words};
  for (unsigned w = 0; w < block.warpCount; ++w) {
    Warp &warp = block.warps[w];
    warp.block = &block;
    warp.frame = frames + uint64_t(needs.frameBytes) * w;
    warp.local = locals.data() + uint64_t(needs.localBytes) * warpSize * w;
    warp.localValid = localValid.data() + uint64_t(needs.localBytes) * warpSize * w;
    warp.localBytes = needs.localBytes;
    warp.smId = number;
  }
}

Runner::~Runner() {
  free(frames);
  free(shared);
}

void Runner::startWarp(Warp &warp, unsigned number, uint64_t index) {
  memset(warp.next, 0, sizeof(warp.next));
  warp.exists = 0;
  const uint32_t *dims = launch.blockDim;
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    unsigned thread = number * warpSize + lane;
    warp.exists |= thread < threads ? 1u << lane : 0;
    warp.tid[0][lane] = thread % dims[0];
    warp.tid[1][lane] = thread / dims[0] % dims[1];
    warp.tid[2][lane] = thread / dims[0] / dims[1];
    warp.copyGroup[lane] = 0;
  }
  warp.alive = warp.exists;
  warp.parked = warp.waiting = warp.active = 0;
  warp.minOther = noBlock;
  warp.parameters = launch.parameters.data();
  warp.ctaid[0] = index % launch.grid[0];
  warp.ctaid[1] = index / launch.grid[0] % launch.grid[1];
  warp.ctaid[2] = index / launch.grid[0] / launch.grid[1];
  for (unsigned k = 0; k < 3; ++k) {
    warp.ntid[k] = dims[k];
    warp.nctaid[k] = launch.grid[k];
  }
  warp.warpId = number;
  warp.warpCount = block.warpCount;
  warp.dynamicShared = needs.dynamicShared;
  warp.totalShared = needs.sharedBytes;
  warp.gridId = 0;
  warp.fullSync = 0;
  warp.laneClock.clear();
  warp.copies.clear();
  warp.steps = 0;
  warp.prefersLast = warp.isStarved = false;
}

void Runner::run(uint64_t index) {
  block.number = static_cast<uint32_t>(index);
  block.globalStamp = static_cast<uint64_t>(launch.number) << launchShift | (index & 0xfffff) << blockShift;
  block.now = 1;
  block.floor = 0;
  block.isRaceChecked = launch.settings->isChecked;
  block.hasFenced = false;
  block.acquired.clear();
  for (auto &clock : block.clock)
    clock.fill(0);
  block.barriers.fill(Barrier());
  std::fill(sharedValid.begin(), sharedValid.end(), 0);
  std::fill(localValid.begin(), localValid.end(), 0);
  for (unsigned w = 0; w < block.warpCount; ++w)
    startWarp(block.warps[w], w, index);
  if (!runWarps() && !launch.stop)
    reportStuck();
}

/// One turn. False if the warp has nothing to do.
bool Runner::runWarp(Warp &warp) {
  if (!(warp.alive & ~warp.waiting & ~warp.parked))
    return false;
  // Lanes that spin until others of their warp do something would keep those from it: let these go first, now and then.
  warp.prefersLast = warp.isStarved && !warp.prefersLast;
  warp.fuel = launch.settings->isAdversarial ? 1 + static_cast<int32_t>(block.random() % 8)
              : warp.isStarved               ? starvedFuel
                                             : turnFuel;
  warp.steps += warp.fuel;
  uint32_t code = launch.code(&warp);
  bool hasYielded = code == codeOf(Result::Yielded);
  warp.isStarved = hasYielded && warp.minOther != noBlock;
  if (hasYielded && warp.steps > mostSteps)
    stopLaunch(&warp, Status::LaunchFailed, "a thread does not come to an end");
  block.counters.instructions += warp.instructions;
  warp.instructions = 0;
  return true;
}

bool Runner::runWarps() {
  std::vector<unsigned> order(block.warpCount);
  for (unsigned w = 0; w < block.warpCount; ++w)
    order[w] = w;
  for (;;) {
    bool isAnyAlive = false, hasMoved = false;
    if (launch.settings->isAdversarial)
      std::shuffle(order.begin(), order.end(), block.random);
    for (unsigned w : order) {
      hasMoved |= runWarp(block.warps[w]);
      if (launch.stop)
        return true;
      isAnyAlive |= block.warps[w].alive != 0;
    }
    if (!isAnyAlive)
      break;
    hasMoved |= completeBarriers(&block);
    if (!hasMoved)
      return false;
  }
  return true;
}

/// No warp can go on: says at which lines threads wait, with one thread for each.
void Runner::reportStuck() {
  std::map<uint32_t, std::pair<Warp *, unsigned>> waits;
  uint32_t count = 0;
  for (unsigned w = 0; w < block.warpCount; ++w) {
    Warp &warp = block.warps[w];
    for (uint32_t rest = warp.alive; rest; rest &= rest - 1) {
      unsigned lane = llvm::countr_zero(rest);
      waits.insert({warp.waitLine[lane], {&warp, lane}});
      ++count;
    }
  }
  std::string lines;
  for (auto &[line, who] : waits)
    lines += (lines.empty() ? "" : ", ") + std::to_string(line);
  for (auto &[line, who] : waits) {
    bool isParked = who.first->parked >> who.second & 1;
    report(who.first, line, who.second, FaultKind::Barrier,
           std::string(isParked ? "waits for other lanes of its warp" : "waits at a barrier") +
               " that never come: of " + std::to_string(threads) + " threads " + std::to_string(count) +
               " wait (at lines " + lines + "), the others have ended");
  }
  stopLaunch(waits.begin()->second.first, Status::LaunchFailed,
             "threads wait for each other for ever (lines " + lines + ")");
}

void runLaunch(LaunchState &launch, const Needs &needs, Counters &counters) {
  uint64_t count = uint64_t(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  unsigned hosts =
      launch.settings->threads ? launch.settings->threads : std::max(1u, std::thread::hardware_concurrency());
  hosts = static_cast<unsigned>(std::min<uint64_t>(hosts, count));
  std::atomic<uint64_t> next{0};
  std::vector<uint32_t> order;
  if (launch.settings->isAdversarial && count < (1u << 22)) {
    std::minstd_rand random(static_cast<uint32_t>(launch.settings->seed + 1));
    for (uint64_t i = 0; i < count; ++i)
      order.push_back(static_cast<uint32_t>(i));
    std::shuffle(order.begin(), order.end(), random);
  }
  std::mutex lock;
  auto work = [&](unsigned number) {
    Runner runner(launch, needs, number);
    for (uint64_t i; !launch.stop && (i = next++) < count;)
      runner.run(order.empty() ? i : order[i]);
    std::lock_guard<std::mutex> hold(lock);
    counters.add(runner.counters());
  };
  std::vector<std::thread> pool;
  for (unsigned i = 1; i < hosts; ++i)
    pool.emplace_back(work, i);
  work(0);
  for (std::thread &thread : pool)
    thread.join();
}

} // namespace ptxsim
