/* Uses a compiled network as an application does, from its generated header net.h. C11 and C++17.
 *
 *   run_network alone     one instance after the other, with 1, 2 and 4 threads; with -DCOUNT_ALLOCATIONS, a run may
 *                         call no function of allocations.c
 *   run_network threads   8 threads, each with its own instance, that also fight for one shared instance
 *   run_network race      two threads write one output at once, which tegula.h forbids: a race detector must see it
 *
 * Reads input.f32 and expected.f32. */
#include "net.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RUNS
#define RUNS 20
#endif
#ifndef BOUND
#define BOUND 1e-4
#endif
enum { runs = RUNS, users = 8, inputCount = NET_INPUT_0_BYTES / 4, outputCount = NET_OUTPUT_0_BYTES / 4 };

static float input[inputCount], expected[outputCount], raced[outputCount];
static tegula_instance *shared;

#ifdef COUNT_ALLOCATIONS
#ifdef __cplusplus
extern "C"
#endif
    long allocationCalls(void);
#else
static long allocationCalls(void) { return 0; }
#endif

static void check(int isTrue, const char *what) {
  if (isTrue)
    return;
  fprintf(stderr, "run_network: %s\n", what);
  exit(1);
}

static void readFloats(const char *path, float *values, size_t count) {
  FILE *file = fopen(path, "rb");
  check(file && fread(values, sizeof *values, count, file) == count && fgetc(file) == EOF, path);
  fclose(file);
}

static tegula_tensor tensor(const tegula_tensor_info *info, float *data, size_t bytes) {
  tegula_tensor result;
  memset(&result, 0, sizeof result);
  memcpy(result.shape, info->shape, sizeof *info->shape * (size_t)info->rank);
  result.data = data;
  result.bytes = bytes;
  result.rank = info->rank;
  result.dtype = info->dtype;
  return result;
}

/* The largest error is at most BOUND of the reference's standard deviation. */
static void checkOutput(const float *output) {
  double sum = 0, squares = 0, worst = 0;
  for (int i = 0; i < outputCount; ++i) {
    sum += expected[i];
    squares += (double)expected[i] * expected[i];
    double error = fabs((double)output[i] - expected[i]);
    if (!(error <= worst)) /* keeps a NaN */
      worst = error;
  }
  double mean = sum / outputCount;
  check(worst <= BOUND * sqrt(squares / outputCount - mean * mean), "the output differs from the reference");
}

static tegula_instance *create(const tegula_options *options) {
  tegula_instance *instance = NULL;
  const tegula_model *model = net_model();
  check(model->create(model, options, &instance) == TEGULA_OK, model->message(NULL));
  return instance;
}

static tegula_instance *createWith(int threads) {
  tegula_options options;
  memset(&options, 0, sizeof options);
  options.abi_version = TEGULA_ABI_VERSION;
  options.threads = threads;
  return create(&options);
}

static tegula_status runInto(tegula_instance *instance, float *output) {
  const tegula_model *model = net_model();
  tegula_tensor in = tensor(&model->inputs[0], input, sizeof input);
  tegula_tensor out = tensor(&model->outputs[0], output, NET_OUTPUT_0_BYTES);
  return model->run(instance, &in, &out);
}

/* Every run, the first included, gives the reference's result and allocates nothing. */
static void runAlone(tegula_instance *instance) {
  float output[outputCount];
  for (int i = 0; i < runs; ++i) {
    memset(output, 0xff, sizeof output);
    long before = allocationCalls();
    tegula_status status = runInto(instance, output);
    long after = allocationCalls();
    check(status == TEGULA_OK, net_model()->message(instance));
    check(after == before, "a run allocated, freed or mapped memory");
    checkOutput(output);
  }
  net_model()->destroy(instance);
}

static void alone(void) {
  static char room[NET_WORKSPACE_BYTES + 64];
  long before = allocationCalls();
  const tegula_model *model = net_model();
  check(strcmp(model->name, "net") == 0 && model->abi_version == TEGULA_ABI_VERSION, "name or version");
  check(model->workspace_bytes == NET_WORKSPACE_BYTES, "the header's workspace is not the model's");
  for (int threads = 1; threads <= 4; threads *= 2)
    runAlone(createWith(threads));
  tegula_options options;
  memset(&options, 0, sizeof options);
  options.abi_version = TEGULA_ABI_VERSION;
  options.threads = 1;
  options.workspace = room + (64 - (uintptr_t)room % 64);
  options.workspace_bytes = NET_WORKSPACE_BYTES;
  runAlone(create(&options));
#ifdef COUNT_ALLOCATIONS
  check(allocationCalls() > before, "allocations are not counted");
#else
  (void)before;
#endif
}

/* One application thread. What is shared: the model, the input, and an instance that refuses a second run. */
static void *useModel(void *argument) {
  int *successes = (int *)argument;
  float first[outputCount], output[outputCount];
  tegula_instance *own = createWith(2);
  for (int i = 0; i < runs; ++i) {
    check(runInto(own, output) == TEGULA_OK, net_model()->message(own));
    if (i == 0) {
      memcpy(first, output, sizeof first);
      checkOutput(first);
    }
    check(memcmp(first, output, sizeof first) == 0, "a run's result depends on other threads");
    tegula_status status = runInto(shared, output);
    check(status == TEGULA_OK || status == TEGULA_BUSY, "a shared instance answers neither OK nor BUSY");
    if (status != TEGULA_OK)
      continue;
    ++*successes;
    checkOutput(output);
  }
  net_model()->destroy(own);
  return NULL;
}

static void *raceForOutput(void *ignored) {
  (void)ignored;
  tegula_instance *own = createWith(1);
  for (int i = 0; i < runs; ++i)
    check(runInto(own, raced) == TEGULA_OK, net_model()->message(own));
  net_model()->destroy(own);
  return NULL;
}

static void onThreads(void *(*body)(void *), int count) {
  pthread_t threads[users];
  int successes[users] = {0}, total = 0;
  shared = createWith(2);
  for (int i = 0; i < count; ++i)
    check(pthread_create(&threads[i], NULL, body, &successes[i]) == 0, "cannot start a thread");
  for (int i = 0; i < count; ++i) {
    check(pthread_join(threads[i], NULL) == 0, "cannot join a thread");
    total += successes[i];
  }
  net_model()->destroy(shared);
  check(body != useModel || total > 0, "the shared instance never ran");
}

int main(int count, char **arguments) {
  check(count == 2, "one argument expected");
  readFloats("input.f32", input, inputCount);
  readFloats("expected.f32", expected, outputCount);
  if (strcmp(arguments[1], "alone") == 0)
    alone();
  else if (strcmp(arguments[1], "threads") == 0)
    onThreads(useModel, users);
  else if (strcmp(arguments[1], "race") == 0)
    onThreads(raceForOutput, 2);
  else
    check(0, "unknown argument");
  puts("passed");
  return 0;
}
