// create, run, validation and messages, dynamic outputs, profile.
#include "Fake.h"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

TEST(Instance, runsWithDefaults) {
  tegula_instance *instance = nullptr;
  ASSERT_EQ(fake_model()->create(fake_model(), nullptr, &instance), TEGULA_OK);
  FakeTensors tensors;
  EXPECT_EQ(fake_model()->run(instance, &tensors.input, tensors.outputs), TEGULA_OK);
  EXPECT_TRUE(tensors.areRight());
  EXPECT_EQ(tensors.outputs[0].rank, 2);
  EXPECT_EQ(tensors.outputs[0].shape[1], 1024);
  fake_model()->destroy(instance);
}

TEST(Instance, createRefusesWrongOptions) {
  tegula_options options = optionsWith(1);
  options.abi_version = 99;
  EXPECT_EQ(Instance(fake_model(), options).status, TEGULA_ABI_MISMATCH);
  EXPECT_EQ(Instance(fake_model(), optionsWith(-1)).status, TEGULA_INVALID_ARGUMENT);
  EXPECT_STREQ(fake_model()->message(nullptr), "options.threads is negative");
}

TEST(Instance, createRefusesCpuWithoutFeature) {
#if defined(__x86_64__)
  tegula_model model = *fake_model();
  model.required = "sse2,xop,fma4,tbm"; // AMD only, and dropped before AVX-512 came
  tegula_model other = *fake_model();
  other.required = "sse2,avx512fp16";
  Instance first(&model, optionsWith(1)), second(&other, optionsWith(1));
  EXPECT_TRUE(first.status == TEGULA_UNSUPPORTED_CPU || second.status == TEGULA_UNSUPPORTED_CPU);
  EXPECT_NE(std::strstr(model.message(nullptr), "this CPU, or its operating system, lacks"), nullptr);
#endif
}

TEST(Instance, cpuCheckAgreesWithCompiler) {
  char missing[32];
  EXPECT_FALSE(tegula_rt_cpu_lacks("", missing, sizeof missing));
  EXPECT_FALSE(tegula_rt_cpu_lacks("not-a-known-feature", missing, sizeof missing));
#if defined(__x86_64__)
  EXPECT_FALSE(tegula_rt_cpu_lacks("sse2,+cmov", missing, sizeof missing));
  EXPECT_EQ(tegula_rt_cpu_lacks("avx", missing, sizeof missing), !__builtin_cpu_supports("avx"));
  EXPECT_EQ(tegula_rt_cpu_lacks("avx2", missing, sizeof missing), !__builtin_cpu_supports("avx2"));
  EXPECT_EQ(tegula_rt_cpu_lacks("fma", missing, sizeof missing), !__builtin_cpu_supports("fma"));
  EXPECT_EQ(tegula_rt_cpu_lacks("avx512f", missing, sizeof missing), !__builtin_cpu_supports("avx512f"));
  EXPECT_EQ(tegula_rt_cpu_lacks("avx512vnni", missing, sizeof missing), !__builtin_cpu_supports("avx512vnni"));
  EXPECT_EQ(tegula_rt_cpu_lacks("avx512bf16", missing, sizeof missing), !__builtin_cpu_supports("avx512bf16"));
#endif
}

TEST(Instance, callersWorkspace) {
  const size_t bytes = fake_model()->workspace_bytes;
  void *memory = std::aligned_alloc(64, bytes);
  tegula_options options = optionsWith(1);
  options.workspace = memory;
  options.workspace_bytes = bytes - 1;
  EXPECT_EQ(Instance(fake_model(), options).status, TEGULA_INVALID_ARGUMENT);
  EXPECT_STREQ(fake_model()->message(nullptr), "options.workspace_bytes is less than the model's 16384");
  options.workspace_bytes = bytes;
  options.workspace = static_cast<char *>(memory) + 4;
  EXPECT_EQ(Instance(fake_model(), options).status, TEGULA_INVALID_ARGUMENT);
  options.workspace = memory;
  {
    Instance instance(fake_model(), options);
    FakeTensors tensors;
    EXPECT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_OK);
    EXPECT_TRUE(tensors.areRight());
    EXPECT_EQ(static_cast<float *>(memory)[3], 7); // it was used
  }
  std::free(memory);
}

/// Runs fake_model with changed tensors and returns the refusal's text.
template <typename Change> static std::string refusal(Change change) {
  Instance instance(fake_model(), optionsWith(1));
  FakeTensors tensors;
  change(tensors);
  EXPECT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_INVALID_ARGUMENT);
  return fake_model()->message(instance.handle);
}

TEST(Instance, runRefusesWrongInputs) {
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.shape[1] = 1023; }),
            "input 'x': expected shape [4, 1024], got [4, 1023]");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.rank = 1; }), "input 'x': expected shape [4, 1024], got [4]");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.rank = 1000; }), "input 'x': expected shape [4, 1024], got rank 1000");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.rank = -1; }), "input 'x': expected shape [4, 1024], got rank -1");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.dtype = TEGULA_DOUBLE; }),
            "input 'x': expected float32 elements, got float64");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.bytes -= 4; }), "input 'x': expected 16384 bytes, got 16380");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.data = nullptr; }), "input 'x': data is NULL");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.input.data = reinterpret_cast<char *>(t.x.data()) + 2; }),
            "input 'x': data must be aligned to 4 bytes");
}

