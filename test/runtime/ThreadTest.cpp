// The pool, re-entrancy, busy instances. Built under ThreadSanitizer and AddressSanitizer too.
#include "Fake.h"
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <string>
#include <thread>

/// A model whose entry is a function of the test's own.
struct Probe {
  tegula_model model = *fake_model();
  explicit Probe(int32_t (*entry)(void *, void *const *, const int64_t *const *, void *const *, char *)) {
    model.entry = entry;
    model.input_count = model.output_count = model.unit_count = 0;
    model.workspace_bytes = sizeof(std::vector<int>);
  }
};

static std::vector<int> visits;
static int64_t visitCount;

static void visit(void *, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i)
    ++visits[i];
}

static int32_t visitAll(void *call, void *const *, const int64_t *const *, void *const *, char *) {
  for (int round = 0; round < 20; ++round)
    tegula_rt_parallel(call, visit, nullptr, visitCount, 0);
  return 0;
}

TEST(Pool, coversEachIndexOnce) {
  Probe probe(visitAll);
  for (int threads : {1, 2, 3, 8})
    for (int64_t count : {0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 1000}) {
      Instance instance(&probe.model, optionsWith(threads));
      visits.assign(count, 0);
      visitCount = count;
      ASSERT_EQ(probe.model.run(instance.handle, nullptr, nullptr), TEGULA_OK);
      for (int seen : visits)
        ASSERT_EQ(seen, 20) << threads << " threads, count " << count;
    }
}

static std::atomic<int> nestedSum;

static void addRange(void *, int64_t begin, int64_t end) { nestedSum += static_cast<int>(end - begin); }

static void nest(void *call, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i)
    tegula_rt_parallel(call, addRange, nullptr, 10, 0);
}

TEST(Pool, nestedUnitsRunSerially) {
  Probe probe([](void *call, void *const *, const int64_t *const *, void *const *, char *) -> int32_t {
    tegula_rt_parallel(call, nest, call, 16, 0);
    return 0;
  });
  Instance instance(&probe.model, optionsWith(4));
  nestedSum = 0;
  EXPECT_EQ(probe.model.run(instance.handle, nullptr, nullptr), TEGULA_OK);
  EXPECT_EQ(nestedSum, 160);
}

TEST(Pool, firstErrorOfAnyThreadWins) {
  Probe probe([](void *call, void *const *, const int64_t *const *, void *const *, char *) -> int32_t {
    tegula_rt_parallel(
        call, [](void *call, int64_t, int64_t) { tegula_rt_error(call, TEGULA_RUN_ERROR, "index out of range"); }, call,
        64, 0);
    return 0;
  });
  Instance instance(&probe.model, optionsWith(4));
  EXPECT_EQ(probe.model.run(instance.handle, nullptr, nullptr), TEGULA_RUN_ERROR);
  EXPECT_STREQ(probe.model.message(instance.handle), "index out of range");
}

TEST(Pool, parkedWorkersWakeUp) {
  Instance instance(fake_model(), optionsWith(4));
  FakeTensors tensors;
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_OK);
  }
  EXPECT_TRUE(tensors.areRight());
}

TEST(Pool, callersOwn) {
  static int calls;
  calls = 0;
  tegula_options options = optionsWith(4);
  options.parallel_for = [](void *ctx, void (*body)(void *, int64_t, int64_t), void *arg, int64_t count) {
    ++*static_cast<int *>(ctx);
    for (int64_t i = count; i > 0; --i)
      body(arg, i - 1, i);
  };
  options.parallel_ctx = &calls;
  Instance instance(fake_model(), options);
  FakeTensors tensors;
  EXPECT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_OK);
  EXPECT_TRUE(tensors.areRight());
  EXPECT_EQ(calls, 1);
}

TEST(Pool, comesAndGoesWithInstances) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      FakeTensors tensors;
      for (int i = 0; i < 25; ++i) {
        Instance instance(fake_model(), optionsWith(1 + (t + i) % 4));
        EXPECT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_OK);
        EXPECT_TRUE(tensors.areRight());
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Reentrancy, eightThreadsWithInstancesOfTheirOwn) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([t] {
      Instance instance(fake_model(), optionsWith(1 + t % 4));
      FakeTensors tensors;
      for (int i = 0; i < 200; ++i) {
        tensors.x[i] = static_cast<float>(t * 1000 + i);
        ASSERT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_OK);
        ASSERT_TRUE(tensors.areRight());
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

static std::atomic<bool> isInside, mayLeave;

TEST(Reentrancy, busyInstanceIsRefused) {
  Probe probe([](void *, void *const *, const int64_t *const *, void *const *, char *) -> int32_t {
    isInside = true;
    while (!mayLeave)
      std::this_thread::yield();
    return 0;
  });
  Instance instance(&probe.model, optionsWith(1));
  isInside = mayLeave = false;
  std::thread first([&] { EXPECT_EQ(probe.model.run(instance.handle, nullptr, nullptr), TEGULA_OK); });
  while (!isInside)
    std::this_thread::yield();
  EXPECT_EQ(probe.model.run(instance.handle, nullptr, nullptr), TEGULA_BUSY);
  mayLeave = true;
  first.join();
  EXPECT_EQ(probe.model.run(instance.handle, nullptr, nullptr), TEGULA_OK);
}

TEST(Reentrancy, sharedInstanceIsRightOrBusy) {
  Instance instance(fake_model(), optionsWith(2));
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      FakeTensors tensors;
      for (int i = 0; i < 100; ++i) {
        tegula_status status = fake_model()->run(instance.handle, &tensors.input, tensors.outputs);
        ASSERT_TRUE(status == TEGULA_OK || status == TEGULA_BUSY);
        if (status == TEGULA_OK) {
          ASSERT_TRUE(tensors.areRight());
          ++good;
        }
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_GT(good, 0);
}
