//===- ApiStream.cpp - streams and events -------------------------------------===//

#include "Driver.h"
#include <algorithm>

using namespace ptxsim;

static constexpr int greatestPriority = -5;

CUDA_API CUresult cuStreamCreateWithPriority(CUstream *handle, unsigned flags, int priority) {
  Call call;
  if (!call)
    return call.status;
  if (!handle || flags > CU_STREAM_NON_BLOCKING)
    return CUDA_ERROR_INVALID_VALUE;
  auto stream = std::make_shared<Stream>();
  stream->context = call.context;
  stream->flags = flags;
  stream->priority = std::min(0, std::max(greatestPriority, priority));
  stream->id = call->nextId++;
  if (stream->isBlocking())
    call.context->blocking.push_back(stream);
  *handle = reinterpret_cast<CUstream>(call->streams.add(stream));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamCreate(CUstream *handle, unsigned flags) {
  return cuStreamCreateWithPriority(handle, flags, 0);
}

/// What is pending in it is still done.
CUDA_API CUresult cuStreamDestroy_v2(CUstream handle) {
  Call call(Call::EvenSticky);
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = call->streams.find(handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) {
    stream->capture->isInvalid = true;
    if (stream->capture->origin == stream.get()) {
      stream->capture->isEnded = true;
      forgetGraph(call, *stream->capture->graph);
      call->captures.remove(stream->capture);
    }
    stream->capture = nullptr;
  }
  stream->isDestroyed = true;
  call->streams.erase(handle);
  return call.context->sticky;
}

CUDA_API CUresult cuStreamSynchronize(CUstream handle) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult status = refuseCaptured(call, *stream))
    return status;
  complete(call, tailsOf(*stream));
  return stream->context->sticky;
}

/// Each question does one piece of work, so that a program that asks until it is told yes comes to an end.
CUDA_API CUresult cuStreamQuery(CUstream handle) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult status = refuseCaptured(call, *stream))
    return status;
  bool isDone = true;
  for (const std::shared_ptr<Work> &tail : tailsOf(*stream))
    isDone = isDone && advance(call, tail);
  if (stream->context->sticky)
    return stream->context->sticky;
  return isDone ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

template <typename T, typename F> static CUresult tell(CUstream handle, T *value, F fact) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!value)
    return CUDA_ERROR_INVALID_VALUE;
  *value = fact(*stream);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamGetFlags(CUstream handle, unsigned *flags) {
  return tell(handle, flags, [](Stream &stream) { return stream.flags; });
}
CUDA_API CUresult cuStreamGetPriority(CUstream handle, int *priority) {
  return tell(handle, priority, [](Stream &stream) { return stream.priority; });
}
CUDA_API CUresult cuStreamGetId(CUstream handle, unsigned long long *id) {
  return tell(handle, id, [](Stream &stream) { return static_cast<unsigned long long>(stream.id); });
}
CUDA_API CUresult cuStreamGetDevice(CUstream handle, CUdevice *device) {
  return tell(handle, device, [](Stream &stream) { return stream.context->device; });
}
CUDA_API CUresult cuStreamGetCtx(CUstream handle, CUcontext *context) {
  return tell(handle, context, [](Stream &stream) { return reinterpret_cast<CUcontext>(stream.context.get()); });
}

CUDA_API CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!function)
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  task.kind = TaskKind::Host;
  task.hostFunction = function;
  task.data = data;
  return issue(call, *stream, std::move(task));
}

CUDA_API CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void *data, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!callback || flags)
    return CUDA_ERROR_INVALID_VALUE;
  if (stream->capture)
    return refuseCaptured(call, *stream);
  Task task;
  task.kind = TaskKind::Callback;
  task.callback = callback;
  task.callbackStream = handle;
  task.data = data;
  return issue(call, *stream, std::move(task));
}

