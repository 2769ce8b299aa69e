/* tegula.h - the C interface of a compiled model, ABI version 1.
 *
 * C99 and C++, no other header of the project needed. A compiled model ("artifact") exports one function,
 *
 *     const tegula_model *NAME_model(void);
 *
 * declared in the header that the compiler writes beside the object; everything else is reached through the structure
 * it returns. The shortest use, for a model with one input `x: float[1, 4]` and one output `y: float[1, 2]`:
 *
 *     const tegula_model *model = mlp_model();
 *     tegula_instance *instance = NULL;
 *     float x[4] = {1, 2, 3, 4}, y[2];
 *     tegula_tensor in = {x, sizeof x, {1, 4}, 2, TEGULA_FLOAT};
 *     tegula_tensor out = {y, sizeof y, {1, 2}, 2, TEGULA_FLOAT};
 *     if (model->create(model, NULL, &instance) != TEGULA_OK) { puts(model->message(NULL)); return 1; }
 *     if (model->run(instance, &in, &out) != TEGULA_OK) { puts(model->message(instance)); return 1; }
 *     model->destroy(instance);
 *
 * Threads: the model is constant and may be shared by all threads. An instance serves one run at a time (a second,
 * concurrent one is refused with TEGULA_BUSY); distinct instances run concurrently.
 * Memory: a run of a model with static shapes allocates nothing; its workspace is made once, by `create` or the caller.
 */
#ifndef TEGULA_H
#define TEGULA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of every structure below. A model and its caller must agree on it; `create` refuses anything else. */
#define TEGULA_ABI_VERSION 1

/* The highest rank of a tensor. */
#define TEGULA_MAX_RANK 16

/* The result of a call. Every value but TEGULA_OK and TEGULA_BUSY comes with a text, see `tegula_model::message`. */
typedef enum tegula_status {
  TEGULA_OK = 0,
  TEGULA_INVALID_ARGUMENT = 1, /* a tensor or an option does not fit the model; nothing was computed */
  TEGULA_OUT_OF_MEMORY = 2,
  TEGULA_UNSUPPORTED_CPU = 3, /* the model needs instructions that this CPU or its operating system lacks */
  TEGULA_ABI_MISMATCH = 4,    /* the caller was compiled against another TEGULA_ABI_VERSION */
  TEGULA_BUSY = 5,            /* another thread is inside `run` of this very instance */
  TEGULA_RUN_ERROR = 6,       /* the computation failed; the outputs' contents are unspecified */
  TEGULA_DEVICE_ERROR = 7     /* the accelerator or its driver is missing, or failed */
} tegula_status;

/* Element types, numbered as ONNX's TensorProto.DataType. Types of less than a byte are packed, low bits first. */
typedef enum tegula_dtype {
  TEGULA_UNDEFINED = 0,
  TEGULA_FLOAT = 1,
  TEGULA_UINT8 = 2,
  TEGULA_INT8 = 3,
  TEGULA_UINT16 = 4,
  TEGULA_INT16 = 5,
  TEGULA_INT32 = 6,
  TEGULA_INT64 = 7,
  TEGULA_STRING = 8, /* not supported in tensors yet */
  TEGULA_BOOL = 9,   /* one byte, 0 or 1 */
  TEGULA_FLOAT16 = 10,
  TEGULA_DOUBLE = 11,
  TEGULA_UINT32 = 12,
  TEGULA_UINT64 = 13,
  TEGULA_COMPLEX64 = 14,
  TEGULA_COMPLEX128 = 15,
  TEGULA_BFLOAT16 = 16,
  TEGULA_FLOAT8E4M3FN = 17,
  TEGULA_FLOAT8E4M3FNUZ = 18,
  TEGULA_FLOAT8E5M2 = 19,
  TEGULA_FLOAT8E5M2FNUZ = 20,
  TEGULA_UINT4 = 21,
  TEGULA_INT4 = 22,
  TEGULA_FLOAT4E2M1 = 23,
  TEGULA_FLOAT8E8M0 = 24,
  TEGULA_UINT2 = 25,
  TEGULA_INT2 = 26
} tegula_dtype;

/* A tensor in the caller's memory: dense, row-major, aligned to its element. The caller owns `data`.
 * As an input, all fields are read; `bytes` is exactly the size of the elements.
 * As an output, `data`, `bytes` (the room there, at least what is needed) and `dtype` are read; a run writes `shape`,
 * `rank` and `dtype`. `dtype` may be TEGULA_UNDEFINED there. For an output with a dynamic shape `data` may be NULL if
 * `tegula_options::alloc_output` is set: the run then also writes `data` and `bytes`.
 * Outputs must overlap neither inputs nor each other. `data` may be NULL for a tensor without elements. */
typedef struct tegula_tensor {
  void *data;
  size_t bytes;
  int64_t shape[TEGULA_MAX_RANK];
  int32_t rank;
  int32_t dtype; /* tegula_dtype */
} tegula_tensor;

