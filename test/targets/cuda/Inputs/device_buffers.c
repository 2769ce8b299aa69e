/* Uses a model compiled for CUDA as an application does that has streams and device memory of its own.
 *
 *   device_buffers            two threads, each with a stream, an instance, a workspace and buffers; the driver is that
 * of $TEGULA_CUDA_DRIVER device_buffers no-driver  `create` must say that there is no driver
 *
 * Reads input.f32 and expected.f32. */
#include "net.h"
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { runs = 3, inputBytes = NET_INPUT_0_BYTES, outputBytes = NET_OUTPUT_0_BYTES };

typedef int (*init_function)(unsigned);
typedef int (*retain_function)(void **, int);
typedef int (*current_function)(void *);
typedef int (*stream_function)(void **, unsigned);
typedef int (*wait_function)(void *);
typedef int (*allocate_function)(unsigned long long *, size_t);
typedef int (*free_function)(unsigned long long);
typedef int (*to_device_function)(unsigned long long, const void *, size_t, void *);
typedef int (*to_host_function)(void *, unsigned long long, size_t, void *);

static init_function init;
static retain_function retain;
static current_function setCurrent;
static stream_function makeStream;
static wait_function waitFor, endStream;
static allocate_function allocate;
static free_function release;
static to_device_function toDevice;
static to_host_function toHost;

static float input[inputBytes / 4], expected[outputBytes / 4];
static void *context;

static void check(int isTrue, const char *what) {
  if (isTrue)
    return;
  fprintf(stderr, "device_buffers: %s\n", what);
  exit(1);
}

static void readFloats(const char *path, float *values, size_t count) {
  FILE *file = fopen(path, "rb");
  check(file && fread(values, sizeof *values, count, file) == count, path);
  fclose(file);
}

static void openDriver(void) {
  void *library = dlopen(getenv("TEGULA_CUDA_DRIVER"), RTLD_NOW);
  check(library != NULL, "no driver");
  *(void **)&init = dlsym(library, "cuInit");
  *(void **)&retain = dlsym(library, "cuDevicePrimaryCtxRetain");
  *(void **)&setCurrent = dlsym(library, "cuCtxSetCurrent");
  *(void **)&makeStream = dlsym(library, "cuStreamCreate");
  *(void **)&waitFor = dlsym(library, "cuStreamSynchronize");
  *(void **)&endStream = dlsym(library, "cuStreamDestroy_v2");
  *(void **)&allocate = dlsym(library, "cuMemAlloc_v2");
  *(void **)&release = dlsym(library, "cuMemFree_v2");
  *(void **)&toDevice = dlsym(library, "cuMemcpyHtoDAsync_v2");
  *(void **)&toHost = dlsym(library, "cuMemcpyDtoHAsync_v2");
  check(init(0) == 0 && retain(&context, 0) == 0, "the driver does not start");
}

static tegula_tensor tensor(const tegula_tensor_info *info, unsigned long long data, size_t bytes) {
  tegula_tensor result;
  memset(&result, 0, sizeof result);
  memcpy(result.shape, info->shape, sizeof *info->shape * (size_t)info->rank);
  result.data = (void *)(uintptr_t)data;
  result.bytes = bytes;
  result.rank = info->rank;
  result.dtype = info->dtype;
  return result;
}

static void *work(void *unused) {
  const tegula_model *model = net_model();
  tegula_options options;
  tegula_instance *instance = NULL;
  unsigned long long in, out, workspace;
  void *stream;
  float got[outputBytes / 4];
  (void)unused;
  check(setCurrent(context) == 0 && makeStream(&stream, 1) == 0, "no stream");
  check(allocate(&in, inputBytes) == 0 && allocate(&out, outputBytes) == 0, "no device memory");
  check(allocate(&workspace, model->workspace_bytes) == 0, "no workspace");
  memset(&options, 0, sizeof options);
  options.abi_version = TEGULA_ABI_VERSION;
  options.workspace = (void *)(uintptr_t)workspace;
  options.workspace_bytes = model->workspace_bytes;
  check(model->create(model, &options, &instance) == TEGULA_OK, model->message(NULL));
  for (int run = 0; run < runs; ++run) {
    tegula_tensor x = tensor(&model->inputs[0], in, inputBytes), y = tensor(&model->outputs[0], out, outputBytes);
    check(toDevice(in, input, inputBytes, stream) == 0, "no upload");
    check(net_enqueue(instance, &x, &y, stream) == TEGULA_OK, model->message(instance));
    check(toHost(got, out, outputBytes, stream) == 0 && waitFor(stream) == 0, "no download");
    for (int i = 0; i < outputBytes / 4; ++i)
      check(fabsf(got[i] - expected[i]) <= 1e-4f * (1 + fabsf(expected[i])), "the output differs from the reference");
  }
  tegula_tensor off = tensor(&model->inputs[0], in + 4, inputBytes), y = tensor(&model->outputs[0], out, outputBytes);
  check(net_enqueue(instance, &off, &y, stream) == TEGULA_INVALID_ARGUMENT, "took an input that is not aligned");
  check(strstr(model->message(instance), "16 bytes") != NULL, "did not say how it is to be aligned");
  model->destroy(instance);
  check(release(in) == 0 && release(out) == 0 && release(workspace) == 0 && endStream(stream) == 0, "not freed");
  return NULL;
}

int main(int count, char **arguments) {
  const tegula_model *model = net_model();
  tegula_instance *instance = NULL;
  pthread_t threads[2];
  check((model->flags & TEGULA_ON_DEVICE) != 0, "the model is not one for a device");
  if (count > 1 && !strcmp(arguments[1], "no-driver")) {
    check(model->create(model, NULL, &instance) == TEGULA_DEVICE_ERROR && !instance, "created without a driver");
    puts(model->message(NULL));
    return 0;
  }
  readFloats("input.f32", input, inputBytes / 4);
  readFloats("expected.f32", expected, outputBytes / 4);
  openDriver();
  for (int i = 0; i < 2; ++i)
    check(pthread_create(&threads[i], NULL, work, NULL) == 0, "no thread");
  for (int i = 0; i < 2; ++i)
    check(pthread_join(threads[i], NULL) == 0, "no end");
  puts("passed");
  return 0;
}
