//===- ApiContext.cpp - contexts ----------------------------------------------===//

#include "Driver.h"
#include <algorithm>

using namespace ptxsim;

static CUcontext handleOf(const std::shared_ptr<Context> &context) {
  return reinterpret_cast<CUcontext>(context.get());
}

static bool isDevice(Call &call, CUdevice device) { return device >= 0 && unsigned(device) < call->deviceCount; }

static std::shared_ptr<Context> makeContext(Call &call, CUdevice device, unsigned flags) {
  auto context = std::make_shared<Context>();
  context->device = device;
  context->flags = flags;
  context->id = call->nextId++;
  call->contexts.add(context);
  return context;
}

CUDA_API CUresult cuDevicePrimaryCtxRetain(CUcontext *handle, CUdevice device) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!isDevice(call, device))
    return CUDA_ERROR_INVALID_DEVICE;
  if (!handle)
    return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Context> &context = call->primary[device];
  if (!context)
    context = makeContext(call, device, 0);
  // The handle stays the same for good, as CUDA's does.
  context->isPrimary = true;
  context->isDestroyed = false;
  context->flags = call->primaryFlags[device];
  ++call->primaryCount[device];
  *handle = handleOf(context);
  return CUDA_SUCCESS;
}

static CUresult resetPrimary(Call &call, CUdevice device) {
  std::shared_ptr<Context> context = call->primary[device];
  call->primaryCount[device] = 0;
  if (!context || context->isDestroyed)
    return CUDA_SUCCESS;
  emptyContext(call, context);
  writeReport(*call.driver);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!isDevice(call, device))
    return CUDA_ERROR_INVALID_DEVICE;
  unsigned &count = call->primaryCount[device];
  if (!count)
    return CUDA_ERROR_INVALID_CONTEXT;
  return --count ? CUDA_SUCCESS : resetPrimary(call, device);
}

CUDA_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  return isDevice(call, device) ? resetPrimary(call, device) : CUDA_ERROR_INVALID_DEVICE;
}

CUDA_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *isActive) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!isDevice(call, device))
    return CUDA_ERROR_INVALID_DEVICE;
  if (!flags || !isActive)
    return CUDA_ERROR_INVALID_VALUE;
  *flags = call->primaryFlags[device];
  *isActive = call->primaryCount[device] != 0;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!isDevice(call, device))
    return CUDA_ERROR_INVALID_DEVICE;
  if (flags > 0xff)
    return CUDA_ERROR_INVALID_VALUE;
  call->primaryFlags[device] = flags;
  return CUDA_SUCCESS;
}

static CUresult createContext(CUcontext *handle, unsigned flags, CUdevice device, unsigned apiVersion) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!isDevice(call, device))
    return CUDA_ERROR_INVALID_DEVICE;
  if (!handle || flags > 0xff)
    return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Context> context = makeContext(call, device, flags);
  context->apiVersion = apiVersion;
  threadState().stack.push_back(context);
  *handle = handleOf(context);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxCreate_v2(CUcontext *handle, unsigned flags, CUdevice device) {
  return createContext(handle, flags, device, 3020);
}

/// Shares of a device's multiprocessors are not emulated.
CUDA_API CUresult cuCtxCreate_v3(CUcontext *handle, void *, int affinityCount, unsigned flags, CUdevice device) {
  return affinityCount ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : createContext(handle, flags, device, 3020);
}

CUDA_API CUresult cuCtxCreate_v4(CUcontext *handle, CUctxCreateParams *parameters, unsigned flags, CUdevice device) {
  if (parameters && parameters->graphics)
    return CUDA_ERROR_NOT_SUPPORTED;
  return cuCtxCreate_v3(handle, nullptr, parameters ? parameters->affinityCount : 0, flags, device);
}

