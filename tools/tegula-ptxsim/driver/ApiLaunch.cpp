//===- ApiLaunch.cpp - kernel launches ----------------------------------------===//

#include "Driver.h"
#include <cstring>

using namespace ptxsim;

/// Limits of a launch by CUDA's rules.
static CUresult checkShape(Call &call, const Function &function, const unsigned grid[3], const unsigned block[3],
                           unsigned sharedBytes) {
  if (!grid[0] || !grid[1] || !grid[2] || !block[0] || !block[1] || !block[2])
    return CUDA_ERROR_INVALID_VALUE;
  if (grid[0] > 2147483647u || grid[1] > 65535 || grid[2] > 65535)
    return CUDA_ERROR_INVALID_VALUE;
  if (block[0] > 1024 || block[1] > 1024 || block[2] > 64 || uint64_t(block[0]) * block[1] * block[2] > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  if (block[0] * block[1] * block[2] > function.info->maxThreads)
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  if (sharedBytes <= function.maxDynamicShared)
    return CUDA_SUCCESS;
  printLine(*call.driver, "bounds: kernel '" + function.info->name + "': " + std::to_string(sharedBytes) +
                              " bytes of dynamic shared memory, but cuFuncSetAttribute allows " +
                              std::to_string(function.maxDynamicShared));
  return CUDA_ERROR_INVALID_VALUE;
}

/// The buffer that `extra` describes: pairs of a word and a pointer, ended by a null word.
static CUresult readExtra(void **extra, const KernelInfo &info, std::vector<char> &block) {
  const char *buffer = nullptr;
  size_t bytes = 0;
  for (; *extra; extra += 2) {
    if (uintptr_t(extra[0]) == 1)
      buffer = static_cast<const char *>(extra[1]);
    else if (uintptr_t(extra[0]) == 2 && extra[1])
      bytes = *static_cast<const size_t *>(extra[1]);
    else
      return CUDA_ERROR_INVALID_VALUE;
  }
  if (bytes < info.parameterBytes || (bytes && !buffer))
    return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(block.data(), buffer, info.parameterBytes);
  return CUDA_SUCCESS;
}

CUresult ptxsim::makeLaunch(Call &call, CUfunction handle, const unsigned grid[3], const unsigned block[3],
                            unsigned sharedBytes, void **parameters, void **extra, Task &task) {
  std::shared_ptr<Function> function = call->functions.find(handle);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult status = checkShape(call, *function, grid, block, sharedBytes))
    return status;
  const KernelInfo &info = *function->info;
  if ((parameters && extra) || (!parameters && !extra && !info.parameters.empty()))
    return CUDA_ERROR_INVALID_VALUE;
  task.kind = TaskKind::Kernel;
  task.launch.grid = {grid[0], grid[1], grid[2]};
  task.launch.block = {block[0], block[1], block[2]};
  task.launch.dynamicSharedBytes = sharedBytes;
  task.launch.parameters.assign(info.parameterBytes, 0);
  task.function = function;
  if (extra && !info.parameters.empty())
    return readExtra(extra, info, task.launch.parameters);
  for (size_t i = 0; parameters && i != info.parameters.size(); ++i) {
    if (!parameters[i])
      return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(task.launch.parameters.data() + info.parameters[i].offset, parameters[i], info.parameters[i].bytes);
  }
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                                 unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream handle,
                                 void **parameters, void **extra) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  const unsigned grid[3] = {gridX, gridY, gridZ}, block[3] = {blockX, blockY, blockZ};
  Task task;
  if (CUresult status = makeLaunch(call, function, grid, block, sharedBytes, parameters, extra, task))
    return status;
  return issue(call, *stream, std::move(task));
}

/// Attributes that only ask for speed are taken and change nothing.
static CUresult checkAttribute(const CUlaunchAttribute &attribute) {
  if (attribute.id == LaunchCooperative && attribute.value.cooperative)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (attribute.id == LaunchProgrammaticEvent || attribute.id == LaunchCompletionEvent ||
      attribute.id == LaunchUpdatableNode)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (attribute.id != LaunchClusterDimension)
    return CUDA_SUCCESS;
  const unsigned *cluster = attribute.value.cluster;
  return cluster[0] == 1 && cluster[1] == 1 && cluster[2] == 1 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

CUDA_API CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  if (!config || (config->attributeCount && !config->attributes))
    return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i != config->attributeCount; ++i)
    if (CUresult status = checkAttribute(config->attributes[i]))
      return status;
  return cuLaunchKernel(function, config->grid[0], config->grid[1], config->grid[2], config->block[0], config->block[1],
                        config->block[2], config->sharedBytes, config->stream, parameters, extra);
}

/// Blocks run one after another as the host has threads for them: a barrier over the grid would never end.
CUDA_API CUresult cuLaunchCooperativeKernel(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                            unsigned, CUstream, void **) {
  Call call;
  return call ? CUDA_ERROR_NOT_SUPPORTED : call.status;
}
