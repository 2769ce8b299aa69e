//===- ApiCopy.cpp - copies and fills -----------------------------------------===//
//
// What waits for what is as CUDA's documentation on synchronisation says: copies between host and device without a
// stream wait, copies within the device and fills do not; a copy from pageable memory takes its bytes at the call, one
// to pageable memory is done when the call returns; pinned memory is read and written when the stream gets there.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;

static bool isDeviceAddress(Call &call, uint64_t address) { return call->memory.allocationOf(address).second != 0; }

static bool isPageable(Call &call, const CopySide &side, const Copy &copy) {
  if (side.isDevice)
    return false;
  uint64_t bytes = (copy.depth - 1) * side.slice + (copy.height - 1) * side.pitch + copy.width;
  return findPinned(*call.driver, side.address, bytes) == call->pinned.end();
}

/// Takes what a copy reads now.
static void takeBytes(Task &task) {
  Copy &copy = task.copy;
  task.bytes = std::make_shared<std::vector<char>>(copy.width * copy.height * copy.depth);
  char *to = task.bytes->data();
  for (uint64_t z = 0; z != copy.depth; ++z)
    for (uint64_t y = 0; y != copy.height; ++y, to += copy.width) {
      uint64_t from = copy.source.address + z * copy.source.slice + y * copy.source.pitch;
      std::memcpy(to, reinterpret_cast<const void *>(uintptr_t(from)), copy.width);
    }
  copy.source = {uint64_t(reinterpret_cast<uintptr_t>(task.bytes->data())), false, copy.width,
                 copy.width * copy.height};
}

/// What a call that uses the default stream and waits returns while something is captured.
static CUresult refuseSynchronous(Call &call) {
  if (!threadState().isPerThreadDefault)
    if (CUresult status = refuseImplicit(call))
      return status;
  return refuseWhileCapturing(call);
}

static CUresult submit(Call &call, CUstream handle, Task task, bool isAsync) {
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!isAsync)
    if (CUresult status = refuseSynchronous(call))
      return status;
  Copy copy = task.copy;
  if (copy.width == 0 || copy.height == 0 || copy.depth == 0)
    return CUDA_SUCCESS;
  if (stream->capture)
    return issue(call, *stream, std::move(task));
  bool fromPageable = isPageable(call, copy.source, copy), toPageable = isPageable(call, copy.target, copy);
  bool isWaiting = toPageable || (!isAsync && !(copy.source.isDevice && copy.target.isDevice)) ||
                   (!copy.source.isDevice && !copy.target.isDevice);
  if (fromPageable && !isWaiting)
    takeBytes(task);
  std::shared_ptr<Work> work;
  CUresult status = issue(call, *stream, std::move(task), &work);
  if (status != CUDA_SUCCESS || !isWaiting)
    return status;
  complete(call, {work});
  return call.context->sticky;
}

/// A copy of consecutive bytes.
static CUresult copyBytes(uint64_t target, bool toDevice, uint64_t source, bool fromDevice, size_t bytes,
                          CUstream stream, bool isAsync) {
  Call call;
  if (!call)
    return call.status;
  Task task;
  task.kind = TaskKind::Copy;
  task.copy.target = {target, toDevice, 0, 0};
  task.copy.source = {source, fromDevice, 0, 0};
  task.copy.width = bytes;
  if (!isInside(*call.driver, task.copy))
    return CUDA_ERROR_INVALID_VALUE;
  return submit(call, stream, std::move(task), isAsync);
}

/// The same with sides that are told by their addresses.
static CUresult copyAny(uint64_t target, uint64_t source, size_t bytes, CUstream stream, bool isAsync) {
  bool toDevice = false, fromDevice = false;
  {
    Call call;
    if (!call)
      return call.status;
    toDevice = isDeviceAddress(call, target);
    fromDevice = isDeviceAddress(call, source);
  }
  return copyBytes(target, toDevice, source, fromDevice, bytes, stream, isAsync);
}

