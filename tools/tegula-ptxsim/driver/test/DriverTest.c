//===- DriverTest.c - devices, modules, memory, launches ----------------------===//
//
// driver-test LIBRARY CASE
//
//===----------------------------------------------------------------------===//

#include "Check.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <zstd.h>

void *library;

static void testDevices(void) {
  int count = 0, value = 0, major = 0, minor = 0, version = 0;
  char name[32];
  size_t bytes = 0;
  EXPECT(CU(cuDeviceGetCount)(&count), 3);
  OK(CU(cuInit)(0));
  OK(CU(cuDriverGetVersion)(&version));
  EXPECT(version, 12090);
  OK(CU(cuDeviceGetCount)(&count));
  EXPECT(count, 1);
  OK(CU(cuDeviceGetName)(name, sizeof(name), 0));
  EXPECT(strncmp(name, "ptxsim sm_", 10), 0);
  OK(CU(cuDeviceComputeCapability)(&major, &minor, 0));
  OK(CU(cuDeviceGetAttribute)(&value, 75, 0));
  EXPECT(value, major);
  OK(CU(cuDeviceGetAttribute)(&value, 10, 0));
  EXPECT(value, 32);
  EXPECT(CU(cuDeviceGetAttribute)(&value, 100000, 0), 1);
  OK(CU(cuDeviceTotalMem_v2)(&bytes, 0));
  EXPECT(bytes > 0, 1);
  EXPECT(CU(cuDeviceGetName)(name, sizeof(name), 1), 101);
  EXPECT(CU(cuCtxSynchronize)(), 201);
}

static void testModules(void) {
  void *module = NULL, *function = NULL, *kernel = NULL, *other = NULL;
  char log[256] = "", info[64] = "";
  int options[] = {5, 6, 3, 4};
  void *values[] = {log, (void *)sizeof(log), info, (void *)sizeof(info)};
  const char *name = NULL;
  int value = 0;
  unsigned count = 0;
  Device address = 0;
  size_t bytes = 0;
  openContext();
  OK(CU(cuModuleLoadDataEx)(&module, kernels, 4, options, values));
  EXPECT(log[0], 0);
  OK(CU(cuModuleGetFunction)(&function, module, "fill"));
  OK(CU(cuModuleGetFunction)(&other, module, "fill"));
  EXPECT(function == other, 1);
  EXPECT(CU(cuModuleGetFunction)(&other, module, "missing"), 500);
  OK(CU(cuModuleGetFunctionCount)(&count, module));
  EXPECT(count, 3);
  OK(CU(cuFuncGetName)(&name, function));
  EXPECT(strcmp(name, "fill"), 0);
  OK(CU(cuFuncGetModule)(&other, function));
  EXPECT(other == module, 1);
  OK(CU(cuFuncGetAttribute)(&value, 0, function));
  EXPECT(value, 1024);
  OK(CU(cuFuncGetParamInfo)(function, (size_t)2, &bytes, NULL));
  EXPECT(bytes, 12);
  EXPECT(CU(cuFuncGetParamInfo)(function, (size_t)3, &bytes, NULL), 1);
  EXPECT(CU(cuModuleGetGlobal_v2)(&address, &bytes, module, "missing"), 500);
  OK(CU(cuModuleUnload)(module));
  EXPECT(CU(cuModuleUnload)(module), 400);
  EXPECT(CU(cuFuncGetName)(&name, function), 400);
  values[1] = (void *)sizeof(log);
  EXPECT(CU(cuModuleLoadDataEx)(&module, ".version 6.3\n.target sm_999\n.address_size 64\n", 2, options, values), 218);
  EXPECT(log[0] != 0, 1);
  EXPECT(CU(cuModuleLoadData)(&module, "\177ELF\2\1\1"), 209);
  EXPECT(CU(cuModuleLoadData)(&module, "\1\2\3\4"), 200);
  EXPECT(CU(cuModuleLoad)(&module, "/nonexistent.ptx"), 301);
  OK(CU(cuLibraryLoadData)(&module, kernels, NULL, NULL, 0, NULL, NULL, 0));
  OK(CU(cuLibraryGetKernel)(&kernel, module, "fill"));
  OK(CU(cuKernelGetFunction)(&function, kernel));
  OK(fill(function, allocate(512), 128, 1, NULL));
  OK(CU(cuLibraryUnload)(module));
}

