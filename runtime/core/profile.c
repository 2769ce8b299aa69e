/* Time per unit. Only the thread of the run writes, so that nothing here is atomic; off, a bracket costs one test. */
#include "internal.h"

TEGULA_RT uint64_t tegula_rt_now(void) {
  rt_time time = {0, 0};
  clock_gettime(RT_CLOCK_MONOTONIC, &time);
  return (uint64_t)time.seconds * 1000000000u + (uint64_t)time.nanoseconds;
}

TEGULA_RT void tegula_rt_begin(void *call, int32_t unit) {
  tegula_instance *instance = call;
  if (!instance->unitNs || instance->inside || instance->openUnit >= 0)
    return;
  instance->openUnit = unit;
  instance->startNs = tegula_rt_now();
}

TEGULA_RT void tegula_rt_end(void *call, int32_t unit) {
  tegula_instance *instance = call;
  if (!instance->unitNs || instance->inside || instance->openUnit != unit)
    return;
  instance->openUnit = -1;
  if ((uint32_t)unit < instance->model->unit_count)
    instance->unitNs[unit] += tegula_rt_now() - instance->startNs;
}

TEGULA_RT tegula_status tegula_rt_profile(tegula_instance *instance, uint64_t *unitNs, uint64_t *runs) {
  if (!instance->unitNs) {
    rt_text text = tegula_rt_text(instance->message, sizeof instance->message);
    tegula_rt_put(&text, "the instance was created without options.profile");
    return TEGULA_INVALID_ARGUMENT;
  }
  for (uint32_t i = 0; unitNs && i < instance->model->unit_count; ++i)
    unitNs[i] = instance->unitNs[i];
  if (runs)
    *runs = instance->runs;
  return TEGULA_OK;
}
