//===- Pages.h - device memory and what is known about its bytes --------------===//
//
// Device addresses lie in a range that the host has reserved without access; the contents and all knowledge about them
// ("shadow") lie in ranges of the same order elsewhere, so that a byte's shadow is found by arithmetic alone.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_PAGES_H
#define TEGULA_TOOLS_PTXSIM_PAGES_H

#include "Machine.h"
#include <mutex>

namespace ptxsim {

/// Who touched a word of four bytes last: three stamps (see Shadow.h).
struct Cells {
  uint64_t *written, *read, *readBefore;
};

struct Memory::Pages {
  static constexpr uint64_t chunk = 256, guard = 256;
  uint64_t bytes = 0; ///< of the whole range
  uint64_t base = 0;  ///< device address of its start
  char *contents = nullptr;
  uint8_t *isValid = nullptr;                              ///< for each byte: was it written
  Cells cells{};                                           ///< for each word
  uint8_t *sectorRead = nullptr, *sectorWritten = nullptr; ///< for each 32 bytes: the launch that did it last
  uint32_t *chunkBack = nullptr; ///< for each chunk: 1 + how many chunks back its allocation starts; 0: none
  uint64_t *sizes = nullptr;     ///< for each chunk with which an allocation starts

  mutable std::mutex lock;
  std::map<uint64_t, uint64_t> allocations; ///< start and size
  uint64_t rover = 0, used = 0;

  Pages();
  ~Pages();
  /// The allocation around `address` without a lock: kernels call this for every access.
  bool find(uint64_t address, uint64_t &start, uint64_t &size) const {
    uint64_t index = (address - base) / chunk;
    if (address < base || address - base >= bytes || !chunkBack[index])
      return false;
    uint64_t first = index - (chunkBack[index] - 1);
    start = base + first * chunk;
    size = sizes[first];
    return address - start < size;
  }
  bool contains(uint64_t address, uint64_t count) const {
    uint64_t start, size;
    return find(address, start, size) && count <= size - (address - start);
  }
  char *host(uint64_t address) const { return contents + (address - base); }
};

} // namespace ptxsim

#endif
