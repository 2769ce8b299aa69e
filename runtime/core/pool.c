/* The thread pool of the process.
 *
 * One pool serves all instances of all models that are linked together, one run at a time: a run claims the workers
 * with a flag, and a run that finds it taken computes serially, so that nobody waits and cores are never
 * oversubscribed.
 *
 * A job (one parallel unit) splits [0, count) into lanes, one a thread, of up to PARTS_PER_LANE parts each. The bounds
 * of the parts depend on `count` and the number of threads only. Each thread takes the parts of its own lane first (the
 * same data as in the previous unit, still in its cache), then those left in other lanes: a worker that is late or
 * preempted delays nobody, and the caller never waits for one that has not begun.
 *
 * Protocol: `state` holds bit 0 "open" and, above it, the number of workers inside the job. The caller writes the job's
 * fields while it is closed, opens it, bumps `epoch`, works, closes it, and waits until nobody is inside. A worker that
 * sees a new epoch adds itself to `state` and reads the job only if that addition found it open. Workers spin for a
 * while on `epoch` (a wake-up costs 100 us and more, a spin below one) and then park, each on its own condition. */
#include "internal.h"

enum {
  PARTS_PER_LANE = 4,
  RUN_SPIN_NS = 200000, /* inside a run, until a worker without a job parks */
  IDLE_SPIN_NS = 50000, /* after a run: long enough for runs back to back */
  SPINS_PER_LOOK = 32   /* between two looks at the clock */
};

typedef struct rt_lane {
  _Alignas(RT_ALIGN_BYTES) atomic_uint next; /* the part to be taken next */
} rt_lane;

typedef struct rt_pool {
  rt_mutex admin; /* held while the number of workers changes */
  int32_t shares, workers;
  rt_thread threads[RT_MAX_THREADS];

  rt_mutex mutex; /* of the conditions */
  rt_condition wake[RT_MAX_THREADS];
  atomic_uchar parked[RT_MAX_THREADS];
  atomic_uchar quit;

  _Alignas(RT_ALIGN_BYTES) atomic_uint owned; /* a run has claimed the workers */
  _Alignas(RT_ALIGN_BYTES) atomic_uint epoch;
  _Alignas(RT_ALIGN_BYTES) atomic_uint state;

  /* The job. Lane 0 is the caller's, lane i that of worker i - 1. */
  _Alignas(RT_ALIGN_BYTES) rt_body body;
  void *arg;
  int64_t quotient, remainder; /* of count over the parts: the first `remainder` parts are one larger */
  uint32_t lanes, parts;       /* parts in each lane */
  rt_lane lane[RT_MAX_THREADS];
} rt_pool;

extern TEGULA_HIDDEN rt_pool tegula_rt_pool;
TEGULA_RT rt_pool tegula_rt_pool;

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#else
  atomic_signal_fence(memory_order_seq_cst);
#endif
}

