/* Memory whose size is known only in the run (dynamic shapes): blocks cached by the instance, so that a run with the
 * same shapes as an earlier one allocates nothing. */
#include "internal.h"

enum {
  MAX_IDLE_RUNS = 16, /* an idle block unused for so many runs is freed */
  SLACK_BYTES = 4096  /* a block may serve a request if it wastes at most half of itself or this much */
};

TEGULA_RT void *tegula_rt_aligned(size_t bytes, void **base) {
  *base = NULL;
  if (bytes > SIZE_MAX - RT_ALIGN_BYTES)
    return NULL;
  *base = malloc(bytes + RT_ALIGN_BYTES);
  if (!*base)
    return NULL;
  return (char *)*base + (RT_ALIGN_BYTES - (uintptr_t)*base % RT_ALIGN_BYTES) % RT_ALIGN_BYTES;
}

static void lock(rt_blocks *blocks) {
  while (atomic_flag_test_and_set_explicit(&blocks->lock, memory_order_acquire))
    sched_yield();
}

static void unlock(rt_blocks *blocks) { atomic_flag_clear_explicit(&blocks->lock, memory_order_release); }

static void push(rt_block **list, rt_block *block) {
  block->previous = NULL;
  block->next = *list;
  if (*list)
    (*list)->previous = block;
  *list = block;
}

static void unlink(rt_block **list, rt_block *block) {
  if (block->previous)
    block->previous->next = block->next;
  else
    *list = block->next;
  if (block->next)
    block->next->previous = block->previous;
}

/* The smallest idle block that serves `bytes` without much waste, or NULL. */
static rt_block *best_fit(rt_block *list, size_t bytes) {
  rt_block *best = NULL;
  for (; list; list = list->next)
    if (list->bytes >= bytes && (list->bytes / 2 <= bytes || list->bytes - bytes <= SLACK_BYTES) &&
        (!best || list->bytes < best->bytes))
      best = list;
  return best;
}

static rt_block *new_block(size_t bytes) {
  void *base;
  char *memory;
  rt_block *block;
  if (bytes > SIZE_MAX - RT_ALIGN_BYTES)
    return NULL;
  memory = tegula_rt_aligned(bytes + RT_ALIGN_BYTES, &base);
  if (!memory)
    return NULL;
  block = (rt_block *)memory;
  block->base = base;
  block->bytes = bytes;
  return block;
}

TEGULA_RT void *tegula_rt_alloc(void *call, int64_t bytes) {
  tegula_instance *instance = call;
  rt_blocks *blocks = &instance->blocks;
  rt_block *block = NULL;
  _Static_assert(sizeof(rt_block) <= RT_ALIGN_BYTES, "the header fits before the memory");
  if (bytes >= 0 && (uint64_t)bytes <= SIZE_MAX / 2) {
    size_t wanted = bytes ? (size_t)bytes : 1;
    lock(blocks);
    block = best_fit(blocks->idle, wanted);
    if (block)
      unlink(&blocks->idle, block);
    else
      block = new_block(wanted);
    if (block) {
      block->lastRun = blocks->run;
      push(&blocks->used, block);
    }
    unlock(blocks);
  }
  if (!block) {
    char words[96];
    rt_text text = tegula_rt_text(words, sizeof words);
    tegula_rt_put(&text, "out of memory for a temporary of ");
    tegula_rt_put_number(&text, bytes);
    tegula_rt_put(&text, " bytes");
    tegula_rt_error(call, TEGULA_OUT_OF_MEMORY, words);
    return NULL;
  }
  return (char *)block + RT_ALIGN_BYTES;
}

TEGULA_RT void tegula_rt_free(void *call, void *memory) {
  rt_blocks *blocks = &((tegula_instance *)call)->blocks;
  rt_block *block;
  if (!memory)
    return;
  block = (rt_block *)((char *)memory - RT_ALIGN_BYTES);
  lock(blocks);
  unlink(&blocks->used, block);
  push(&blocks->idle, block);
  unlock(blocks);
}

TEGULA_RT void tegula_rt_blocks_recycle(rt_blocks *blocks) {
  rt_block *block, *next;
  /* A run that fails leaves early, without its frees. */
  while ((block = blocks->used)) {
    unlink(&blocks->used, block);
    push(&blocks->idle, block);
  }
  for (block = blocks->idle; block; block = next) {
    next = block->next;
    if (blocks->run - block->lastRun > MAX_IDLE_RUNS) {
      unlink(&blocks->idle, block);
      free(block->base);
    }
  }
  ++blocks->run;
}

TEGULA_RT void tegula_rt_blocks_free(rt_blocks *blocks) {
  rt_block *block;
  tegula_rt_blocks_recycle(blocks);
  while ((block = blocks->idle)) {
    unlink(&blocks->idle, block);
    free(block->base);
  }
}
