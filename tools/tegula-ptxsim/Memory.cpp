//===- Memory.cpp - allocations of the device ---------------------------------===//
#include "Pages.h"
#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace ptxsim {

template <typename T> static T *reserve(uint64_t count, int protection = PROT_READ | PROT_WRITE) {
  void *result = mmap(nullptr, count * sizeof(T), protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return result == MAP_FAILED ? nullptr : static_cast<T *>(result);
}

Memory::Pages::Pages() {
  // Address space costs nothing until it is touched; half as much where it is limited.
  for (bytes = uint64_t(32) << 30; bytes >= (uint64_t(64) << 20); bytes /= 2) {
    char *device = reserve<char>(bytes, PROT_NONE);
    contents = reserve<char>(bytes);
    isValid = reserve<uint8_t>(bytes);
    cells = {reserve<uint64_t>(bytes / 4), reserve<uint64_t>(bytes / 4), reserve<uint64_t>(bytes / 4)};
    sectorRead = reserve<uint8_t>(bytes / 32);
    sectorWritten = reserve<uint8_t>(bytes / 32);
    chunkBack = reserve<uint32_t>(bytes / chunk);
    sizes = reserve<uint64_t>(bytes / chunk);
    base = reinterpret_cast<uint64_t>(device);
    if (device && contents && isValid && cells.written && cells.read && cells.readBefore && sectorRead &&
        sectorWritten && chunkBack && sizes)
      return;
    this->~Pages();
  }
  bytes = 0;
}

Memory::Pages::~Pages() {
  auto give = [](auto *&range, uint64_t count) {
    if (range)
      munmap(range, count * sizeof(*range));
    range = nullptr;
  };
  char *device = reinterpret_cast<char *>(base);
  give(device, bytes);
  give(contents, bytes);
  give(isValid, bytes);
  give(cells.written, bytes / 4);
  give(cells.read, bytes / 4);
  give(cells.readBefore, bytes / 4);
  give(sectorRead, bytes / 32);
  give(sectorWritten, bytes / 32);
  give(chunkBack, bytes / chunk);
  give(sizes, bytes / chunk);
  base = 0;
}

Memory::Memory() : impl(std::make_unique<Pages>()) {}
Memory::~Memory() = default;

uint64_t Memory::allocate(uint64_t bytes) {
  Pages &p = *impl;
  std::lock_guard<std::mutex> hold(p.lock);
  if (!bytes || bytes > p.bytes)
    return 0;
  uint64_t room = (bytes + p.guard + p.chunk - 1) / p.chunk * p.chunk;
  // Addresses are used again as late as possible, so that a stale pointer is seen.
  uint64_t start = p.rover + p.guard;
  if (start + room > p.bytes) {
    start = p.guard;
    for (auto &[used, size] : p.allocations) {
      if (used - p.base >= start + room)
        break;
      start = (used - p.base + size + p.guard + p.chunk - 1) / p.chunk * p.chunk;
    }
    if (start + room > p.bytes)
      return 0;
  }
  p.rover = start + room;
  uint64_t first = start / p.chunk, count = (bytes + p.chunk - 1) / p.chunk;
  p.sizes[first] = bytes;
  for (uint64_t i = 0; i < count; ++i)
    p.chunkBack[first + i] = i + 1;
  p.allocations[p.base + start] = bytes;
  p.used += bytes;
  return p.base + start;
}

/// Forgets a range. Whole pages go back to the system; the rest of the range is cleared by hand.
template <typename T> static void forget(T *range, uint64_t from, uint64_t to) {
  uint64_t begin = reinterpret_cast<uint64_t>(range + from), end = reinterpret_cast<uint64_t>(range + to);
  uint64_t pageBegin = (begin + 4095) & ~uint64_t(4095), pageEnd = end & ~uint64_t(4095);
  if (pageBegin >= pageEnd || end - begin < (1 << 16)) {
    memset(reinterpret_cast<void *>(begin), 0, end - begin);
    return;
  }
  memset(reinterpret_cast<void *>(begin), 0, pageBegin - begin);
  madvise(reinterpret_cast<void *>(pageBegin), pageEnd - pageBegin, MADV_DONTNEED);
  memset(reinterpret_cast<void *>(pageEnd), 0, end - pageEnd);
}

bool Memory::release(uint64_t address) {
  Pages &p = *impl;
  std::lock_guard<std::mutex> hold(p.lock);
  auto found = p.allocations.find(address);
  if (found == p.allocations.end())
    return false;
  uint64_t start = address - p.base, bytes = found->second;
  uint64_t end = (start + bytes + p.chunk - 1) / p.chunk * p.chunk;
  forget(p.chunkBack, start / p.chunk, end / p.chunk);
  forget(p.contents, start, end);
  forget(p.isValid, start, end);
  forget(p.cells.written, start / 4, end / 4);
  forget(p.cells.read, start / 4, end / 4);
  forget(p.cells.readBefore, start / 4, end / 4);
  forget(p.sectorRead, start / 32, end / 32);
  forget(p.sectorWritten, start / 32, end / 32);
  p.used -= bytes;
  p.allocations.erase(found);
  return true;
}

std::pair<uint64_t, uint64_t> Memory::allocationOf(uint64_t address) const {
  std::lock_guard<std::mutex> hold(impl->lock);
  uint64_t start = 0, size = 0;
  return impl->find(address, start, size) ? std::make_pair(start, size) : std::make_pair(uint64_t(0), uint64_t(0));
}

bool Memory::write(uint64_t device, const void *host, uint64_t bytes) {
  if (!bytes)
    return true;
  if (!impl->contains(device, bytes))
    return false;
  memcpy(impl->host(device), host, bytes);
  memset(impl->isValid + (device - impl->base), 1, bytes);
  return true;
}

bool Memory::read(void *host, uint64_t device, uint64_t bytes, uint64_t *uninitialised) const {
  if (!bytes)
    return true;
  if (!impl->contains(device, bytes))
    return false;
  memcpy(host, impl->host(device), bytes);
  const uint8_t *isValid = impl->isValid + (device - impl->base);
  if (uninitialised)
    *uninitialised += std::count(isValid, isValid + bytes, 0);
  return true;
}

bool Memory::copy(uint64_t to, uint64_t from, uint64_t bytes) {
  if (!bytes)
    return true;
  if (!impl->contains(to, bytes) || !impl->contains(from, bytes))
    return false;
  memmove(impl->host(to), impl->host(from), bytes);
  memmove(impl->isValid + (to - impl->base), impl->isValid + (from - impl->base), bytes);
  return true;
}

bool Memory::fill(uint64_t device, uint32_t value, unsigned width, uint64_t count) {
  if (!count)
    return true;
  if ((width != 1 && width != 2 && width != 4) || count > impl->bytes || !impl->contains(device, count * width))
    return false;
  char *to = impl->host(device);
  for (uint64_t i = 0; i < count; ++i)
    memcpy(to + i * width, &value, width);
  memset(impl->isValid + (device - impl->base), 1, count * width);
  return true;
}

uint64_t Memory::bytesInUse() const {
  std::lock_guard<std::mutex> hold(impl->lock);
  return impl->used;
}

} // namespace ptxsim
