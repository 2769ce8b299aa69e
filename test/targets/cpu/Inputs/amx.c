/* Executes AMX's instructions on x86-64 CPUs without them, for tests: preloaded into a process, it handles the SIGILL
 * that each raises. Source: Intel SDM vol. 2 (LDTILECFG, TILELOADD, TILESTORED, TILEZERO, TDPBUSD and its kin,
 * TDPBF16PS) and vol. 1, 18. A use that a CPU would refuse (no configuration, shapes that do not fit) ends the process
 * with a message. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

typedef struct tile {
  uint8_t rows[16][64];
} tile;

typedef struct config {
  uint8_t palette, start_row, reserved[14];
  uint16_t columns[16]; /* bytes */
  uint8_t rows[16];
} config;

/* A signal is handled on the thread that raised it. */
static __thread config shape;
static __thread tile tiles[8];
static long executed; /* products of matrices, of all threads */

static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static _Noreturn void refuse(const char *why, const uint8_t *at) {
  fprintf(stderr, "amx.c: %s:", why);
  for (int i = 0; i < 10; ++i)
    fprintf(stderr, " %02x", at[i]);
  fprintf(stderr, "\n");
  _exit(3);
}

static void check(int number, int most_rows, int most_bytes, const uint8_t *at) {
  if (shape.palette != 1)
    refuse("no tiles are configured", at);
  if (shape.rows[number] == 0 || shape.columns[number] == 0 || shape.rows[number] > most_rows ||
      shape.columns[number] > most_bytes)
    refuse("a tile without a shape", at);
}

static void configure(const uint8_t *from, const uint8_t *at) {
  memcpy(&shape, from, sizeof shape);
  memset(tiles, 0, sizeof tiles);
  if (shape.palette > 1)
    refuse("an unknown palette", at);
  for (int i = 0; i < 16; ++i)
    if (shape.rows[i] > 16 || shape.columns[i] > 64 || (i >= 8 && (shape.rows[i] || shape.columns[i])))
      refuse("a shape beyond a tile", at);
}

static void zero(int number, const uint8_t *at) {
  check(number, 16, 64, at);
  memset(&tiles[number], 0, sizeof(tile));
}

/* The shapes of a product. */
static void check_product(int sum, int a, int b, const uint8_t *at) {
  check(sum, 16, 64, at);
  check(a, 16, 64, at);
  check(b, 16, 64, at);
  if (sum == a || sum == b || a == b)
    refuse("a tile twice in one product", at);
  if (shape.columns[sum] != shape.columns[b] || shape.rows[sum] != shape.rows[a] ||
      shape.columns[a] / 4 != shape.rows[b] || shape.columns[a] % 4 || shape.columns[b] % 4)
    refuse("shapes that do not fit", at);
}

/* Of a bf16, or of an f32; denormals are zeros. */
static float number(const uint8_t *from, int bytes) {
  uint32_t bits = 0;
  float value;
  memcpy((uint8_t *)&bits + 4 - bytes, from, (size_t)bytes);
  if (!(bits & 0x7f800000))
    bits &= 0x80000000;
  memcpy(&value, &bits, 4);
  return value;
}

static float flushed(float value) {
  uint8_t bytes[4];
  memcpy(bytes, &value, 4);
  return number(bytes, 4);
}

/* sum[m][n] += products of pairs of bf16 of a[m] and b[k][n], the even and the odd ones summed apart. */
static void multiply_reals(int sum, int a, int b, const uint8_t *at) {
  check_product(sum, a, b, at);
  for (int m = 0; m < shape.rows[sum]; ++m)
    for (int n = 0; n < shape.columns[sum] / 4; ++n) {
      float parts[2] = {0, 0}, total = number(&tiles[sum].rows[m][4 * n], 4);
      for (int k = 0; k < shape.columns[a] / 4; ++k)
        for (int i = 0; i < 2; ++i)
          parts[i] = flushed(
              fmaf(number(&tiles[a].rows[m][4 * k + 2 * i], 2), number(&tiles[b].rows[k][4 * n + 2 * i], 2), parts[i]));
      total = flushed(total + flushed(parts[0] + parts[1]));
      memcpy(&tiles[sum].rows[m][4 * n], &total, 4);
    }
  __atomic_add_fetch(&executed, 1, __ATOMIC_RELAXED);
}

