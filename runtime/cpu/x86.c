/* CPU features of x86 by LLVM's names. A feature counts if the CPU has it and the operating system saves its registers.
 * Source: Intel SDM vol. 2 (CPUID, XGETBV), AMD APM vol. 3 appendix E. */
#include "../core/internal.h"

#if defined(__x86_64__) || defined(__i386__)

enum { LEAF_1, LEAF_7_0, LEAF_7_1, LEAF_D_1, LEAF_EXT_1, LEAF_COUNT };
enum { EAX, EBX, ECX, EDX };
/* Register state that the operating system must save. */
enum { NONE = 0, YMM = 0x6, ZMM = 0xe6, TILE = 0x60000 };

typedef struct feature {
  const char *name;
  uint8_t leaf, reg, bit;
  uint32_t state;
} feature;

static const feature features[] = {
    {"sse3", LEAF_1, ECX, 0, NONE},
    {"pclmul", LEAF_1, ECX, 1, NONE},
    {"ssse3", LEAF_1, ECX, 9, NONE},
    {"fma", LEAF_1, ECX, 12, YMM},
    {"cx16", LEAF_1, ECX, 13, NONE},
    {"sse4.1", LEAF_1, ECX, 19, NONE},
    {"sse4.2", LEAF_1, ECX, 20, NONE},
    {"movbe", LEAF_1, ECX, 22, NONE},
    {"popcnt", LEAF_1, ECX, 23, NONE},
    {"aes", LEAF_1, ECX, 25, NONE},
    {"xsave", LEAF_1, ECX, 26, NONE},
    {"avx", LEAF_1, ECX, 28, YMM},
    {"f16c", LEAF_1, ECX, 29, YMM},
    {"rdrnd", LEAF_1, ECX, 30, NONE},
    {"cx8", LEAF_1, EDX, 8, NONE},
    {"cmov", LEAF_1, EDX, 15, NONE},
    {"mmx", LEAF_1, EDX, 23, NONE},
    {"fxsr", LEAF_1, EDX, 24, NONE},
    {"sse", LEAF_1, EDX, 25, NONE},
    {"sse2", LEAF_1, EDX, 26, NONE},
    {"fsgsbase", LEAF_7_0, EBX, 0, NONE},
    {"bmi", LEAF_7_0, EBX, 3, NONE},
    {"avx2", LEAF_7_0, EBX, 5, YMM},
    {"bmi2", LEAF_7_0, EBX, 8, NONE},
    {"avx512f", LEAF_7_0, EBX, 16, ZMM},
    {"avx512dq", LEAF_7_0, EBX, 17, ZMM},
    {"rdseed", LEAF_7_0, EBX, 18, NONE},
    {"adx", LEAF_7_0, EBX, 19, NONE},
    {"avx512ifma", LEAF_7_0, EBX, 21, ZMM},
    {"clflushopt", LEAF_7_0, EBX, 23, NONE},
    {"clwb", LEAF_7_0, EBX, 24, NONE},
    {"avx512cd", LEAF_7_0, EBX, 28, ZMM},
    {"sha", LEAF_7_0, EBX, 29, NONE},
    {"avx512bw", LEAF_7_0, EBX, 30, ZMM},
    {"avx512vl", LEAF_7_0, EBX, 31, ZMM},
    {"avx512vbmi", LEAF_7_0, ECX, 1, ZMM},
    {"avx512vbmi2", LEAF_7_0, ECX, 6, ZMM},
    {"gfni", LEAF_7_0, ECX, 8, NONE},
    {"vaes", LEAF_7_0, ECX, 9, YMM},
    {"vpclmulqdq", LEAF_7_0, ECX, 10, YMM},
    {"avx512vnni", LEAF_7_0, ECX, 11, ZMM},
    {"avx512bitalg", LEAF_7_0, ECX, 12, ZMM},
    {"avx512vpopcntdq", LEAF_7_0, ECX, 14, ZMM},
    {"rdpid", LEAF_7_0, ECX, 22, NONE},
    {"movdiri", LEAF_7_0, ECX, 27, NONE},
    {"movdir64b", LEAF_7_0, ECX, 28, NONE},
    {"avx512vp2intersect", LEAF_7_0, EDX, 8, ZMM},
    {"serialize", LEAF_7_0, EDX, 14, NONE},
    {"amx-bf16", LEAF_7_0, EDX, 22, TILE},
    {"avx512fp16", LEAF_7_0, EDX, 23, ZMM},
    {"amx-tile", LEAF_7_0, EDX, 24, TILE},
    {"amx-int8", LEAF_7_0, EDX, 25, TILE},
    {"avxvnni", LEAF_7_1, EAX, 4, YMM},
    {"avx512bf16", LEAF_7_1, EAX, 5, ZMM},
    {"amx-fp16", LEAF_7_1, EAX, 21, TILE},
    {"avxifma", LEAF_7_1, EAX, 23, YMM},
    {"avxvnniint8", LEAF_7_1, EDX, 4, YMM},
    {"avxneconvert", LEAF_7_1, EDX, 5, YMM},
    {"avxvnniint16", LEAF_7_1, EDX, 10, YMM},
    {"xsaveopt", LEAF_D_1, EAX, 0, NONE},
    {"xsavec", LEAF_D_1, EAX, 1, NONE},
    {"xsaves", LEAF_D_1, EAX, 3, NONE},
    {"sahf", LEAF_EXT_1, ECX, 0, NONE},
    {"lzcnt", LEAF_EXT_1, ECX, 5, NONE},
    {"sse4a", LEAF_EXT_1, ECX, 6, NONE},
    {"prfchw", LEAF_EXT_1, ECX, 8, NONE},
    {"xop", LEAF_EXT_1, ECX, 11, YMM},
    {"fma4", LEAF_EXT_1, ECX, 16, YMM},
    {"tbm", LEAF_EXT_1, ECX, 21, NONE},
    {"64bit", LEAF_EXT_1, EDX, 29, NONE},
};

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
  __asm__ volatile("cpuid" : "=a"(out[EAX]), "=b"(out[EBX]), "=c"(out[ECX]), "=d"(out[EDX]) : "0"(leaf), "2"(subleaf));
}

