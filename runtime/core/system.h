/* The few functions of libc and pthreads that the runtime calls, declared by itself.
 *
 * The runtime is compiled to bitcode for every target without that target's headers, so storage of the system's types
 * is opaque and larger than on any Linux libc (glibc, musl, bionic): zeros are a valid initial mutex and condition. */
#ifndef TEGULA_RUNTIME_CORE_SYSTEM_H
#define TEGULA_RUNTIME_CORE_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

typedef struct rt_mutex {
  _Alignas(16) unsigned char storage[64];
} rt_mutex;

typedef struct rt_condition {
  _Alignas(16) unsigned char storage[64];
} rt_condition;

typedef struct rt_signals {
  _Alignas(16) unsigned char storage[128];
} rt_signals;

/* `struct timespec` as clock_gettime without time64 redirection sees it: two longs on every Linux ABI. */
typedef struct rt_time {
  long seconds, nanoseconds;
} rt_time;

typedef unsigned long rt_thread; /* pthread_t: unsigned long (glibc) or a pointer (musl) */

enum {
  RT_CLOCK_MONOTONIC = 1,
  RT_SIG_SETMASK = 2,
  RT_SC_NPROCESSORS_ONLN = 84,
  RT_AT_HWCAP = 16,
  RT_AT_HWCAP2 = 26,
  RT_DLOPEN_NOW = 2
};

void *malloc(size_t bytes);
void free(void *block);
void *memset(void *to, int value, size_t bytes);
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
int pthread_mutex_lock(rt_mutex *mutex);
int pthread_mutex_unlock(rt_mutex *mutex);
int pthread_cond_wait(rt_condition *condition, rt_mutex *mutex);
int pthread_cond_signal(rt_condition *condition);
int pthread_create(rt_thread *thread, const void *attributes, void *(*main)(void *), void *arg);
int pthread_join(rt_thread thread, void **result);
int pthread_sigmask(int how, const rt_signals *set, rt_signals *old);
int sigfillset(rt_signals *set);
int sched_yield(void);
int sched_getaffinity(int process, size_t bytes, void *mask);
long sysconf(int name);
int clock_gettime(int clock, rt_time *time);
unsigned long getauxval(unsigned long type);
long syscall(long number, ...);
int prctl(int option, ...);
char *getenv(const char *name);
void *dlopen(const char *path, int flags);
void *dlsym(void *library, const char *name);
char *dlerror(void);

#endif /* TEGULA_RUNTIME_CORE_SYSTEM_H */
