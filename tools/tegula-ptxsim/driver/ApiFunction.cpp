//===- ApiFunction.cpp - kernels: attributes and occupancy --------------------===//

#include "Driver.h"
#include <algorithm>

using namespace ptxsim;

static int attribute(Driver &driver, int number) {
  int value = 0;
  attributeOf(driver, 0, number, value);
  return value;
}

static CUresult readAttribute(Driver &driver, const Function &function, CUfunction_attribute which, int &value) {
  const KernelInfo &info = *function.info;
  switch (which) {
  case FunctionMaxThreads:
    value = int(info.maxThreads);
    return CUDA_SUCCESS;
  case FunctionSharedBytes:
    value = int(info.staticSharedBytes);
    return CUDA_SUCCESS;
  case FunctionLocalBytes:
    value = int(info.localBytes);
    return CUDA_SUCCESS;
  case FunctionRegisters:
    value = int(std::min(info.registers, 255u));
    return CUDA_SUCCESS;
  case FunctionPtxVersion:
  case FunctionBinaryVersion:
    value = int(driver.settings.sm);
    return CUDA_SUCCESS;
  case FunctionMaxDynamicShared:
    value = int(function.maxDynamicShared);
    return CUDA_SUCCESS;
  case FunctionCarveout:
    value = function.carveout;
    return CUDA_SUCCESS;
  case FunctionConstBytes:
  case FunctionCacheModeCa:
  case FunctionClusterMustBeSet:
  case FunctionClusterWidth:
  case FunctionClusterHeight:
  case FunctionClusterDepth:
  case FunctionNonPortableCluster:
  case FunctionClusterPolicy:
    value = 0;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

static CUresult writeAttribute(Driver &driver, Function &function, CUfunction_attribute which, int value) {
  if (which == FunctionMaxDynamicShared) {
    int most = attribute(driver, 97) - int(function.info->staticSharedBytes);
    if (value < 0 || value > most)
      return CUDA_ERROR_INVALID_VALUE;
    function.maxDynamicShared = uint32_t(value);
    return CUDA_SUCCESS;
  }
  if (which == FunctionCarveout) {
    if (value < -1 || value > 100)
      return CUDA_ERROR_INVALID_VALUE;
    function.carveout = value;
    return CUDA_SUCCESS;
  }
  return which >= FunctionClusterWidth && which <= FunctionClusterPolicy ? CUDA_ERROR_NOT_SUPPORTED
                                                                         : CUDA_ERROR_INVALID_VALUE;
}

static CUresult getAttribute(int *value, CUfunction_attribute which, const void *handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  return value ? readAttribute(*call.driver, *function, which, *value) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult setAttribute(CUfunction_attribute which, int value, const void *handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  return function ? writeAttribute(*call.driver, *function, which, value) : CUDA_ERROR_INVALID_HANDLE;
}

CUDA_API CUresult cuFuncGetAttribute(int *value, CUfunction_attribute which, CUfunction function) {
  return getAttribute(value, which, function);
}

CUDA_API CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute which, int value) {
  return setAttribute(which, value, function);
}

CUDA_API CUresult cuKernelGetAttribute(int *value, CUfunction_attribute which, CUkernel kernel, CUdevice) {
  return getAttribute(value, which, kernel);
}

CUDA_API CUresult cuKernelSetAttribute(CUfunction_attribute which, int value, CUkernel kernel, CUdevice) {
  return setAttribute(which, value, kernel);
}

static CUresult checkFunction(const void *handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  return call->functions.find(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/// Caches are not modelled: a preference changes nothing.
CUDA_API CUresult cuFuncSetCacheConfig(CUfunction function, int) { return checkFunction(function); }
CUDA_API CUresult cuFuncSetSharedMemConfig(CUfunction function, int) { return checkFunction(function); }
CUDA_API CUresult cuKernelSetCacheConfig(CUkernel kernel, int, CUdevice) { return checkFunction(kernel); }
CUDA_API CUresult cuFuncLoad(CUfunction function) { return checkFunction(function); }

CUDA_API CUresult cuFuncIsLoaded(int *state, CUfunction function) {
  if (!state)
    return CUDA_ERROR_INVALID_VALUE;
  *state = 1;
  return checkFunction(function);
}

CUDA_API CUresult cuFuncGetModule(CUmodule *module, CUfunction handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!module)
    return CUDA_ERROR_INVALID_VALUE;
  *module = reinterpret_cast<CUmodule>(function->module.get());
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuKernelGetLibrary(CUlibrary *library, CUkernel kernel) {
  return cuFuncGetModule(reinterpret_cast<CUmodule *>(library), reinterpret_cast<CUfunction>(kernel));
}

CUDA_API CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel) {
  if (!function)
    return CUDA_ERROR_INVALID_VALUE;
  *function = reinterpret_cast<CUfunction>(kernel);
  return checkFunction(kernel);
}

CUDA_API CUresult cuFuncGetName(const char **name, CUfunction handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!name)
    return CUDA_ERROR_INVALID_VALUE;
  *name = function->info->name.c_str();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuKernelGetName(const char **name, CUkernel kernel) {
  return cuFuncGetName(name, reinterpret_cast<CUfunction>(kernel));
}

CUDA_API CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t *offset, size_t *bytes) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!offset || index >= function->info->parameters.size())
    return CUDA_ERROR_INVALID_VALUE;
  *offset = function->info->parameters[index].offset;
  if (bytes)
    *bytes = function->info->parameters[index].bytes;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t *offset, size_t *bytes) {
  return cuFuncGetParamInfo(reinterpret_cast<CUfunction>(kernel), index, offset, bytes);
}

