// Kernels in C that are compiled twice: by clang for the device (-x cuda, no CUDA installation needed), and for the
// host with -DHOST, where each thread is one call and the reductions are loops.
#ifdef HOST
#define KERNEL void
static int threadX, blockX, sizeX;
#define tid() threadX
#define ctaid() blockX
#define ntid() sizeX
#else
#define KERNEL extern "C" __attribute__((global)) void
#define tid() __nvvm_read_ptx_sreg_tid_x()
#define ctaid() __nvvm_read_ptx_sreg_ctaid_x()
#define ntid() __nvvm_read_ptx_sreg_ntid_x()
#define __shared__ __attribute__((shared))
#define DEVICE __attribute__((device))
#endif
#ifdef HOST
#define DEVICE
#endif

typedef unsigned int u32;
typedef unsigned long long u64;

static DEVICE u32 mix(u32 x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  return x * 0x846ca68bU;
}

// Integers of all widths, with divisions, shifts and rotations.
KERNEL integers(const u32 *in, u32 *out, int n) {
  int i = ctaid() * ntid() + tid();
  if (i >= n)
    return;
  u32 x = in[i], y = mix(x) | 1;
  u64 wide = (u64)x * y + ((u64)y << 32);
  int s = (int)x / (int)(y & 0xff | 1) + (int)x % 77;
  signed char c = (signed char)x;
  short h = (short)(y >> 3);
  out[i] = mix((u32)(wide >> 17) ^ s) + c * h + __builtin_popcount(x) + __builtin_clz(y) + (x << 7 | x >> 25);
  out[i] ^= (u32)(wide / (x | 1)) + (u32)(wide % (y | 1)) + (x > y ? x - y : y - x);
}

// Branches and loops that lanes leave at different times.
KERNEL collatz(const u32 *in, u32 *out, int n) {
  int i = ctaid() * ntid() + tid();
  if (i >= n)
    return;
  u32 x = in[i] % 1000 + 1, steps = 0;
  while (x != 1) {
    if (x & 1) {
      x = 3 * x + 1;
      if (steps > 500)
        break;
    } else {
      x >>= 1;
    }
    switch (x & 7) {
    case 0:
      steps += 2;
      break;
    case 3:
      steps += 1;
      break;
    case 5:
      steps ^= 3;
      break;
    default:
      steps++;
    }
  }
  out[i] = steps;
}

// Local arrays with indices that are not known.
KERNEL locals(const u32 *in, u32 *out, int n) {
  int i = ctaid() * ntid() + tid();
  if (i >= n)
    return;
  u32 table[16];
  for (int k = 0; k < 16; k++)
    table[k] = mix(in[i] + k);
  for (int k = 0; k < 40; k++) {
    u32 a = table[k & 15] & 15, b = table[(k * 7) & 15] & 15, t = table[a];
    table[a] = table[b] + k;
    table[b] = t;
  }
  u32 sum = 0;
  for (int k = 0; k < 16; k++)
    sum = sum * 31 + table[k];
  out[i] = sum;
}

// Floats, in operations that are exact on both sides.
KERNEL floats(const u32 *in, u32 *out, int n) {
  int i = ctaid() * ntid() + tid();
  if (i >= n)
    return;
  float x = (float)(in[i] % 10007) * 0.25f, y = (float)(int)(in[i] >> 12) / 1024.0f;
  double d = (double)x / (y + 1.0) + __builtin_sqrt((double)in[i]);
  float z = __builtin_fmaf(x, y, (float)d);
  z = __builtin_fminf(z, 1e6f) + __builtin_sqrtf(x) + (x < y ? x / (y + 1.0f) : -y);
  _Float16 half = (_Float16)x;
  z += (float)(half * (_Float16)0.5f);
  out[i] = (u32)(int)z ^ *(u32 *)&z ^ (u32)(long long)d;
}
