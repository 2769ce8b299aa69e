/* A run: its checks, the call of the generated code, and what that code calls back. */
#include "internal.h"

TEGULA_RT void tegula_rt_error(void *call, int32_t code, const char *words) {
  tegula_instance *instance = call;
  int none = 0;
  rt_text text;
  if (!atomic_compare_exchange_strong(&instance->errorState, &none, 1))
    return;
  text = tegula_rt_text(instance->message, sizeof instance->message);
  tegula_rt_put(&text, words);
  instance->errorCode = code == TEGULA_INVALID_ARGUMENT || code == TEGULA_OUT_OF_MEMORY || code == TEGULA_DEVICE_ERROR
                            ? (tegula_status)code
                            : TEGULA_RUN_ERROR;
  atomic_store(&instance->errorState, 2);
}

TEGULA_RT void tegula_rt_parallel(void *call, rt_body body, void *arg, int64_t count, int32_t unit) {
  tegula_instance *instance = call;
  bool isTimed = instance->unitNs && !instance->inside && instance->openUnit < 0;
  bool isSpread = count > 1 && !instance->inside && (instance->options.parallel_for || instance->ownsPool);
  if (count <= 0)
    return;
  if (isTimed)
    tegula_rt_begin(call, unit);
  if (!isSpread) {
    body(arg, 0, count);
  } else {
    instance->inside = true;
    if (instance->options.parallel_for)
      instance->options.parallel_for(instance->options.parallel_ctx, body, arg, count);
    else
      tegula_rt_pool_run(instance->threads, body, arg, count);
    instance->inside = false;
  }
  if (isTimed)
    tegula_rt_end(call, unit);
}

/* Fails the run for want of room for an output. */
static void *no_room(tegula_instance *instance, int32_t index, int32_t rank, const int64_t *dims, const char *words) {
  char message[RT_MESSAGE_BYTES];
  rt_text text = tegula_rt_text(message, sizeof message);
  tegula_rt_put(&text, "output '");
  tegula_rt_put(&text, instance->model->outputs[index].name);
  tegula_rt_put(&text, "': ");
  tegula_rt_put(&text, words);
  tegula_rt_put(&text, " for shape ");
  tegula_rt_put_shape(&text, rank, dims);
  tegula_rt_error(instance, TEGULA_RUN_ERROR, message);
  return NULL;
}

TEGULA_RT void *tegula_rt_output(void *call, int32_t index, int32_t rank, const int64_t *dims) {
  tegula_instance *instance = call;
  const tegula_options *options = &instance->options;
  tegula_tensor *tensor = &instance->results[index];
  int32_t dtype = instance->model->outputs[index].dtype;
  size_t bytes;
  if (rank < 0 || rank > TEGULA_MAX_RANK || !tegula_rt_tensor_bytes(dtype, rank, dims, &bytes))
    return no_room(instance, index, rank, dims, "no such memory");
  if (bytes && (!tensor->data || tensor->bytes < bytes)) {
    void *memory;
    if (!options->alloc_output)
      return no_room(instance, index, rank, dims, "the buffer is too small");
    memory = options->alloc_output(options->alloc_ctx, index, bytes);
    if (!memory || (uintptr_t)memory % tegula_rt_dtype_align(dtype))
      return no_room(instance, index, rank, dims, "alloc_output gave no aligned memory");
    tensor->data = memory;
    tensor->bytes = bytes;
  }
  for (int32_t i = 0; i < rank; ++i)
    tensor->shape[i] = dims[i];
  tensor->rank = rank;
  tensor->dtype = dtype;
  instance->produced[index] = 1;
  instance->outputs[index] = tensor->data;
  return tensor->data ? tensor->data : (void *)instance; /* without elements: anything but NULL */
}

TEGULA_RT tegula_status tegula_rt_compute(tegula_instance *instance) {
  const tegula_model *model = instance->model;
  int32_t result =
      model->entry(instance, instance->inputs, instance->inputShapes, instance->outputs, instance->workspace);
  if (!atomic_load(&instance->errorState) && result)
    tegula_rt_error(instance, TEGULA_RUN_ERROR, "the model's code failed without saying why");
  for (uint32_t i = 0; i < model->output_count && !atomic_load(&instance->errorState); ++i)
    if (!instance->produced[i])
      no_room(instance, (int32_t)i, model->outputs[i].rank, model->outputs[i].shape, "not computed");
  return atomic_load(&instance->errorState) ? instance->errorCode : TEGULA_OK;
}

/* Static outputs get their shapes here, dynamic ones in tegula_rt_output. */
static void write_static_shapes(tegula_instance *instance, tegula_tensor *outputs) {
  const tegula_model *model = instance->model;
  for (uint32_t i = 0; i < model->output_count; ++i) {
    const tegula_tensor_info *info = &model->outputs[i];
    if (!instance->produced[i])
      continue;
    for (int32_t axis = 0; axis < info->rank; ++axis)
      outputs[i].shape[axis] = info->shape[axis];
    outputs[i].rank = info->rank;
    outputs[i].dtype = info->dtype;
  }
}

TEGULA_RT tegula_status tegula_rt_start(tegula_instance *instance, const tegula_tensor *inputs,
                                        tegula_tensor *outputs) {
  tegula_status status;
  if (!instance)
    return TEGULA_INVALID_ARGUMENT;
  if (atomic_exchange_explicit(&instance->running, 1, memory_order_acquire))
    return TEGULA_BUSY;
  status = tegula_rt_validate(instance, inputs, outputs);
  if (status != TEGULA_OK)
    return status;
  instance->results = outputs;
  instance->openUnit = -1;
  atomic_store_explicit(&instance->errorState, 0, memory_order_relaxed);
  write_static_shapes(instance, outputs);
  return TEGULA_OK;
}

TEGULA_RT void tegula_rt_finish(tegula_instance *instance) {
  atomic_store_explicit(&instance->running, 0, memory_order_release);
}

TEGULA_RT tegula_status tegula_rt_run(tegula_instance *instance, const tegula_tensor *inputs, tegula_tensor *outputs) {
  tegula_status status = tegula_rt_start(instance, inputs, outputs);
  if (!instance || status == TEGULA_BUSY)
    return status;
  if (status == TEGULA_OK) {
    instance->ownsPool = instance->hasPool && tegula_rt_pool_enter(instance->threads);
    status = tegula_rt_compute(instance);
    if (instance->ownsPool)
      tegula_rt_pool_leave();
    instance->ownsPool = false;
    tegula_rt_blocks_recycle(&instance->blocks);
    ++instance->runs;
  }
  tegula_rt_finish(instance);
  return status;
}
