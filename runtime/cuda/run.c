/* Runs, and what the generated code calls back. */
#include "internal.h"

/* Adds the time of what was launched since `begin` to the unit. */
static void add_time(tegula_instance *instance, int32_t unit) {
  const cuda_driver *driver = &tegula_cuda_driver;
  cuda_state *state = instance->device;
  float ms = 0;
  driver->eventRecord(state->end, state->current);
  driver->eventSynchronize(state->end);
  driver->eventElapsed(&ms, state->begin, state->end);
  instance->unitNs[unit] += (uint64_t)((double)ms * 1e6);
}

TEGULA_RT void tegula_cuda_launch(void *call, int32_t number, void **parameters, int64_t count, int32_t unit) {
  tegula_instance *instance = call;
  cuda_state *state = instance->device;
  const cuda_kernel *kernel = &state->program->model->kernels[number];
  const char *node = instance->model->units[unit].node;
  int64_t blocks = (count + kernel->iterations - 1) / kernel->iterations;
  int code;
  if (count <= 0 || atomic_load_explicit(&instance->errorState, memory_order_relaxed))
    return;
  if (blocks > INT32_MAX) {
    tegula_rt_error(call, TEGULA_RUN_ERROR, "a tensor has more elements than a grid can have blocks");
    return;
  }
  if (instance->unitNs)
    tegula_cuda_driver.eventRecord(state->begin, state->current);
  code = tegula_cuda_driver.launch(state->program->functions[number], (unsigned)blocks, 1, 1, (unsigned)kernel->threads,
                                   1, 1, (unsigned)kernel->sharedBytes, state->current, parameters, NULL);
  if (!tegula_cuda_failed(instance, node, "cuLaunchKernel", code) && instance->unitNs)
    add_time(instance, unit);
}

TEGULA_RT int64_t tegula_cuda_weights(void *call) {
  const cuda_program *program = ((cuda_state *)((tegula_instance *)call)->device)->program;
  return (int64_t)program->weights - (int64_t)(intptr_t)program->model->weights;
}

TEGULA_RT uint64_t tegula_cuda_load(void *call, const void *address, int32_t bytes) {
  tegula_instance *instance = call;
  cuda_stream stream = ((cuda_state *)instance->device)->current;
  uint64_t value = 0;
  if (atomic_load_explicit(&instance->errorState, memory_order_relaxed))
    return 0;
  if (tegula_cuda_failed(
          instance, NULL, "cuMemcpyDtoH",
          tegula_cuda_driver.downloadAsync(&value, (cuda_pointer)(uintptr_t)address, (size_t)bytes, stream)) ||
      tegula_cuda_failed(instance, NULL, "cuStreamSynchronize", tegula_cuda_driver.streamSynchronize(stream)))
    return 0;
  return value;
}

TEGULA_RT void tegula_cuda_copy(void *call, void *to, const void *from, int64_t bytes) {
  tegula_instance *instance = call;
  cuda_state *state = instance->device;
  if (bytes > 0 && to != from && !atomic_load_explicit(&instance->errorState, memory_order_relaxed))
    tegula_cuda_failed(instance, NULL, "cuMemcpyDtoD",
                       tegula_cuda_driver.copyAsync((cuda_pointer)(uintptr_t)to, (cuda_pointer)(uintptr_t)from,
                                                    (size_t)bytes, state->current));
}

/* `alloc_output` of a run whose results are copied to the host. */
static void *alloc_result(void *ctx, int32_t index, size_t bytes) {
  tegula_instance *instance = ctx;
  cuda_buffer *buffer = &((cuda_state *)instance->device)->outputs[index];
  return tegula_cuda_grow(instance, buffer, bytes) ? (void *)(uintptr_t)buffer->data : NULL;
}

/* Uploads the inputs, and has the results written to device memory. */
static bool stage(tegula_instance *instance, const tegula_tensor *inputs, const tegula_tensor *outputs) {
  const tegula_model *model = instance->model;
  cuda_state *state = instance->device;
  for (uint32_t i = 0; i < model->input_count; ++i) {
    if (!tegula_cuda_grow(instance, &state->inputs[i], inputs[i].bytes))
      return false;
    instance->inputs[i] = (void *)(uintptr_t)state->inputs[i].data;
    if (inputs[i].bytes && tegula_cuda_failed(instance, model->inputs[i].name, "cuMemcpyHtoDAsync",
                                              tegula_cuda_driver.uploadAsync(state->inputs[i].data, inputs[i].data,
                                                                             inputs[i].bytes, state->current)))
      return false;
  }
  for (uint32_t i = 0; i < model->output_count; ++i) {
    size_t bytes = 0;
    state->results[i] = outputs[i];
    if (instance->produced[i] &&
        tegula_rt_tensor_bytes(model->outputs[i].dtype, model->outputs[i].rank, model->outputs[i].shape, &bytes) &&
        !tegula_cuda_grow(instance, &state->outputs[i], bytes))
      return false;
    state->results[i].data = (void *)(uintptr_t)state->outputs[i].data;
    state->results[i].bytes = state->outputs[i].bytes;
    instance->outputs[i] = state->results[i].data;
  }
  instance->results = state->results;
  instance->options.alloc_output = alloc_result;
  instance->options.alloc_ctx = instance;
  return true;
}

