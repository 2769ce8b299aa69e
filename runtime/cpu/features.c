/* The check that a machine has the instructions a model was compiled for, made before any of them executes. */
#include "../core/internal.h"

TEGULA_RT bool tegula_rt_spells(const char *name, size_t length, const char *word) {
  size_t i = 0;
  for (; i < length; ++i)
    if (!word[i] || word[i] != name[i])
      return false;
  return !word[i];
}

TEGULA_RT bool tegula_rt_cpu_lacks(const char *required, char *missing, size_t missingBytes) {
  for (const char *at = required; *at;) {
    size_t length = 0;
    while (at[length] && at[length] != ',')
      ++length;
    if (length && tegula_rt_cpu_has(*at == '+' ? at + 1 : at, *at == '+' ? length - 1 : length) == 0) {
      if (length > missingBytes - 1)
        length = missingBytes - 1;
      memcpy(missing, at, length);
      missing[length] = 0;
      return true;
    }
    at += length;
    if (*at == ',')
      ++at;
  }
  return false;
}

#if !defined(__x86_64__) && !defined(__i386__) && !defined(__aarch64__) && !defined(__arm__) && !defined(__riscv)
TEGULA_RT int tegula_rt_cpu_has(const char *name, size_t length) {
  (void)name, (void)length;
  return -1;
}
#endif
