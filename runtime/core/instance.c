/* Making and freeing of instances. */
#include "internal.h"

/* Why the last failed `create` of the process failed. A model's creation is not a hot path: one mutex guards it. */
typedef struct rt_failure {
  rt_mutex mutex;
  char message[RT_MESSAGE_BYTES];
} rt_failure;

extern TEGULA_HIDDEN rt_failure tegula_rt_failure;
TEGULA_RT rt_failure tegula_rt_failure;

TEGULA_RT tegula_status tegula_rt_refuse(tegula_status status, const char *words, const char *detail) {
  rt_text text;
  pthread_mutex_lock(&tegula_rt_failure.mutex);
  text = tegula_rt_text(tegula_rt_failure.message, sizeof tegula_rt_failure.message);
  tegula_rt_put(&text, words);
  tegula_rt_put(&text, detail);
  pthread_mutex_unlock(&tegula_rt_failure.mutex);
  return status;
}

static tegula_status check_options(const tegula_model *model, const tegula_options *options) {
  if (options->abi_version != TEGULA_ABI_VERSION)
    return tegula_rt_refuse(TEGULA_ABI_MISMATCH, "options.abi_version is not that of this model's tegula.h", "");
  if (options->threads < 0)
    return tegula_rt_refuse(TEGULA_INVALID_ARGUMENT, "options.threads is negative", "");
  if (!options->workspace)
    return TEGULA_OK;
  if ((uintptr_t)options->workspace % RT_ALIGN_BYTES)
    return tegula_rt_refuse(TEGULA_INVALID_ARGUMENT, "options.workspace must be aligned to 64 bytes", "");
  if (options->workspace_bytes < model->workspace_bytes) {
    char needed[24];
    rt_text text = tegula_rt_text(needed, sizeof needed);
    tegula_rt_put_number(&text, (int64_t)model->workspace_bytes);
    return tegula_rt_refuse(TEGULA_INVALID_ARGUMENT, "options.workspace_bytes is less than the model's ", needed);
  }
  return TEGULA_OK;
}

/* Allocates the instance and its arrays as one zeroed block. */
static tegula_instance *allocate(const tegula_model *model, bool isProfiled) {
  size_t inputs = model->input_count, outputs = model->output_count;
  size_t head = (sizeof(tegula_instance) + RT_ALIGN_BYTES - 1) / RT_ALIGN_BYTES * RT_ALIGN_BYTES;
  size_t units = isProfiled ? (size_t)model->unit_count + 1 : 0; /* + 1: profiling a model without units is fine */
  size_t bytes = head + units * sizeof(uint64_t) + (2 * inputs + outputs) * sizeof(void *) + outputs;
  void *base;
  char *at = tegula_rt_aligned(bytes, &base);
  tegula_instance *instance = (tegula_instance *)at;
  if (!at)
    return NULL;
  memset(at, 0, bytes);
  instance->base = base;
  at += head;
  if (units)
    instance->unitNs = (uint64_t *)at;
  at += units * sizeof(uint64_t);
  instance->inputs = (void **)at;
  instance->inputShapes = (const int64_t **)(instance->inputs + inputs);
  instance->outputs = (void **)(instance->inputShapes + inputs);
  instance->produced = (uint8_t *)(instance->outputs + outputs);
  return instance;
}

static bool place_workspace(tegula_instance *instance) {
  uint64_t bytes = instance->model->workspace_bytes;
  if (instance->options.workspace) {
    instance->workspace = instance->options.workspace;
    return true;
  }
  if (!bytes)
    return true;
  if (bytes > SIZE_MAX)
    return false;
  instance->workspace = tegula_rt_aligned((size_t)bytes, &instance->workspaceBase);
  return instance->workspace != NULL;
}

TEGULA_RT tegula_status tegula_rt_prepare(const tegula_model *model, const tegula_options *options,
                                          tegula_instance **result) {
  static const tegula_options defaults = {.abi_version = TEGULA_ABI_VERSION};
  tegula_instance *instance;
  tegula_status status;
  char missing[64];
  if (!result)
    return tegula_rt_refuse(TEGULA_INVALID_ARGUMENT, "create needs somewhere to put the instance", "");
  *result = NULL;
  if (!model)
    return tegula_rt_refuse(TEGULA_INVALID_ARGUMENT, "the model is NULL", "");
  if (model->abi_version != TEGULA_ABI_VERSION)
    return tegula_rt_refuse(TEGULA_ABI_MISMATCH, "the model has another ABI version than its runtime", "");
  if (!options)
    options = &defaults;
  status = check_options(model, options);
  if (status != TEGULA_OK)
    return status;
  if (model->required && tegula_rt_cpu_lacks(model->required, missing, sizeof missing))
    return tegula_rt_refuse(TEGULA_UNSUPPORTED_CPU,
                            "this CPU, or its operating system, lacks what the model was compiled for: ", missing);
  instance = allocate(model, options->profile != 0);
  if (!instance)
    return tegula_rt_refuse(TEGULA_OUT_OF_MEMORY, "out of memory for an instance", "");
  instance->model = model;
  instance->options = *options;
  instance->openUnit = -1;
  *result = instance;
  return TEGULA_OK;
}

TEGULA_RT tegula_status tegula_rt_create(const tegula_model *model, const tegula_options *options,
                                         tegula_instance **result) {
  tegula_instance *instance;
  tegula_status status = tegula_rt_prepare(model, options, result);
  if (status != TEGULA_OK)
    return status;
  instance = *result;
  if (!place_workspace(instance)) {
    *result = NULL;
    free(instance->base);
    return tegula_rt_refuse(TEGULA_OUT_OF_MEMORY, "out of memory for the workspace", "");
  }
  instance->threads = instance->options.threads ? instance->options.threads : tegula_rt_cpu_count();
  if (instance->threads > RT_MAX_THREADS)
    instance->threads = RT_MAX_THREADS;
  instance->hasPool = instance->threads > 1 && !instance->options.parallel_for;
  if (instance->hasPool)
    tegula_rt_pool_acquire(instance->threads);
  return TEGULA_OK;
}

TEGULA_RT void tegula_rt_destroy(tegula_instance *instance) {
  if (!instance)
    return;
  if (instance->hasPool)
    tegula_rt_pool_release();
  tegula_rt_blocks_free(&instance->blocks);
  free(instance->workspaceBase);
  free(instance->base);
}

TEGULA_RT const char *tegula_rt_message(const tegula_instance *instance) {
  return instance ? instance->message : tegula_rt_failure.message;
}
