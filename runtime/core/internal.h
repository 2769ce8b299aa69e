/* What the runtime's sources share. Not seen by applications.
 *
 * Every function and variable here is hidden (an artifact exports its model only) and weak (several artifacts linked
 * into one program share one copy, and with it one thread pool). */
#ifndef TEGULA_RUNTIME_CORE_INTERNAL_H
#define TEGULA_RUNTIME_CORE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../tegula.h"
#include "system.h"

#define TEGULA_HIDDEN __attribute__((visibility("hidden")))
#define TEGULA_RT                                                                                                      \
  __attribute__((weak, visibility("hidden"))) /* on definitions; on declarations weak would mean optional */

enum {
  RT_ALIGN_BYTES = 64,   /* of the workspace and of every block */
  RT_MAX_THREADS = 256,  /* of one run */
  RT_MESSAGE_BYTES = 512 /* longer texts are cut */
};

typedef void (*rt_body)(void *arg, int64_t begin, int64_t end);

/* A block of `tegula_rt_alloc`: this header sits in the RT_ALIGN_BYTES before the memory handed out. */
typedef struct rt_block {
  struct rt_block *next, *previous;
  void *base; /* what malloc returned */
  size_t bytes;
  uint32_t lastRun; /* when it was last handed out */
} rt_block;

/* Blocks of one instance: `used` of the present run, `idle` kept for the next. */
typedef struct rt_blocks {
  atomic_flag lock; /* bodies of parallel units may allocate */
  rt_block *used, *idle;
  uint32_t run;
} rt_blocks;

/* Also the opaque `call` that generated code passes back. */
struct tegula_instance {
  const tegula_model *model;
  tegula_options options;
  int32_t threads; /* resolved: 1 or more */
  bool hasPool;    /* holds a share of the process's pool */
  void *base;      /* what malloc returned for this structure and its arrays */

  void *device; /* what the runtime of an accelerator keeps; NULL on the CPU */

  void *workspaceBase; /* NULL if it is the caller's */
  char *workspace;

  /* The present run. */
  atomic_int running;
  bool ownsPool; /* this run may use the workers */
  bool inside;   /* a parallel unit is executing: nested ones run serially */
  void **inputs;
  const int64_t **inputShapes;
  void **outputs;
  tegula_tensor *results; /* the caller's output tensors */
  uint8_t *produced;      /* per dynamic output: tegula_rt_output was called */
  rt_blocks blocks;

  /* The first error of the present run, or the last failed call. */
  atomic_int errorState; /* 0 none, 1 being written, 2 written */
  tegula_status errorCode;
  char message[RT_MESSAGE_BYTES];

  /* Profiling; `unitNs` is NULL when it is off. */
  uint64_t *unitNs;
  uint64_t runs;
  uint64_t startNs;
  int32_t openUnit; /* between begin and end, else -1 */
};

/* Text building (text.c): appends to a fixed buffer, always terminated, cut at its end. */
typedef struct rt_text {
  char *at, *end; /* `end` is the last byte, kept for the terminator */
} rt_text;
TEGULA_HIDDEN rt_text tegula_rt_text(char *buffer, size_t bytes);
TEGULA_HIDDEN void tegula_rt_put(rt_text *text, const char *words);
TEGULA_HIDDEN void tegula_rt_put_number(rt_text *text, int64_t number);
TEGULA_HIDDEN void tegula_rt_put_shape(rt_text *text, int32_t rank, const int64_t *shape); /* "[1, ?, 3]" */
TEGULA_HIDDEN const char *tegula_rt_dtype_name(int32_t dtype);

/* Bits of one element, 0 for types that a tensor here cannot have (validate.c). */
TEGULA_HIDDEN uint32_t tegula_rt_dtype_bits(int32_t dtype);
/* Bytes of a dense tensor into `*bytes`; false if an extent is negative or the size exceeds the address space. */
TEGULA_HIDDEN bool tegula_rt_tensor_bytes(int32_t dtype, int32_t rank, const int64_t *shape, size_t *bytes);
/* The alignment that a tensor of this type needs, in bytes. */
TEGULA_HIDDEN size_t tegula_rt_dtype_align(int32_t dtype);
/* Checks the tensors of a run and fills the instance's pointer arrays. */
TEGULA_HIDDEN tegula_status tegula_rt_validate(tegula_instance *instance, const tegula_tensor *inputs,
                                               tegula_tensor *outputs);

/* Records "`words` `detail`" as the process's last failure and returns `status` (instance.c). */
TEGULA_HIDDEN tegula_status tegula_rt_refuse(tegula_status status, const char *words, const char *detail);
/* The first half of `create`: checks, and an instance without workspace and threads. `options` may be NULL. */
TEGULA_HIDDEN tegula_status tegula_rt_prepare(const tegula_model *model, const tegula_options *options,
                                              tegula_instance **result);

/* The parts of a run (run.c): takes the instance and checks the tensors; calls the generated code; lets the instance
 * go, which follows every `start` that did not return TEGULA_BUSY. */