TEGULA_RT int32_t tegula_rt_cpu_count(void) {
  unsigned char mask[128];
  int32_t count = 0;
  memset(mask, 0, sizeof mask);
  if (sched_getaffinity(0, sizeof mask, mask) == 0)
    for (size_t i = 0; i < sizeof mask; ++i)
      count += __builtin_popcount(mask[i]);
  if (!count)
    count = (int32_t)sysconf(RT_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > RT_MAX_THREADS ? RT_MAX_THREADS : count;
}

static int64_t part_begin(const rt_pool *pool, uint32_t part) {
  int64_t larger = part < pool->remainder ? part : pool->remainder;
  return part * pool->quotient + larger;
}

/* Takes parts until none is left, those of the lane `self` first. */
static void work(rt_pool *pool, uint32_t self) {
  for (uint32_t i = 0; i < pool->lanes; ++i) {
    uint32_t lane = (self + i) % pool->lanes;
    atomic_uint *next = &pool->lane[lane].next;
    while (atomic_load_explicit(next, memory_order_relaxed) < pool->parts) {
      uint32_t part = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
      if (part >= pool->parts)
        break;
      part += lane * pool->parts;
      pool->body(pool->arg, part_begin(pool, part), part_begin(pool, part + 1));
    }
  }
}

/* Waits for `epoch` to differ from `seen`; false when the pool ends. */
static bool wait_for_job(rt_pool *pool, uint32_t self, uint32_t seen) {
  uint64_t since = tegula_rt_now();
  for (;;) {
    uint64_t limit;
    for (int i = 0; i < SPINS_PER_LOOK; ++i) {
      if (atomic_load_explicit(&pool->epoch, memory_order_acquire) != seen)
        return true;
      relax();
    }
    if (atomic_load_explicit(&pool->quit, memory_order_relaxed))
      return false;
    limit = atomic_load_explicit(&pool->owned, memory_order_relaxed) ? RUN_SPIN_NS : IDLE_SPIN_NS;
    if (tegula_rt_now() - since < limit)
      continue;
    pthread_mutex_lock(&pool->mutex);
    /* Sequentially consistent against `epoch` then `parked` in wake_workers: one of the two sides sees the other. */
    atomic_store(&pool->parked[self], 1);
    if (atomic_load(&pool->epoch) == seen && !atomic_load(&pool->quit))
      while (atomic_load(&pool->parked[self]))
        pthread_cond_wait(&pool->wake[self], &pool->mutex);
    atomic_store(&pool->parked[self], 0);
    pthread_mutex_unlock(&pool->mutex);
    since = tegula_rt_now();
  }
}

static void *worker_main(void *arg) {
  rt_pool *pool = &tegula_rt_pool;
  uint32_t self = (uint32_t)(uintptr_t)arg, seen = 0;
  while (wait_for_job(pool, self, seen)) {
    seen = atomic_load_explicit(&pool->epoch, memory_order_acquire);
    if ((atomic_fetch_add_explicit(&pool->state, 2, memory_order_acq_rel) & 1) && self + 1 < pool->lanes)
      work(pool, self + 1);
    atomic_fetch_sub_explicit(&pool->state, 2, memory_order_release);
  }
  return NULL;
}

/* Wakes those of the first `count` workers that are parked. */
static void wake_workers(rt_pool *pool, int32_t count) {
  bool isLocked = false;
  for (int32_t i = 0; i < count; ++i) {
    if (!atomic_load(&pool->parked[i]))
      continue;
    if (!isLocked)
      pthread_mutex_lock(&pool->mutex);
    isLocked = true;
    atomic_store(&pool->parked[i], 0);
    pthread_cond_signal(&pool->wake[i]);
  }
  if (isLocked)
    pthread_mutex_unlock(&pool->mutex);
}

TEGULA_RT void tegula_rt_pool_acquire(int32_t threads) {
  rt_pool *pool = &tegula_rt_pool;
  rt_signals all, old;
  pthread_mutex_lock(&pool->admin);
  ++pool->shares;
  /* Signals are the application's: workers take none. */
  sigfillset(&all);
  pthread_sigmask(RT_SIG_SETMASK, &all, &old);
  while (pool->workers < threads - 1) {
    void *index = (void *)(uintptr_t)pool->workers;
    if (pthread_create(&pool->threads[pool->workers], NULL, worker_main, index) != 0)
      break;
    ++pool->workers;
  }
  pthread_sigmask(RT_SIG_SETMASK, &old, NULL);
  pthread_mutex_unlock(&pool->admin);
}

TEGULA_RT void tegula_rt_pool_release(void) {
  rt_pool *pool = &tegula_rt_pool;
  pthread_mutex_lock(&pool->admin);
  if (--pool->shares == 0) {
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->quit, 1);
    for (int32_t i = 0; i < pool->workers; ++i) {
      atomic_store(&pool->parked[i], 0);
      pthread_cond_signal(&pool->wake[i]);
    }
    pthread_mutex_unlock(&pool->mutex);
    while (pool->workers)
      pthread_join(pool->threads[--pool->workers], NULL);
    atomic_store(&pool->quit, 0);
  }
  pthread_mutex_unlock(&pool->admin);
}

TEGULA_RT bool tegula_rt_pool_enter(int32_t threads) {
  rt_pool *pool = &tegula_rt_pool;
  if (atomic_exchange_explicit(&pool->owned, 1, memory_order_acquire))
    return false;
  wake_workers(pool, threads - 1);
  return true;
}

TEGULA_RT void tegula_rt_pool_leave(void) { atomic_store_explicit(&tegula_rt_pool.owned, 0, memory_order_release); }

TEGULA_RT void tegula_rt_pool_run(int32_t threads, rt_body body, void *arg, int64_t count) {
  rt_pool *pool = &tegula_rt_pool;
  uint32_t lanes = count < threads ? (uint32_t)count : (uint32_t)threads;
  int64_t parts = count / lanes < PARTS_PER_LANE ? count / lanes : PARTS_PER_LANE;
  pool->body = body;
  pool->arg = arg;
  pool->lanes = lanes;
  pool->parts = (uint32_t)parts;
  pool->quotient = count / (lanes * parts);
  pool->remainder = count % (lanes * parts);
  for (uint32_t i = 0; i < lanes; ++i)
    atomic_store_explicit(&pool->lane[i].next, 0, memory_order_relaxed);
  atomic_fetch_or_explicit(&pool->state, 1, memory_order_acq_rel);
  atomic_fetch_add(&pool->epoch, 1);
  wake_workers(pool, (int32_t)lanes - 1);
  work(pool, 0);
  atomic_fetch_and_explicit(&pool->state, ~1u, memory_order_acq_rel);
  for (int spins = 0; atomic_load_explicit(&pool->state, memory_order_acquire); ++spins) {
    relax();
    if (spins > 2000)
      sched_yield(); /* a worker was preempted with a part in hand */
  }
}
