// The hand-written models of FakeModel.c, with the plumbing that every test needs.
#ifndef TEGULA_TEST_RUNTIME_FAKE_H
#define TEGULA_TEST_RUNTIME_FAKE_H

#include "../../runtime/tegula.h"
#include <vector>

extern "C" {
const tegula_model *fake_model(void);
const tegula_model *fake_filter_model(void);
// Of the runtime, as generated code sees it.
void tegula_rt_parallel(void *call, void (*body)(void *, int64_t, int64_t), void *arg, int64_t count, int32_t unit);
void tegula_rt_error(void *call, int32_t code, const char *text);
bool tegula_rt_cpu_lacks(const char *required, char *missing, size_t missingBytes);
}

inline tegula_options optionsWith(int32_t threads) {
  tegula_options options = {};
  options.abi_version = TEGULA_ABI_VERSION;
  options.threads = threads;
  return options;
}

/// The tensors of one run of fake_model, x[i] = i.
struct FakeTensors {
  std::vector<float> x = std::vector<float>(4 * 1024), y = std::vector<float>(4 * 1024), sums = std::vector<float>(4);
  tegula_tensor input = {x.data(), x.size() * 4, {4, 1024}, 2, TEGULA_FLOAT};
  tegula_tensor outputs[2] = {{y.data(), y.size() * 4, {}, 0, TEGULA_FLOAT}, {sums.data(), 16, {}, 0, TEGULA_FLOAT}};

  FakeTensors() {
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(i);
  }
  /// Whether y and sums are what they should be.
  bool areRight() const {
    for (size_t i = 0; i < x.size(); ++i)
      if (y[i] != 2 * x[i] + 1)
        return false;
    for (int row = 0; row < 4; ++row) {
      float sum = 0;
      for (int column = 0; column < 1024; ++column)
        sum += y[row * 1024 + column];
      if (sums[row] != sum)
        return false;
    }
    return true;
  }
};

/// An instance that destroys itself.
struct Instance {
  const tegula_model *model;
  tegula_instance *handle = nullptr;
  tegula_status status;

  Instance(const tegula_model *model, const tegula_options &options) : model(model) {
    status = model->create(model, &options, &handle);
  }
  ~Instance() { model->destroy(handle); }
  Instance(const Instance &) = delete;
  Instance &operator=(const Instance &) = delete;
};

#endif // TEGULA_TEST_RUNTIME_FAKE_H
