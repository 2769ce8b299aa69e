//===- Driver.h - the objects behind CUDA's handles ---------------------------===//
//
// One Driver for the process (the interface has no handle for it), made by cuInit and never destroyed: threads may
// still be inside when the process ends. Its one lock guards everything here; tasks run without it.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_DRIVER_DRIVER_H
#define TEGULA_TOOLS_PTXSIM_DRIVER_DRIVER_H

#include "Task.h"
#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <thread>

namespace ptxsim {

struct Work;
struct Stream;
struct ModuleObject;

/// What is alive, by handle: a stale or foreign handle is an error, not a crash.
template <typename T> class Handles {
public:
  T *add(std::shared_ptr<T> object) {
    T *handle = object.get();
    live.emplace(handle, std::move(object));
    return handle;
  }
  std::shared_ptr<T> find(const void *handle) const {
    auto it = live.find(handle);
    return it == live.end() ? nullptr : it->second;
  }
  bool erase(const void *handle) { return live.erase(handle) != 0; }
  /// Forgets all for which `isGone` says so.
  template <typename F> void eraseIf(F isGone) {
    for (auto it = live.begin(); it != live.end();)
      it = isGone(*it->second) ? live.erase(it) : std::next(it);
  }

private:
  std::map<const void *, std::shared_ptr<T>> live;
};

struct Pool {
  int device = 0;
  uint64_t releaseThreshold = 0, used = 0, usedHigh = 0;
};

struct Allocation {
  uint64_t bytes = 0;
  Context *context = nullptr;
  Pool *pool = nullptr;
  bool isFreePending = false;
  uint64_t id = 0;
};

struct PinnedRange {
  uint64_t bytes = 0;
  Context *context = nullptr;
  unsigned flags = 0;
  bool isRegistered = false; ///< by the user, else allocated here
};

struct Context {
  int device = 0;
  unsigned flags = 0, apiVersion = 3020;
  bool isPrimary = false, isDestroyed = false;
  uint64_t id = 0;
  CUresult sticky = CUDA_SUCCESS; ///< an illegal address and the like: all later calls return it
  std::shared_ptr<Stream> legacy;
  std::map<std::thread::id, std::shared_ptr<Stream>> perThread;
  std::vector<std::shared_ptr<Stream>> blocking; ///< those that the legacy stream waits for
  std::set<Context *> peers;
  std::map<int, size_t> limits;
  int cacheConfig = 0, sharedConfig = 0;
};

/// A task in a stream. `after` is emptied when it is done, so that old work goes.
struct Work {
  Task task;
  std::shared_ptr<Context> context;
  std::vector<std::shared_ptr<Work>> after;
  enum State { Queued, Running, Done } state = Queued;
  uint64_t sequence = 0;
  double finishedMs = 0;
  std::list<std::shared_ptr<Work>>::iterator position; ///< in Driver::pending
};

struct GraphNode {
  Task task;
  std::vector<GraphNode *> after;
  Graph *owner = nullptr;
};

struct Graph {
  std::vector<std::shared_ptr<GraphNode>> nodes;
};

struct GraphExec {
  std::shared_ptr<Graph> graph;                ///< a copy, in an order that respects dependencies
  std::map<const GraphNode *, GraphNode *> of; ///< node of the original -> node of the copy
  std::shared_ptr<Work> lastRun;               ///< a graph does not run beside itself
  uint64_t flags = 0;
};

struct Capture {
  std::shared_ptr<Graph> graph;
  CUstreamCaptureMode mode = CaptureGlobal;
  std::thread::id thread;
  const Stream *origin = nullptr; ///< to compare with only
  Context *context = nullptr;
  bool isOriginBlocking = false, isInvalid = false, isEnded = false;
  uint64_t id = 0;
};

struct Stream {
  std::shared_ptr<Context> context;
  unsigned flags = 0;
  int priority = 0;
  uint64_t id = 0;
  bool isLegacy = false, isDestroyed = false;
  std::shared_ptr<Work> tail;
  std::shared_ptr<Capture> capture; ///< while one is going on
  std::vector<GraphNode *> captureTail;
  bool isBlocking() const { return !isLegacy && !(flags & CU_STREAM_NON_BLOCKING); }
};

struct Event {
  std::shared_ptr<Context> context;
  unsigned flags = 0;
  std::shared_ptr<Work> work; ///< null: never recorded
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode *> captureTail;
};

struct Function {
  std::shared_ptr<ModuleObject> module;
  const KernelInfo *info = nullptr;
  uint32_t maxDynamicShared = 0;
  int carveout = -1;
};

struct ModuleObject {
  std::shared_ptr<Context> context; ///< null: of a library loaded without a context
  std::unique_ptr<Module> code;
  std::map<std::string, CUfunction> functions; ///< handed out; the handles own them
  bool isLibrary = false;
};

struct Link {
  std::string ptx;
};

struct Driver {
  Driver();