/* What the model says of an input or output. `shape` has `rank` extents; -1 stands for a dynamic one. */
typedef struct tegula_tensor_info {
  const char *name;     /* as in the ONNX graph, UTF-8 */
  const int64_t *shape; /* NULL if rank is 0 */
  int32_t rank;
  int32_t dtype; /* tegula_dtype */
} tegula_tensor_info;

/* A unit is what the compiler fused into one loop nest: the grain of profiling. */
typedef struct tegula_unit_info {
  const char *node; /* name(s) of the ONNX node(s) it computes, separated by commas */
  const char *op;   /* their operator(s) */
  double flops;     /* floating-point (or integer multiply and add) operations of one run; 0 if unknown */
  double bytes;     /* bytes read and written at least once in one run; 0 if unknown */
} tegula_unit_info;

typedef struct tegula_model tegula_model;
typedef struct tegula_instance tegula_instance;

/* Options of `create`. Fill with zeros, then set `abi_version` and what is wanted. */
typedef struct tegula_options {
  uint32_t abi_version; /* TEGULA_ABI_VERSION */
  int32_t threads;      /* threads of a run, the caller's included; 0: one for each CPU this process may use */

  /* The caller's workspace: at least `tegula_model::workspace_bytes`, aligned to 64 bytes, alive and untouched until
   * `destroy`. NULL: `create` allocates it. */
  void *workspace;
  size_t workspace_bytes;

  /* The caller's own thread pool instead of the built-in one; NULL for the built-in one. Must call `body(arg, b, e)`
   * for ranges that cover [0, count) exactly once, on any threads, and return when all are done. Called once for each
   * parallel unit of a run, on the run's thread. */
  void (*parallel_for)(void *ctx, void (*body)(void *arg, int64_t begin, int64_t end), void *arg, int64_t count);
  void *parallel_ctx;

  /* Memory for the output `index`, whose shape became known during the run and for which the caller gave no buffer or
   * one too small. Returns `bytes` bytes aligned to 16 or more, which the caller owns, or NULL to fail the run. */
  void *(*alloc_output)(void *ctx, int32_t index, size_t bytes);
  void *alloc_ctx;

  int32_t profile; /* not 0: add up the time of each unit, see `tegula_model::profile` */
} tegula_options;

/* The model computes on an accelerator: `tegula_options::workspace` is memory of it. `run` takes and fills tensors in
 * the host's memory; NAME_enqueue, declared in the model's header, takes the accelerator's. */
#define TEGULA_ON_DEVICE 1u
/* The host decides nothing during a run: a run can be recorded and replayed. */
#define TEGULA_REPLAYABLE 2u

/* A compiled model. Constant, in read-only memory of the artifact; the functions may be called from any thread. */
struct tegula_model {
  uint32_t abi_version; /* TEGULA_ABI_VERSION of the compiler */
  uint32_t flags;       /* of TEGULA_ON_DEVICE, TEGULA_REPLAYABLE */
  const char *name;     /* the symbol's NAME */
  const char *target;   /* "triple cpu features" it was compiled for */
  const char *required; /* CPU features that `create` checks, separated by commas, e.g. "avx2,fma" */
  const char *producer; /* the compiler and its version */
  const tegula_tensor_info *inputs;
  const tegula_tensor_info *outputs;
  const tegula_unit_info *units;
  uint32_t input_count, output_count, unit_count, reserved;
  uint64_t workspace_bytes; /* of one instance */
  uint64_t weight_bytes;    /* of the constants, shared by all instances */

  /* The generated code; called by `run`, not by applications. */
  int32_t (*entry)(void *call, void *const *inputs, const int64_t *const *input_shapes, void *const *outputs,
                   char *workspace);

  /* Makes an instance. `options` may be NULL and is copied. Checks the ABI version and the CPU, allocates the
   * workspace, and starts worker threads as needed. On failure `*instance` is NULL and `message(NULL)` says why. */
  tegula_status (*create)(const tegula_model *model, const tegula_options *options, tegula_instance **instance);

  /* Frees an instance (NULL is fine) that no thread is running; joins the worker threads after the last one. Destroy
   * all instances before unloading a shared object. */
  void (*destroy)(tegula_instance *instance);

  /* Computes `outputs` (an array of `output_count` tensors) from `inputs` (of `input_count`), in the model's order.
   * Refuses tensors that do not fit with TEGULA_INVALID_ARGUMENT before anything is computed. */
  tegula_status (*run)(tegula_instance *instance, const tegula_tensor *inputs, tegula_tensor *outputs);

  /* The text of the instance's last failed call ("" if none), valid until its next call; with NULL, of the last
   * `create` in this process that failed. Never NULL. e.g. "input 'x': expected shape [1, 3, 224, 224], got [1, 3,
   * 224]". */
  const char *(*message)(const tegula_instance *instance);

  /* Reads the profile: nanoseconds of each unit, summed over the runs so far, into `ns_per_unit[unit_count]`, and the
   * number of those runs. TEGULA_INVALID_ARGUMENT if `options.profile` was 0. Not during a run. */
  tegula_status (*profile)(tegula_instance *instance, uint64_t *ns_per_unit, uint64_t *runs);
};

#ifdef __cplusplus
}
#endif

#endif /* TEGULA_H */