CUDA_API CUresult cuEventCreate(CUevent *handle, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  if (!handle || flags > 7 || (flags & (CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING)) == CU_EVENT_INTERPROCESS)
    return CUDA_ERROR_INVALID_VALUE;
  if (flags & CU_EVENT_INTERPROCESS)
    return CUDA_ERROR_NOT_SUPPORTED;
  auto event = std::make_shared<Event>();
  event->context = call.context;
  event->flags = flags;
  *handle = reinterpret_cast<CUevent>(call->events.add(event));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuEventDestroy_v2(CUevent handle) {
  Call call(Call::EvenSticky);
  if (!call)
    return call.status;
  return call->events.erase(handle) ? call.context->sticky : CUDA_ERROR_INVALID_HANDLE;
}

CUDA_API CUresult cuEventRecordWithFlags(CUevent handle, CUstream streamHandle, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, streamHandle);
  std::shared_ptr<Event> event = call->events.find(handle);
  if (!stream || !event || stream->context != event->context)
    return CUDA_ERROR_INVALID_HANDLE;
  if (flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  if (!stream->capture) {
    event->capture = nullptr;
    return issue(call, *stream, Task(), &event->work);
  }
  if (flags) // a node of its own
    return CUDA_ERROR_NOT_SUPPORTED;
  if (stream->capture->isInvalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  event->capture = stream->capture;
  event->captureTail = stream->captureTail;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuEventRecord(CUevent event, CUstream stream) { return cuEventRecordWithFlags(event, stream, 0); }

/// An event of a capture draws `stream` into it; the graph's edges are those of both.
static CUresult waitInCapture(Stream &stream, const Event &event) {
  auto spoil = [&](CUresult status) {
    for (const std::shared_ptr<Capture> &capture : {stream.capture, event.capture})
      if (capture)
        capture->isInvalid = true;
    return status;
  };
  if (stream.capture && stream.capture->isInvalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!event.capture)
    return event.work ? spoil(CUDA_ERROR_STREAM_CAPTURE_ISOLATION) : CUDA_SUCCESS;
  if (event.capture->isEnded)
    return spoil(CUDA_ERROR_INVALID_VALUE);
  if (event.capture->isInvalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream.isLegacy)
    return spoil(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  if (stream.capture && stream.capture != event.capture)
    return spoil(CUDA_ERROR_STREAM_CAPTURE_MERGE);
  if (!stream.capture)
    stream.captureTail.clear();
  stream.capture = event.capture;
  for (GraphNode *node : event.captureTail)
    if (std::find(stream.captureTail.begin(), stream.captureTail.end(), node) == stream.captureTail.end())
      stream.captureTail.push_back(node);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamWaitEvent(CUstream streamHandle, CUevent handle, unsigned flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, streamHandle);
  std::shared_ptr<Event> event = call->events.find(handle);
  if (!stream || !event)
    return CUDA_ERROR_INVALID_HANDLE;
  if (flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  if (flags && stream->capture)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (stream->capture || event->capture)
    return waitInCapture(*stream, *event);
  if (!event->work)
    return CUDA_SUCCESS;
  if (stream->isLegacy)
    if (CUresult status = refuseImplicit(call))
      return status;
  enqueue(call, *stream, Task(), {event->work});
  return CUDA_SUCCESS;
}

/// What keeps an event from being asked.
static CUresult checkEvent(Call &call, CUevent handle, std::shared_ptr<Event> &event) {
  if (!call)
    return call.status;
  event = call->events.find(handle);
  if (!event)
    return CUDA_ERROR_INVALID_HANDLE;
  if (event->capture) {
    event->capture->isInvalid = true;
    return CUDA_ERROR_CAPTURED_EVENT;
  }
  return refuseWhileCapturing(call);
}

CUDA_API CUresult cuEventSynchronize(CUevent handle) {
  Call call;
  std::shared_ptr<Event> event;
  if (CUresult status = checkEvent(call, handle, event))
    return status;
  complete(call, {event->work});
  return event->context->sticky;
}

CUDA_API CUresult cuEventQuery(CUevent handle) {
  Call call;
  std::shared_ptr<Event> event;
  if (CUresult status = checkEvent(call, handle, event))
    return status;
  bool isDone = advance(call, event->work);
  if (event->context->sticky)
    return event->context->sticky;
  return isDone ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

/// Times are the host's, of the emulation.
CUDA_API CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent startHandle, CUevent endHandle) {
  Call call;
  std::shared_ptr<Event> start, end;
  if (CUresult status = checkEvent(call, startHandle, start))
    return status;
  if (CUresult status = checkEvent(call, endHandle, end))
    return status;
  if (!milliseconds)
    return CUDA_ERROR_INVALID_VALUE;
  if (!start->work || !end->work || ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING))
    return CUDA_ERROR_INVALID_HANDLE;
  if (start->work->state != Work::Done || end->work->state != Work::Done)
    return CUDA_ERROR_NOT_READY;
  *milliseconds = float(end->work->finishedMs - start->work->finishedMs);
  return CUDA_SUCCESS;
}
