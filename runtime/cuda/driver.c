/* Finding the driver. */
#include "internal.h"

TEGULA_RT cuda_driver tegula_cuda_driver;

/* Writes "`words`: `detail`" to `buffer`, which it returns. */
static const char *explain(char *buffer, size_t bytes, const char *words, const char *detail) {
  rt_text text = tegula_rt_text(buffer, bytes);
  tegula_rt_put(&text, words);
  tegula_rt_put(&text, ": ");
  tegula_rt_put(&text, detail);
  return buffer;
}

TEGULA_RT const char *tegula_cuda_open(void) {
  static char why[256];
  cuda_driver *driver = &tegula_cuda_driver;
  const char *name = getenv("TEGULA_CUDA_DRIVER"), *reason;
  void *library;
  int code;
  if (driver->library)
    return NULL;
  if (!name || !name[0])
    name = "libcuda.so.1";
  library = dlopen(name, RT_DLOPEN_NOW);
  if (!library) {
    reason = dlerror();
    return explain(why, sizeof why, "the model needs NVIDIA's driver, which cannot be opened", reason ? reason : name);
  }
#define TEGULA_CUDA_RESOLVE(member, symbol, parameters)                                                                \
  driver->member = (int(*) parameters)dlsym(library, symbol);                                                          \
  if (!driver->member)                                                                                                 \
    return explain(why, sizeof why, "NVIDIA's driver is too old for the model: it lacks", symbol);
  TEGULA_CUDA_FUNCTIONS(TEGULA_CUDA_RESOLVE)
#undef TEGULA_CUDA_RESOLVE
  code = driver->init(0);
  if (code) {
    const char *text = NULL;
    driver->errorName(code, &text);
    return explain(why, sizeof why, "NVIDIA's driver does not start: cuInit", text ? text : "unknown error");
  }
  driver->library = library;
  return NULL;
}