static uint64_t addressOf(const void *host) { return uint64_t(reinterpret_cast<uintptr_t>(host)); }

CUDA_API CUresult cuMemcpy(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
  return copyAny(target, source, bytes, nullptr, false);
}
CUDA_API CUresult cuMemcpyAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return copyAny(target, source, bytes, stream, true);
}
CUDA_API CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void *source, size_t bytes) {
  return copyBytes(target, true, addressOf(source), false, bytes, nullptr, false);
}
CUDA_API CUresult cuMemcpyDtoH_v2(void *target, CUdeviceptr source, size_t bytes) {
  return copyBytes(addressOf(target), false, source, true, bytes, nullptr, false);
}
CUDA_API CUresult cuMemcpyDtoD_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
  return copyBytes(target, true, source, true, bytes, nullptr, false);
}
CUDA_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void *source, size_t bytes, CUstream stream) {
  return copyBytes(target, true, addressOf(source), false, bytes, stream, true);
}
CUDA_API CUresult cuMemcpyDtoHAsync_v2(void *target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return copyBytes(addressOf(target), false, source, true, bytes, stream, true);
}
CUDA_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
  return copyBytes(target, true, source, true, bytes, stream, true);
}

static bool areContexts(CUcontext a, CUcontext b) {
  Call call(Call::Initialised);
  return !call || (call->contexts.find(a) && call->contexts.find(b));
}

CUDA_API CUresult cuMemcpyPeer(CUdeviceptr target, CUcontext to, CUdeviceptr source, CUcontext from, size_t bytes) {
  return areContexts(to, from) ? cuMemcpyDtoD_v2(target, source, bytes) : CUDA_ERROR_INVALID_CONTEXT;
}
CUDA_API CUresult cuMemcpyPeerAsync(CUdeviceptr target, CUcontext to, CUdeviceptr source, CUcontext from, size_t bytes,
                                    CUstream stream) {
  return areContexts(to, from) ? cuMemcpyDtoDAsync_v2(target, source, bytes, stream) : CUDA_ERROR_INVALID_CONTEXT;
}

/// One side of CUDA's description. False if it is no memory, or rows would overlap.
static bool readSide(Call &call, const CopySide3D &from, const CUDA_MEMCPY3D &description, CopySide &side) {
  uint64_t base = 0;
  if (from.type == MemoryHost)
    base = addressOf(from.host);
  else if (from.type == MemoryDevice || from.type == MemoryUnified)
    base = from.device;
  else
    return false; // arrays are not emulated
  side.isDevice = from.type == MemoryDevice || (from.type == MemoryUnified && isDeviceAddress(call, base));
  uint64_t rowBytes = from.xBytes + description.widthBytes;
  uint64_t rows = from.y + description.height;
  side.pitch = from.pitch ? from.pitch : rowBytes;
  uint64_t height = from.height ? from.height : rows;
  bool hasRows = description.height > 1 || description.depth > 1;
  if ((hasRows && side.pitch < rowBytes) || (description.depth > 1 && height < rows))
    return false;
  side.slice = side.pitch * height;
  side.address = base + from.z * side.slice + from.y * side.pitch + from.xBytes;
  return true;
}

