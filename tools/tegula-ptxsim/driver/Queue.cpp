//===- Queue.cpp - streams: what is done when ---------------------------------===//
//
// Work waits until a call needs its result, and then only that work runs and what it depends on, the latest issued
// first (or drawn from PTXSIM_ORDER's seed). So a program that forgets to wait sees the old bytes, every time it is
// run. For programs that wait by other means (a flag that a host function sets), a thread runs what is pending once no
// call has come for PTXSIM_IDLE_MS.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"
#include <algorithm>
#include <unordered_map>

namespace ptxsim {

/// As deep as a GPU's queue: whoever issues more waits for the oldest.
static constexpr size_t maxPending = 1024;

using Hold = std::unique_lock<std::mutex>;
using Works = std::vector<std::shared_ptr<Work>>;

static bool isReady(const Work &work) {
  return work.state == Work::Queued && std::all_of(work.after.begin(), work.after.end(),
                                                   [](const auto &before) { return before->state == Work::Done; });
}

/// Runs what is ready. Lets go of the lock meanwhile.
static void runWork(Driver &driver, Hold &hold, const std::shared_ptr<Work> &work) {
  Context &context = *work->context;
  CUresult before = context.isDestroyed ? CUDA_ERROR_CONTEXT_IS_DESTROYED : context.sticky, status = before;
  Fault finding{FaultKind::Bounds, "", 0, {}, {}, "", 1};
  work->state = Work::Running;
  ++driver.runningCount;
  // A stream's callback is called with the error of the work before it; all else is dropped.
  if (before == CUDA_SUCCESS || work->task.kind == TaskKind::Callback) {
    hold.unlock();
    status = perform(driver, work->task, before, finding);
    hold.lock();
  }
  if (status != CUDA_SUCCESS && before == CUDA_SUCCESS) {
    context.sticky = status;
    if (!finding.text.empty())
      addFinding(driver, finding);
  }
  --driver.runningCount;
  work->state = Work::Done;
  work->finishedMs = nowMs();
  work->after.clear();
  driver.pending.erase(work->position);
  // What the task holds may be the last hold on a module: not needed by whoever asks for the work's state.
  work->task = Task();
  driver.changed.notify_all();
}

namespace {
/// Work to be done and the order in it.
class Plan {
public:
  explicit Plan(const Works &targets) {
    Works stack = targets;
    while (!stack.empty()) {
      std::shared_ptr<Work> work = std::move(stack.back());
      stack.pop_back();
      if (!work || work->state == Work::Done || !index.emplace(work.get(), works.size()).second)
        continue;
      stack.insert(stack.end(), work->after.begin(), work->after.end());
      works.push_back(std::move(work));
    }
    missing.resize(works.size());
    dependents.resize(works.size());
    for (size_t i = 0; i != works.size(); ++i) {
      for (const std::shared_ptr<Work> &before : works[i]->after)
        if (before->state != Work::Done) {
          dependents[index[before.get()]].push_back(i);
          ++missing[i];
        }
      if (!missing[i])
        open.push_back(i);
    }
  }

  /// The piece to run next; null when all is done, or `isWaiting` for another thread's.
  std::shared_ptr<Work> next(Driver &driver, bool &isWaiting) {
    settle();
    isWaiting = !open.empty();
    size_t best = works.size(), seen = 0;
    for (size_t i : open) {
      if (works[i]->state != Work::Queued)
        continue;
      ++seen;
      bool isBetter = driver.settings.isAdversarial
                          ? randomNumber(driver) % seen == 0
                          : works[i]->sequence > works[best == works.size() ? i : best]->sequence;
      if (best == works.size() || isBetter)
        best = i;
    }
    return best == works.size() ? nullptr : works[best];
  }

private:
  void settle() {
    for (size_t at = 0; at < open.size();) {
      size_t i = open[at];
      if (works[i]->state != Work::Done) {
        ++at;
        continue;
      }
      open[at] = open.back();
      open.pop_back();
      for (size_t next : dependents[i])
        if (--missing[next] == 0)
          open.push_back(next);
    }
  }

