//===- ApiDevice.cpp - devices ------------------------------------------------===//

#include "Driver.h"
#include <cstdio>
#include <cstring>

using namespace ptxsim;

namespace {
/// An entry point about one device.
struct DeviceCall : Call {
  explicit DeviceCall(CUdevice device) : Call(Call::Initialised) {
    if (status == CUDA_SUCCESS && (device < 0 || unsigned(device) >= driver->deviceCount))
      status = CUDA_ERROR_INVALID_DEVICE;
  }
};
} // namespace

CUDA_API CUresult cuDeviceGetCount(int *count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!count)
    return CUDA_ERROR_INVALID_VALUE;
  *count = int(call->deviceCount);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  DeviceCall call(ordinal);
  if (!call)
    return call.status;
  if (!device)
    return CUDA_ERROR_INVALID_VALUE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetName(char *name, int bytes, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!name || bytes <= 0)
    return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(name, size_t(bytes), "ptxsim sm_%u", call->settings.sm);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!uuid)
    return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(uuid->bytes, "tegula-ptxsim\0\0", 16);
  uuid->bytes[14] = char(call->settings.sm);
  uuid->bytes[15] = char(device);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!bytes)
    return CUDA_ERROR_INVALID_VALUE;
  *bytes = call->totalBytes;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  return value && attributeOf(*call.driver, device, attribute, *value) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!major || !minor)
    return CUDA_ERROR_INVALID_VALUE;
  *major = int(call->settings.sm / 10);
  *minor = int(call->settings.sm % 10);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetPCIBusId(char *text, int bytes, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!text || bytes < 13)
    return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(text, size_t(bytes), "0000:%02X:00.0", unsigned(device + 1));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *text) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  unsigned domain = 0, bus = 0, slot = 0, function = 0;
  if (!device || !text)
    return CUDA_ERROR_INVALID_VALUE;
  bool isLong = std::sscanf(text, "%x:%x:%x.%x", &domain, &bus, &slot, &function) >= 3;
  if (!isLong && std::sscanf(text, "%x:%x.%x", &bus, &slot, &function) < 2)
    return CUDA_ERROR_INVALID_VALUE;
  if (bus < 1 || bus > call->deviceCount)
    return CUDA_ERROR_INVALID_DEVICE;
  *device = int(bus - 1);
  return CUDA_SUCCESS;
}

static CUresult poolOf(const std::vector<std::shared_ptr<Pool>> Driver::*pools, CUmemoryPool *pool, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!pool)
    return CUDA_ERROR_INVALID_VALUE;
  *pool = reinterpret_cast<CUmemoryPool>((call.driver->*pools)[size_t(device)].get());
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
  return poolOf(&Driver::defaultPools, pool, device);
}

CUDA_API CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device) {
  return poolOf(&Driver::currentPools, pool, device);
}

CUDA_API CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool handle) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  std::shared_ptr<Pool> pool = call->pools.find(handle);
  if (!pool || pool->device != device)
    return CUDA_ERROR_INVALID_VALUE;
  call->currentPools[size_t(device)] = pool;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (peer < 0 || unsigned(peer) >= call->deviceCount)
    return CUDA_ERROR_INVALID_DEVICE;
  if (!can)
    return CUDA_ERROR_INVALID_VALUE;
  *can = device != peer;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetP2PAttribute(int *value, int attribute, CUdevice source, CUdevice target) {
  DeviceCall call(source);
  if (!call)
    return call.status;
  if (target < 0 || unsigned(target) >= call->deviceCount || source == target)
    return CUDA_ERROR_INVALID_DEVICE;
  if (!value || attribute < 1 || attribute > 4)
    return CUDA_ERROR_INVALID_VALUE;
  *value = attribute == 2; // access; no atomics, no arrays
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetExecAffinitySupport(int *value, int, CUdevice device) {
  DeviceCall call(device);
  if (!call)
    return call.status;
  if (!value)
    return CUDA_ERROR_INVALID_VALUE;
  *value = 0;
  return CUDA_SUCCESS;
}
