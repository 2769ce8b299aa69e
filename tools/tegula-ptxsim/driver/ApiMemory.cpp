//===- ApiMemory.cpp - allocations, of the device and of the host -------------===//

#include "Driver.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace ptxsim;

static CUresult allocate(Call &call, uint64_t bytes, Pool *pool, CUdeviceptr *address) {
  Driver &driver = *call.driver;
  if (bytes > driver.totalBytes || driver.memory.bytesInUse() > driver.totalBytes - bytes)
    return CUDA_ERROR_OUT_OF_MEMORY;
  uint64_t start = driver.memory.allocate(bytes);
  if (!start)
    return CUDA_ERROR_OUT_OF_MEMORY;
  Allocation allocation;
  allocation.bytes = bytes;
  allocation.context = call.context.get();
  allocation.pool = pool;
  allocation.id = driver.nextId++;
  driver.allocations.emplace(start, allocation);
  if (pool) {
    pool->used += bytes;
    pool->usedHigh = std::max(pool->usedHigh, pool->used);
  }
  *address = start;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  Call call;
  if (!call)
    return call.status;
  if (!address || !bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  return allocate(call, bytes, nullptr, address);
}

CUDA_API CUresult cuMemAllocPitch_v2(CUdeviceptr *address, size_t *pitch, size_t width, size_t height,
                                     unsigned element) {
  Call call;
  if (!call)
    return call.status;
  bool isElement = element == 4 || element == 8 || element == 16;
  if (!address || !pitch || !width || !height || !isElement || width > (size_t(1) << 40) || height > (size_t(1) << 40))
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  *pitch = (width + 511) / 512 * 512;
  if (height > call->totalBytes / *pitch)
    return CUDA_ERROR_OUT_OF_MEMORY;
  return allocate(call, *pitch * height, nullptr, address);
}

/// Waits for all work first, as CUDA does.
CUDA_API CUresult cuMemFree_v2(CUdeviceptr address) {
  Call call;
  if (!call)
    return call.status;
  if (!address)
    return CUDA_SUCCESS;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  completeAll(call, call.context.get());
  if (call.context->sticky)
    return call.context->sticky;
  auto it = call->allocations.find(address);
  if (it == call->allocations.end() || it->second.isFreePending)
    return CUDA_ERROR_INVALID_VALUE;
  if (it->second.pool)
    it->second.pool->used -= it->second.bytes;
  call->allocations.erase(it);
  call->memory.release(address);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  Call call;
  if (!call)
    return call.status;
  if (!free || !total)
    return CUDA_ERROR_INVALID_VALUE;
  *total = call->totalBytes;
  *free = call->totalBytes - std::min(call->totalBytes, call->memory.bytesInUse());
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemGetAddressRange_v2(CUdeviceptr *start, size_t *bytes, CUdeviceptr address) {
  Call call;
  if (!call)
    return call.status;
  auto [first, size] = call->memory.allocationOf(address);
  if (!size)
    return CUDA_ERROR_NOT_FOUND;
  if (start)
    *start = first;
  if (bytes)
    *bytes = size;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  if (!pointer || !bytes || flags > 7)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  if (posix_memalign(pointer, 4096, bytes) != 0)
    return CUDA_ERROR_OUT_OF_MEMORY;
  PinnedRange range;
  range.bytes = bytes;
  range.context = call.context.get();
  range.flags = flags;
  call->pinned[uint64_t(reinterpret_cast<uintptr_t>(*pointer))] = range;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemAllocHost_v2(void **pointer, size_t bytes) { return cuMemHostAlloc(pointer, bytes, 0); }

static CUresult unpin(void *pointer, bool isRegistered, CUresult otherwise) {
  Call call;
  if (!call)
    return call.status;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  completeAll(call, call.context.get());
  if (call.context->sticky)
    return call.context->sticky;
  auto it = call->pinned.find(uint64_t(reinterpret_cast<uintptr_t>(pointer)));
  if (it == call->pinned.end() || it->second.isRegistered != isRegistered)
    return otherwise;
  if (!isRegistered)
    std::free(pointer);
  call->pinned.erase(it);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemFreeHost(void *pointer) { return unpin(pointer, false, CUDA_ERROR_INVALID_VALUE); }

CUDA_API CUresult cuMemHostUnregister(void *pointer) {
  return pointer ? unpin(pointer, true, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED) : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuMemHostRegister_v2(void *pointer, size_t bytes, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  uint64_t start = reinterpret_cast<uintptr_t>(pointer);
  if (!pointer || !bytes || flags > 15 || bytes > ~start)
    return CUDA_ERROR_INVALID_VALUE;
  if (call->memory.allocationOf(start).second)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  auto next = call->pinned.lower_bound(start);
  if (next != call->pinned.end() && next->first < start + bytes)
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  if (findPinned(*call.driver, start, 1) != call->pinned.end())
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  PinnedRange range;
  range.bytes = bytes;
  range.context = call.context.get();
  range.flags = flags;
  range.isRegistered = true;
  call->pinned[start] = range;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemHostGetFlags(unsigned *flags, void *pointer) {
  Call call;
  if (!call)
    return call.status;
  auto it = findPinned(*call.driver, reinterpret_cast<uintptr_t>(pointer), 1);
  if (!flags || it == call->pinned.end())
    return CUDA_ERROR_INVALID_VALUE;
  *flags = it->second.flags;
  return CUDA_SUCCESS;
}

/// Kernels cannot reach host memory here.
CUDA_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *, void *, unsigned) {
  Call call;
  return call ? CUDA_ERROR_NOT_SUPPORTED : call.status;
}

CUDA_API CUresult cuMemAllocManaged(CUdeviceptr *, size_t, unsigned) {
  Call call;
  return call ? CUDA_ERROR_NOT_SUPPORTED : call.status;
}

/// The address is there at once, and may be used by work that comes after: what the order of streams says about its
/// first use is not checked, about its last it is.
static CUresult allocateInOrder(Call &call, CUdeviceptr *address, size_t bytes, const std::shared_ptr<Pool> &pool,
                                CUstream handle) {
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!address || !bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (stream->capture)
    return CUDA_ERROR_NOT_SUPPORTED;
  return allocate(call, bytes, pool.get(), address);
}

CUDA_API CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream stream) {
  Call call;
  if (!call)
    return call.status;
  return allocateInOrder(call, address, bytes, call->currentPools[size_t(call.context->device)], stream);
}

CUDA_API CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, size_t bytes, CUmemoryPool handle, CUstream stream) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Pool> pool = call->pools.find(handle);
  return pool ? allocateInOrder(call, address, bytes, pool, stream) : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuMemFreeAsync(CUdeviceptr address, CUstream handle) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return CUDA_ERROR_NOT_SUPPORTED;
  auto it = call->allocations.find(address);
  if (it == call->allocations.end() || it->second.isFreePending)
    return CUDA_ERROR_INVALID_VALUE;
  it->second.isFreePending = true;
  Task task;
  task.kind = TaskKind::Free;
  task.address = address;
  return issue(call, *stream, std::move(task));
}

CUDA_API CUresult cuMemPoolCreate(CUmemoryPool *handle, const CUmemPoolProps *properties) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!handle || !properties || properties->allocationType != 1 || properties->location.type != 1)
    return CUDA_ERROR_INVALID_VALUE;
  if (properties->handleTypes != 0)
    return CUDA_ERROR_NOT_SUPPORTED;
  int device = properties->location.id;
  if (device < 0 || unsigned(device) >= call->deviceCount)
    return CUDA_ERROR_INVALID_DEVICE;
  auto pool = std::make_shared<Pool>();
  pool->device = device;
  *handle = reinterpret_cast<CUmemoryPool>(call->pools.add(pool));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemPoolDestroy(CUmemoryPool handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Pool> pool = call->pools.find(handle);
  if (!pool || call->defaultPools[size_t(pool->device)] == pool)
    return CUDA_ERROR_INVALID_VALUE;
  for (auto &[address, allocation] : call->allocations)
    if (allocation.pool == pool.get())
      allocation.pool = nullptr;
  std::shared_ptr<Pool> &current = call->currentPools[size_t(pool->device)];
  if (current == pool)
    current = call->defaultPools[size_t(pool->device)];
  call->pools.erase(handle);
  return CUDA_SUCCESS;
}

/// Nothing is kept in a pool after it is freed, so that there is nothing to trim.
CUDA_API CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  return call->pools.find(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void *value) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Pool> pool = call->pools.find(handle);
  if (!pool || !value || attribute < 1 || attribute > 8)
    return CUDA_ERROR_INVALID_VALUE;
  if (attribute == PoolReleaseThreshold)
    std::memcpy(&pool->releaseThreshold, value, 8);
  if (attribute == PoolUsedHigh)
    pool->usedHigh = pool->used;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void *value) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Pool> pool = call->pools.find(handle);
  if (!pool || !value || attribute < 1 || attribute > 8)
    return CUDA_ERROR_INVALID_VALUE;
  if (attribute < PoolReleaseThreshold) {
    int isReused = 1;
    std::memcpy(value, &isReused, sizeof(isReused));
    return CUDA_SUCCESS;
  }
  uint64_t bytes = attribute == PoolReleaseThreshold ? pool->releaseThreshold
                   : attribute % 2                   ? pool->used
                                                     : pool->usedHigh;
  std::memcpy(value, &bytes, sizeof(bytes));
  return CUDA_SUCCESS;
}