/* Copies the results to the caller's tensors, whose memory is found as on the CPU, and waits for all. */
static tegula_status fetch(tegula_instance *instance, tegula_tensor *outputs) {
  const tegula_model *model = instance->model;
  cuda_state *state = instance->device;
  for (uint32_t i = 0; i < model->output_count; ++i) {
    const tegula_tensor *from = &state->results[i];
    size_t bytes = 0;
    tegula_rt_tensor_bytes(from->dtype, from->rank, from->shape, &bytes);
    instance->results = outputs;
    if (!tegula_rt_output(instance, (int32_t)i, from->rank, from->shape))
      break;
    if (bytes && tegula_cuda_failed(
                     instance, NULL, "cuMemcpyDtoHAsync of an output",
                     tegula_cuda_driver.downloadAsync(outputs[i].data, state->outputs[i].data, bytes, state->current)))
      break;
  }
  tegula_cuda_failed(instance, NULL, "cuStreamSynchronize", tegula_cuda_driver.streamSynchronize(state->current));
  return atomic_load(&instance->errorState) ? instance->errorCode : TEGULA_OK;
}

/* Records a run as a graph. A driver that cannot is not asked again, and the run goes on without. */
static void record(tegula_instance *instance) {
  const cuda_driver *driver = &tegula_cuda_driver;
  cuda_state *state = instance->device;
  cuda_graph graph = NULL;
  state->isUnrecordable = true;
  if (driver->captureBegin(state->current, CUDA_CAPTURE_THREAD_LOCAL))
    return;
  tegula_rt_compute(instance);
  if (driver->captureEnd(state->current, &graph) || !graph)
    return;
  if (atomic_load(&instance->errorState)) /* part of a run is not to be replayed */
    ;
  else if (!driver->graphInstantiate(&state->graph, graph, 0))
    state->isUnrecordable = false;
  else
    state->graph = NULL;
  driver->graphDestroy(graph);
}

/* Computes on the device: by the recorded graph from the second run on. */
static tegula_status compute(tegula_instance *instance) {
  cuda_state *state = instance->device;
  bool isReplayable = (instance->model->flags & TEGULA_REPLAYABLE) && !instance->unitNs && !state->isUnrecordable;
  if (isReplayable && instance->runs && !state->graph) {
    record(instance);
    if (atomic_load(&instance->errorState))
      return instance->errorCode;
  }
  if (!isReplayable || !state->graph)
    return tegula_rt_compute(instance);
  tegula_cuda_failed(instance, NULL, "cuGraphLaunch", tegula_cuda_driver.graphLaunch(state->graph, state->current));
  return atomic_load(&instance->errorState) ? instance->errorCode : TEGULA_OK;
}

TEGULA_RT tegula_status tegula_cuda_run(tegula_instance *instance, const tegula_tensor *inputs,
                                        tegula_tensor *outputs) {
  tegula_status status = tegula_rt_start(instance, inputs, outputs);
  if (!instance || status == TEGULA_BUSY)
    return status;
  if (status == TEGULA_OK && tegula_cuda_enter(instance)) {
    cuda_state *state = instance->device;
    state->current = state->stream;
    if (stage(instance, inputs, outputs))
      compute(instance);
    instance->options.alloc_output = state->alloc_output;
    instance->options.alloc_ctx = state->alloc_ctx;
    if (!atomic_load(&instance->errorState))
      fetch(instance, outputs);
    else /* copies from the caller's memory may be under way */
      tegula_cuda_driver.streamSynchronize(state->current);
    for (cuda_block *block = state->blocks; block; block = block->next)
      block->isUsed = false;
    if (!atomic_load(&instance->errorState))
      ++instance->runs;
    tegula_cuda_leave();
  }
  if (status == TEGULA_OK && atomic_load(&instance->errorState))
    status = instance->errorCode;
  tegula_rt_finish(instance);
  return status;
}

/* Whether the caller's device memory is aligned as kernels load and store it; says of which tensor it is not. */
static bool are_aligned(tegula_instance *instance, const char *kind, const tegula_tensor_info *infos,
                        const tegula_tensor *tensors, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    rt_text text;
    if ((uintptr_t)tensors[i].data % CUDA_TENSOR_ALIGN_BYTES == 0)
      continue;
    text = tegula_rt_text(instance->message, sizeof instance->message);
    tegula_rt_put(&text, kind);
    tegula_rt_put(&text, " '");
    tegula_rt_put(&text, infos[i].name);
    tegula_rt_put(&text, "': data must be aligned to 16 bytes in the device's memory");
    return false;
  }
  return true;
}

TEGULA_RT tegula_status tegula_cuda_enqueue(tegula_instance *instance, const tegula_tensor *inputs,
                                            tegula_tensor *outputs, void *stream) {
  tegula_status status = tegula_rt_start(instance, inputs, outputs);
  if (!instance || status == TEGULA_BUSY)
    return status;
  if (status == TEGULA_OK &&
      !(are_aligned(instance, "input", instance->model->inputs, inputs, instance->model->input_count) &&
        are_aligned(instance, "output", instance->model->outputs, outputs, instance->model->output_count)))
    status = TEGULA_INVALID_ARGUMENT;
  if (status == TEGULA_OK && tegula_cuda_enter(instance)) {
    cuda_state *state = instance->device;
    state->current = stream;
    tegula_rt_compute(instance);
    for (cuda_block *block = state->blocks; block; block = block->next)
      block->isUsed = false;
    ++instance->runs;
    tegula_cuda_leave();
  }
  if (status == TEGULA_OK && atomic_load(&instance->errorState))
    status = instance->errorCode;
  tegula_rt_finish(instance);
  return status;
}