  std::mutex lock;
  std::condition_variable changed; ///< some work is done
  Settings settings;
  Memory memory;
  Machine machine;
  unsigned deviceCount = 1, idleMs = 100;
  bool failsOnFault = false, isQuiet = false, isShutDown = false;
  uint64_t totalBytes = 16ull << 30;

  std::map<int, std::shared_ptr<Context>> primary; ///< exists while retained
  std::map<int, unsigned> primaryCount, primaryFlags;
  std::vector<std::shared_ptr<Pool>> defaultPools, currentPools;
  Handles<Context> contexts;
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<ModuleObject> modules;
  Handles<Function> functions;
  Handles<Graph> graphs;
  Handles<GraphNode> nodes;
  Handles<GraphExec> execs;
  Handles<Pool> pools;
  Handles<Link> links;
  std::map<uint64_t, Allocation> allocations;
  std::map<uint64_t, PinnedRange> pinned;
  std::list<std::shared_ptr<Capture>> captures; ///< those going on
  std::list<std::shared_ptr<Work>> pending;     ///< in order of issue
  uint64_t nextId = 1, random = 0;
  unsigned runningCount = 0;
  bool hasHelper = false, isStopping = false;
  double lastCallMs = 0;

  std::mutex machineLock;                ///< over Machine::run and the look for its findings
  std::set<std::string> printedFaults;   ///< under machineLock
  uint64_t faultCount = 0;               ///< under machineLock
  uint64_t leakCount = 0, leakBytes = 0; ///< of contexts that are gone
  std::vector<Fault> findings;           ///< the driver's own
  std::atomic<uint64_t> uninitialisedReads{0};

  static Driver *get(); ///< null before cuInit
  static CUresult start();
};

/// What each entry point begins with: takes the lock and finds what keeps the call from being made.
class Call {
public:
  enum Need { Initialised, Current, EvenSticky /* Current, but works in a context that has failed */ };
  explicit Call(Need need = Current);
  explicit operator bool() const { return status == CUDA_SUCCESS; }
  Driver *operator->() const { return driver; }