CUresult ptxsim::makeCopy(Call &call, const CUDA_MEMCPY3D &description, Task &task) {
  task.kind = TaskKind::Copy;
  task.copy.width = description.widthBytes;
  task.copy.height = description.height;
  task.copy.depth = description.depth;
  // Nothing of this size exists; the products above and in the checks stay far from 2^64.
  constexpr uint64_t most = uint64_t(1) << 31;
  for (const CopySide3D *side : {&description.source, &description.target})
    if (side->pitch > most || side->height > most || side->xBytes > most || side->y > most || side->z > most)
      return CUDA_ERROR_INVALID_VALUE;
  if (description.widthBytes > (uint64_t(1) << 40) || description.height > most || description.depth > most)
    return CUDA_ERROR_INVALID_VALUE;
  bool areSides = readSide(call, description.source, description, task.copy.source) &&
                  readSide(call, description.target, description, task.copy.target);
  return areSides && isInside(*call.driver, task.copy) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult copy3D(const CUDA_MEMCPY3D *description, CUstream stream, bool isAsync) {
  Call call;
  if (!call)
    return call.status;
  if (!description)
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  CUresult status = makeCopy(call, *description, task);
  return status == CUDA_SUCCESS ? submit(call, stream, std::move(task), isAsync) : status;
}

static CopySide3D deepen(const CopySide2D &side) {
  CopySide3D deep{};
  deep.xBytes = side.xBytes;
  deep.y = side.y;
  deep.type = side.type;
  deep.host = side.host;
  deep.device = side.device;
  deep.array = side.array;
  deep.pitch = side.pitch;
  return deep;
}

static CUresult copy2D(const CUDA_MEMCPY2D *description, CUstream stream, bool isAsync) {
  if (!description)
    return CUDA_ERROR_INVALID_VALUE;
  CUDA_MEMCPY3D deep = {deepen(description->source), deepen(description->target), description->widthBytes,
                        description->height, 1};
  return copy3D(&deep, stream, isAsync);
}

CUDA_API CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *description) { return copy2D(description, nullptr, false); }
CUDA_API CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *description) {
  return copy2D(description, nullptr, false);
}
CUDA_API CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *description, CUstream stream) {
  return copy2D(description, stream, true);
}
CUDA_API CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *description) { return copy3D(description, nullptr, false); }
CUDA_API CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *description, CUstream stream) {
  return copy3D(description, stream, true);
}

CUresult ptxsim::makeFill(Call &call, const Fill &fill, Task &task) {
  task.kind = TaskKind::Fill;
  task.fill = fill;
  constexpr uint64_t most = uint64_t(1) << 40;
  if (fill.width > most || fill.height > (uint64_t(1) << 31) || fill.pitch > (uint64_t(1) << 31))
    return CUDA_ERROR_INVALID_VALUE;
  if (fill.address % fill.elementBytes || (fill.height > 1 && fill.pitch < fill.width * fill.elementBytes))
    return CUDA_ERROR_INVALID_VALUE;
  return isInside(*call.driver, fill) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult fillMemory(const Fill &fill, CUstream handle, bool isAsync) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!isAsync)
    if (CUresult status = refuseSynchronous(call))
      return status;
  Task task;
  CUresult status = makeFill(call, fill, task);
  if (status != CUDA_SUCCESS || !fill.width || !fill.height)
    return status;
  return issue(call, *stream, std::move(task));
}

#define PTXSIM_FILL(BITS, TYPE)                                                                                        \
  CUDA_API CUresult cuMemsetD##BITS##_v2(CUdeviceptr address, TYPE value, size_t count) {                              \
    return fillMemory({address, 0, value, BITS / 8, count, 1}, nullptr, false);                                        \
  }                                                                                                                    \
  CUDA_API CUresult cuMemsetD##BITS##Async(CUdeviceptr address, TYPE value, size_t count, CUstream stream) {           \
    return fillMemory({address, 0, value, BITS / 8, count, 1}, stream, true);                                          \
  }                                                                                                                    \
  CUDA_API CUresult cuMemsetD2D##BITS##_v2(CUdeviceptr address, size_t pitch, TYPE value, size_t width,                \
                                           size_t height) {                                                            \
    return fillMemory({address, pitch, value, BITS / 8, width, height}, nullptr, false);                               \
  }                                                                                                                    \
  CUDA_API CUresult cuMemsetD2D##BITS##Async(CUdeviceptr address, size_t pitch, TYPE value, size_t width,              \
                                             size_t height, CUstream stream) {                                         \
    return fillMemory({address, pitch, value, BITS / 8, width, height}, stream, true);                                 \
  }
PTXSIM_FILL(8, unsigned char)
PTXSIM_FILL(16, unsigned short)
PTXSIM_FILL(32, unsigned)
#undef PTXSIM_FILL
