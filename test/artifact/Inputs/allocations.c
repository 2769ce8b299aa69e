/* Counts what the whole program asks of the allocator and of the kernel's memory calls, by interposing them (glibc).
 * A file of its own: these definitions must not meet the declarations of stdlib.h, which differ in C++. */
#define _DEFAULT_SOURCE
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *block);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes);
int posix_memalign(void **block, size_t alignment, size_t bytes);
void free(void *block);
void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
int munmap(void *address, size_t bytes);
long allocationCalls(void);

static atomic_long calls;

long allocationCalls(void) { return calls; }

void *malloc(size_t bytes) {
  ++calls;
  return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
  ++calls;
  return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes) {
  ++calls;
  return __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
  ++calls;
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes) {
  ++calls;
  *block = __libc_memalign(alignment, bytes);
  return *block ? 0 : 12; /* ENOMEM */
}

void free(void *block) {
  ++calls;
  __libc_free(block);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
  ++calls;
  return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset); /* NOLINT: an address */
}

int munmap(void *address, size_t bytes) {
  ++calls;
  return (int)syscall(SYS_munmap, address, bytes);
}
