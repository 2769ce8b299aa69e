//===- StreamTest.c - streams, events, capture, graphs ------------------------===//

#include "Check.h"
#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum { count = 256, bytes = count * 4 };

static float at(Device p, int i) {
  float host[count];
  OK(CU(cuMemcpyDtoH_v2)(host, p, (size_t)bytes));
  return host[i];
}

static Device zeroed(void) {
  Device p = allocate(bytes);
  OK(CU(cuMemsetD32_v2)(p, 0, (size_t)count));
  OK(CU(cuCtxSynchronize)());
  return p;
}

static void *newStream(unsigned flags) {
  void *stream = NULL;
  OK(CU(cuStreamCreate)(&stream, flags));
  return stream;
}

static void *newEvent(unsigned flags) {
  void *event = NULL;
  OK(CU(cuEventCreate)(&event, flags));
  return event;
}

/// Without a wait the reader is early, and always so; with one it is not.
void testOrder(void) {
  openContext();
  void *function = loadKernel("fill"), *a = newStream(1), *b = newStream(1), *event = newEvent(2);
  Device p = zeroed(), q = zeroed();
  OK(fill(function, p, count, 1, a));
  OK(CU(cuMemcpyDtoDAsync_v2)(q, p, (size_t)bytes, b));
  OK(CU(cuCtxSynchronize)());
  EXPECT(at(q, 0), 0);
  OK(fill(function, p, count, 2, a));
  OK(CU(cuEventRecord)(event, a));
  OK(CU(cuStreamWaitEvent)(b, event, 0));
  OK(CU(cuMemcpyDtoDAsync_v2)(q, p, (size_t)bytes, b));
  OK(CU(cuStreamSynchronize)(b));
  EXPECT(at(q, 0), 2);
  OK(fill(function, p, count, 3, a));
  OK(CU(cuStreamDestroy_v2)(a));
  EXPECT(CU(cuStreamSynchronize)(a), 400);
  OK(CU(cuCtxSynchronize)());
  EXPECT(at(p, 5), 3);
}

/// Pinned memory is read late, pageable memory at the call.
void testPinned(void) {
  openContext();
  void *stream = newStream(1);
  float *pinned = NULL, pageable[count] = {1};
  Device p = zeroed(), q = zeroed();
  OK(CU(cuMemHostAlloc)(&pinned, (size_t)bytes, 0));
  pinned[0] = 1;
  OK(CU(cuMemcpyHtoDAsync_v2)(p, pinned, (size_t)bytes, stream));
  OK(CU(cuMemcpyHtoDAsync_v2)(q, pageable, (size_t)bytes, stream));
  pinned[0] = pageable[0] = 2;
  OK(CU(cuStreamSynchronize)(stream));
  EXPECT(at(p, 0), 2);
  EXPECT(at(q, 0), 1);
  pinned[0] = 7;
  OK(CU(cuMemcpyDtoHAsync_v2)(pinned, q, (size_t)bytes, stream));
  EXPECT(pinned[0], 7);
  OK(CU(cuStreamSynchronize)(stream));
  EXPECT(pinned[0], 1);
  pageable[0] = 5;
  OK(CU(cuMemcpyDtoHAsync_v2)(pageable, q, (size_t)bytes, stream));
  EXPECT(pageable[0], 1);
  OK(CU(cuMemFreeHost)(pinned));
}

static int seen, inside;

static void onHost(void *data) {
  inside = CU(cuCtxSynchronize)(); // not allowed in here
  __atomic_fetch_add(&seen, (int)(intptr_t)data, __ATOMIC_SEQ_CST);
}

static void onStream(void *stream, int status, void *data) {
  (void)stream;
  seen += status == 0 ? (int)(intptr_t)data : 1000;
}

void testCallbacks(void) {
  openContext();
  void *stream = newStream(0);
  OK(CU(cuLaunchHostFunc)(stream, onHost, (void *)1));
  OK(CU(cuStreamAddCallback)(stream, onStream, (void *)10, 0));
  EXPECT(seen, 0);
  OK(CU(cuStreamSynchronize)(stream));
  EXPECT(seen, 11);
  EXPECT(inside, 800);
  EXPECT(CU(cuLaunchHostFunc)(stream, NULL, NULL), 1);
}