  Works works;
  std::unordered_map<const Work *, size_t> index;
  std::vector<size_t> missing, open;
  std::vector<std::vector<size_t>> dependents;
};
} // namespace

void complete(Call &call, Works targets) {
  Plan plan(targets);
  bool isWaiting = false;
  while (std::shared_ptr<Work> work = plan.next(*call.driver, isWaiting))
    runWork(*call.driver, call.hold, work);
  while (isWaiting) {
    call.driver->changed.wait(call.hold);
    while (std::shared_ptr<Work> work = plan.next(*call.driver, isWaiting))
      runWork(*call.driver, call.hold, work);
  }
}

void completeAll(Call &call, Context *context) {
  Works targets;
  for (const std::shared_ptr<Work> &work : call.driver->pending)
    if (!context || work->context.get() == context)
      targets.push_back(work);
  complete(call, std::move(targets));
}

bool advance(Call &call, const std::shared_ptr<Work> &target) {
  if (!target || target->state == Work::Done)
    return true;
  Plan plan({target});
  bool isWaiting = false;
  if (std::shared_ptr<Work> work = plan.next(*call.driver, isWaiting))
    runWork(*call.driver, call.hold, work);
  return false;
}

/// Runs what nobody asks for, once the program makes no calls.
static void help(Driver &driver) {
  Hold hold(driver.lock);
  while (!driver.isStopping) {
    driver.changed.wait_for(hold, std::chrono::milliseconds(std::max(1u, driver.idleMs / 4)));
    while (!driver.isStopping && !driver.runningCount && nowMs() - driver.lastCallMs >= driver.idleMs) {
      auto it = std::find_if(driver.pending.rbegin(), driver.pending.rend(), [](const auto &w) { return isReady(*w); });
      if (it == driver.pending.rend())
        break;
      std::shared_ptr<Work> work = *it;
      runWork(driver, hold, work);
    }
  }
}

void stopHelper(Driver &driver) {
  Hold hold(driver.lock);
  driver.isStopping = true;
  driver.changed.notify_all();
  if (!threadState().isInCallback)
    driver.changed.wait_for(hold, std::chrono::seconds(10), [&] { return driver.runningCount == 0; });
}

std::shared_ptr<Work> enqueueFree(Call &call, const std::shared_ptr<Context> &context, Task task, Works after) {
  Driver &driver = *call.driver;
  auto work = std::make_shared<Work>();
  work->task = std::move(task);
  work->context = context;
  for (std::shared_ptr<Work> &before : after)
    if (before && before->state != Work::Done)
      work->after.push_back(std::move(before));
  work->sequence = driver.nextId++;
  work->position = driver.pending.insert(driver.pending.end(), work);
  if (!driver.hasHelper && driver.idleMs && !driver.isStopping) {
    driver.hasHelper = true;
    std::thread(help, std::ref(driver)).detach();
  }
  return work;
}

Works tailsOf(Stream &stream) {
  Works tails = {stream.tail};
  if (!stream.isLegacy)
    return tails;
  std::vector<std::shared_ptr<Stream>> &blocking = stream.context->blocking;
  auto isGone = [](const auto &other) {
    return other->isDestroyed && (!other->tail || other->tail->state == Work::Done);
  };
  blocking.erase(std::remove_if(blocking.begin(), blocking.end(), isGone), blocking.end());
  for (const std::shared_ptr<Stream> &other : blocking)
    tails.push_back(other->tail);
  return tails;
}

/// What comes before new work in `stream` by CUDA's rules.
static void addStreamOrder(Stream &stream, Works &after) {
  for (std::shared_ptr<Work> &tail : tailsOf(stream))
    after.push_back(std::move(tail));
  if (stream.isBlocking() && stream.context->legacy)
    after.push_back(stream.context->legacy->tail);
}

std::shared_ptr<Work> enqueue(Call &call, Stream &stream, Task task, Works after) {
  if (call.driver->pending.size() >= maxPending)
    complete(call, {call.driver->pending.front()});
  addStreamOrder(stream, after);
  return stream.tail = enqueueFree(call, stream.context, std::move(task), std::move(after));
}

CUresult issue(Call &call, Stream &stream, Task task, std::shared_ptr<Work> *made) {
  if (stream.capture)
    return captureTask(call, stream, std::move(task));
  if (stream.isLegacy)
    if (CUresult status = refuseImplicit(call))
      return status;
  std::shared_ptr<Work> work = enqueue(call, stream, std::move(task), {});
  if (made)
    *made = work;
  return CUDA_SUCCESS;
}

static std::shared_ptr<Stream> makeDefaultStream(Call &call, bool isLegacy) {
  auto stream = std::make_shared<Stream>();
  stream->context = call.context;
  stream->isLegacy = isLegacy;
  stream->id = call->nextId++;
  if (!isLegacy)
    call.context->blocking.push_back(stream);
  return stream;
}

static std::shared_ptr<Stream> findAnyStream(Call &call, CUstream handle) {
  if (!handle)
    handle = threadState().isPerThreadDefault ? perThreadStream : legacyStream;
  if (handle != legacyStream && handle != perThreadStream) {
    std::shared_ptr<Stream> stream = call->streams.find(handle);
    return stream && stream->context->isDestroyed ? nullptr : stream;
  }
  bool isLegacy = handle == legacyStream;
  std::shared_ptr<Stream> &stream =
      isLegacy ? call.context->legacy : call.context->perThread[std::this_thread::get_id()];
  if (!stream)
    stream = makeDefaultStream(call, isLegacy);
  return stream;
}

std::shared_ptr<Stream> findStream(Call &call, CUstream handle) {
  std::shared_ptr<Stream> stream = findAnyStream(call, handle);
  if (stream && stream->capture && stream->capture->isEnded) {
    stream->capture = nullptr;
    stream->captureTail.clear();
  }
  return stream;
}

} // namespace ptxsim