  CUresult status = CUDA_SUCCESS;
  Driver *driver = nullptr;
  std::shared_ptr<Context> context;
  std::unique_lock<std::mutex> hold;
};

/// The calling thread's own state.
struct ThreadState {
  std::vector<std::shared_ptr<Context>> stack;
  CUstreamCaptureMode captureMode = CaptureGlobal;
  bool isInCallback = false;
  bool isPerThreadDefault = false; ///< inside an entry point whose default stream is the thread's own
};
ThreadState &threadState();

double nowMs();
uint64_t randomNumber(Driver &driver);

/// The allocation around `address`, or end().
std::map<uint64_t, Allocation>::iterator findAllocation(Driver &driver, uint64_t address);
/// The pinned range around [address, address + bytes), or end().
std::map<uint64_t, PinnedRange>::iterator findPinned(Driver &driver, uint64_t address, uint64_t bytes);
/// Releases all that `context` holds; what was still allocated counts as leaked.
void emptyContext(Call &call, const std::shared_ptr<Context> &context);

/// Streams (Queue.cpp). A null result is CUDA_ERROR_INVALID_HANDLE.
std::shared_ptr<Stream> findStream(Call &call, CUstream handle);
/// Puts `task` at the end of `stream`, or into the graph that the stream is captured into. `made` gets the work, if
/// any.
CUresult issue(Call &call, Stream &stream, Task task, std::shared_ptr<Work> *made = nullptr);
/// The same without capture, after `after` as well.
std::shared_ptr<Work> enqueue(Call &call, Stream &stream, Task task, std::vector<std::shared_ptr<Work>> after);
/// Work outside of any stream's order, as graphs have it.
std::shared_ptr<Work> enqueueFree(Call &call, const std::shared_ptr<Context> &context, Task task,
                                  std::vector<std::shared_ptr<Work>> after);
/// Runs `targets` and all they wait for. Lets go of the lock meanwhile.
void complete(Call &call, std::vector<std::shared_ptr<Work>> targets);
/// All that a wait for `stream` waits for.
std::vector<std::shared_ptr<Work>> tailsOf(Stream &stream);
void completeAll(Call &call, Context *context /* null: all contexts */);
/// Runs one piece of what `target` waits for; true if it was done before.
bool advance(Call &call, const std::shared_ptr<Work> &target);
/// Ends the helper thread and waits for what runs.
void stopHelper(Driver &driver);

/// Capture (ApiCapture.cpp).
/// What a call that cannot be captured returns; spoils the captures that forbid it.
CUresult refuseWhileCapturing(Call &call);
/// What a use of the legacy stream returns: a capturing blocking stream forbids it.
CUresult refuseImplicit(Call &call);
CUresult captureTask(Call &call, Stream &stream, Task task);
/// What a wait for `stream` returns while it is captured; spoils the capture.
CUresult refuseCaptured(Call &call, Stream &stream);

/// Graphs (ApiGraph.cpp).
/// A new node, with a handle.
GraphNode *addNode(Call &call, Graph &graph, Task task, const std::vector<GraphNode *> &after);
/// In an order that respects dependencies; null if they run in a circle.
std::shared_ptr<Graph> cloneGraph(const Graph &graph, std::map<const GraphNode *, GraphNode *> &of);
void forgetGraph(Call &call, Graph &graph);

/// Kernel launches (ApiLaunch.cpp): checks and makes a task. `parameters` and `extra` as in cuLaunchKernel.
CUresult makeLaunch(Call &call, CUfunction function, const unsigned grid[3], const unsigned block[3],
                    unsigned sharedBytes, void **parameters, void **extra, Task &task);
/// Copies (ApiCopy.cpp): makes a task of CUDA's description.
CUresult makeCopy(Call &call, const CUDA_MEMCPY3D &description, Task &task);
CUresult makeFill(Call &call, const Fill &fill, Task &task);

/// Device properties (Properties.cpp): of an attribute's number; false if there is none.
bool attributeOf(const Driver &driver, int device, int attribute, int &value);

/// Modules (ApiModule.cpp).
CUfunction functionOf(Call &call, const std::shared_ptr<ModuleObject> &module, llvm::StringRef name);

/// The newest form of a function that `version` of CUDA knows (FunctionTable.cpp). `answer` as in cuGetProcAddress.
CUresult findFunction(llvm::StringRef name, void **entry, int version, uint64_t flags, int *answer);

/// Report.cpp. Prints findings that are new since the last call; true if there are any. Under machineLock.
bool printFindings(Driver &driver);
/// A finding of the driver's own.
void addFinding(Driver &driver, const Fault &fault);
void printLine(const Driver &driver, const std::string &text);
void writeReport(Driver &driver);

} // namespace ptxsim

#endif
