//===- Peak.cpp - What the machine can do ---------------------------------===//
//
// Twelve or more independent chains of multiply-adds hide the latency (4 to 5 cycles) on two pipes. Data is moved as an
// elementwise unit moves it: read, scaled, written.
//
//===----------------------------------------------------------------------===//
#include "Peak.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace llvm;
using namespace tegula;

using Clock = std::chrono::steady_clock;

/// Runs some steps and returns the number of floating-point operations done; `sink` keeps the result alive.
using Kernel = double (*)(long steps, volatile float &sink);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double avx512(long steps, volatile float &sink) {
  __m512 sums[16], factor = _mm512_set1_ps(0.999999f), term = _mm512_set1_ps(1e-7f);
  for (int i = 0; i < 16; ++i)
    sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (long step = 0; step < steps; ++step)
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
  float lanes[16];
  for (int i = 1; i < 16; ++i)
    sums[0] = _mm512_add_ps(sums[0], sums[i]);
  _mm512_storeu_ps(lanes, sums[0]);
  sink = lanes[0];
  return 2.0 * 16 * 16 * static_cast<double>(steps);
}

__attribute__((target("avx2,fma"))) static double avx2(long steps, volatile float &sink) {
  __m256 sums[12], factor = _mm256_set1_ps(0.999999f), term = _mm256_set1_ps(1e-7f);
  for (int i = 0; i < 12; ++i)
    sums[i] = _mm256_set1_ps(static_cast<float>(i));
  for (long step = 0; step < steps; ++step)
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i)
      sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
  float lanes[8];
  for (int i = 1; i < 12; ++i)
    sums[0] = _mm256_add_ps(sums[0], sums[i]);
  _mm256_storeu_ps(lanes, sums[0]);
  sink = lanes[0];
  return 2.0 * 12 * 8 * static_cast<double>(steps);
}
#endif

/// Whatever the tool itself was compiled for: SSE2 (a multiplication and an addition), NEON, ...
static double baseline(long steps, volatile float &sink) {
  typedef float Vector __attribute__((vector_size(16)));
  Vector sums[12], factor = {0.999999f, 0.999999f, 0.999999f, 0.999999f}, term = {1e-7f, 1e-7f, 1e-7f, 1e-7f};
  for (int i = 0; i < 12; ++i)
    sums[i] = term * static_cast<float>(i);
  for (long step = 0; step < steps; ++step)
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i)
      sums[i] = sums[i] * factor + term;
  for (int i = 1; i < 12; ++i)
    sums[0] += sums[i];
  sink = sums[0][0];
  return 2.0 * 12 * 4 * static_cast<double>(steps);
}

/// Scales `from` into `to`.
using Mover = void (*)(const float *from, float *to, size_t count);

template <unsigned Bytes> [[gnu::always_inline]] static inline void moveBy(const float *from, float *to, size_t count) {
  typedef float Vector __attribute__((vector_size(Bytes)));
  const Vector *source = reinterpret_cast<const Vector *>(from);
  Vector *target = reinterpret_cast<Vector *>(to);
#pragma GCC unroll 4
  for (size_t i = 0; i < count * sizeof(float) / Bytes; ++i)
    target[i] = source[i] * 0.5f;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void moveAvx512(const float *from, float *to, size_t count) {
  moveBy<64>(from, to, count);
}
__attribute__((target("avx2"))) static void moveAvx2(const float *from, float *to, size_t count) {
  moveBy<32>(from, to, count);
}
#endif
static void moveBaseline(const float *from, float *to, size_t count) { moveBy<16>(from, to, count); }

// Half of the tensors of a thread: 128 KiB stay in the second-level cache of every core of this decade, 16 MiB do not.
static constexpr size_t kCacheBytes = 128 << 10, kMemoryBytes = 16 << 20;

/// Calls `step` on all threads at once for about three milliseconds; what it returns, in billions a second, added up.
static double measureOnce(unsigned threads, function_ref<double(unsigned self)> step) {
  std::atomic<unsigned> ready{0};
  std::vector<double> rates(threads);
  auto work = [&](unsigned self) {
    step(self);
    for (++ready; ready < threads;)
      std::this_thread::yield();
    double operations = 0;
    auto start = Clock::now(), now = start;
    while ((now = Clock::now()) - start < std::chrono::milliseconds(3))
      operations += step(self);
    rates[self] = operations / std::chrono::duration<double, std::nano>(now - start).count();
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i)
    others.emplace_back(work, i);
  work(0);
  for (std::thread &thread : others)
    thread.join();
  double sum = 0;
  for (double rate : rates)
    sum += rate;
  return sum;
}

/// The best of some rounds.
static double measure(unsigned threads, function_ref<double(unsigned self)> step) {
  double best = 0;
  for (int round = 0; round < 5; ++round)
    best = std::max(best, measureOnce(threads, step));
  return best;
}

static double bandwidth(Mover move, unsigned threads, size_t bytes) {
  // Tensors begin on lines, as those of a run do.
  std::vector<std::unique_ptr<float[], decltype(&std::free)>> memory;
  for (unsigned i = 0; i < threads; ++i) {
    memory.emplace_back(static_cast<float *>(std::aligned_alloc(64, 2 * bytes)), std::free);
    std::fill_n(memory.back().get(), 2 * bytes / sizeof(float), 1.0f);
  }
  return measure(threads, [&](unsigned self) {
    float *from = memory[self].get();
    move(from, from + bytes / sizeof(float), bytes / sizeof(float));
    return 2.0 * static_cast<double>(bytes);
  });
}

double Peak::leastMs(double flops, double bytes, unsigned threads) const {
  double roof = bytes <= 2.0 * kCacheBytes * threads ? cacheGbytes : memoryGbytes;
  return std::max(flops / gflops, bytes / roof) / 1e6;
}

Peak tegula::measurePeak(StringRef required, unsigned threads) {
  Peak peak;
  Kernel kernel = baseline;
  Mover move = moveBaseline;
  peak.isa = "baseline vectors";
#if defined(__x86_64__)
  SmallVector<StringRef> features;
  required.split(features, ',');
  auto needs = [&](StringRef name) { return is_contained(features, name); };
  peak.isa = "SSE2";
  if (needs("avx512f") && __builtin_cpu_supports("avx512f")) {
    kernel = avx512, move = moveAvx512;
    peak.isa = "AVX-512 FMA";
  } else if (needs("fma") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernel = avx2, move = moveAvx2;
    peak.isa = "AVX2 FMA";
  }
#elif defined(__aarch64__)
  peak.isa = "NEON FMA";
#endif
  threads = std::max(1u, threads);
  peak.gflops = measure(threads, [&](unsigned) {
    volatile float sink;
    return kernel(20000, sink);
  });
  peak.cacheGbytes = bandwidth(move, threads, kCacheBytes);
  peak.memoryGbytes = bandwidth(move, threads, kMemoryBytes);
  return peak;
}
