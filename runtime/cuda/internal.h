/* What the sources of the CUDA runtime share: runtime/core with the driver's interface in place of threads. */
#ifndef TEGULA_RUNTIME_CUDA_INTERNAL_H
#define TEGULA_RUNTIME_CUDA_INTERNAL_H

#include "../core/internal.h"
#include "driver.h"

enum { CUDA_TENSOR_ALIGN_BYTES = 16 }; /* kernels load so many at once */

/* A kernel of the image; one launch has ceil(count / iterations) blocks of `threads` threads. */
typedef struct cuda_kernel {
  const char *name;
  int32_t threads, iterations, sharedBytes, reserved;
} cuda_kernel;

/* What the compiler wrote: `tegula_model` and what follows it (compiler/emit/Descriptor.cpp). */
typedef struct cuda_model {
  tegula_model base;
  const void *image; /* a fat binary */
  uint64_t imageBytes;
  const cuda_kernel *kernels;
  const char *weights; /* in the host's memory; NULL if there are none */
  uint64_t weightBytes;
  uint32_t kernelCount, reserved;
} cuda_model;

/* A model loaded into a context: code and weights, shared by all instances there (program.c). */
typedef struct cuda_program {
  struct cuda_program *next;
  const cuda_model *model;
  cuda_context context;
  int32_t primary; /* the device whose primary context was retained for it, or -1 */
  cuda_module module;
  cuda_function *functions; /* by number of the kernel */
  cuda_pointer weights;
  uint32_t users;
} cuda_program;

/* Device memory that grows as needed. */
typedef struct cuda_buffer {
  cuda_pointer data;
  size_t bytes;
} cuda_buffer;

/* A block of `tegula_cuda_alloc`, kept until the instance goes. */
typedef struct cuda_block {
  struct cuda_block *next;
  cuda_buffer memory;
  bool isUsed;
} cuda_block;

/* `tegula_instance::device`. */
typedef struct cuda_state {
  cuda_program *program;
  cuda_stream stream;            /* of its own, for `run` */
  cuda_stream current;           /* of the present run */
  cuda_buffer workspace;         /* data 0 if it is the caller's */
  cuda_buffer *inputs, *outputs; /* of `run`, one each */
  tegula_tensor *results;        /* of `run`: the outputs on the device */
  cuda_block *blocks;
  void *(*alloc_output)(void *ctx, int32_t index, size_t bytes); /* the caller's */
  void *alloc_ctx;
  cuda_event begin, end; /* for profiling */
  cuda_graph_exec graph; /* a recorded run; NULL if there is none */
  bool isUnrecordable;   /* recording has failed once */
} cuda_state;

/* Loads the model into the thread's current context, or into the primary one of the first device. NULL after recording
 * the failure. The program's context is current for the thread afterwards in both cases, until `leave`. */
TEGULA_HIDDEN cuda_program *tegula_cuda_acquire(const cuda_model *model, tegula_status *status);
TEGULA_HIDDEN void tegula_cuda_release(cuda_program *program);
/* Makes the program's context current, and takes it away again. */
TEGULA_HIDDEN bool tegula_cuda_enter(tegula_instance *instance);
TEGULA_HIDDEN void tegula_cuda_leave(void);

/* Memory (memory.c). False after recording an error of the run. */
TEGULA_HIDDEN bool tegula_cuda_grow(tegula_instance *instance, cuda_buffer *buffer, size_t bytes);
TEGULA_HIDDEN void tegula_cuda_free_all(cuda_state *state);

/* Records the run's error "`where`: `call`: CUDA_ERROR_X (text)"; true if `code` is an error. `where` may be NULL. */
TEGULA_HIDDEN bool tegula_cuda_failed(tegula_instance *instance, const char *where, const char *call, int code);

/* Functions of the model structure. */
TEGULA_HIDDEN tegula_status tegula_cuda_create(const tegula_model *model, const tegula_options *options,
                                               tegula_instance **instance);
TEGULA_HIDDEN void tegula_cuda_destroy(tegula_instance *instance);
TEGULA_HIDDEN tegula_status tegula_cuda_run(tegula_instance *instance, const tegula_tensor *inputs,
                                            tegula_tensor *outputs);
TEGULA_HIDDEN const char *tegula_cuda_message(const tegula_instance *instance);
TEGULA_HIDDEN tegula_status tegula_cuda_profile(tegula_instance *instance, uint64_t *unitNs, uint64_t *runs);
/* NAME_enqueue of the model's header. */
TEGULA_HIDDEN tegula_status tegula_cuda_enqueue(tegula_instance *instance, const tegula_tensor *inputs,
                                                tegula_tensor *outputs, void *stream);

/* Functions that generated code calls; all of them work in the order of the run's stream. */

/* Launches kernel number `kernel` for `count` iterations; `parameters` points to each of its parameters. */
TEGULA_HIDDEN void tegula_cuda_launch(void *call, int32_t kernel, void **parameters, int64_t count, int32_t unit);
/* What to add to an address of a weight in the host's memory to get that on the device. */
TEGULA_HIDDEN int64_t tegula_cuda_weights(void *call);
/* Reads `bytes` (1 to 8) at `address`, when all before is done; 0 after an error. */
TEGULA_HIDDEN uint64_t tegula_cuda_load(void *call, const void *address, int32_t bytes);
TEGULA_HIDDEN void tegula_cuda_copy(void *call, void *to, const void *from, int64_t bytes);
/* As tegula_rt_alloc and tegula_rt_free, of device memory. */
TEGULA_HIDDEN void *tegula_cuda_alloc(void *call, int64_t bytes);
TEGULA_HIDDEN void tegula_cuda_free(void *call, void *memory);

#endif /* TEGULA_RUNTIME_CUDA_INTERNAL_H */
