//===- Driver.cpp - start, end, and what each entry point begins with ---------===//

#include "Driver.h"
#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace ptxsim {

static std::atomic<Driver *> theDriver{nullptr};
static std::mutex startLock;

static unsigned numberFromEnvironment(const char *name, unsigned otherwise) {
  const char *text = std::getenv(name);
  return text && *text ? unsigned(std::strtoul(text, nullptr, 10)) : otherwise;
}

static bool isSet(const char *name) {
  const char *text = std::getenv(name);
  return text && *text && llvm::StringRef(text) != "0";
}

Driver::Driver() : settings(Settings::read()), machine(settings, memory) {
  deviceCount = numberFromEnvironment("PTXSIM_DEVICES", 1);
  idleMs = numberFromEnvironment("PTXSIM_IDLE_MS", 100);
  totalBytes = uint64_t(numberFromEnvironment("PTXSIM_MEMORY_MIB", 16384)) << 20;
  failsOnFault = isSet("PTXSIM_FAIL");
  isQuiet = isSet("PTXSIM_QUIET");
  random = settings.seed * 2654435761u + 1;
  for (unsigned device = 0; device < deviceCount; ++device) {
    auto pool = std::make_shared<Pool>();
    pool->device = int(device);
    pools.add(pool);
    defaultPools.push_back(pool);
    currentPools.push_back(pool);
  }
}

Driver *Driver::get() { return theDriver.load(std::memory_order_acquire); }

static void stopAtExit() {
  if (Driver *driver = Driver::get())
    stopHelper(*driver);
}

CUresult Driver::start() {
  std::lock_guard<std::mutex> guard(startLock);
  if (get())
    return CUDA_SUCCESS;
  if (numberFromEnvironment("PTXSIM_DEVICES", 1) == 0)
    return CUDA_ERROR_NO_DEVICE;
  theDriver.store(new Driver, std::memory_order_release);
  // Before LLVM's own destructors, which come later in this list: no kernel may run beside them.
  std::atexit(stopAtExit);
  return CUDA_SUCCESS;
}

/// After the program's own destructors, so that what they free is no leak.
__attribute__((destructor)) static void finish() {
  Driver *driver = Driver::get();
  if (!driver)
    return;
  stopHelper(*driver);
  std::lock_guard<std::mutex> guard(driver->lock);
  if (!driver->isShutDown)
    writeReport(*driver);
  driver->isShutDown = true;
}

ThreadState &threadState() {
  static thread_local ThreadState state;
  return state;
}

double nowMs() {
  auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

/// xorshift64*: the order of streams must be the same for the same seed on every machine.
uint64_t randomNumber(Driver &driver) {
  uint64_t &x = driver.random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  return x * 2685821657736338717ull;
}

Call::Call(Need need) {
  driver = Driver::get();
  if (driver) {
    hold = std::unique_lock<std::mutex>(driver->lock);
    driver->lastCallMs = nowMs();
  }
  ThreadState &thread = threadState();
  if (!driver)
    status = CUDA_ERROR_NOT_INITIALIZED;
  else if (driver->isShutDown)
    status = CUDA_ERROR_DEINITIALIZED;
  else if (thread.isInCallback)
    status = CUDA_ERROR_NOT_PERMITTED;
  if (status != CUDA_SUCCESS || need == Initialised)
    return;
  if (thread.stack.empty() || !thread.stack.back()) {
    status = CUDA_ERROR_INVALID_CONTEXT;
    return;
  }
  context = thread.stack.back();
  if (context->isDestroyed)
    status = CUDA_ERROR_CONTEXT_IS_DESTROYED;
  else if (need == Current)
    status = context->sticky;
}

std::map<uint64_t, Allocation>::iterator findAllocation(Driver &driver, uint64_t address) {
  auto it = driver.allocations.upper_bound(address);
  if (it == driver.allocations.begin())
    return driver.allocations.end();
  --it;
  return address - it->first < std::max<uint64_t>(it->second.bytes, 1) ? it : driver.allocations.end();
}

std::map<uint64_t, PinnedRange>::iterator findPinned(Driver &driver, uint64_t address, uint64_t bytes) {
  auto it = driver.pinned.upper_bound(address);
  if (it == driver.pinned.begin())
    return driver.pinned.end();
  --it;
  bool isIn = address - it->first < it->second.bytes && bytes <= it->second.bytes - (address - it->first);
  return isIn ? it : driver.pinned.end();
}

static void freeMemory(Driver &driver, Context *context) {
  for (auto it = driver.allocations.begin(); it != driver.allocations.end();) {
    if (it->second.context != context) {
      ++it;
      continue;
    }
    if (!it->second.isFreePending) {
      ++driver.leakCount;
      driver.leakBytes += it->second.bytes;
    }
    driver.memory.release(it->first);
    it = driver.allocations.erase(it);
  }
  for (auto it = driver.pinned.begin(); it != driver.pinned.end();) {
    if (it->second.context != context) {
      ++it;
      continue;
    }
    if (!it->second.isRegistered)
      std::free(reinterpret_cast<void *>(it->first));
    it = driver.pinned.erase(it);
  }
}

void emptyContext(Call &call, const std::shared_ptr<Context> &context) {
  Driver &driver = *call.driver;
  completeAll(call, context.get());
  Context *gone = context.get();
  driver.captures.remove_if([&](const std::shared_ptr<Capture> &capture) { return capture->context == gone; });
  driver.functions.eraseIf([&](Function &f) { return f.module && f.module->context.get() == gone; });
  driver.modules.eraseIf([&](ModuleObject &module) { return module.context.get() == gone; });
  driver.events.eraseIf([&](Event &event) { return event.context.get() == gone; });
  driver.streams.eraseIf([&](Stream &stream) { return stream.context.get() == gone; });
  freeMemory(driver, gone);
  context->blocking.clear();
  context->perThread.clear();
  context->peers.clear();
  context->limits.clear();
  context->legacy = nullptr;
  context->sticky = CUDA_SUCCESS;
  context->isDestroyed = true;
}

} // namespace ptxsim

using namespace ptxsim;

CUDA_API CUresult cuInit(unsigned flags) {
  if (flags)
    return CUDA_ERROR_INVALID_VALUE;
  return Driver::start();
}

CUDA_API CUresult cuDriverGetVersion(int *version) {
  if (!version)
    return CUDA_ERROR_INVALID_VALUE;
  *version = 12090;
  return CUDA_SUCCESS;
}