void testEvents(void) {
  openContext();
  void *function = loadKernel("fill"), *stream = newStream(1), *start = newEvent(0), *end = newEvent(0),
       *plain = newEvent(2);
  Device p = zeroed();
  float milliseconds = -1;
  int status = 600;
  OK(CU(cuEventQuery)(start));
  EXPECT(CU(cuEventElapsedTime)(&milliseconds, start, end), 400);
  OK(CU(cuEventRecord)(start, stream));
  OK(fill(function, p, count, 1, stream));
  OK(CU(cuEventRecord)(end, stream));
  EXPECT(CU(cuStreamQuery)(stream), 600);
  EXPECT(CU(cuEventElapsedTime)(&milliseconds, start, end), 600);
  for (int i = 0; i != 10 && status == 600; ++i)
    status = CU(cuEventQuery)(end);
  OK(status);
  OK(CU(cuEventElapsedTime)(&milliseconds, start, end));
  EXPECT(milliseconds >= 0, 1);
  OK(CU(cuEventRecord)(plain, stream));
  OK(CU(cuEventSynchronize)(plain));
  EXPECT(CU(cuEventElapsedTime)(&milliseconds, start, plain), 400);
  OK(CU(cuEventDestroy_v2)(plain));
  EXPECT(CU(cuEventDestroy_v2)(plain), 400);
}

void testDefaultStreams(void) {
  openContext();
  void *function = loadKernel("fill"), *blocking = newStream(0), *free = newStream(1);
  Device p = zeroed(), q = zeroed();
  OK(fill(function, p, count, 1, blocking));
  OK(CU(cuMemcpyDtoDAsync_v2)(q, p, (size_t)bytes, NULL));
  OK(CU(cuStreamSynchronize)(NULL));
  EXPECT(at(q, 0), 1);
  OK(fill(function, p, count, 2, free));
  OK(CU(cuMemcpyDtoDAsync_v2)(q, p, (size_t)bytes, NULL));
  OK(CU(cuStreamSynchronize)(NULL));
  EXPECT(at(q, 0), 1);
  OK(CU(cuCtxSynchronize)());
  OK(fill(function, p, count, 3, NULL));
  OK(CU(cuMemcpyDtoDAsync_v2)(q, p, (size_t)bytes, blocking));
  OK(CU(cuStreamSynchronize)(blocking));
  EXPECT(at(q, 0), 3);
  OK(fill(function, p, count, 4, (void *)2));
  OK(CU(cuStreamSynchronize_ptsz)(NULL));
  EXPECT(at(p, 0), 4);
}

static void *worker(void *data) {
  OK(CU(cuCtxSetCurrent)(data));
  void *add = loadKernel("saxpy"), *stream = newStream(1);
  Device x = 0, y = 0;
  OK(CU(cuMemAllocAsync)(&x, (size_t)bytes, stream));
  OK(CU(cuMemAllocAsync)(&y, (size_t)bytes, stream));
  OK(CU(cuMemsetD32Async)(x, 0x3f800000, (size_t)count, stream));
  OK(CU(cuMemsetD32Async)(y, 0, (size_t)count, stream));
  for (int i = 0; i != 50; ++i)
    OK(saxpy(add, x, y, count, 1, stream));
  float host[count];
  OK(CU(cuMemcpyDtoHAsync_v2)(host, y, (size_t)bytes, stream));
  OK(CU(cuStreamSynchronize)(stream));
  EXPECT(host[count - 1], 50);
  OK(CU(cuMemFreeAsync)(x, stream));
  OK(CU(cuMemFreeAsync)(y, stream));
  OK(CU(cuStreamDestroy_v2)(stream));
  return NULL;
}

void testThreads(void) {
  pthread_t threads[2];
  void *context = openContext();
  for (int i = 0; i != 2; ++i)
    pthread_create(&threads[i], NULL, worker, context);
  for (int i = 0; i != 2; ++i)
    pthread_join(threads[i], NULL);
  OK(CU(cuCtxSynchronize)());
}

