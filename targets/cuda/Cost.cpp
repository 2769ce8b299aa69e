//===- Cost.cpp - which of the ways to compute a product is likely the fastest -------------===//
//
// A multiprocessor works on some blocks at a time, as registers and shared memory allow. For each tile of the depth
// these share its arithmetic units and its way to shared memory and to the L2 cache: the slowest of the three, or the
// latency of a tile where the work of all its blocks is less, is what the tile costs. No GPU is faster than its DRAM.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Cost.h"
#include "tegula/targets/cuda/block/Cores.h"

#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace mlir;

namespace tegula::cuda {

namespace {
/// Multiprocessors of a chip; of each, multiply-adds a clock by matrix instructions and one by one, shared memory and
/// threads; of the GPU, bytes a clock.
struct Gpu {
  Chip chip;
  int64_t processors;
  double halves, bytes, shorts; ///< f16 or bf16, 8-bit integers, tf32
  double singles;               ///< f32, one by one
  int64_t sharedKiB, threads;
  double l2, dram;
};
} // namespace

/// V100, Xavier, T4, A100, A10, Orin, L4, H100 (what mma.sync reaches, without wgmma), B200, RTX 5090: NVIDIA's white
/// papers of the architectures (Volta, Turing, Ampere, Hopper, Blackwell) and data sheets; rates of L2 caches that they
/// do not state are of the size that measurements have been published with.
static constexpr Gpu kGpus[] = {{70, 80, 512, 0, 0, 64, 96, 2048, 2048, 590},
                                {72, 8, 512, 0, 0, 64, 96, 2048, 256, 100},
                                {75, 40, 512, 1024, 0, 64, 64, 1024, 800, 200},
                                {80, 108, 1024, 2048, 512, 64, 164, 2048, 5120, 1100},
                                {86, 72, 512, 1024, 256, 128, 100, 1536, 2048, 350},
                                {87, 16, 512, 1024, 256, 128, 164, 1536, 512, 150},
                                {89, 58, 512, 1024, 256, 128, 100, 1536, 2048, 150},
                                {90, 132, 1280, 2560, 640, 128, 228, 2048, 5120, 1830},
                                {100, 148, 1024, 2048, 512, 128, 228, 2048, 8192, 4300},
                                {120, 170, 256, 1024, 128, 128, 100, 1536, 4096, 740}};

// Clocks. A kernel's start, in a graph of them; the first tiles' way from DRAM; from one tile in shared memory to the
// next by instructions that depend on each other, with copies ahead or with one tile in registers.
static constexpr double kStart = 2500, kFirstTile = 1000, kTileAhead = 120, kTileInRegisters = 300;
/// Bytes that a multiprocessor gets of shared memory and of the L2 cache each clock.
static constexpr double kSharedRate = 128, kPortRate = 64;
/// Warps that arithmetic units of a multiprocessor are divided among.
static constexpr int64_t kSchedulers = 4;

static const Gpu &gpuOf(Chip chip) {
  return *llvm::find_if(kGpus, [&](const Gpu &gpu) { return gpu.chip == chip; });
}

int64_t processorsOf(Chip chip) { return gpuOf(chip).processors; }

static int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Multiply-adds a clock of a multiprocessor.
static double rateOf(const Gpu &gpu, const Product &product, bool areMatrices) {
  if (!areMatrices)
    return gpu.singles;
  Type type = product.factors->left;
  return type.isInteger() ? gpu.bytes : type.isF32() ? gpu.shorts : gpu.halves;
}

/// How a chip multiplies that has no matrix instructions for the factors: as ScalarProduct does.
static Tile withoutMatrices(Tile tile) {
  int64_t threads = tile.threads(), sums = tile.rows * tile.columns / threads;
  tile.ownColumns = sums >= 64 ? 8 : 4;
  tile.ownRows = sums / tile.ownColumns;
  tile.areMatrices = false;
  return tile;
}

/// Registers of a thread: sums, what is multiplied now, addresses, and, unless copies are asynchronous, its part of the
/// next tile.
static int64_t registersOf(const Product &product, const Tile &tile, bool isAhead) {
  constexpr int64_t kAddresses = 56, kMoreAddresses = 8;
  int64_t sums = tile.ownRows * tile.ownColumns, factors = tile.ownRows + tile.ownColumns;
  auto waiting = [&](int64_t size, int64_t bytes, bool isChunked) {
    int64_t elements = size * tile.depth / tile.threads();
    return isChunked ? divideUp(elements * bytes, 4) : elements;
  };
  int64_t next = isAhead ? 0
                         : waiting(tile.rows, product.leftBytes, product.isLeftChunked) +
                               waiting(tile.columns, product.rightBytes, product.isRightChunked);
  return (tile.areMatrices ? sums / 32 + factors / 4 : sums + factors) + next + kAddresses +
         kMoreAddresses * product.moreLoops;
}

/// Blocks that a multiprocessor has room for.
static int64_t residentBlocks(const Gpu &gpu, const Tile &tile, int64_t registers, int64_t sharedBytes) {
  int64_t byRegisters = (1 << 16) / (llvm::alignTo(registers, 8) * tile.threads());
  int64_t byShared = (gpu.sharedKiB << 10) / sharedBytes;
  return std::max<int64_t>(1, std::min({byRegisters, byShared, gpu.threads / tile.threads()}));
}

double clocksOf(const Product &product, const Tile &planned, int64_t ways, Chip chip) {
  const Gpu &gpu = gpuOf(chip);
  bool areMatrices = planned.areMatrices && coresOf(chip, *product.factors) != Cores::None;
  Tile tile = areMatrices || !planned.areMatrices ? planned : withoutMatrices(planned);
  // As MatrixTile::canCopyAsync has it: what does not lie in chunks is copied by elements, of 4 bytes at least.
  bool isAhead = areMatrices && chip >= 80 && (product.isLeftChunked || product.leftBytes == 4) &&
                 (product.isRightChunked || product.rightBytes == 4);
  int64_t blocks = product.batch * ways * divideUp(product.rows, tile.rows) * divideUp(product.columns, tile.columns);
  int64_t steps = divideUp(divideUp(product.depth, ways), tile.depth), stages = isAhead ? 3 : 2;
  int64_t tileBytes = tile.depth * (tile.rows * product.leftBytes + tile.columns * product.rightBytes);
  int64_t registers = registersOf(product, tile, isAhead);
  // Blocks on the multiprocessor that has most, of which some run at a time.
  int64_t most = divideUp(blocks, gpu.processors);
  int64_t together = std::min(most, residentBlocks(gpu, tile, registers, stages * tileBytes));
  double turns = (double)most / together, active = std::min<double>(blocks, gpu.processors);
  // What a tile of the depth costs them.
  double busy = std::min(1.0, (double)together * tile.threads() / 32 / kSchedulers);
  double arithmetic =
      together * (double)tile.rows * tile.columns * tile.depth / (rateOf(gpu, product, areMatrices) * busy);
  // Each warp reads what it multiplies; without matrix instructions lanes read the same elements, four times over.
  double readers = areMatrices ? tile.threads() / 32 : tile.threads() / 4.0;
  double reads = readers * tile.depth * (tile.ownRows * product.leftBytes + tile.ownColumns * product.rightBytes);
  double shared = together * (reads + tileBytes) / kSharedRate;
  double l2Rate = std::min(kPortRate, gpu.l2 / active), l2 = together * tileBytes / l2Rate;
  // Blocks hide each other's latency.
  double work = std::max({arithmetic, shared, l2});
  double step = std::max(work, work / together + (isAhead ? kTileAhead : kTileInRegisters));
  double written = together * (double)tile.rows * tile.columns * (ways > 1 ? 4 : product.resultBytes) / l2Rate;
  double results = (double)product.batch * product.rows * product.columns;
  double processors = turns * (kFirstTile + steps * step + written),
         cache = (double)blocks * steps * tileBytes / gpu.l2,
         dram = (product.operandBytes + results * product.resultBytes) / gpu.dram;
  // What goes on at the same time is not quite free.
  constexpr double kHidden = 0.1;
  double clocks = std::max({processors, cache, dram}) + kHidden * (processors + cache + dram);
  // Parts are written and read once more, most likely in the L2 cache.
  if (ways > 1)
    clocks += kStart + kFirstTile + results * (ways * 4 + product.resultBytes) / gpu.l2;
  // Sums that lie in memory for want of registers are no way to go.
  constexpr int64_t kMostRegisters = 255;
  constexpr double kSpilled = 16;
  return kStart + clocks * (registers > kMostRegisters ? kSpilled : 1);
}

} // namespace tegula::cuda
