//===- PerThread.cpp - entry points whose default stream is the thread's own --===//
//
// What programs call that are compiled for the per-thread default stream: the same calls, with another meaning of
// stream 0.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

using namespace ptxsim;

namespace {
struct PerThread {
  PerThread() { threadState().isPerThreadDefault = true; }
  ~PerThread() { threadState().isPerThreadDefault = false; }
};
} // namespace

#define FORWARD(NAME, SUFFIX, DECLARATION, ARGUMENTS)                                                                  \
  CUDA_API CUresult NAME DECLARATION;                                                                                  \
  CUDA_API CUresult NAME##SUFFIX DECLARATION {                                                                         \
    PerThread guard;                                                                                                   \
    return NAME ARGUMENTS;                                                                                             \
  }

using P = CUdeviceptr;
using S = CUstream;

FORWARD(cuMemcpy, _ptds, (P to, P from, size_t n), (to, from, n))
FORWARD(cuMemcpyAsync, _ptsz, (P to, P from, size_t n, S s), (to, from, n, s))
FORWARD(cuMemcpyHtoD_v2, _ptds, (P to, const void *from, size_t n), (to, from, n))
FORWARD(cuMemcpyDtoH_v2, _ptds, (void *to, P from, size_t n), (to, from, n))
FORWARD(cuMemcpyDtoD_v2, _ptds, (P to, P from, size_t n), (to, from, n))
FORWARD(cuMemcpyHtoDAsync_v2, _ptsz, (P to, const void *from, size_t n, S s), (to, from, n, s))
FORWARD(cuMemcpyDtoHAsync_v2, _ptsz, (void *to, P from, size_t n, S s), (to, from, n, s))
FORWARD(cuMemcpyDtoDAsync_v2, _ptsz, (P to, P from, size_t n, S s), (to, from, n, s))
FORWARD(cuMemcpyPeer, _ptds, (P to, CUcontext a, P from, CUcontext b, size_t n), (to, a, from, b, n))
FORWARD(cuMemcpyPeerAsync, _ptsz, (P to, CUcontext a, P from, CUcontext b, size_t n, S s), (to, a, from, b, n, s))
FORWARD(cuMemcpy2D_v2, _ptds, (const CUDA_MEMCPY2D *copy), (copy))
FORWARD(cuMemcpy2DUnaligned_v2, _ptds, (const CUDA_MEMCPY2D *copy), (copy))
FORWARD(cuMemcpy2DAsync_v2, _ptsz, (const CUDA_MEMCPY2D *copy, S s), (copy, s))
FORWARD(cuMemcpy3D_v2, _ptds, (const CUDA_MEMCPY3D *copy), (copy))
FORWARD(cuMemcpy3DAsync_v2, _ptsz, (const CUDA_MEMCPY3D *copy, S s), (copy, s))
FORWARD(cuMemsetD8_v2, _ptds, (P to, unsigned char v, size_t n), (to, v, n))
FORWARD(cuMemsetD16_v2, _ptds, (P to, unsigned short v, size_t n), (to, v, n))
FORWARD(cuMemsetD32_v2, _ptds, (P to, unsigned v, size_t n), (to, v, n))
FORWARD(cuMemsetD8Async, _ptsz, (P to, unsigned char v, size_t n, S s), (to, v, n, s))
FORWARD(cuMemsetD16Async, _ptsz, (P to, unsigned short v, size_t n, S s), (to, v, n, s))
FORWARD(cuMemsetD32Async, _ptsz, (P to, unsigned v, size_t n, S s), (to, v, n, s))
FORWARD(cuMemsetD2D8_v2, _ptds, (P to, size_t pitch, unsigned char v, size_t w, size_t h), (to, pitch, v, w, h))
FORWARD(cuMemsetD2D16_v2, _ptds, (P to, size_t pitch, unsigned short v, size_t w, size_t h), (to, pitch, v, w, h))
FORWARD(cuMemsetD2D32_v2, _ptds, (P to, size_t pitch, unsigned v, size_t w, size_t h), (to, pitch, v, w, h))
FORWARD(cuMemsetD2D8Async, _ptsz, (P to, size_t pitch, unsigned char v, size_t w, size_t h, S s),
        (to, pitch, v, w, h, s))
