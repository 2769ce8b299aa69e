//===- Machine.cpp - launches and what they are counted and reported as -------===//
#include "Control.h"
#include "PtxModule.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <tuple>

using llvm::StringRef;

namespace ptxsim {

Settings Settings::read() {
  Settings settings;
  auto number = [](const char *name, auto &value) {
    const char *text = getenv(name);
    return text && !StringRef(text).getAsInteger(0, value);
  };
  number("PTXSIM_THREADS", settings.threads);
  settings.isAdversarial = number("PTXSIM_ORDER", settings.seed);
  unsigned check = 1;
  number("PTXSIM_CHECK", check);
  settings.isChecked = check != 0;
  if (const char *path = getenv("PTXSIM_REPORT"))
    settings.reportPath = path;
  number("PTXSIM_SM", settings.sm);
  return settings;
}

void Counters::add(const Counters &other) {
  for (auto field : {&Counters::instructions, &Counters::globalLoadBytes, &Counters::globalStoreBytes,
                     &Counters::sharedLoadBytes, &Counters::sharedStoreBytes, &Counters::sectorsRead,
                     &Counters::sectorsWritten, &Counters::sharedConflicts, &Counters::tensorInstructions})
    this->*field += other.*field;
}

struct Machine::State {
  State(const Settings &settings, Memory &memory) : settings(settings), memory(memory) {}
  const Settings settings;
  Memory &memory;
  mutable std::mutex lock;
  uint8_t launchNumber = 0;
  Report report;

  uint8_t nextLaunch();
  void add(const LaunchState &launch, const Counters &counters);
};

/// Stamps hold eight bits of a launch's number; all are forgotten when it comes around.
uint8_t Machine::State::nextLaunch() {
  if (++launchNumber)
    return launchNumber;
  Memory::Pages &pages = memory.pages();
  for (uint64_t *cells : {pages.cells.written, pages.cells.read, pages.cells.readBefore})
    madvise(cells, pages.bytes / 4 * 8, MADV_DONTNEED);
  madvise(pages.sectorRead, pages.bytes / 32, MADV_DONTNEED);
  madvise(pages.sectorWritten, pages.bytes / 32, MADV_DONTNEED);
  return launchNumber = 1;
}

void Machine::State::add(const LaunchState &launch, const Counters &counters) {
  KernelCounts &counts = report.kernels[launch.kernel];
  ++counts.launches;
  counts.instructions += counters.instructions;
  counts.globalLoadBytes += counters.globalLoadBytes;
  counts.globalStoreBytes += counters.globalStoreBytes;
  counts.sharedLoadBytes += counters.sharedLoadBytes;
  counts.sharedStoreBytes += counters.sharedStoreBytes;
  counts.sectorsRead += counters.sectorsRead;
  counts.sectorsWritten += counters.sectorsWritten;
  counts.sharedConflicts += counters.sharedConflicts;
  counts.tensorInstructions += counters.tensorInstructions;
  for (const Fault &fault : launch.faults) {
    auto known = std::find_if(report.faults.begin(), report.faults.end(), [&](const Fault &f) {
      return f.kind == fault.kind && f.line == fault.line && f.kernel == fault.kernel;
    });
    if (known != report.faults.end())
      known->count += fault.count;
    else
      report.faults.push_back(fault);
  }
}

Machine::Machine(const Settings &settings, Memory &memory) : state(std::make_unique<State>(settings, memory)) {}
Machine::~Machine() = default;

/// Empty if a launch can be done on the device.
static std::string checkLaunch(const Kernel &kernel, const Launch &launch, Status &status) {
  status = Status::InvalidValue;
  for (unsigned k = 0; k < 3; ++k)
    if (!launch.grid[k] || !launch.block[k])
      return "a size of the grid or of the block is zero";
  uint64_t threads = uint64_t(launch.block[0]) * launch.block[1] * launch.block[2];
  if (launch.grid[0] > 0x7fffffff || launch.grid[1] > 65535 || launch.grid[2] > 65535)
    return "the grid is too large";
  if (launch.block[0] > 1024 || launch.block[1] > 1024 || launch.block[2] > 64 || threads > 1024)
    return "the block is too large";
  if (launch.parameters.size() < kernel.info.parameterBytes)
    return "the kernel has " + std::to_string(kernel.info.parameterBytes) + " bytes of parameters, the launch " +
           std::to_string(launch.parameters.size());
  status = Status::LaunchOutOfResources;
  if (threads > kernel.info.maxThreads)
    return "the kernel is for at most " + std::to_string(kernel.info.maxThreads) + " threads";
  if (uint64_t(kernel.dynamicOffset) + launch.dynamicSharedBytes > 227 * 1024)
    return "too much shared memory";
  status = Status::Ok;
  return "";
}

Status Machine::run(const Module &module, StringRef name, const Launch &launch, std::string &why) {
  std::lock_guard<std::mutex> hold(state->lock);
  const PtxModule &translated = static_cast<const PtxModule &>(module);
  if (!translated.kernel(name)) {
    why = ("there is no kernel '" + name + "'").str();
    return Status::NotFound;
  }
  const Kernel *kernel = translated.compile(name, why);
  if (!kernel)
    return Status::InvalidPtx;
  Status status;
  why = checkLaunch(*kernel, launch, status);
  if (status != Status::Ok)
    return status;
  LaunchState run;
  run.pages = &state->memory.pages();
  run.settings = &state->settings;
  run.kernel = name.str();
  run.code = kernel->entry;
  std::copy(launch.grid.begin(), launch.grid.end(), run.grid);
  std::copy(launch.block.begin(), launch.block.end(), run.blockDim);
  run.number = state->nextLaunch();
  run.parameters = launch.parameters;
  run.parameters.resize(std::max<size_t>(run.parameters.size(), 16));
  Needs needs;
  needs.frameBytes = kernel->frameBytes;
  needs.sharedBytes = kernel->dynamicOffset + launch.dynamicSharedBytes;
  needs.dynamicShared = launch.dynamicSharedBytes;
  needs.localBytes = kernel->info.localBytes;
  Counters counters;
  runLaunch(run, needs, counters);
  state->add(run, counters);
  why = run.why;
  return run.status;
}

Report Machine::report() const {
  std::lock_guard<std::mutex> hold(state->lock);
  Report copy = state->report;
  std::sort(copy.faults.begin(), copy.faults.end(), [](const Fault &a, const Fault &b) {
    return std::tie(a.kernel, a.line, a.kind) < std::tie(b.kernel, b.line, b.kind);
  });
  return copy;
}

} // namespace ptxsim
