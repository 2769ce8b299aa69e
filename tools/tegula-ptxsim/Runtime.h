//===- Runtime.h - warps, blocks and launches while they run ------------------===//
//
// The translated code of a kernel is one function that runs one warp: `Result code(Warp *)`. It goes on at the blocks
// its lanes stand at (`next`), and returns where the warp has to wait. Everything that is not arithmetic is a call of
// one of the helper functions at the end of this file; they take their vector operands from and leave their results in
// the warp's `addresses` and `values`.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_RUNTIME_H
#define TEGULA_TOOLS_PTXSIM_RUNTIME_H

#include "Machine.h"
#include "Pages.h"
#include "Ptx.h"
#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <unordered_map>

namespace ptxsim {

constexpr unsigned warpSize = 32, maxWarps = 32;
/// Generic addresses of shared, local and parameter memory: windows below those of any host mapping.
constexpr uint64_t sharedWindow = uint64_t(1) << 40, localWindow = uint64_t(2) << 40, paramWindow = uint64_t(3) << 40;
constexpr uint64_t windowBytes = uint64_t(1) << 32;

/// What is known when an instruction is translated; the code holds a pointer to it.
struct Site {
  uint32_t line;
  uint8_t bytes = 4;     ///< of one element
  uint8_t count = 1;     ///< of elements
  uint8_t space = 0;     ///< Space
  bool isStrong = false; ///< volatile, relaxed, acquire, release: no data race with others of the kind
  uint8_t operation = 0; ///< of an atomic, a reduction, a matrix instruction: see there
  uint8_t type = 0;      ///< Type::Kind
  uint8_t extra[6] = {};
};

struct Counters {
  uint64_t instructions = 0, globalLoadBytes = 0, globalStoreBytes = 0, sharedLoadBytes = 0, sharedStoreBytes = 0;
  uint64_t sectorsRead = 0, sectorsWritten = 0, sharedConflicts = 0, tensorInstructions = 0;
  void add(const Counters &other);
};

struct Block;

/// A copy that cp.async began and that no wait has finished.
struct PendingCopy {
  const Site *site;
  uint32_t to;
  uint32_t group; ///< as the thread counts them
  uint8_t lane, bytes, sourceBytes;
  uint64_t from;
};

/// What the translated code reads and writes by offset.
struct WarpFields {
  alignas(64) uint64_t addresses[warpSize];
  alignas(64) char values[4096]; ///< element e of an operand of n bytes starts at e * 32 * n
  alignas(64) uint32_t next[warpSize];
  uint32_t active = 0;   ///< lanes that run now
  uint32_t minOther = 0; ///< the least block at which other lanes wait
  int32_t fuel = 0;      ///< blocks until the warp lets others go on
  uint32_t alive = 0, exists = 0;
  char *frame = nullptr;
  uint64_t instructions = 0;
  const char *parameters = nullptr;
  alignas(64) uint32_t tid[3][warpSize];
  uint32_t ctaid[3], ntid[3], nctaid[3], warpId, warpCount, dynamicShared, totalShared, smId, gridId;
  uint32_t reduced; ///< the result of the last bar.red
};

/// The rest is of the helpers alone.
struct Warp : WarpFields {
  uint32_t parked = 0, waiting = 0; ///< lanes that wait for lanes of the warp, or at a barrier of the block
  uint8_t barrierId[warpSize];
  uint32_t waitLine[warpSize];
  Block *block = nullptr;
  char *local = nullptr; ///< of 32 threads
  uint8_t *localValid = nullptr;
  uint32_t localBytes = 0;
  uint32_t fullSync = 0;           ///< everything up to this time is in order within the warp
  std::vector<uint32_t> laneClock; ///< [lane][other lane]; empty until lanes sync in parts
  std::vector<PendingCopy> copies;
  uint32_t copyGroup[warpSize];
  uint64_t steps = 0;
  bool isStarved = false;   ///< lanes of it had no turn for long
  bool prefersLast = false; ///< lanes that are ahead go first
};

enum class Result : uint32_t { Finished, Waiting, Yielded };
using KernelCode = uint32_t (*)(Warp *);

/// What `pick` returns instead of a block's number.
constexpr uint32_t noBlock = 0xffffffff;

struct Barrier {
  uint32_t expected = 0, arrived = 0; ///< threads; expected 0: all that are alive
  uint32_t reduced = 0;               ///< of bar.red
  bool isAnd = false;
  std::array<uint32_t, maxWarps> clock{}; ///< what has happened before it, joined over those that arrived
  uint32_t syncing = 0;                   ///< threads that wait (others only arrived)
};

struct LaunchState;

struct Block {
  LaunchState *launch = nullptr;
  uint32_t number = 0, warpCount = 0;
  std::unique_ptr<Warp[]> warps;
  char *shared = nullptr;
  uint8_t *sharedValid = nullptr; ///< 0: never written, 1: written, 2: a copy is under way
  Cells sharedCells{};
  uint32_t sharedBytes = 0;
  std::array<Barrier, 16> barriers;
  // Time within the block: it moves on at every synchronisation.
  uint32_t now = 1, floor = 0;                       ///< all accesses up to `floor` are in order with what comes
  std::vector<std::array<uint32_t, maxWarps>> clock; ///< [warp][other warp]: its time that is known to be over
  std::set<uint32_t> acquired;                       ///< blocks whose release this block has seen
  Counters counters;
  std::minstd_rand random;
  uint64_t globalStamp = 0; ///< launch and block, in place in a stamp
  bool isRaceChecked = true;
  bool hasFenced = false; ///< so that an atomic operation may be a release
};

struct LaunchState {
  Memory::Pages *pages = nullptr;
  const Settings *settings = nullptr;
  std::string kernel;
  KernelCode code = nullptr;
  uint32_t grid[3], blockDim[3];
  uint8_t number = 1; ///< from 1 to 255, in stamps
  std::vector<char> parameters;
  std::atomic<bool> stop{false};
  std::atomic<uint32_t> races{0}; ///< reported so far
  std::mutex lock;                ///< of everything below
  std::vector<Fault> faults;
  Status status = Status::Ok;
  std::string why;
  std::unordered_map<uint64_t, std::set<uint32_t>> releases; ///< address of an atomic: blocks that released there
  std::atomic<bool> hasReleases{false};
  std::mutex atomics[64]; ///< for atomic operations on global memory, by address
};

/// Reports a finding of a lane. Bounds, Alignment and Other end the launch.
void report(Warp *warp, uint32_t line, unsigned lane, FaultKind kind, const std::string &what);
/// Ends the launch with `status`.
void stopLaunch(Warp *warp, Status status, const std::string &why);

/// Names and addresses of all helpers that the translated code may call.
struct Helper {
  const char *name;
  void *function;
};
llvm::ArrayRef<Helper> memoryHelpers();
llvm::ArrayRef<Helper> controlHelpers();
llvm::ArrayRef<Helper> warpHelpers();
llvm::ArrayRef<Helper> mathHelpers();
llvm::ArrayRef<Helper> atomicHelpers();
llvm::ArrayRef<Helper> matrixHelpers();
llvm::ArrayRef<Helper> asyncHelpers();

} // namespace ptxsim

#endif
