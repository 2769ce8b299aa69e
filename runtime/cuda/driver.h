/* The part of the CUDA driver interface that the runtime calls, resolved when the first instance is made. Names, types
 * and numbers are those of NVIDIA's interface, version 12; functions that have versions are called by their newest name
 * of that. */
#ifndef TEGULA_RUNTIME_CUDA_DRIVER_H
#define TEGULA_RUNTIME_CUDA_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void *cuda_context, *cuda_module, *cuda_function, *cuda_stream, *cuda_event, *cuda_graph, *cuda_graph_exec;
typedef uint64_t cuda_pointer; /* CUdeviceptr */

enum {
  CUDA_OK = 0,
  CUDA_OUT_OF_MEMORY = 2,
  CUDA_NO_BINARY = 209,
  CUDA_STREAM_NON_BLOCKING = 1,
  CUDA_CAPTURE_THREAD_LOCAL = 1,
  CUDA_ATTRIBUTE_DYNAMIC_SHARED_BYTES = 8
};

/* X(member, symbol, parameters): every function returns a CUresult. */
#define TEGULA_CUDA_FUNCTIONS(X)                                                                                       \
  X(init, "cuInit", (unsigned flags))                                                                                  \
  X(errorName, "cuGetErrorName", (int code, const char **text))                                                        \
  X(errorText, "cuGetErrorString", (int code, const char **text))                                                      \
  X(deviceGet, "cuDeviceGet", (int *device, int ordinal))                                                              \
  X(primaryRetain, "cuDevicePrimaryCtxRetain", (cuda_context * context, int device))                                   \
  X(primaryRelease, "cuDevicePrimaryCtxRelease_v2", (int device))                                                      \
  X(contextCurrent, "cuCtxGetCurrent", (cuda_context * context))                                                       \
  X(contextPush, "cuCtxPushCurrent_v2", (cuda_context context))                                                        \
  X(contextPop, "cuCtxPopCurrent_v2", (cuda_context * context))                                                        \
  X(moduleLoad, "cuModuleLoadData", (cuda_module * module, const void *image))                                         \
  X(moduleUnload, "cuModuleUnload", (cuda_module module))                                                              \
  X(moduleFunction, "cuModuleGetFunction", (cuda_function * function, cuda_module module, const char *name))           \
  X(functionSet, "cuFuncSetAttribute", (cuda_function function, int attribute, int value))                             \
  X(allocate, "cuMemAlloc_v2", (cuda_pointer * memory, size_t bytes))                                                  \
  X(release, "cuMemFree_v2", (cuda_pointer memory))                                                                    \
  X(upload, "cuMemcpyHtoD_v2", (cuda_pointer to, const void *from, size_t bytes))                                      \
  X(uploadAsync, "cuMemcpyHtoDAsync_v2", (cuda_pointer to, const void *from, size_t bytes, cuda_stream stream))        \
  X(downloadAsync, "cuMemcpyDtoHAsync_v2", (void *to, cuda_pointer from, size_t bytes, cuda_stream stream))            \
  X(copyAsync, "cuMemcpyDtoDAsync_v2", (cuda_pointer to, cuda_pointer from, size_t bytes, cuda_stream stream))         \
  X(streamCreate, "cuStreamCreate", (cuda_stream * stream, unsigned flags))                                            \
  X(streamDestroy, "cuStreamDestroy_v2", (cuda_stream stream))                                                         \
  X(streamSynchronize, "cuStreamSynchronize", (cuda_stream stream))                                                    \
  X(captureBegin, "cuStreamBeginCapture_v2", (cuda_stream stream, int mode))                                           \
  X(captureEnd, "cuStreamEndCapture", (cuda_stream stream, cuda_graph * graph))                                        \
  X(graphInstantiate, "cuGraphInstantiateWithFlags", (cuda_graph_exec * exec, cuda_graph graph, unsigned long long f)) \
  X(graphLaunch, "cuGraphLaunch", (cuda_graph_exec exec, cuda_stream stream))                                          \
  X(graphExecDestroy, "cuGraphExecDestroy", (cuda_graph_exec exec))                                                    \
  X(graphDestroy, "cuGraphDestroy", (cuda_graph graph))                                                                \
  X(eventCreate, "cuEventCreate", (cuda_event * event, unsigned flags))                                                \
  X(eventRecord, "cuEventRecord", (cuda_event event, cuda_stream stream))                                              \
  X(eventSynchronize, "cuEventSynchronize", (cuda_event event))                                                        \
  X(eventElapsed, "cuEventElapsedTime", (float *ms, cuda_event begin, cuda_event end))                                 \
  X(eventDestroy, "cuEventDestroy_v2", (cuda_event event))                                                             \
  X(launch, "cuLaunchKernel",                                                                                          \
    (cuda_function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,         \
     unsigned blockZ, unsigned sharedBytes, cuda_stream stream, void **parameters, void **extra))

typedef struct cuda_driver {
  void *library;
#define TEGULA_CUDA_MEMBER(member, symbol, parameters) int(*member) parameters;
  TEGULA_CUDA_FUNCTIONS(TEGULA_CUDA_MEMBER)
#undef TEGULA_CUDA_MEMBER
} cuda_driver;

/* The process's driver; its functions may be called once `open` has returned NULL. */
extern __attribute__((visibility("hidden"))) cuda_driver tegula_cuda_driver;

/* Opens the library named by $TEGULA_CUDA_DRIVER, else libcuda.so.1, and initialises it. NULL, or what is wrong (a text
 * that stays). Not thread-safe: the caller holds a lock. */
__attribute__((visibility("hidden"))) const char *tegula_cuda_open(void);

#endif /* TEGULA_RUNTIME_CUDA_DRIVER_H */
