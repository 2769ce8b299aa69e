/* Device memory of an instance, and errors of the driver. */
#include "internal.h"

TEGULA_RT bool tegula_cuda_failed(tegula_instance *instance, const char *where, const char *call, int code) {
  char message[RT_MESSAGE_BYTES];
  rt_text text = tegula_rt_text(message, sizeof message);
  const char *name = NULL, *words = NULL;
  if (!code)
    return false;
  tegula_cuda_driver.errorName(code, &name);
  tegula_cuda_driver.errorText(code, &words);
  if (where) {
    tegula_rt_put(&text, "node '");
    tegula_rt_put(&text, where);
    tegula_rt_put(&text, "': ");
  }
  tegula_rt_put(&text, call);
  tegula_rt_put(&text, ": ");
  tegula_rt_put(&text, name ? name : "unknown error");
  if (words) {
    tegula_rt_put(&text, " (");
    tegula_rt_put(&text, words);
    tegula_rt_put(&text, ")");
  }
  tegula_rt_error(instance, code == CUDA_OUT_OF_MEMORY ? TEGULA_OUT_OF_MEMORY : TEGULA_DEVICE_ERROR, message);
  return true;
}

TEGULA_RT bool tegula_cuda_grow(tegula_instance *instance, cuda_buffer *buffer, size_t bytes) {
  const cuda_driver *driver = &tegula_cuda_driver;
  if (buffer->data && buffer->bytes >= bytes)
    return true;
  if (buffer->data)
    driver->release(buffer->data);
  buffer->bytes = 0;
  buffer->data = 0;
  if (tegula_cuda_failed(instance, NULL, "cuMemAlloc",
                         driver->allocate(&buffer->data, bytes ? bytes : CUDA_TENSOR_ALIGN_BYTES)))
    return false;
  buffer->bytes = bytes;
  return true;
}

TEGULA_RT void *tegula_cuda_alloc(void *call, int64_t bytes) {
  tegula_instance *instance = call;
  cuda_state *state = instance->device;
  cuda_block *block, *best = NULL, *tooSmall = NULL;
  if (bytes < 0) {
    tegula_rt_error(call, TEGULA_OUT_OF_MEMORY, "a tensor of the run exceeds the address space");
    return NULL;
  }
  for (block = state->blocks; block; block = block->next) {
    if (block->isUsed)
      continue;
    if (block->memory.bytes < (size_t)bytes)
      tooSmall = !tooSmall || block->memory.bytes > tooSmall->memory.bytes ? block : tooSmall;
    else if (!best || block->memory.bytes < best->memory.bytes)
      best = block;
  }
  /* Sizes that grow from run to run do not pile up. */
  if (!best && tooSmall) {
    if (!tegula_cuda_grow(instance, &tooSmall->memory, (size_t)bytes))
      return NULL;
    best = tooSmall;
  }
  if (!best) {
    best = malloc(sizeof *best);
    if (!best) {
      tegula_rt_error(call, TEGULA_OUT_OF_MEMORY, "out of memory");
      return NULL;
    }
    memset(best, 0, sizeof *best);
    if (!tegula_cuda_grow(instance, &best->memory, (size_t)bytes)) {
      free(best);
      return NULL;
    }
    best->next = state->blocks;
    state->blocks = best;
  }
  best->isUsed = true;
  return (void *)(uintptr_t)best->memory.data;
}

TEGULA_RT void tegula_cuda_free(void *call, void *memory) {
  cuda_state *state = ((tegula_instance *)call)->device;
  for (cuda_block *block = state->blocks; block; block = block->next)
    if (block->memory.data == (uintptr_t)memory)
      block->isUsed = false; /* the next user comes later in the stream */
}

TEGULA_RT void tegula_cuda_free_all(cuda_state *state) {
  const cuda_driver *driver = &tegula_cuda_driver;
  while (state->blocks) {
    cuda_block *next = state->blocks->next;
    driver->release(state->blocks->memory.data);
    free(state->blocks);
    state->blocks = next;
  }
  if (state->workspace.data)
    driver->release(state->workspace.data);
}