/// One entry of a fat binary, and its padding. `packed` is 0 for a payload as it is.
static size_t addEntry(char *at, int kind, unsigned sm, const void *payload, size_t bytes, uint64_t flags,
                       size_t unpacked) {
  uint16_t kinds[2] = {(uint16_t)kind, 0x101};
  uint32_t header = 64, packed = flags & 0xa000 ? (uint32_t)bytes : 0;
  uint64_t padded = (bytes + 7) / 8 * 8, size = unpacked;
  memset(at, 0, 64 + padded);
  memcpy(at, kinds, 4);
  memcpy(at + 4, &header, 4);
  memcpy(at + 8, &padded, 8);
  memcpy(at + 16, &packed, 4);
  memcpy(at + 28, &sm, 4);
  memcpy(at + 40, &flags, 8);
  memcpy(at + 56, &size, 8);
  memcpy(at + 64, payload, bytes);
  return 64 + padded;
}

static void closeContainer(char *file, uint64_t bytes) {
  uint32_t magic = 0xBA55ED50;
  uint16_t words[2] = {1, 16};
  memcpy(file, &magic, 4);
  memcpy(file + 4, words, 4);
  memcpy(file + 8, &bytes, 8);
}

/// The text as one run of literals and a copy of its last byte, as LZ4 has them.
static size_t packLz4(const char *text, size_t bytes, char *out) {
  char *start = out;
  size_t left = bytes - 15;
  *out++ = (char)0xf0;
  for (; left >= 255; left -= 255)
    *out++ = (char)255;
  *out++ = (char)left;
  memcpy(out, text, bytes);
  out += bytes;
  *out++ = 1;
  *out++ = 0;
  return (size_t)(out - start); // the copy makes four more bytes
}

static int tryFile(const void *file) {
  void *module = NULL, *function = NULL;
  int status = CU(cuModuleLoadData)(&module, file);
  if (status)
    return status;
  OK(CU(cuModuleGetFunction)(&function, module, "saxpy"));
  OK(CU(cuModuleUnload)(module));
  return 0;
}

static void testFatbins(void) {
  static char file[65536], packed[16384], text[8192];
  size_t bytes = strlen(kernels) + 1;
  struct {
    uint32_t magic, version;
    const void *data, *others;
  } wrapper = {0x466243B1, 1, file, NULL};
  openContext();
  size_t end = 16 + addEntry(file + 16, 2, 75, "\177ELF", 4, 0x11, 0);
  closeContainer(file, end - 16);
  EXPECT(tryFile(file), 209);
  end += addEntry(file + end, 1, 999, "future", 6, 0x11, 0);
  closeContainer(file, end - 16);
  EXPECT(tryFile(file), 209);
  end += addEntry(file + end, 1, 70, kernels, bytes, 0x11, 0);
  closeContainer(file, end - 16);
  OK(tryFile(file));
  OK(tryFile(&wrapper));
  size_t size = ZSTD_compress(packed, sizeof(packed), kernels, bytes, 3);
  end = 16 + addEntry(file + 16, 1, 70, packed, size, 0x8011, bytes);
  closeContainer(file, end - 16);
  OK(tryFile(file));
  file[90] ^= 0x55;
  EXPECT(tryFile(file), 200);
  strcpy(text, kernels);
  size = packLz4(text, bytes - 1, packed);
  packed[size] = 0x10; // the last literals: the NUL
  packed[size + 1] = 0;
  end = 16 + addEntry(file + 16, 1, 70, packed, size + 2, 0x2011, bytes + 4);
  closeContainer(file, end - 16);
  OK(tryFile(file));
  closeContainer(file, end + 1000000);
  EXPECT(tryFile(file) == 0 || tryFile(file) == 200, 1);
}

static void testParameters(void) {
  openContext();
  void *function = loadKernel("fill");
  Device p = allocate(1024);
  float host[256] = {0};
  OK(fill(function, p, 256, 3, NULL));
  OK(CU(cuMemcpyDtoH_v2)(host, p, (size_t)1024));
  EXPECT(host[0] + host[255], 6);
  struct {
    Device p;
    unsigned n;
    float v;
  } block = {p, 256, 5};
  size_t bytes = sizeof(block);
  void *extra[] = {(void *)1, &block, (void *)2, &bytes, NULL};
  OK(CU(cuLaunchKernel)(function, 2, 1, 1, 128, 1, 1, 0, NULL, NULL, extra));
  OK(CU(cuMemcpyDtoH_v2)(host, p, (size_t)1024));
  EXPECT(host[0] + host[255], 10);
  bytes = 4;
  EXPECT(CU(cuLaunchKernel)(function, 2, 1, 1, 128, 1, 1, 0, NULL, NULL, extra), 1);
  EXPECT(CU(cuLaunchKernel)(function, 2, 1, 1, 128, 1, 1, 0, NULL, NULL, NULL), 1);
  EXPECT(CU(cuLaunchKernel)(function, 2, 1, 1, 128, 1, 1, 0, NULL, extra, extra), 1);
  struct {
    unsigned grid[3], block[3], shared;
    void *stream, *attributes;
    unsigned count;
  } config = {{2, 1, 1}, {128, 1, 1}, 0, NULL, NULL, 0};
  float v = 7;
  unsigned n = 256;
  void *parameters[] = {&p, &n, &v};
  OK(CU(cuLaunchKernelEx)(&config, function, parameters, NULL));
  v = 9; // taken at the call
  OK(CU(cuMemcpyDtoH_v2)(host, p, (size_t)1024));
  EXPECT(host[0] + host[255], 14);
  OK(CU(cuMemFree_v2)(p));
}

