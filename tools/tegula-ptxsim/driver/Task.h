//===- Task.h - one thing that a stream or a graph node does ------------------===//
//
// A task holds all it needs (parameters are copied when it is made), so that it can run at any later time, and more
// than once.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_DRIVER_TASK_H
#define TEGULA_TOOLS_PTXSIM_DRIVER_TASK_H

#include "Cuda.h"
#include "Machine.h"

namespace ptxsim {

struct Driver;
struct Context;
struct Function;
struct Graph;

/// One side of a copy, of `depth` slices of `height` rows.
struct CopySide {
  uint64_t address = 0;
  bool isDevice = false;
  uint64_t pitch = 0, slice = 0;
};

struct Copy {
  CopySide source, target;
  uint64_t width = 0, height = 1, depth = 1;
};

struct Fill {
  uint64_t address = 0, pitch = 0;
  uint32_t value = 0;
  unsigned elementBytes = 1;
  uint64_t width = 0, height = 1; ///< width in elements
};

enum class TaskKind { Empty, Kernel, Copy, Fill, Host, Callback, Free, Child };

struct Task {
  TaskKind kind = TaskKind::Empty;
  std::shared_ptr<Function> function; ///< Kernel
  Launch launch{};
  Copy copy;                                ///< Copy
  std::shared_ptr<std::vector<char>> bytes; ///< Copy: of pageable memory, taken at the call; `copy.source` points there
  Fill fill;                                ///< Fill
  CUhostFn hostFunction = nullptr;          ///< Host
  CUstreamCallback callback = nullptr;      ///< Callback
  CUstream callbackStream = nullptr;
  void *data = nullptr;         ///< Host, Callback
  uint64_t address = 0;         ///< Free
  std::shared_ptr<Graph> child; ///< Child: only in graphs, opened up when the graph is launched
};

/// Runs `task` now. Called without the driver's lock. `before` is how the context fares so far; `finding` gets a text
/// on a failure that the emulator has not reported itself.
CUresult perform(Driver &driver, Task &task, CUresult before, Fault &finding);

/// Whether each row of a device side lies in one allocation, and host sides are no device addresses.
bool isInside(Driver &driver, const Copy &copy);
bool isInside(Driver &driver, const Fill &fill);

} // namespace ptxsim

#endif
