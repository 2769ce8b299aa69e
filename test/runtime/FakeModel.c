/* Two models written by hand, as the compiler would emit them: the runtime, the Python package and the tool are tested
 * with them, without a compiler. Also built as the shared object `fake.so`.
 *
 * fake_model          x: float[4, 1024] -> y = 2 x + 1: float[4, 1024], sums: float[4] of the rows of y
 * fake_filter_model   x: float[?] -> y: float[?], the positive elements of x; an error if there is a NaN */
#include "../../runtime/core/internal.h"

#define EXPORT __attribute__((visibility("default")))

enum { ROWS = 4, COLUMNS = 1024 };

static const int64_t matrixShape[] = {ROWS, COLUMNS};
static const int64_t vectorShape[] = {ROWS};
static const int64_t anyShape[] = {-1};

struct scale_args {
  const float *x;
  float *y;
};

static void scale_rows(void *arg, int64_t begin, int64_t end) {
  struct scale_args *args = arg;
  for (int64_t i = begin * COLUMNS; i < end * COLUMNS; ++i)
    args->y[i] = 2 * args->x[i] + 1;
}

static int32_t fake_entry(void *call, void *const *inputs, const int64_t *const *shapes, void *const *outputs,
                          char *workspace) {
  float *scaled = (float *)workspace, *y = outputs[0], *sums = outputs[1];
  struct scale_args args = {inputs[0], scaled};
  (void)shapes;
  tegula_rt_parallel(call, scale_rows, &args, ROWS, 0);
  tegula_rt_begin(call, 1);
  for (int row = 0; row < ROWS; ++row) {
    float sum = 0;
    for (int column = 0; column < COLUMNS; ++column) {
      y[row * COLUMNS + column] = scaled[row * COLUMNS + column];
      sum += scaled[row * COLUMNS + column];
    }
    sums[row] = sum;
  }
  tegula_rt_end(call, 1);
  return 0;
}

static int32_t filter_entry(void *call, void *const *inputs, const int64_t *const *shapes, void *const *outputs,
                            char *workspace) {
  const float *x = inputs[0];
  int64_t count = shapes[0][0], kept = 0;
  float *found = tegula_rt_alloc(call, count * (int64_t)sizeof(float)), *y;
  (void)outputs, (void)workspace;
  if (!found)
    return 1;
  for (int64_t i = 0; i < count; ++i) {
    if (x[i] != x[i]) {
      tegula_rt_error(call, TEGULA_RUN_ERROR, "node 'keep' (Compress): x has a NaN");
      return 1;
    }
    if (x[i] > 0)
      found[kept++] = x[i];
  }
  y = tegula_rt_output(call, 0, 1, &kept);
  if (!y)
    return 1;
  memcpy(y, found, (size_t)kept * sizeof(float));
  tegula_rt_free(call, found);
  return 0;
}

static const tegula_tensor_info fakeInputs[] = {{"x", matrixShape, 2, TEGULA_FLOAT}};
static const tegula_tensor_info fakeOutputs[] = {{"y", matrixShape, 2, TEGULA_FLOAT},
                                                 {"sums", vectorShape, 1, TEGULA_FLOAT}};
static const tegula_unit_info fakeUnits[] = {{"scale, shift", "Mul, Add", 2.0 * ROWS * COLUMNS, 8.0 * ROWS * COLUMNS},
                                             {"sum", "ReduceSum", 1.0 * ROWS * COLUMNS, 4.0 * ROWS * COLUMNS}};
static const tegula_tensor_info filterInputs[] = {{"x", anyShape, 1, TEGULA_FLOAT}};
static const tegula_tensor_info filterOutputs[] = {{"y", anyShape, 1, TEGULA_FLOAT}};

static const tegula_model fake = {.abi_version = TEGULA_ABI_VERSION,
                                  .name = "fake",
                                  .target = "any",
                                  .required = "",
                                  .producer = "written by hand",
                                  .inputs = fakeInputs,
                                  .outputs = fakeOutputs,
                                  .units = fakeUnits,
                                  .input_count = 1,
                                  .output_count = 2,
                                  .unit_count = 2,
                                  .workspace_bytes = ROWS * COLUMNS * sizeof(float),
                                  .entry = fake_entry,
                                  .create = tegula_rt_create,
                                  .destroy = tegula_rt_destroy,
                                  .run = tegula_rt_run,
                                  .message = tegula_rt_message,
                                  .profile = tegula_rt_profile};

static const tegula_model filter = {.abi_version = TEGULA_ABI_VERSION,
                                    .name = "fake_filter",
                                    .target = "any",
                                    .required = "",
                                    .producer = "written by hand",
                                    .inputs = filterInputs,
                                    .outputs = filterOutputs,
                                    .input_count = 1,
                                    .output_count = 1,
                                    .entry = filter_entry,
                                    .create = tegula_rt_create,
                                    .destroy = tegula_rt_destroy,
                                    .run = tegula_rt_run,
                                    .message = tegula_rt_message,
                                    .profile = tegula_rt_profile};

EXPORT const tegula_model *fake_model(void) { return &fake; }
EXPORT const tegula_model *fake_filter_model(void) { return &filter; }