FORWARD(cuMemsetD2D16Async, _ptsz, (P to, size_t pitch, unsigned short v, size_t w, size_t h, S s),
        (to, pitch, v, w, h, s))
FORWARD(cuMemsetD2D32Async, _ptsz, (P to, size_t pitch, unsigned v, size_t w, size_t h, S s), (to, pitch, v, w, h, s))
FORWARD(cuMemAllocAsync, _ptsz, (P * to, size_t n, S s), (to, n, s))
FORWARD(cuMemAllocFromPoolAsync, _ptsz, (P * to, size_t n, CUmemoryPool pool, S s), (to, n, pool, s))
FORWARD(cuMemFreeAsync, _ptsz, (P at, S s), (at, s))
FORWARD(cuStreamGetPriority, _ptsz, (S s, int *value), (s, value))
FORWARD(cuStreamGetId, _ptsz, (S s, unsigned long long *value), (s, value))
FORWARD(cuStreamGetFlags, _ptsz, (S s, unsigned *value), (s, value))
FORWARD(cuStreamGetDevice, _ptsz, (S s, CUdevice *value), (s, value))
FORWARD(cuStreamGetCtx, _ptsz, (S s, CUcontext *value), (s, value))
FORWARD(cuStreamWaitEvent, _ptsz, (S s, CUevent event, unsigned flags), (s, event, flags))
FORWARD(cuStreamAddCallback, _ptsz, (S s, CUstreamCallback f, void *data, unsigned flags), (s, f, data, flags))
FORWARD(cuStreamQuery, _ptsz, (S s), (s))
FORWARD(cuStreamSynchronize, _ptsz, (S s), (s))
FORWARD(cuStreamBeginCapture, _ptsz, (S s), (s))
FORWARD(cuStreamBeginCapture_v2, _ptsz, (S s, CUstreamCaptureMode mode), (s, mode))
FORWARD(cuStreamEndCapture, _ptsz, (S s, CUgraph *graph), (s, graph))
FORWARD(cuStreamIsCapturing, _ptsz, (S s, CUstreamCaptureStatus *status), (s, status))
FORWARD(cuStreamGetCaptureInfo, _ptsz, (S s, CUstreamCaptureStatus *status, uint64_t *id), (s, status, id))
FORWARD(cuStreamGetCaptureInfo_v2, _ptsz,
        (S s, CUstreamCaptureStatus *status, uint64_t *id, CUgraph *graph, const CUgraphNode **nodes, size_t *count),
        (s, status, id, graph, nodes, count))
FORWARD(cuStreamGetCaptureInfo_v3, _ptsz,
        (S s, CUstreamCaptureStatus *status, uint64_t *id, CUgraph *graph, const CUgraphNode **nodes,
         const CUgraphEdgeData **edges, size_t *count),
        (s, status, id, graph, nodes, edges, count))
FORWARD(cuEventRecord, _ptsz, (CUevent event, S s), (event, s))
FORWARD(cuEventRecordWithFlags, _ptsz, (CUevent event, S s, unsigned flags), (event, s, flags))
FORWARD(cuLaunchKernel, _ptsz,
        (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
         S s, void **parameters, void **extra),
        (f, gx, gy, gz, bx, by, bz, shared, s, parameters, extra))
FORWARD(cuLaunchKernelEx, _ptsz, (const CUlaunchConfig *config, CUfunction f, void **parameters, void **extra),
        (config, f, parameters, extra))
FORWARD(cuLaunchCooperativeKernel, _ptsz,
        (CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
         S s, void **parameters),
        (f, gx, gy, gz, bx, by, bz, shared, s, parameters))
FORWARD(cuLaunchHostFunc, _ptsz, (S s, CUhostFn f, void *data), (s, f, data))
FORWARD(cuGraphInstantiateWithParams, _ptsz,
        (CUgraphExec * exec, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *parameters), (exec, graph, parameters))
FORWARD(cuGraphUpload, _ptsz, (CUgraphExec exec, S s), (exec, s))
FORWARD(cuGraphLaunch, _ptsz, (CUgraphExec exec, S s), (exec, s))
#undef FORWARD
