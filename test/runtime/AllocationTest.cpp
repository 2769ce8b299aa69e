// A run allocates nothing: every allocation of the program is counted, by interposing libc's functions (glibc).
#include "Fake.h"
#include <atomic>
#include <cstddef>
#include <gtest/gtest.h>

static std::atomic<long> allocations;

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void *realloc(void *block, size_t bytes) {
  ++allocations;
  return __libc_realloc(block, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
}

/// Allocations of `runs` runs, by any thread.
static long allocationsOf(const tegula_model *model, tegula_instance *instance, const tegula_tensor *inputs,
                          tegula_tensor *outputs, int runs) {
  long before = allocations;
  int failures = 0;
  for (int i = 0; i < runs; ++i)
    failures += model->run(instance, inputs, outputs) != TEGULA_OK;
  long after = allocations;
  EXPECT_EQ(failures, 0);
  return after - before;
}

TEST(Allocation, interposed) {
  long before = allocations;
  int *volatile block = new int(1); // volatile: or the compiler drops the pair
  delete block;
  EXPECT_GT(allocations, before);
}

TEST(Allocation, noneInStaticRun) {
  for (int threads : {1, 2, 4}) {
    tegula_options options = optionsWith(threads);
    options.profile = 1;
    Instance instance(fake_model(), options);
    FakeTensors tensors;
    EXPECT_EQ(allocationsOf(fake_model(), instance.handle, &tensors.input, tensors.outputs, 100), 0);
  }
}

TEST(Allocation, dynamicRunReusesBlocks) {
  Instance instance(fake_filter_model(), optionsWith(1));
  float x[100] = {1}, y[100];
  tegula_tensor input = {x, sizeof x, {100}, 1, TEGULA_FLOAT}, output = {y, sizeof y, {}, 0, TEGULA_FLOAT};
  EXPECT_EQ(allocationsOf(fake_filter_model(), instance.handle, &input, &output, 1), 1);
  EXPECT_EQ(allocationsOf(fake_filter_model(), instance.handle, &input, &output, 100), 0);
}
