/* Making and freeing of instances. */
#include "internal.h"

static cuda_state *allocate(const tegula_model *model) {
  size_t inputs = model->input_count, outputs = model->output_count;
  size_t bytes =
      sizeof(cuda_state) + (inputs + outputs) * sizeof(cuda_buffer) + outputs * sizeof(tegula_tensor) + sizeof(void *);
  cuda_state *state = malloc(bytes);
  if (!state)
    return NULL;
  memset(state, 0, bytes);
  state->inputs = (cuda_buffer *)(state + 1);
  state->outputs = state->inputs + inputs;
  state->results = (tegula_tensor *)(state->outputs + outputs);
  return state;
}

/* Stream, events and workspace. The program's context is current. */
static tegula_status furnish(tegula_instance *instance) {
  const cuda_driver *driver = &tegula_cuda_driver;
  cuda_state *state = instance->device;
  bool isFine = !tegula_cuda_failed(instance, NULL, "cuStreamCreate",
                                    driver->streamCreate(&state->stream, CUDA_STREAM_NON_BLOCKING));
  if (isFine && instance->options.profile)
    isFine = !tegula_cuda_failed(instance, NULL, "cuEventCreate", driver->eventCreate(&state->begin, 0)) &&
             !tegula_cuda_failed(instance, NULL, "cuEventCreate", driver->eventCreate(&state->end, 0));
  if (isFine && instance->options.workspace)
    instance->workspace = instance->options.workspace;
  else if (isFine && instance->model->workspace_bytes)
    isFine = tegula_cuda_grow(instance, &state->workspace, (size_t)instance->model->workspace_bytes);
  if (!instance->options.workspace)
    instance->workspace = (char *)(uintptr_t)state->workspace.data;
  return isFine ? TEGULA_OK : tegula_rt_refuse(instance->errorCode, instance->message, "");
}

/* Frees what `furnish` and the runs made. The program's context is current. */
static void strip(tegula_instance *instance) {
  const cuda_driver *driver = &tegula_cuda_driver;
  cuda_state *state = instance->device;
  if (state->stream)
    driver->streamSynchronize(state->stream);
  if (state->graph)
    driver->graphExecDestroy(state->graph);
  tegula_cuda_free_all(state);
  for (uint32_t i = 0; i < instance->model->input_count; ++i)
    if (state->inputs[i].data)
      driver->release(state->inputs[i].data);
  for (uint32_t i = 0; i < instance->model->output_count; ++i)
    if (state->outputs[i].data)
      driver->release(state->outputs[i].data);
  if (state->begin)
    driver->eventDestroy(state->begin);
  if (state->end)
    driver->eventDestroy(state->end);
  if (state->stream)
    driver->streamDestroy(state->stream);
}

TEGULA_RT tegula_status tegula_cuda_create(const tegula_model *model, const tegula_options *options,
                                           tegula_instance **result) {
  tegula_instance *instance;
  cuda_state *state;
  tegula_status status = tegula_rt_prepare(model, options, result);
  if (status != TEGULA_OK)
    return status;
  instance = *result;
  *result = NULL;
  state = allocate(model);
  if (!state) {
    free(instance->base);
    return tegula_rt_refuse(TEGULA_OUT_OF_MEMORY, "out of memory for an instance", "");
  }
  instance->device = state;
  instance->threads = 1;
  state->alloc_output = instance->options.alloc_output;
  state->alloc_ctx = instance->options.alloc_ctx;
  state->program = tegula_cuda_acquire((const cuda_model *)model, &status);
  if (state->program) {
    status = furnish(instance);
    if (status != TEGULA_OK) {
      strip(instance);
      tegula_cuda_release(state->program);
    }
    tegula_cuda_leave();
  }
  if (status != TEGULA_OK) {
    free(state);
    free(instance->base);
    return status;
  }
  *result = instance;
  return TEGULA_OK;
}

TEGULA_RT void tegula_cuda_destroy(tegula_instance *instance) {
  cuda_state *state;
  if (!instance)
    return;
  state = instance->device;
  if (tegula_cuda_enter(instance)) {
    strip(instance);
    tegula_cuda_release(state->program);
    tegula_cuda_leave();
  }
  free(state);
  free(instance->base);
}

TEGULA_RT const char *tegula_cuda_message(const tegula_instance *instance) { return tegula_rt_message(instance); }

TEGULA_RT tegula_status tegula_cuda_profile(tegula_instance *instance, uint64_t *unitNs, uint64_t *runs) {
  return tegula_rt_profile(instance, unitNs, runs);
}
