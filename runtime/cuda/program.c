/* Models in contexts: code is loaded and weights are uploaded once, for all instances. */
#include "internal.h"

typedef struct cuda_programs {
  rt_mutex mutex;
  cuda_program *first;
} cuda_programs;

extern TEGULA_HIDDEN cuda_programs tegula_cuda_programs;
TEGULA_RT cuda_programs tegula_cuda_programs;

/* Records why `create` fails: "`call`: CUDA_ERROR_X (text)`more`". */
static tegula_status refuse(const char *call, int code, const char *more) {
  char message[RT_MESSAGE_BYTES];
  rt_text text = tegula_rt_text(message, sizeof message);
  const char *name = NULL, *words = NULL;
  tegula_cuda_driver.errorName(code, &name);
  tegula_cuda_driver.errorText(code, &words);
  tegula_rt_put(&text, call);
  tegula_rt_put(&text, ": ");
  tegula_rt_put(&text, name ? name : "unknown error");
  tegula_rt_put(&text, words ? " (" : "");
  tegula_rt_put(&text, words ? words : "");
  tegula_rt_put(&text, words ? ")" : "");
  tegula_rt_put(&text, more);
  return tegula_rt_refuse(code == CUDA_OUT_OF_MEMORY ? TEGULA_OUT_OF_MEMORY : TEGULA_DEVICE_ERROR, message, "");
}

/* The thread's context, or the first device's primary one, pushed. */
static tegula_status find_context(cuda_program *program) {
  const cuda_driver *driver = &tegula_cuda_driver;
  int device, code;
  program->primary = -1;
  code = driver->contextCurrent(&program->context);
  if (code)
    return refuse("cuCtxGetCurrent", code, "");
  if (!program->context) {
    code = driver->deviceGet(&device, 0);
    if (code)
      return refuse("cuDeviceGet", code, "");
    code = driver->primaryRetain(&program->context, device);
    if (code)
      return refuse("cuDevicePrimaryCtxRetain", code, "");
    program->primary = device;
  }
  code = driver->contextPush(program->context);
  if (code && program->primary >= 0)
    driver->primaryRelease(program->primary);
  return code ? refuse("cuCtxPushCurrent", code, "") : TEGULA_OK;
}

static tegula_status load(cuda_program *program) {
  const cuda_driver *driver = &tegula_cuda_driver;
  const cuda_model *model = program->model;
  int code = driver->moduleLoad(&program->module, model->image);
  if (code)
    return refuse("cuModuleLoadData", code, code == CUDA_NO_BINARY ? "; the model was compiled for newer GPUs" : "");
  program->functions = malloc((model->kernelCount + 1) * sizeof(cuda_function));
  if (!program->functions)
    return tegula_rt_refuse(TEGULA_OUT_OF_MEMORY, "out of memory for the list of kernels", "");
  for (uint32_t i = 0; i < model->kernelCount; ++i) {
    const cuda_kernel *kernel = &model->kernels[i];
    code = driver->moduleFunction(&program->functions[i], program->module, kernel->name);
    if (!code && kernel->sharedBytes > 48 << 10)
      code = driver->functionSet(program->functions[i], CUDA_ATTRIBUTE_DYNAMIC_SHARED_BYTES, kernel->sharedBytes);
    if (code)
      return refuse("cuModuleGetFunction", code, "");
  }
  if (!model->weightBytes)
    return TEGULA_OK;
  code = driver->allocate(&program->weights, model->weightBytes);
  if (code)
    return refuse("cuMemAlloc of the weights", code, "");
  code = driver->upload(program->weights, model->weights, model->weightBytes);
  return code ? refuse("cuMemcpyHtoD of the weights", code, "") : TEGULA_OK;
}

/* Gives back what a program holds, apart from its structure. Its context is current. */
static void unload(cuda_program *program) {
  const cuda_driver *driver = &tegula_cuda_driver;
  if (program->weights)
    driver->release(program->weights);
  if (program->module)
    driver->moduleUnload(program->module);
  free(program->functions);
}

static tegula_status acquire(const cuda_model *model, cuda_program **result) {
  cuda_program *program, wanted;
  const char *why = tegula_cuda_open();
  tegula_status status;
  if (why)
    return tegula_rt_refuse(TEGULA_DEVICE_ERROR, why, "");
  memset(&wanted, 0, sizeof wanted);
  wanted.model = model;
  status = find_context(&wanted);
  if (status != TEGULA_OK)
    return status;
  for (program = tegula_cuda_programs.first; program; program = program->next)
    if (program->model == model && program->context == wanted.context)
      break;
  if (program) {
    /* The program holds the context once, if not the application alone does. */
    if (program->primary < 0)
      program->primary = wanted.primary;
    else if (wanted.primary >= 0)
      tegula_cuda_driver.primaryRelease(wanted.primary);
    ++program->users;
    *result = program;
    return TEGULA_OK;
  }
  program = malloc(sizeof *program);
  status = program ? load(&wanted) : tegula_rt_refuse(TEGULA_OUT_OF_MEMORY, "out of memory for a program", "");
  if (status != TEGULA_OK) {
    unload(&wanted);
    tegula_cuda_leave();
    if (wanted.primary >= 0)
      tegula_cuda_driver.primaryRelease(wanted.primary);
    free(program);
    return status;
  }
  *program = wanted;
  program->users = 1;
  program->next = tegula_cuda_programs.first;
  tegula_cuda_programs.first = program;
  *result = program;
  return TEGULA_OK;
}

TEGULA_RT cuda_program *tegula_cuda_acquire(const cuda_model *model, tegula_status *status) {
  cuda_program *program = NULL;
  pthread_mutex_lock(&tegula_cuda_programs.mutex);
  *status = acquire(model, &program);
  pthread_mutex_unlock(&tegula_cuda_programs.mutex);
  return program;
}

TEGULA_RT void tegula_cuda_release(cuda_program *program) {
  pthread_mutex_lock(&tegula_cuda_programs.mutex);
  if (--program->users == 0) {
    cuda_program **at = &tegula_cuda_programs.first;
    while (*at != program)
      at = &(*at)->next;
    *at = program->next;
    unload(program);
    if (program->primary >= 0)
      tegula_cuda_driver.primaryRelease(program->primary);
    free(program);
  }
  pthread_mutex_unlock(&tegula_cuda_programs.mutex);
}

TEGULA_RT bool tegula_cuda_enter(tegula_instance *instance) {
  cuda_state *state = instance->device;
  return !tegula_cuda_failed(instance, NULL, "cuCtxPushCurrent",
                             tegula_cuda_driver.contextPush(state->program->context));
}

TEGULA_RT void tegula_cuda_leave(void) {
  cuda_context context;
  tegula_cuda_driver.contextPop(&context);
}
