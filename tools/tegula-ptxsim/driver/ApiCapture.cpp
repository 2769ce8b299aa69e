//===- ApiCapture.cpp - streams captured into graphs --------------------------===//

#include "Driver.h"
#include <algorithm>

using namespace ptxsim;

/// By the rules of cuThreadExchangeStreamCaptureMode.
static bool forbids(const Capture &capture) {
  CUstreamCaptureMode mode = threadState().captureMode;
  if (capture.isEnded || mode == CaptureRelaxed)
    return false;
  if (capture.thread == std::this_thread::get_id())
    return capture.mode != CaptureRelaxed;
  return mode == CaptureGlobal && capture.mode == CaptureGlobal;
}

CUresult ptxsim::refuseWhileCapturing(Call &call) {
  CUresult status = CUDA_SUCCESS;
  for (const std::shared_ptr<Capture> &capture : call->captures)
    if (forbids(*capture)) {
      capture->isInvalid = true;
      status = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
  return status;
}

CUresult ptxsim::refuseImplicit(Call &call) {
  CUresult status = CUDA_SUCCESS;
  for (const std::shared_ptr<Capture> &capture : call->captures)
    if (!capture->isEnded && capture->context == call.context.get() && capture->isOriginBlocking) {
      capture->isInvalid = true;
      status = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
  return status;
}

CUresult ptxsim::refuseCaptured(Call &call, Stream &stream) {
  if (!stream.capture)
    return refuseWhileCapturing(call);
  if (stream.capture->isInvalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  stream.capture->isInvalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult ptxsim::captureTask(Call &call, Stream &stream, Task task) {
  if (stream.capture->isInvalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  stream.captureTail = {addNode(call, *stream.capture->graph, std::move(task), stream.captureTail)};
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (mode < CaptureGlobal || mode > CaptureRelaxed)
    return CUDA_ERROR_INVALID_VALUE;
  if (stream->isLegacy)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  auto capture = std::make_shared<Capture>();
  capture->graph = std::make_shared<Graph>();
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream.get();
  capture->isOriginBlocking = stream->isBlocking();
  capture->context = stream->context.get();
  capture->id = call->nextId++;
  stream->capture = capture;
  stream->captureTail.clear();
  call->captures.push_back(capture);
  return CUDA_SUCCESS;
}

/// The first form had no mode.
CUDA_API CUresult cuStreamBeginCapture(CUstream handle) { return cuStreamBeginCapture_v2(handle, CaptureGlobal); }

/// Whether all that was captured comes before the end of the stream that began it.
static bool isJoined(const Graph &graph, const std::vector<GraphNode *> &tail) {
  std::set<const GraphNode *> inner(tail.begin(), tail.end());
  for (const std::shared_ptr<GraphNode> &node : graph.nodes)
    inner.insert(node->after.begin(), node->after.end());
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const auto &node) { return inner.count(node.get()); });
}

CUDA_API CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Stream> stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!graph)
    return CUDA_ERROR_INVALID_VALUE;
  *graph = nullptr;
  std::shared_ptr<Capture> capture = stream->capture;
  if (!capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != stream.get()) {
    capture->isInvalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  if (capture->mode != CaptureRelaxed && capture->thread != std::this_thread::get_id())
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  capture->isEnded = true;
  call->captures.remove(capture);
  std::vector<GraphNode *> tail = std::move(stream->captureTail);
  stream->capture = nullptr;
  stream->captureTail.clear();
  CUresult status = CUDA_SUCCESS;
  if (capture->isInvalid)
    status = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  else if (!isJoined(*capture->graph, tail))
    status = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  if (status == CUDA_SUCCESS)
    *graph = reinterpret_cast<CUgraph>(call->graphs.add(capture->graph));
  else
    forgetGraph(call, *capture->graph);
  return status;
}

static CUstreamCaptureStatus statusOf(const Stream &stream) {
  if (!stream.capture)
    return CaptureNone;
  return stream.capture->isInvalid ? CaptureInvalidated : CaptureActive;
}

/// Asked of the legacy stream while a blocking one is captured, the answer itself would be a use of it.
static CUresult checkQuestion(Call &call, CUstream handle, const void *answer, std::shared_ptr<Stream> &stream) {
  if (!call)
    return call.status;
  stream = findStream(call, handle);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!answer)
    return CUDA_ERROR_INVALID_VALUE;
  bool isImplicit = false;
  if (stream->isLegacy)
    for (const std::shared_ptr<Capture> &capture : call->captures)
      isImplicit = isImplicit || (capture->context == call.context.get() && capture->isOriginBlocking);
  return isImplicit ? CUDA_ERROR_STREAM_CAPTURE_IMPLICIT : CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *answer) {
  Call call;
  std::shared_ptr<Stream> stream;
  if (CUresult status = checkQuestion(call, handle, answer, stream))
    return status;
  *answer = statusOf(*stream);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamGetCaptureInfo_v3(CUstream handle, CUstreamCaptureStatus *answer, uint64_t *id,
                                            CUgraph *graph, const CUgraphNode **dependencies,
                                            const CUgraphEdgeData **edges, size_t *count) {
  Call call;
  std::shared_ptr<Stream> stream;
  if (CUresult status = checkQuestion(call, handle, answer, stream))
    return status;
  *answer = statusOf(*stream);
  if (*answer != CaptureActive)
    return CUDA_SUCCESS;
  if (id)
    *id = stream->capture->id;
  if (graph)
    *graph = reinterpret_cast<CUgraph>(stream->capture->graph.get());
  if (dependencies)
    *dependencies = reinterpret_cast<const CUgraphNode *>(stream->captureTail.data());
  if (edges)
    *edges = nullptr;
  if (count)
    *count = stream->captureTail.size();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus *answer, uint64_t *id,
                                            CUgraph *graph, const CUgraphNode **dependencies, size_t *count) {
  return cuStreamGetCaptureInfo_v3(handle, answer, id, graph, dependencies, nullptr, count);
}

CUDA_API CUresult cuStreamGetCaptureInfo(CUstream handle, CUstreamCaptureStatus *answer, uint64_t *id) {
  return cuStreamGetCaptureInfo_v3(handle, answer, id, nullptr, nullptr, nullptr, nullptr);
}

CUDA_API CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!mode || *mode < CaptureGlobal || *mode > CaptureRelaxed)
    return CUDA_ERROR_INVALID_VALUE;
  std::swap(*mode, threadState().captureMode);
  return CUDA_SUCCESS;
}