/* Reads one of the leaves above; zeros if the CPU has no such leaf. */
static void read_leaf(int leaf, uint32_t out[4]) {
  static const uint32_t numbers[LEAF_COUNT] = {1, 7, 7, 0xd, 0x80000001u};
  static const uint32_t subs[LEAF_COUNT] = {0, 0, 1, 1, 0};
  cpuid(numbers[leaf] & 0x80000000u, 0, out);
  bool exists = out[EAX] >= numbers[leaf];
  if (exists && leaf == LEAF_7_1) {
    cpuid(7, 0, out);
    exists = out[EAX] >= 1;
  }
  if (exists)
    cpuid(numbers[leaf], subs[leaf], out);
  else
    out[EAX] = out[EBX] = out[ECX] = out[EDX] = 0;
}

/* The registers that the operating system saves: XCR0, 0 without XSAVE. */
static uint32_t saved_state(void) {
  uint32_t regs[4], low, high;
  cpuid(1, 0, regs);
  if (!(regs[ECX] >> 27 & 1))
    return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

/* Linux lends the tile registers to a process that asks (arch_prctl ARCH_REQ_XCOMP_PERM, XTILEDATA). */
static bool may_use_tiles(void) {
#if defined(__x86_64__) && defined(__linux__)
  return syscall(158, 0x1023L, 18L) == 0;
#else
  return false;
#endif
}

TEGULA_RT int tegula_rt_cpu_has(const char *name, size_t length) {
  for (size_t i = 0; i < sizeof features / sizeof *features; ++i) {
    const feature *f = &features[i];
    uint32_t regs[4];
    if (!tegula_rt_spells(name, length, f->name))
      continue;
    read_leaf(f->leaf, regs);
    if (!(regs[f->reg] >> f->bit & 1))
      return 0;
    if (f->state && (saved_state() & f->state) != f->state)
      return 0;
    return f->state != TILE || may_use_tiles();
  }
  return -1;
}

#endif
