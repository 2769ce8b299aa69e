/* An application as a user writes it: includes the model's header, links its object, checks results and that a run
 * allocates nothing. Also with THREADS threads that run instances of their own at once.
 *
 *   program INPUT EXPECTED     the raw bytes of the first input and of the first output */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "net.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef THREADS
#define THREADS 1
#endif

#ifdef COUNT_ALLOCATIONS
/* glibc's own names, so that nothing is called by way of itself. */
#ifdef __cplusplus
extern "C" {
#endif
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
static volatile long allocations;
void *malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
#ifdef __cplusplus
}
#endif
#else
static const long allocations = 0;
#endif

static float *input, *expected;
static size_t inputBytes, expectedBytes;

static float *read_file(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  float *data;
  if (!file || fseek(file, 0, SEEK_END))
    exit(3);
  *bytes = (size_t)ftell(file);
  rewind(file);
  data = (float *)malloc(*bytes);
  if (!data || fread(data, 1, *bytes, file) != *bytes)
    exit(3);
  fclose(file);
  return data;
}

/* Fills a tensor for `data` as the model describes it. */
static tegula_tensor tensor_of(const tegula_tensor_info *info, void *data, size_t bytes) {
  tegula_tensor tensor;
  memset(&tensor, 0, sizeof tensor);
  tensor.data = data;
  tensor.bytes = bytes;
  tensor.rank = info->rank;
  tensor.dtype = info->dtype;
  memcpy(tensor.shape, info->shape, (size_t)info->rank * sizeof *info->shape);
  return tensor;
}

/* Runs the model a few times; the number of results that are wrong, or -1 after a message. */
static void *use(void *ignored) {
  const tegula_model *model = net_model();
  tegula_options options;
  tegula_instance *instance = NULL;
  float *result = (float *)malloc(expectedBytes);
  tegula_tensor in = tensor_of(&model->inputs[0], input, inputBytes);
  tegula_tensor out = tensor_of(&model->outputs[0], result, expectedBytes);
  long wrong = 0;
  (void)ignored;
  memset(&options, 0, sizeof options);
  options.abi_version = TEGULA_ABI_VERSION;
  options.threads = 2;
  if (model->create(model, &options, &instance) != TEGULA_OK) {
    fprintf(stderr, "create: %s\n", model->message(NULL));
    return (void *)-1;
  }
  for (int run = 0; run < 3; ++run) {
    long before = allocations;
    memset(result, 0, expectedBytes);
    if (model->run(instance, &in, &out) != TEGULA_OK) {
      fprintf(stderr, "run: %s\n", model->message(instance));
      return (void *)-1;
    }
    if (THREADS == 1 && allocations != before) {
      fprintf(stderr, "run %d allocated %ld times\n", run, allocations - before);
      return (void *)-1;
    }
    for (size_t i = 0; i < expectedBytes / sizeof(float); ++i)
      wrong += !(fabsf(result[i] - expected[i]) <= 1e-4f + 1e-3f * fabsf(expected[i]));
  }
  model->destroy(instance);
  free(result);
  return (void *)wrong;
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  long wrong = 0;
  if (argc != 3)
    return 2;
  input = read_file(argv[1], &inputBytes);
  expected = read_file(argv[2], &expectedBytes);
  for (int i = 0; i < THREADS; ++i)
    if (pthread_create(&threads[i], NULL, use, NULL))
      return 3;
  for (int i = 0; i < THREADS; ++i) {
    void *result;
    pthread_join(threads[i], &result);
    wrong += (long)result != 0;
  }
  free(input);
  free(expected);
  printf("%ld of %d threads found errors\n", wrong, THREADS);
  return wrong != 0;
}