TEST(Instance, runRefusesWrongOutputs) {
  EXPECT_EQ(refusal([](FakeTensors &t) { t.outputs[1].bytes = 15; }), "output 'sums': expected 16 bytes, got 15");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.outputs[1].data = nullptr; }), "output 'sums': data is NULL");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.outputs[0].dtype = TEGULA_INT64; }),
            "output 'y': expected float32 elements, got int64");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.outputs[0].data = t.x.data(); }),
            "output 'y': its memory overlaps that of input 'x'");
  EXPECT_EQ(refusal([](FakeTensors &t) { t.outputs[1].data = t.y.data() + 8; }),
            "output 'sums': its memory overlaps that of output 'y'");
}

TEST(Instance, profileCountsUnits) {
  tegula_options options = optionsWith(2);
  options.profile = 1;
  Instance instance(fake_model(), options), silent(fake_model(), optionsWith(1));
  FakeTensors tensors;
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(fake_model()->run(instance.handle, &tensors.input, tensors.outputs), TEGULA_OK);
  uint64_t ns[2] = {}, runs = 0;
  EXPECT_EQ(fake_model()->profile(instance.handle, ns, &runs), TEGULA_OK);
  EXPECT_EQ(runs, 3u);
  EXPECT_GT(ns[0], 0u);
  EXPECT_GT(ns[1], 0u);
  EXPECT_EQ(fake_model()->profile(silent.handle, ns, &runs), TEGULA_INVALID_ARGUMENT);
}

// Dynamic shapes.

struct Filter {
  Instance instance;
  std::vector<float> x;
  tegula_tensor input = {}, output = {};

  Filter(std::vector<float> values, const tegula_options &options)
      : instance(fake_filter_model(), options), x(std::move(values)) {
    input = {x.data(), x.size() * 4, {static_cast<int64_t>(x.size())}, 1, TEGULA_FLOAT};
  }
  tegula_status run() { return instance.model->run(instance.handle, &input, &output); }
  std::string message() { return instance.model->message(instance.handle); }
};

TEST(DynamicOutput, intoCallersBuffer) {
  Filter filter({1, -2, 3}, optionsWith(1));
  float y[3];
  filter.output = {y, sizeof y, {}, 0, TEGULA_FLOAT};
  ASSERT_EQ(filter.run(), TEGULA_OK);
  EXPECT_EQ(filter.output.rank, 1);
  EXPECT_EQ(filter.output.shape[0], 2);
  EXPECT_EQ(y[1], 3);
}

TEST(DynamicOutput, bufferTooSmall) {
  Filter filter({1, -2, 3}, optionsWith(1));
  float y[1];
  filter.output = {y, sizeof y, {}, 0, TEGULA_FLOAT};
  EXPECT_EQ(filter.run(), TEGULA_RUN_ERROR);
  EXPECT_EQ(filter.message(), "output 'y': the buffer is too small for shape [2]");
}

TEST(DynamicOutput, allocatedByCaller) {
  std::vector<float> memory;
  tegula_options options = optionsWith(1);
  options.alloc_ctx = &memory;
  options.alloc_output = [](void *ctx, int32_t, size_t bytes) -> void * {
    auto *memory = static_cast<std::vector<float> *>(ctx);
    memory->resize(bytes / 4);
    return memory->data();
  };
  Filter filter({1, -2, 3}, options);
  ASSERT_EQ(filter.run(), TEGULA_OK);
  EXPECT_EQ(filter.output.data, memory.data());
  EXPECT_EQ(filter.output.bytes, 8u);
  EXPECT_EQ(memory[1], 3);
}

TEST(DynamicOutput, needsSomewhere) {
  Filter filter({1}, optionsWith(1));
  EXPECT_EQ(filter.run(), TEGULA_INVALID_ARGUMENT);
  EXPECT_EQ(filter.message(), "output 'y': data is NULL and the options have no alloc_output");
}

TEST(DynamicOutput, withoutElements) {
  Filter filter({-1}, optionsWith(1));
  float y[1];
  filter.output = {y, sizeof y, {}, 0, TEGULA_FLOAT};
  EXPECT_EQ(filter.run(), TEGULA_OK);
  EXPECT_EQ(filter.output.shape[0], 0);
}

TEST(DynamicOutput, negativeExtent) {
  Filter filter({1}, optionsWith(1));
  float y[1];
  filter.output = {y, sizeof y, {}, 0, TEGULA_FLOAT};
  filter.input.shape[0] = -1;
  EXPECT_EQ(filter.run(), TEGULA_INVALID_ARGUMENT);
  filter.input.shape[0] = INT64_MAX;
  EXPECT_EQ(filter.run(), TEGULA_INVALID_ARGUMENT);
  EXPECT_EQ(filter.message(), "input 'x': shape exceeds the address space");
}

TEST(DynamicOutput, errorOfGeneratedCode) {
  Filter filter({1, NAN}, optionsWith(1));
  float y[2];
  filter.output = {y, sizeof y, {}, 0, TEGULA_FLOAT};
  EXPECT_EQ(filter.run(), TEGULA_RUN_ERROR); // leaves a block behind, which must not leak
  EXPECT_EQ(filter.message(), "node 'keep' (Compress): x has a NaN");
  filter.x[1] = 2;
  EXPECT_EQ(filter.run(), TEGULA_OK);
}
