/* CPU features of RISC-V: the single-letter extensions, which the kernel reports as one bit a letter in HWCAP. Longer
 * names (zba, zvfh) are not known here and taken as present. */
#include "../core/internal.h"

#if defined(__riscv)

TEGULA_RT int tegula_rt_cpu_has(const char *name, size_t length) {
  if (length != 1 || *name < 'a' || *name > 'z')
    return -1;
  return getauxval(RT_AT_HWCAP) >> (*name - 'a') & 1;
}

#endif