/// Blocks of a kernel that fit on one multiprocessor, by the rules of CUDA's occupancy calculator: registers are handed
/// out to warps in units of 256, shared memory to blocks in units of 128 bytes.
static int blocksPerMultiprocessor(Driver &driver, const Function &function, int blockSize, uint64_t dynamicBytes) {
  if (blockSize <= 0 || uint32_t(blockSize) > function.info->maxThreads || dynamicBytes > function.maxDynamicShared)
    return 0;
  int warps = (blockSize + 31) / 32;
  int blocks = std::min(attribute(driver, 39) / 32 / warps, attribute(driver, 106));
  uint64_t registers = std::min(std::max(function.info->registers, 16u), 255u);
  uint64_t registersOfWarp = (registers * 32 + 255) / 256 * 256;
  blocks = int(std::min<uint64_t>(uint64_t(blocks), 65536 / registersOfWarp / uint64_t(warps)));
  uint64_t shared =
      (function.info->staticSharedBytes + dynamicBytes + 127) / 128 * 128 + uint64_t(attribute(driver, 111));
  if (shared)
    blocks = int(std::min<uint64_t>(uint64_t(blocks), uint64_t(attribute(driver, 81)) / shared));
  return blocks;
}

CUDA_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction handle, int blockSize,
                                                                       size_t dynamicBytes, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!blocks || blockSize <= 0 || flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  *blocks = blocksPerMultiprocessor(*call.driver, *function, blockSize, dynamicBytes);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int blockSize,
                                                              size_t dynamicBytes) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, blockSize, dynamicBytes, 0);
}

CUDA_API CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *gridSize, int *blockSize, CUfunction handle,
                                                            CUoccupancyB2DSize dynamicOf, size_t dynamicBytes,
                                                            int limit, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!gridSize || !blockSize || flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  call.hold.unlock(); // `dynamicOf` is the program's
  int most = int(function->info->maxThreads), bestThreads = 0;
  if (limit > 0)
    most = std::min(most, limit);
  for (int size = most; size > 0; size = (size - 1) / 32 * 32) {
    int blocks = blocksPerMultiprocessor(*call.driver, *function, size, dynamicOf ? dynamicOf(size) : dynamicBytes);
    if (blocks * size <= bestThreads)
      continue;
    bestThreads = blocks * size;
    *blockSize = size;
    *gridSize = blocks * attribute(*call.driver, 16);
  }
  return bestThreads ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuOccupancyMaxPotentialBlockSize(int *gridSize, int *blockSize, CUfunction function,
                                                   CUoccupancyB2DSize dynamicOf, size_t dynamicBytes, int limit) {
  return cuOccupancyMaxPotentialBlockSizeWithFlags(gridSize, blockSize, function, dynamicOf, dynamicBytes, limit, 0);
}

CUDA_API CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *bytes, CUfunction handle, int blocks, int blockSize) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes || blocks <= 0 || blockSize <= 0)
    return CUDA_ERROR_INVALID_VALUE;
  int64_t each =
      attribute(*call.driver, 81) / blocks - attribute(*call.driver, 111) - int64_t(function->info->staticSharedBytes);
  int64_t most = attribute(*call.driver, 97) - int64_t(function->info->staticSharedBytes);
  *bytes = size_t(std::max<int64_t>(0, std::min(each, most) / 128 * 128));
  return CUDA_SUCCESS;
}