/// Two streams forked and joined: y = 2 * 1 + 3 * z, once for each launch of the graph.
void testCapture(void) {
  openContext();
  void *set = loadKernel("fill"), *add = loadKernel("saxpy"), *a = newStream(1), *b = newStream(1);
  void *fork = newEvent(2), *join = newEvent(2), *graph = NULL, *exec = NULL;
  Device x = zeroed(), y = zeroed(), z = zeroed();
  int state = -1;
  size_t nodes = 0;
  OK(CU(cuStreamBeginCapture_v2)(a, 0));
  OK(CU(cuEventRecord)(fork, a));
  OK(CU(cuStreamWaitEvent)(b, fork, 0));
  OK(CU(cuStreamIsCapturing)(b, &state));
  EXPECT(state, 1);
  OK(fill(set, x, count, 1, a));
  OK(fill(set, z, count, 1, b));
  OK(CU(cuEventRecord)(join, b));
  OK(CU(cuStreamWaitEvent)(a, join, 0));
  OK(saxpy(add, x, y, count, 2, a));
  OK(saxpy(add, z, y, count, 3, a));
  OK(CU(cuStreamEndCapture)(a, &graph));
  OK(CU(cuStreamIsCapturing)(b, &state));
  EXPECT(state, 0);
  OK(CU(cuGraphGetNodes)(graph, NULL, &nodes));
  EXPECT(nodes, 4);
  OK(CU(cuGraphGetRootNodes)(graph, NULL, &nodes));
  EXPECT(nodes, 2);
  OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, (uint64_t)0));
  OK(CU(cuGraphDestroy)(graph));
  OK(CU(cuCtxSynchronize)());
  EXPECT(at(y, 0), 0);
  for (int i = 0; i != 3; ++i)
    OK(CU(cuGraphLaunch)(exec, i == 1 ? b : a));
  OK(CU(cuCtxSynchronize)());
  EXPECT(at(y, 0), 15);
  OK(CU(cuGraphExecDestroy)(exec));
}

static int endCapture(void *stream) {
  void *graph = NULL;
  int status = CU(cuStreamEndCapture)(stream, &graph);
  EXPECT(status == 0, graph != NULL);
  return status;
}

void testViolations(void) {
  openContext();
  void *set = loadKernel("fill"), *a = newStream(0), *b = newStream(1), *event = newEvent(2), *other = newEvent(2);
  Device p = zeroed(), q = 0;
  int mode = 2;
  EXPECT(CU(cuStreamBeginCapture_v2)(NULL, 0), 900);
  OK(CU(cuStreamBeginCapture_v2)(a, 0));
  EXPECT(CU(cuStreamBeginCapture_v2)(a, 0), 401);
  EXPECT(CU(cuStreamSynchronize)(a), 900);
  EXPECT(fill(set, p, count, 1, a), 901);
  EXPECT(endCapture(a), 901);
  OK(CU(cuStreamBeginCapture_v2)(a, 0));
  EXPECT(CU(cuMemAlloc_v2)(&q, (size_t)64), 900);
  EXPECT(endCapture(a), 901);
  OK(CU(cuStreamBeginCapture_v2)(a, 0));
  EXPECT(CU(cuMemcpyDtoD_v2)(p, p, (size_t)4), 906);
  EXPECT(endCapture(a), 901);
  OK(CU(cuStreamBeginCapture_v2)(b, 0));
  EXPECT(CU(cuMemcpyDtoH_v2)(&mode, p, (size_t)4), 900);
  EXPECT(endCapture(b), 901);
  OK(CU(cuStreamBeginCapture_v2)(b, 2)); // relaxed
  OK(CU(cuMemAlloc_v2)(&q, (size_t)64));
  OK(endCapture(b));
  OK(CU(cuEventRecord)(other, b));
  OK(CU(cuStreamBeginCapture_v2)(a, 1));
  EXPECT(CU(cuStreamWaitEvent)(a, other, 0), 905);
  EXPECT(endCapture(a), 901);
  OK(CU(cuStreamBeginCapture_v2)(a, 1));
  OK(CU(cuEventRecord)(event, a));
  EXPECT(CU(cuEventQuery)(event), 907);
  EXPECT(endCapture(a), 901);
  OK(CU(cuStreamBeginCapture_v2)(a, 1));
  OK(CU(cuEventRecord)(event, a));
  OK(CU(cuStreamWaitEvent)(b, event, 0));
  OK(fill(set, p, count, 1, b));
  EXPECT(endCapture(b), 903);
  EXPECT(endCapture(a), 901);
  OK(CU(cuStreamBeginCapture_v2)(a, 1));
  OK(CU(cuEventRecord)(event, a));
  OK(CU(cuStreamWaitEvent)(b, event, 0));
  OK(fill(set, p, count, 1, b));
  EXPECT(endCapture(a), 904);
  EXPECT(endCapture(a), 401);
  OK(CU(cuThreadExchangeStreamCaptureMode)(&mode));
  EXPECT(mode, 0);
  OK(CU(cuStreamSynchronize)(a));
  EXPECT(at(p, 0), 0);
}