/* sum[m][n] += products of four bytes of a[m] and b[k][n]; `prefix` says which are signed. */
static void multiply(int sum, int a, int b, int prefix, const uint8_t *at) {
  check_product(sum, a, b, at);
  int columns = shape.columns[sum] / 4, depth = shape.columns[a] / 4;
  int is_signed_a = prefix == 3 || prefix == 2, is_signed_b = prefix == 3 || prefix == 1;
  for (int m = 0; m < shape.rows[sum]; ++m)
    for (int n = 0; n < columns; ++n) {
      int32_t total;
      memcpy(&total, &tiles[sum].rows[m][4 * n], 4);
      for (int k = 0; k < depth; ++k)
        for (int i = 0; i < 4; ++i) {
          int x = tiles[a].rows[m][4 * k + i], y = tiles[b].rows[k][4 * n + i];
          total =
              (int32_t)((uint32_t)total + (uint32_t)((is_signed_a ? (int8_t)x : x) * (is_signed_b ? (int8_t)y : y)));
        }
      memcpy(&tiles[sum].rows[m][4 * n], &total, 4);
    }
  __atomic_add_fetch(&executed, 1, __ATOMIC_RELAXED);
}

/* Where the memory operand behind the opcode is, in two parts: base + displacement, and index * scale. Sets its length.
 */
static uint8_t *operand(const uint8_t *modrm, int extend_base, int extend_index, greg_t *regs, const uint8_t *end_guess,
                        uint64_t *stride, int *length) {
  int mod = modrm[0] >> 6, rm = modrm[0] & 7, base = rm;
  const uint8_t *next = modrm + 1;
  *stride = 0;
  if (rm == 4) {
    int sib = *next++, index = (sib >> 3 & 7) | extend_index << 3;
    base = sib & 7;
    if (index != 4)
      *stride = (uint64_t)regs[registers[index]] << (sib >> 6);
  } else if (mod == 0 && rm == 5) {
    int32_t displacement;
    memcpy(&displacement, next, 4);
    *length = 5;
    return (uint8_t *)(uintptr_t)end_guess + 5 + displacement;
  }
  uint64_t address = base == 5 && mod == 0 ? 0 : (uint64_t)regs[registers[base | extend_base << 3]];
  if (mod == 1) {
    address += (uint64_t)(int64_t)(int8_t)*next++;
  } else if (mod == 2 || (base == 5 && mod == 0)) {
    int32_t displacement;
    memcpy(&displacement, next, 4);
    address += (uint64_t)(int64_t)displacement;
    next += 4;
  }
  *length = (int)(next - modrm);
  return (uint8_t *)(uintptr_t)address;
}

static void handle(int signal_number, siginfo_t *info, void *context) {
  (void)signal_number, (void)info;
  greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
  const uint8_t *at = (const uint8_t *)(uintptr_t)regs[REG_RIP];
  if (at[0] != 0xc4 || (at[1] & 0x1f) != 2)
    refuse("not an instruction of AMX", at);
  int extend_index = !(at[1] >> 6 & 1), extend_base = !(at[1] >> 5 & 1), prefix = at[2] & 3, third = ~(at[2] >> 3) & 15;
  int opcode = at[3], mod = at[4] >> 6, reg = at[4] >> 3 & 7, length = 1;
  uint64_t stride;
  if (opcode == 0x49 && mod == 3) {
    if (prefix == 3)
      zero(reg, at);
    else
      memset(&shape, 0, sizeof shape); /* tilerelease */
  } else if (opcode == 0x49 && prefix == 0) {
    configure(operand(at + 4, extend_base, extend_index, regs, at + 4, &stride, &length), at);
  } else if (opcode == 0x4b && prefix != 0) {
    uint8_t *memory = operand(at + 4, extend_base, extend_index, regs, at + 4, &stride, &length);
    check(reg, 16, 64, at);
    if (prefix != 2)
      memset(&tiles[reg], 0, sizeof(tile));
    for (int row = 0; row < shape.rows[reg]; ++row, memory += stride)
      prefix == 2 ? memcpy(memory, tiles[reg].rows[row], shape.columns[reg])
                  : memcpy(tiles[reg].rows[row], memory, shape.columns[reg]);
  } else if (opcode == 0x5c && prefix == 2 && mod == 3) {
    multiply_reals(reg, at[4] & 7, third, at);
  } else if (opcode == 0x5e && mod == 3) {
    multiply(reg, at[4] & 7, third, prefix, at);
  } else {
    refuse("an instruction that is not emulated", at);
  }
  regs[REG_RIP] += 4 + length;
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGILL, &action, NULL);
}

__attribute__((destructor)) static void end(void) {
  if (getenv("AMX_COUNT"))
    fprintf(stderr, "amx.c: %ld products\n", executed);
}