TEGULA_HIDDEN tegula_status tegula_rt_start(tegula_instance *instance, const tegula_tensor *inputs,
                                            tegula_tensor *outputs);
TEGULA_HIDDEN tegula_status tegula_rt_compute(tegula_instance *instance);
TEGULA_HIDDEN void tegula_rt_finish(tegula_instance *instance);

/* The process's thread pool (pool.c). */
TEGULA_HIDDEN int32_t tegula_rt_cpu_count(void);
/* Takes a share in the pool and grows it for runs of `threads` threads. A failure to start threads only makes it
 * smaller. */
TEGULA_HIDDEN void tegula_rt_pool_acquire(int32_t threads);
/* Gives the share back; the last one ends and joins all workers. */
TEGULA_HIDDEN void tegula_rt_pool_release(void);
/* Claims the workers for a run and wakes them; false, at once, if another run has them. */
TEGULA_HIDDEN bool tegula_rt_pool_enter(int32_t threads);
TEGULA_HIDDEN void tegula_rt_pool_leave(void);
/* Calls `body` for parts of [0, count) on the calling thread and the workers. Only between enter and leave. */
TEGULA_HIDDEN void tegula_rt_pool_run(int32_t threads, rt_body body, void *arg, int64_t count);

/* Blocks (blocks.c). */
TEGULA_HIDDEN void *tegula_rt_aligned(size_t bytes, void **base); /* RT_ALIGN_BYTES-aligned malloc; NULL on failure */
TEGULA_HIDDEN void tegula_rt_blocks_recycle(rt_blocks *blocks);   /* at the end of a run: all become idle */
TEGULA_HIDDEN void tegula_rt_blocks_free(rt_blocks *blocks);

/* Monotonic time in nanoseconds (profile.c). */
TEGULA_HIDDEN uint64_t tegula_rt_now(void);

/* The first feature of the comma list `required` that this machine lacks, copied into `missing`; false if there is
 * none. Features that the check does not know are taken as present (cpu/features.c). */
TEGULA_HIDDEN bool tegula_rt_cpu_lacks(const char *required, char *missing, size_t missingBytes);
/* Of the machine itself: 1 present, 0 absent, -1 not known. `name` has `length` bytes. One per architecture in cpu/. */
TEGULA_HIDDEN int tegula_rt_cpu_has(const char *name, size_t length);
/* Whether the `length` bytes at `name` spell `word`. */
TEGULA_HIDDEN bool tegula_rt_spells(const char *name, size_t length, const char *word);

/* Functions of the model structure. */
TEGULA_HIDDEN tegula_status tegula_rt_create(const tegula_model *model, const tegula_options *options,
                                             tegula_instance **instance);
TEGULA_HIDDEN void tegula_rt_destroy(tegula_instance *instance);
TEGULA_HIDDEN tegula_status tegula_rt_run(tegula_instance *instance, const tegula_tensor *inputs,
                                          tegula_tensor *outputs);
TEGULA_HIDDEN const char *tegula_rt_message(const tegula_instance *instance);
TEGULA_HIDDEN tegula_status tegula_rt_profile(tegula_instance *instance, uint64_t *unitNs, uint64_t *runs);

/* Functions that generated code calls; `call` is the first argument of the model's entry. */

/* Runs a parallel unit: `body(arg, begin, end)` for ranges that cover [0, count) once, each on some thread. Serial if
 * the run has one thread, the workers are taken, or it is nested in another unit. `unit` is the index for profiling. */
TEGULA_HIDDEN void tegula_rt_parallel(void *call, rt_body body, void *arg, int64_t count, int32_t unit);
/* Bracket the serial code of a unit for profiling; a parallel unit inside counts to the bracket's unit. */
TEGULA_HIDDEN void tegula_rt_begin(void *call, int32_t unit);
TEGULA_HIDDEN void tegula_rt_end(void *call, int32_t unit);
/* Memory of the run, RT_ALIGN_BYTES-aligned, contents undefined; NULL after recording an error. Thread-safe. */
TEGULA_HIDDEN void *tegula_rt_alloc(void *call, int64_t bytes);
TEGULA_HIDDEN void tegula_rt_free(void *call, void *memory);
/* Memory for the output `index` whose shape is now known: the caller's buffer if large enough, else what `alloc_output`
 * gives; NULL after recording an error. Never NULL for a tensor without elements. Not inside a parallel unit. */
TEGULA_HIDDEN void *tegula_rt_output(void *call, int32_t index, int32_t rank, const int64_t *dims);
/* Records the run's first error; `code` is a tegula_status (any but INVALID_ARGUMENT, OUT_OF_MEMORY and DEVICE_ERROR
 * counts as RUN_ERROR). `run` fails with it after the entry has returned. Thread-safe. */
TEGULA_HIDDEN void tegula_rt_error(void *call, int32_t code, const char *text);

#endif /* TEGULA_RUNTIME_CORE_INTERNAL_H */