static void testLimits(void) {
  openContext();
  void *function = loadKernel("fill"), *narrow = loadKernel("narrow");
  Device p = allocate(1024);
  unsigned n = 1;
  float v = 1;
  void *parameters[] = {&p, &n, &v};
  int blocks = 0, grid = 0, block = 0;
  unsigned bad[][6] = {{0, 1, 1, 1, 1, 1},  {1, 65536, 1, 1, 1, 1}, {1, 1, 65536, 1, 1, 1}, {1, 1, 1, 1025, 1, 1},
                       {1, 1, 1, 1, 1, 65}, {1, 1, 1, 64, 32, 1},   {1, 1, 1, 0, 1, 1}};
  for (size_t i = 0; i != sizeof(bad) / sizeof(*bad); ++i)
    EXPECT(CU(cuLaunchKernel)(function, bad[i][0], bad[i][1], bad[i][2], bad[i][3], bad[i][4], bad[i][5], 0, NULL,
                              parameters, NULL),
           1);
  EXPECT(CU(cuLaunchKernel)(function, 1, 1, 1, 32, 1, 1, 49153, NULL, parameters, NULL), 1);
  OK(CU(cuFuncSetAttribute)(function, 8, 60000));
  OK(CU(cuLaunchKernel)(function, 1, 1, 1, 32, 1, 1, 60000, NULL, parameters, NULL));
  EXPECT(CU(cuFuncSetAttribute)(function, 8, 300000), 1);
  EXPECT(CU(cuLaunchKernel)(narrow, 1, 1, 1, 128, 1, 1, 0, NULL, parameters, NULL), 701);
  EXPECT(CU(cuLaunchKernel)((void *)&n, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL), 400);
  EXPECT(CU(cuLaunchCooperativeKernel)(function, 1, 1, 1, 1, 1, 1, 0, NULL, parameters), 801);
  OK(CU(cuOccupancyMaxActiveBlocksPerMultiprocessor)(&blocks, function, 256, (size_t)0));
  EXPECT(blocks >= 4 && blocks <= 8, 1);
  OK(CU(cuOccupancyMaxPotentialBlockSize)(&grid, &block, function, NULL, (size_t)0, 0));
  EXPECT(block % 32 == 0 && block > 0 && grid > 0, 1);
  OK(CU(cuCtxSynchronize)());
}

static void testPointers(void) {
  void *context = openContext(), *owner = NULL, *pinned = NULL;
  Device p = allocate(1000), q = 0, start = 0;
  size_t bytes = 0;
  char host[64] = {0};
  unsigned type = 0;
  EXPECT(CU(cuMemAlloc_v2)(&q, (size_t)0), 1);
  EXPECT(CU(cuMemAlloc_v2)(&q, (size_t)1 << 50), 2);
  EXPECT(CU(cuMemFree_v2)(p + 8), 1);
  OK(CU(cuMemGetAddressRange_v2)(&start, &bytes, p + 10));
  EXPECT(start, p);
  EXPECT(bytes, 1000);
  OK(CU(cuPointerGetAttribute)(&owner, 1, p + 999));
  EXPECT(owner == context, 1);
  OK(CU(cuPointerGetAttribute)(&type, 2, p));
  EXPECT(type, 2);
  EXPECT(CU(cuPointerGetAttribute)(&type, 2, (Device)(uintptr_t)host), 1);
  OK(CU(cuMemHostAlloc)(&pinned, (size_t)4096, 0));
  OK(CU(cuPointerGetAttribute)(&type, 2, (Device)(uintptr_t)pinned));
  EXPECT(type, 1);
  EXPECT(CU(cuMemHostRegister_v2)(pinned, (size_t)64, 0), 712);
  OK(CU(cuMemHostRegister_v2)(host, (size_t)64, 0));
  OK(CU(cuMemHostUnregister)(host));
  EXPECT(CU(cuMemHostUnregister)(host), 713);
  EXPECT(CU(cuMemFreeHost)(host), 1);
  OK(CU(cuMemFreeHost)(pinned));
  EXPECT(CU(cuMemAllocManaged)(&q, (size_t)64, 1), 801);
  OK(CU(cuMemFree_v2)(p));
  EXPECT(CU(cuMemFree_v2)(p), 1);
}

