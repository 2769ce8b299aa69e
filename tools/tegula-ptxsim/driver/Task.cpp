//===- Task.cpp - runs one task -----------------------------------------------===//

#include "Driver.h"
#include <cstring>

namespace ptxsim {

static void *hostPointer(uint64_t address) { return reinterpret_cast<void *>(uintptr_t(address)); }

static bool copyRow(Driver &driver, const CopySide &target, uint64_t to, const CopySide &source, uint64_t from,
                    uint64_t bytes) {
  if (target.isDevice && source.isDevice)
    return driver.memory.copy(to, from, bytes);
  if (target.isDevice)
    return driver.memory.write(to, hostPointer(from), bytes);
  if (source.isDevice) {
    uint64_t uninitialised = 0;
    bool isDone = driver.memory.read(hostPointer(to), from, bytes, &uninitialised);
    driver.uninitialisedReads += uninitialised;
    return isDone;
  }
  std::memmove(hostPointer(to), hostPointer(from), bytes);
  return true;
}

static CUresult performCopy(Driver &driver, const Copy &copy, Fault &finding) {
  for (uint64_t z = 0; z != copy.depth; ++z)
    for (uint64_t y = 0; y != copy.height; ++y) {
      uint64_t to = copy.target.address + z * copy.target.slice + y * copy.target.pitch;
      uint64_t from = copy.source.address + z * copy.source.slice + y * copy.source.pitch;
      if (copyRow(driver, copy.target, to, copy.source, from, copy.width))
        continue;
      finding.text = "a copy in a stream: device memory was freed before the copy was done";
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
  return CUDA_SUCCESS;
}

static CUresult performFill(Driver &driver, const Fill &fill, Fault &finding) {
  for (uint64_t y = 0; y != fill.height; ++y)
    if (!driver.memory.fill(fill.address + y * fill.pitch, fill.value, fill.elementBytes, fill.width)) {
      finding.text = "a fill in a stream: device memory was freed before the fill was done";
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
  return CUDA_SUCCESS;
}

static CUresult performKernel(Driver &driver, const Task &task, Fault &finding) {
  const Function &function = *task.function;
  std::lock_guard<std::mutex> guard(driver.machineLock);
  std::string reason;
  Status status = driver.machine.run(*function.module->code, function.info->name, task.launch, reason);
  bool hasFindings = printFindings(driver);
  if (status != Status::Ok) {
    if (!hasFindings)
      finding = {FaultKind::Other, function.info->name, 0, {}, {}, reason, 1};
    return CUresult(int(status));
  }
  return driver.failsOnFault && hasFindings ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

CUresult perform(Driver &driver, Task &task, CUresult before, Fault &finding) {
  switch (task.kind) {
  case TaskKind::Empty:
  case TaskKind::Child:
    return CUDA_SUCCESS;
  case TaskKind::Kernel:
    return performKernel(driver, task, finding);
  case TaskKind::Copy:
    return performCopy(driver, task.copy, finding);
  case TaskKind::Fill:
    return performFill(driver, task.fill, finding);
  case TaskKind::Free: {
    std::lock_guard<std::mutex> guard(driver.lock);
    auto it = driver.allocations.find(task.address);
    if (it != driver.allocations.end()) {
      if (it->second.pool)
        it->second.pool->used -= it->second.bytes;
      driver.allocations.erase(it);
      driver.memory.release(task.address);
    }
    return CUDA_SUCCESS;
  }
  case TaskKind::Host:
  case TaskKind::Callback:
    threadState().isInCallback = true;
    if (task.kind == TaskKind::Host)
      task.hostFunction(task.data);
    else
      task.callback(task.callbackStream, before, task.data);
    threadState().isInCallback = false;
    return before;
  }
  return CUDA_ERROR_UNKNOWN;
}

/// Whether every row of `side` is fit to be copied: the widest range of a device side must lie in one allocation.
static bool isSideInside(Driver &driver, const CopySide &side, const Copy &copy) {
  if (copy.width == 0 || copy.height == 0 || copy.depth == 0)
    return true;
  auto [start, size] = driver.memory.allocationOf(side.address);
  if (!side.isDevice)
    return side.address != 0 && size == 0;
  uint64_t last = (copy.depth - 1) * side.slice + (copy.height - 1) * side.pitch;
  uint64_t offset = side.address - start;
  return size != 0 && offset <= size && last <= size - offset && copy.width <= size - offset - last;
}

bool isInside(Driver &driver, const Copy &copy) {
  return isSideInside(driver, copy.source, copy) && isSideInside(driver, copy.target, copy);
}

bool isInside(Driver &driver, const Fill &fill) {
  Copy asCopy;
  asCopy.width = fill.width * fill.elementBytes;
  asCopy.height = fill.height;
  return isSideInside(driver, {fill.address, true, fill.pitch, 0}, asCopy);
}

} // namespace ptxsim
