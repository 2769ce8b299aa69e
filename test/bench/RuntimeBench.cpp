// What the runtime itself costs: the start and end of a parallel unit, and several models in one process.
#include "tegula/test/runtime/Fake.h"

#include <atomic>
#include <benchmark/benchmark.h>
#include <thread>

static constexpr int kUnits = 1000;
static constexpr int kPasses = 2000;

static void doNothing(void *, int64_t, int64_t) {}

static int32_t forkAndJoin(void *call, void *const *, const int64_t *const *, void *const *, char *) {
  for (int unit = 0; unit < kUnits; ++unit)
    tegula_rt_parallel(call, doNothing, nullptr, 64, 0);
  return 0;
}

/// Additions in registers: the machine's share of it is its number of cores.
static void compute(void *, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    float sums[8] = {};
    for (int pass = 0; pass < kPasses; ++pass)
      for (float &sum : sums)
        benchmark::DoNotOptimize(sum += 1);
  }
}

static int32_t computeAll(void *call, void *const *, const int64_t *const *, void *const *, char *) {
  for (int unit = 0; unit < 4; ++unit)
    tegula_rt_parallel(call, compute, nullptr, 8, 0);
  return 0;
}

static tegula_model modelOf(int32_t (*entry)(void *, void *const *, const int64_t *const *, void *const *, char *)) {
  tegula_model model = *fake_model();
  model.entry = entry;
  model.input_count = model.output_count = model.unit_count = 0;
  return model;
}

/// Time of one parallel unit that does nothing, inside a run.
static void forkJoin(benchmark::State &state) {
  tegula_model model = modelOf(forkAndJoin);
  Instance instance(&model, optionsWith(static_cast<int>(state.range(0))));
  for (auto _ : state)
    model.run(instance.handle, nullptr, nullptr);
  state.counters["unit"] = benchmark::Counter(static_cast<double>(state.iterations()) * kUnits,
                                              benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(forkJoin)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();

/// Runs a second of some models at a time, each called by a thread of its own and with a pool for all cores. As many
/// for any number of models is the machine's share.
static void models(benchmark::State &state) {
  tegula_model model = modelOf(computeAll);
  int64_t count = state.range(0);
  int64_t runs = 0;
  for (auto _ : state) {
    std::vector<std::thread> callers;
    for (int64_t caller = 0; caller < count; ++caller)
      callers.emplace_back([&] {
        Instance instance(&model, optionsWith(static_cast<int>(std::thread::hardware_concurrency())));
        for (int run = 0; run < 400 / count; ++run)
          model.run(instance.handle, nullptr, nullptr);
      });
    for (std::thread &caller : callers)
      caller.join();
    runs += 400 / count * count;
  }
  state.counters["runs"] = benchmark::Counter(static_cast<double>(runs), benchmark::Counter::kIsRate);
}
BENCHMARK(models)->ArgName("models")->Arg(1)->Arg(2)->Arg(4)->UseRealTime()->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