CUDA_API CUresult cuCtxDestroy_v2(CUcontext handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Context> context = call->contexts.find(handle);
  if (!context || context->isPrimary)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (context->isDestroyed)
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  emptyContext(call, context);
  call->contexts.erase(handle);
  std::vector<std::shared_ptr<Context>> &stack = threadState().stack;
  if (!stack.empty() && stack.back() == context)
    stack.pop_back();
  writeReport(*call.driver);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxPushCurrent_v2(CUcontext handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Context> context = call->contexts.find(handle);
  if (!context)
    return CUDA_ERROR_INVALID_CONTEXT;
  threadState().stack.push_back(context);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxPopCurrent_v2(CUcontext *handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::vector<std::shared_ptr<Context>> &stack = threadState().stack;
  if (stack.empty())
    return CUDA_ERROR_INVALID_CONTEXT;
  if (handle)
    *handle = handleOf(stack.back());
  stack.pop_back();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxSetCurrent(CUcontext handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::vector<std::shared_ptr<Context>> &stack = threadState().stack;
  if (!handle) {
    if (!stack.empty())
      stack.pop_back();
    return CUDA_SUCCESS;
  }
  std::shared_ptr<Context> context = call->contexts.find(handle);
  if (!context)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (stack.empty())
    stack.push_back(context);
  else
    stack.back() = context;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxGetCurrent(CUcontext *handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!handle)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<std::shared_ptr<Context>> &stack = threadState().stack;
  *handle = stack.empty() ? nullptr : handleOf(stack.back());
  return CUDA_SUCCESS;
}

/// The context of `handle`, or the current one.
static std::shared_ptr<Context> contextOf(Call &call, CUcontext handle) {
  return handle ? call->contexts.find(handle) : call.context;
}

CUDA_API CUresult cuCtxGetDevice(CUdevice *device) {
  Call call(Call::EvenSticky);
  if (!call)
    return call.status;
  if (!device)
    return CUDA_ERROR_INVALID_VALUE;
  *device = call.context->device;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxGetFlags(unsigned *flags) {
  Call call(Call::EvenSticky);
  if (!call)
    return call.status;
  if (!flags)
    return CUDA_ERROR_INVALID_VALUE;
  *flags = call.context->flags;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxSetFlags(unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  if (flags > 0xff)
    return CUDA_ERROR_INVALID_VALUE;
  call.context->flags = flags;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxGetId(CUcontext handle, unsigned long long *id) {
  Call call(handle ? Call::Initialised : Call::EvenSticky);
  if (!call)
    return call.status;
  std::shared_ptr<Context> context = contextOf(call, handle);
  if (!context)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!id)
    return CUDA_ERROR_INVALID_VALUE;
  *id = context->id;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxGetApiVersion(CUcontext handle, unsigned *version) {
  Call call(handle ? Call::Initialised : Call::EvenSticky);
  if (!call)
    return call.status;
  std::shared_ptr<Context> context = contextOf(call, handle);
  if (!context)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!version)
    return CUDA_ERROR_INVALID_VALUE;
  *version = context->apiVersion;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxSynchronize() {
  Call call;
  if (!call)
    return call.status;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  completeAll(call, call.context.get());
  return call.context->sticky;
}

static constexpr size_t defaultLimits[] = {1024, 1 << 20, 8 << 20, 2, 2048, 128, 0, 0};

CUDA_API CUresult cuCtxGetLimit(size_t *value, CUlimit limit) {
  Call call;
  if (!call)
    return call.status;
  if (!value)
    return CUDA_ERROR_INVALID_VALUE;
  if (limit < 0 || limit > LimitPersistingL2)
    return CUDA_ERROR_UNSUPPORTED_LIMIT;
  auto it = call.context->limits.find(limit);
  *value = it == call.context->limits.end() ? defaultLimits[limit] : it->second;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  Call call;
  if (!call)
    return call.status;
  if (limit < 0 || limit > LimitPersistingL2)
    return CUDA_ERROR_UNSUPPORTED_LIMIT;
  call.context->limits[limit] = value;
  return CUDA_SUCCESS;
}

static CUresult getConfig(int Context::*field, int *value) {
  Call call;
  if (!call)
    return call.status;
  if (!value)
    return CUDA_ERROR_INVALID_VALUE;
  *value = call.context.get()->*field;
  return CUDA_SUCCESS;
}

static CUresult setConfig(int Context::*field, int value, int most) {
  Call call;
  if (!call)
    return call.status;
  if (value < 0 || value > most)
    return CUDA_ERROR_INVALID_VALUE;
  call.context.get()->*field = value;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxGetCacheConfig(int *value) { return getConfig(&Context::cacheConfig, value); }
CUDA_API CUresult cuCtxSetCacheConfig(int value) { return setConfig(&Context::cacheConfig, value, 3); }
CUDA_API CUresult cuCtxGetSharedMemConfig(int *value) { return getConfig(&Context::sharedConfig, value); }
CUDA_API CUresult cuCtxSetSharedMemConfig(int value) { return setConfig(&Context::sharedConfig, value, 2); }

CUDA_API CUresult cuCtxResetPersistingL2Cache() {
  Call call;
  return call.status;
}

CUDA_API CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  Call call;
  if (!call)
    return call.status;
  if (least)
    *least = 0;
  if (greatest)
    *greatest = -5;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxEnablePeerAccess(CUcontext handle, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Context> peer = call->contexts.find(handle);
  if (!peer || peer == call.context)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (flags)
    return CUDA_ERROR_INVALID_VALUE;
  if (peer->device == call.context->device)
    return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
  return call.context->peers.insert(peer.get()).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

CUDA_API CUresult cuCtxDisablePeerAccess(CUcontext handle) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Context> peer = call->contexts.find(handle);
  if (!peer)
    return CUDA_ERROR_INVALID_CONTEXT;
  return call.context->peers.erase(peer.get()) ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

CUDA_API CUresult cuProfilerStart() {
  Call call;
  return call.status;
}

CUDA_API CUresult cuProfilerStop() {
  Call call;
  return call.status;
}