static void testCopies(void) {
  openContext();
  Device p = allocate(256), q = allocate(256), pitched = 0;
  unsigned char host[256], back[256];
  size_t pitch = 0;
  for (int i = 0; i != 256; ++i)
    host[i] = (unsigned char)i;
  OK(CU(cuMemcpyHtoD_v2)(p, host, (size_t)256));
  OK(CU(cuMemcpyDtoD_v2)(q, p, (size_t)256));
  OK(CU(cuMemcpy)((Device)(uintptr_t)back, q, (size_t)256));
  EXPECT(memcmp(host, back, 256), 0);
  EXPECT(CU(cuMemcpyHtoD_v2)(p + 1, host, (size_t)256), 1);
  EXPECT(CU(cuMemcpyHtoD_v2)((Device)(uintptr_t)back, host, (size_t)16), 1);
  EXPECT(CU(cuMemcpyHtoD_v2)(p, (void *)(uintptr_t)q, (size_t)16), 1);
  EXPECT(CU(cuMemcpyDtoH_v2)((void *)(uintptr_t)q, p, (size_t)16), 1);
  EXPECT(CU(cuMemcpyDtoH_v2)(NULL, p, (size_t)16), 1);
  OK(CU(cuMemsetD8_v2)(p, 7, (size_t)3));
  OK(CU(cuMemsetD16_v2)(p + 4, 0x0102, (size_t)2));
  EXPECT(CU(cuMemsetD32_v2)(p + 2, 5, (size_t)1), 1);
  EXPECT(CU(cuMemsetD32_v2)(p, 5, (size_t)65), 1);
  OK(CU(cuMemcpyDtoH_v2)(back, p, (size_t)8));
  EXPECT(back[0] == 7 && back[2] == 7 && back[3] == 3 && back[4] == 2 && back[5] == 1 && back[7] == 1, 1);
  OK(CU(cuMemAllocPitch_v2)(&pitched, &pitch, (size_t)10, (size_t)4, 4));
  EXPECT(pitch % 512, 0);
  struct Side {
    size_t x, y;
    int type;
    void *host;
    Device device;
    void *array;
    size_t pitch;
  };
  struct {
    struct Side from, to;
    size_t width, height;
  } copy = {{1, 0, 1, host, 0, NULL, 16}, {0, 1, 2, NULL, pitched, NULL, pitch}, 8, 3};
  OK(CU(cuMemcpy2D_v2)(&copy));
  OK(CU(cuMemcpyDtoH_v2)(back, pitched + 2 * pitch, (size_t)8));
  EXPECT(back[0], 17);
  copy.height = 4;
  EXPECT(CU(cuMemcpy2D_v2)(&copy), 1);
  copy.height = 3;
  copy.from.pitch = 4;
  EXPECT(CU(cuMemcpy2D_v2)(&copy), 1);
  OK(CU(cuMemsetD2D8_v2)(pitched, pitch, 9, (size_t)10, (size_t)4));
  OK(CU(cuMemcpyDtoH_v2)(back, pitched + 3 * pitch, (size_t)10));
  EXPECT(back[9], 9);
}

static void testPools(void) {
  openContext();
  void *pool = NULL, *stream = NULL, *function = loadKernel("fill");
  Device p = 0;
  uint64_t used = 0, threshold = ~0ull;
  float host[4] = {0};
  OK(CU(cuDeviceGetDefaultMemPool)(&pool, 0));
  OK(CU(cuMemPoolSetAttribute)(pool, 4, &threshold));
  OK(CU(cuStreamCreate)(&stream, 1));
  OK(CU(cuMemAllocAsync)(&p, (size_t)1024, stream));
  OK(fill(function, p, 256, 2, stream));
  OK(CU(cuMemcpyDtoHAsync_v2)(host, p, (size_t)16, stream));
  OK(CU(cuMemPoolGetAttribute)(pool, 7, &used));
  EXPECT(used, 1024);
  OK(CU(cuMemFreeAsync)(p, stream));
  EXPECT(CU(cuMemFreeAsync)(p, stream), 1);
  EXPECT(CU(cuMemFree_v2)(p), 1);
  OK(CU(cuStreamSynchronize)(stream));
  OK(CU(cuMemPoolGetAttribute)(pool, 7, &used));
  EXPECT(used, 0);
  EXPECT(host[3], 2);
}

