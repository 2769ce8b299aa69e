//===- Machine.h - the emulated GPU, as the driver interface sees it ----------===//
//
// Memory holds what the device can address, Module is one translated PTX text, Machine runs kernels. The driver
// interface (driver/) is built on these and on nothing else of the emulator.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_MACHINE_H
#define TEGULA_TOOLS_PTXSIM_MACHINE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ptxsim {

/// What went wrong, as far as the driver's callers can be told: the numbers are CUDA's (cuda.h).
enum class Status {
  Ok = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  InvalidPtx = 218,
  NotFound = 500,
  IllegalAddress = 700,
  LaunchOutOfResources = 701,
  MisalignedAddress = 716,
  LaunchFailed = 719,
};

enum class FaultKind { Race, Barrier, Bounds, Alignment, Uninitialised, AsyncWait, Other };

/// One finding. The same finding (kind, kernel, line) is reported once, with the number of times it was met.
struct Fault {
  FaultKind kind;
  std::string kernel;
  unsigned line = 0; ///< of the PTX text, from 1
  std::array<uint32_t, 3> block{}, thread{};
  std::string text; ///< one sentence: what was done, to which address or byte, and who else is part of it
  uint64_t count = 1;
};

/// What kernels did, summed over all launches of a kernel's name. Bytes of memory as the threads asked for them, and
/// DRAM bytes as distinct 32-byte sectors for each launch (every sector once: a cache that never forgets within a
/// launch).
struct KernelCounts {
  uint64_t launches = 0, instructions = 0 /* by warp */;
  uint64_t globalLoadBytes = 0, globalStoreBytes = 0, sharedLoadBytes = 0, sharedStoreBytes = 0;
  uint64_t sectorsRead = 0, sectorsWritten = 0;
  uint64_t sharedConflicts = 0; ///< extra cycles of shared memory for want of distinct banks
  uint64_t tensorInstructions = 0;
};

struct Report {
  std::map<std::string, KernelCounts> kernels;
  std::vector<Fault> faults;
};

/// Device memory: allocations in a range of addresses that the host cannot touch. Thread-safe.
class Memory {
public:
  Memory();
  ~Memory();
  /// A new allocation, aligned to 256 bytes, with unusable bytes around it; 0 when out of memory. Contents are
  /// uninitialised.
  uint64_t allocate(uint64_t bytes);
  /// False if `address` is not the start of a live allocation.
  bool release(uint64_t address);
  /// The allocation around `address`: its start and size; size 0 if there is none.
  std::pair<uint64_t, uint64_t> allocationOf(uint64_t address) const;
  /// Copies by the host. False, and nothing is done, if a range is not within one allocation. `read` does not ask
  /// whether the bytes were written before, but counts those that were not into `uninitialised` when it is given.
  bool write(uint64_t device, const void *host, uint64_t bytes);
  bool read(void *host, uint64_t device, uint64_t bytes, uint64_t *uninitialised = nullptr) const;
  bool copy(uint64_t to, uint64_t from, uint64_t bytes); ///< carries over what is uninitialised
  /// Fills `count` elements of `width` (1, 2, 4) bytes.
  bool fill(uint64_t device, uint32_t value, unsigned width, uint64_t count);
  uint64_t bytesInUse() const;

  struct Pages; ///< of the emulator alone
  Pages &pages() { return *impl; }

private:
  std::unique_ptr<Pages> impl;
};

/// A kernel's resources, as cuFuncGetAttribute tells them.
struct KernelInfo {
  std::string name;
  uint32_t staticSharedBytes = 0, localBytes = 0, registers = 0 /* a guess: virtual registers live at once */;
  uint32_t maxThreads = 1024; ///< .maxntid
  struct Parameter {
    uint32_t offset, bytes;
  };
  std::vector<Parameter> parameters; ///< in order, offsets as in the parameter block
  uint32_t parameterBytes = 0;
};

/// One PTX text, translated. Its .global and .const variables live in `memory` until it is destroyed.
class Module {
public:
  virtual ~Module() = default;
  /// Null with a status and a log ("line 12: ...") on failure. `sm` is the device's compute capability times ten: a
  /// text whose .target is newer is refused.
  static std::unique_ptr<Module> load(llvm::StringRef ptx, unsigned sm, Memory &memory, Status &status,
                                      std::string &log);
  virtual const KernelInfo *kernel(llvm::StringRef name) const = 0;
  virtual std::vector<std::string> kernelNames() const = 0;
  /// A .global or .const variable: address and size; size 0 if there is none.
  virtual std::pair<uint64_t, uint64_t> global(llvm::StringRef name) const = 0;
};

struct Launch {
  std::array<uint32_t, 3> grid, block;
  uint32_t dynamicSharedBytes = 0;
  std::vector<char> parameters; ///< the parameter block, laid out as KernelInfo::parameters says
};

/// How to run: from the environment by `Settings::read`.
struct Settings {
  unsigned threads = 0;       ///< PTXSIM_THREADS: of the host, over blocks; 0: all
  bool isAdversarial = false; ///< PTXSIM_ORDER=SEED: blocks and warps run in an order drawn from SEED
  uint64_t seed = 0;
  bool isChecked = true;  ///< PTXSIM_CHECK=0: bounds only, no races, no initialisation (faster)
  std::string reportPath; ///< PTXSIM_REPORT=FILE
  unsigned sm = 90;       ///< PTXSIM_SM=75: the compute capability that is emulated
  static Settings read();
};

/// Runs kernels, one launch at a time (a lock inside). Findings are added to `report()`.
class Machine {
public:
  Machine(const Settings &settings, Memory &memory);
  ~Machine();
  /// Runs to the end. A fault that a GPU would stop for (bounds, alignment, a trap) ends the launch with its status;
  /// others are only reported. `why` gets a sentence on failure.
  Status run(const Module &module, llvm::StringRef kernel, const Launch &launch, std::string &why);
  Report report() const; ///< a copy, faults in order of kernel, line and kind

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace ptxsim

#endif
