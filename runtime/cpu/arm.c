/* CPU features of AArch64 and ARM by LLVM's names, from the kernel's HWCAP words; and `sve-N`, SVE with vectors of N
 * bits. Source: Linux Documentation/arch/arm64/elf_hwcaps.rst and sve.rst, and the uapi headers asm/hwcap.h and
 * linux/prctl.h. */
#include "../core/internal.h"

#if defined(__aarch64__) || defined(__arm__)

typedef struct feature {
  const char *name;
  uint8_t word, bit; /* word 0: AT_HWCAP, 1: AT_HWCAP2 */
} feature;

static const feature features[] = {
#if defined(__aarch64__)
    {"fp-armv8", 0, 0}, {"neon", 0, 1},      {"aes", 0, 4},     {"sha2", 0, 6},     {"crc", 0, 7},
    {"lse", 0, 8},      {"fullfp16", 0, 10}, {"rdm", 0, 12},    {"jsconv", 0, 13},  {"complxnum", 0, 14},
    {"rcpc", 0, 15},    {"sha3", 0, 17},     {"sm4", 0, 19},    {"dotprod", 0, 20}, {"sve", 0, 22},
    {"fp16fml", 0, 23}, {"sve2", 1, 1},      {"fptoint", 1, 8}, {"i8mm", 1, 13},    {"bf16", 1, 14},
    {"rand", 1, 16},    {"bti", 1, 17},      {"mte", 1, 18},    {"sme", 1, 23},
#else
    {"vfp2", 0, 6},   {"neon", 0, 12},     {"vfp3", 0, 13},    {"vfp4", 0, 16}, {"hwdiv-arm", 0, 17},
    {"hwdiv", 0, 18}, {"fullfp16", 0, 23}, {"dotprod", 0, 24}, {"bf16", 0, 26}, {"i8mm", 0, 27},
#endif
};

#if defined(__aarch64__)
/* Code for vectors of one length is wrong on any other. */
static int has_vectors_of(const char *bits, size_t length) {
  enum { PR_SVE_GET_VL = 51, LENGTH_MASK = 0xffff };
  int bytes = prctl(PR_SVE_GET_VL), wanted = 0;
  for (size_t i = 0; i < length; ++i)
    wanted = 10 * wanted + (bits[i] - '0');
  return bytes >= 0 && (bytes & LENGTH_MASK) * 8 == wanted;
}
#endif

TEGULA_RT int tegula_rt_cpu_has(const char *name, size_t length) {
#if defined(__aarch64__)
  if (length > 4 && tegula_rt_spells(name, 4, "sve-"))
    return has_vectors_of(name + 4, length - 4);
#endif
  for (size_t i = 0; i < sizeof features / sizeof *features; ++i)
    if (tegula_rt_spells(name, length, features[i].name))
      return getauxval(features[i].word ? RT_AT_HWCAP2 : RT_AT_HWCAP) >> features[i].bit & 1;
  return -1;
}

#endif