void testGraphs(void) {
  openContext();
  void *set = loadKernel("fill"), *add = loadKernel("saxpy"), *stream = newStream(1);
  void *graph = NULL, *exec = NULL, *first = NULL, *second = NULL, *third = NULL;
  Device x = zeroed(), y = zeroed();
  unsigned n = count;
  float v = 2, a = 5;
  void *fillParameters[] = {&x, &n, &v}, *addParameters[] = {&x, &y, &n, &a};
  struct {
    void *function;
    unsigned grid[3], block[3], shared;
    void **parameters, **extra;
    void *kernel, *context;
  } node = {set, {2, 1, 1}, {128, 1, 1}, 0, fillParameters, NULL, NULL, NULL};
  struct {
    Device address;
    size_t pitch;
    unsigned value, element;
    size_t width, height;
  } zero = {y, 0, 0, 4, count, 1};
  int type = -1;
  OK(CU(cuGraphCreate)(&graph, 0));
  OK(CU(cuGraphAddKernelNode_v2)(&first, graph, NULL, (size_t)0, &node));
  OK(CU(cuGraphAddMemsetNode)(&second, graph, NULL, (size_t)0, &zero, NULL));
  void *both[] = {first, second};
  node.function = add;
  node.parameters = addParameters;
  OK(CU(cuGraphAddKernelNode_v2)(&third, graph, both, (size_t)2, &node));
  OK(CU(cuGraphNodeGetType)(second, &type));
  EXPECT(type, 2);
  OK(CU(cuGraphInstantiateWithFlags)(&exec, graph, (uint64_t)0));
  OK(CU(cuGraphUpload)(exec, stream));
  OK(CU(cuGraphLaunch)(exec, stream));
  a = 6; // the node has its own
  OK(CU(cuGraphLaunch)(exec, stream));
  OK(CU(cuStreamSynchronize)(stream));
  EXPECT(at(y, 7), 10);
  OK(CU(cuGraphExecKernelNodeSetParams_v2)(exec, third, &node));
  EXPECT(CU(cuGraphExecKernelNodeSetParams_v2)(exec, second, &node), 1);
  OK(CU(cuGraphLaunch)(exec, stream));
  OK(CU(cuStreamSynchronize)(stream));
  EXPECT(at(y, 7), 12);
  EXPECT(CU(cuGraphAddDependencies)(graph, &third, &third, (size_t)1), 1);
  OK(CU(cuGraphAddDependencies)(graph, &third, &first, (size_t)1));
  EXPECT(CU(cuGraphInstantiateWithFlags)(&exec, graph, (uint64_t)0), 1);
  OK(CU(cuGraphDestroy)(graph));
  EXPECT(CU(cuGraphDestroy)(graph), 1);
}

/// What nobody waits for is done after a while.
void testHelper(void) {
  openContext();
  struct timespec moment = {0, 10000000};
  OK(CU(cuLaunchHostFunc)(NULL, onHost, (void *)1));
  for (int i = 0; i != 1000 && !__atomic_load_n(&seen, __ATOMIC_SEQ_CST); ++i)
    nanosleep(&moment, NULL);
  EXPECT(__atomic_load_n(&seen, __ATOMIC_SEQ_CST), 1);
}