static void testLookup(void) {
  void *entry = NULL;
  int answer = 9;
  const char *text = NULL;
  OK(CU(cuGetProcAddress_v2)("cuMemAlloc", &entry, 12000, (uint64_t)0, &answer));
  EXPECT(entry == findEntry("cuMemAlloc_v2"), 1);
  OK(CU(cuGetProcAddress_v2)("cuLaunchKernel", &entry, 12000, (uint64_t)2, &answer));
  EXPECT(entry == findEntry("cuLaunchKernel_ptsz"), 1);
  OK(CU(cuGetProcAddress_v2)("cuNothing", &entry, 12000, (uint64_t)0, &answer));
  EXPECT(answer, 1);
  EXPECT(entry == NULL, 1);
  OK(CU(cuGetProcAddress_v2)("cuMemAllocAsync", &entry, 11000, (uint64_t)0, &answer));
  EXPECT(answer, 2);
  EXPECT(findEntry("cuTexObjectCreate") == NULL, 1);
  OK(CU(cuGetErrorName)(700, &text));
  EXPECT(strcmp(text, "CUDA_ERROR_ILLEGAL_ADDRESS"), 0);
  OK(CU(cuGetErrorString)(0, &text));
  EXPECT(strcmp(text, "no error"), 0);
  EXPECT(CU(cuGetErrorName)(12345, &text), 1);
  openContext();
  EXPECT(CU(cuMemAlloc)(&entry, 16), 801);
}

static void testSticky(void) {
  openContext();
  void *function = loadKernel("fill");
  Device p = allocate(64), q = 0;
  char host[64];
  OK(fill(function, p, 16, 1, NULL));
  OK(CU(cuCtxSynchronize)());
  OK(fill(function, 16, 16, 1, NULL)); // the error comes later
  EXPECT(CU(cuCtxSynchronize)(), 700);
  EXPECT(CU(cuMemAlloc_v2)(&q, (size_t)64), 700);
  EXPECT(CU(cuMemcpyDtoH_v2)(host, p, (size_t)64), 700);
  EXPECT(fill(function, p, 16, 1, NULL), 700);
  OK(CU(cuDevicePrimaryCtxReset_v2)(0));
  EXPECT(CU(cuCtxSynchronize)(), 709);
  openContext();
  function = loadKernel("fill");
  p = allocate(64);
  OK(fill(function, p, 16, 1, NULL));
  OK(CU(cuCtxSynchronize)());
  OK(CU(cuDevicePrimaryCtxRelease_v2)(0));
}

/// Run with PTXSIM_FAIL=1: reads what was never written.
static void testFailing(void) {
  openContext();
  void *function = loadKernel("saxpy");
  Device p = allocate(64);
  OK(saxpy(function, p, p, 16, 1, NULL));
  EXPECT(CU(cuCtxSynchronize)(), 719);
}

/// For the report: two launches, one allocation that stays, 384 bytes read that nobody wrote, one launch too late.
static void testLeaks(void) {
  openContext();
  void *function = loadKernel("fill");
  Device p = allocate(640), q = allocate(64);
  static char host[640];
  OK(fill(function, p, 64, 1, NULL));
  OK(fill(function, q, 16, 1, NULL));
  OK(CU(cuMemFree_v2)(q));
  OK(CU(cuMemcpyDtoH_v2)(host, p, (size_t)640));
  OK(fill(function, p, 64, 1, NULL));
}

static const struct {
  const char *name;
  void (*run)(void);
} cases[] = {{"devices", testDevices},       {"modules", testModules},
             {"fatbins", testFatbins},       {"parameters", testParameters},
             {"limits", testLimits},         {"pointers", testPointers},
             {"copies", testCopies},         {"pools", testPools},
             {"lookup", testLookup},         {"sticky", testSticky},
             {"failing", testFailing},       {"order", testOrder},
             {"pinned", testPinned},         {"callbacks", testCallbacks},
             {"events", testEvents},         {"default-streams", testDefaultStreams},
             {"threads", testThreads},       {"capture", testCapture},
             {"violations", testViolations}, {"graphs", testGraphs},
             {"helper", testHelper},         {"leaks", testLeaks}};

int main(int count, char **arguments) {
  if (count != 3)
    return 2;
  library = dlopen(arguments[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  for (size_t i = 0; i != sizeof(cases) / sizeof(*cases); ++i)
    if (!strcmp(cases[i].name, arguments[2])) {
      cases[i].run();
      return failures != 0;
    }
  return 2;
}