/// All devices share one memory: access is always there.
CUDA_API CUresult cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc *, size_t) {
  return cuMemPoolTrimTo(handle, 0);
}

template <typename T> static CUresult store(void *data, T value) {
  std::memcpy(data, &value, sizeof(value));
  return CUDA_SUCCESS;
}

namespace {
/// What is known of an address. `bytes` is 0 if nothing is.
struct PointerFacts {
  uint64_t start = 0, bytes = 0, id = 0;
  bool isDevice = false;
  Context *context = nullptr;
  Pool *pool = nullptr;
};
} // namespace

static PointerFacts factsOf(Call &call, uint64_t address) {
  auto allocation = findAllocation(*call.driver, address);
  if (allocation != call->allocations.end()) {
    const Allocation &found = allocation->second;
    return {allocation->first, found.bytes, found.id, true, found.context, found.pool};
  }
  auto pinned = findPinned(*call.driver, address, 1);
  if (pinned != call->pinned.end())
    return {pinned->first, pinned->second.bytes, 0, false, pinned->second.context, nullptr};
  auto [start, bytes] = call->memory.allocationOf(address); // a module's variable
  return {start, bytes, 0, true, call.context.get(), nullptr};
}

static CUresult pointerAttribute(void *data, int attribute, uint64_t address, const PointerFacts &facts) {
  switch (attribute) {
  case 1:
    return store(data, facts.context);
  case 2:
    return store(data, unsigned(facts.isDevice ? MemoryDevice : MemoryHost));
  case 3: // as the device sees it: host memory is out of its reach
    return facts.isDevice ? store(data, address) : CUDA_ERROR_INVALID_VALUE;
  case 4:
    return facts.isDevice ? CUDA_ERROR_INVALID_VALUE : store(data, address);
  case 6:  // synchronous copies
  case 8:  // managed
  case 10: // IPC
  case 15: // RDMA
    return store(data, 0u);
  case 7:
    return store(data, facts.id);
  case 9:
    return store(data, facts.context ? facts.context->device : 0);
  case 11:
  case 19:
    return store(data, facts.start);
  case 12:
  case 18:
    return store(data, facts.bytes);
  case 13: // mapped
    return store(data, unsigned(facts.isDevice));
  case 14: // handle types
    return store(data, uint64_t(0));
  case 16: // read and write
    return store(data, 3u);
  case 17:
    return store(data, facts.pool);
  default:
    return CUDA_ERROR_INVALID_VALUE;
  }
}

CUDA_API CUresult cuPointerGetAttribute(void *data, int attribute, CUdeviceptr address) {
  Call call;
  if (!call)
    return call.status;
  PointerFacts facts = factsOf(call, address);
  return data && facts.bytes ? pointerAttribute(data, attribute, address, facts) : CUDA_ERROR_INVALID_VALUE;
}

/// Of an address that is not CUDA's, all that fits in a pointer is set to nothing, without an error.
CUDA_API CUresult cuPointerGetAttributes(unsigned count, int *attributes, void **data, CUdeviceptr address) {
  Call call;
  if (!call)
    return call.status;
  if (!count || !attributes || !data)
    return CUDA_ERROR_INVALID_VALUE;
  PointerFacts facts = factsOf(call, address);
  for (unsigned i = 0; i != count; ++i) {
    if (facts.bytes && pointerAttribute(data[i], attributes[i], address, facts) == CUDA_SUCCESS)
      continue;
    if (attributes[i] == 9)
      store(data[i], -2);
    else if (attributes[i] == 2 || attributes[i] == 6 || attributes[i] == 8 || attributes[i] == 13)
      store(data[i], 0u);
    else
      store(data[i], uint64_t(0));
  }
  return CUDA_SUCCESS;
}
