//===- Properties.cpp - what the emulated devices are -------------------------===//
//
// One typical board for each compute capability: what counts for programs (limits of the capability, from the CUDA C++
// Programming Guide's table of technical specifications) is exact; clocks and sizes are those of the board, from its
// data sheet.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

namespace ptxsim {

namespace {
struct Board {
  unsigned sm;
  int multiprocessors, clockKHz, memoryClockKHz, busBits, l2KiB;
  int sharedKiB; ///< of a multiprocessor; a block can have that less `reservedKiB`
  int reservedKiB, threads, blocks;
  int singleToDouble;
};
} // namespace

static constexpr Board boards[] = {
    {70, 80, 1530000, 877000, 4096, 6144, 96, 0, 2048, 32, 2},
    {75, 40, 1590000, 5001000, 256, 4096, 64, 0, 1024, 16, 32},
    {80, 108, 1410000, 1215000, 5120, 40960, 164, 1, 2048, 32, 2},
    {86, 72, 1695000, 6251000, 384, 6144, 100, 1, 1536, 16, 32},
    {87, 16, 1300000, 3200000, 256, 4096, 164, 1, 1536, 16, 32},
    {89, 142, 2490000, 9001000, 384, 98304, 100, 1, 1536, 24, 64},
    {90, 132, 1980000, 2619000, 5120, 51200, 228, 1, 2048, 32, 2},
    {100, 148, 1965000, 3996000, 8192, 129024, 228, 1, 2048, 32, 2},
    {120, 170, 2407000, 14001000, 512, 98304, 100, 1, 1536, 24, 64},
};

static const Board &boardOf(unsigned sm) {
  const Board *best = boards;
  for (const Board &board : boards)
    if (board.sm <= sm)
      best = &board;
  return *best;
}

namespace {
struct Constant {
  int attribute, value;
};
} // namespace

/// Attributes that are the same for all. What is not here and not below is 0: textures, managed memory, cooperative and
/// cluster launches, memory maps, IPC are not emulated.
static constexpr Constant constants[] = {
    {1, 1024},        // threads of a block
    {2, 1024},        // block x
    {3, 1024},        // block y
    {4, 64},          // block z
    {5, 2147483647},  // grid x
    {6, 65535},       // grid y
    {7, 65535},       // grid z
    {8, 49152},       // shared memory of a block, without being asked for
    {9, 65536},       // constant memory
    {10, 32},         // warp
    {11, 2147483647}, // pitch
    {12, 65536},      // registers of a block
    {14, 512},        // texture alignment
    {15, 1},          // copies beside kernels
    {30, 512},        // surface alignment
    {31, 1},          // concurrent kernels
    {40, 3},          // copy engines
    {41, 1},          // unified addressing: a copy finds out what its pointers are
    {51, 32},         // texture pitch alignment
    {78, 1},          // stream priorities
    {79, 1},          // L1 of global memory
    {80, 1},          // L1 of local memory
    {82, 65536},      // registers of a multiprocessor
    {90, 1},          // preemption
    {99, 1},          // host memory can be registered
    {115, 1},         // memory pools
    {131, -1},        // NUMA node
};

bool attributeOf(const Driver &driver, int device, int attribute, int &value) {
  if (attribute < 1 || attribute > 145)
    return false;
  for (const Constant &constant : constants)
    if (constant.attribute == attribute) {
      value = constant.value;
      return true;
    }
  const Board &board = boardOf(driver.settings.sm);
  bool isAmpere = driver.settings.sm >= 80;
  switch (attribute) {
  case 13:
    value = board.clockKHz;
    return true;
  case 16:
    value = board.multiprocessors;
    return true;
  case 33: // PCI bus
    value = device + 1;
    return true;
  case 36:
    value = board.memoryClockKHz;
    return true;
  case 37:
    value = board.busBits;
    return true;
  case 38:
    value = board.l2KiB * 1024;
    return true;
  case 39:
    value = board.threads;
    return true;
  case 75:
    value = int(driver.settings.sm / 10);
    return true;
  case 76:
    value = int(driver.settings.sm % 10);
    return true;
  case 81:
    value = board.sharedKiB * 1024;
    return true;
  case 85: // board group
    value = device;
    return true;
  case 87:
    value = board.singleToDouble;
    return true;
  case 97:
    value = (board.sharedKiB - board.reservedKiB) * 1024;
    return true;
  case 106:
    value = board.blocks;
    return true;
  case 108: // L2 that can be kept
    value = isAmpere ? board.l2KiB * 768 : 0;
    return true;
  case 109: // the window of an access policy
    value = isAmpere ? 134213632 : 0;
    return true;
  case 111:
    value = board.reservedKiB * 1024;
    return true;
  default:
    value = 0;
    return true;
  }
}

} // namespace ptxsim
