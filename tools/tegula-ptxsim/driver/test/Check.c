//===- Check.c - a test's way to the driver -----------------------------------===//

#include "Check.h"
#include <dlfcn.h>
#include <stdlib.h>

int failures;
extern void *library;

void *findEntry(const char *name) { return dlsym(library, name); }

Entry entryOf(const char *name) {
  void *entry = findEntry(name);
  if (!entry) {
    fprintf(stderr, "no function %s\n", name);
    exit(2);
  }
  return (Entry)entry;
}

void check(long long got, long long expected, const char *text, const char *file, int line) {
  if (got == expected)
    return;
  fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", file, line, text, got, expected);
  ++failures;
}

const char *const kernels =
    ".version 6.3\n.target sm_70\n.address_size 64\n"
    ".visible .global .align 4 .u32 counter[4];\n"
    ".visible .entry fill(.param .u64 p, .param .u32 n, .param .f32 v)\n{\n"
    "  .reg .pred %p<2>; .reg .b32 %r<6>; .reg .b64 %rd<4>; .reg .f32 %f<2>;\n"
    "  ld.param.u64 %rd1, [p];\n  ld.param.u32 %r1, [n];\n  ld.param.f32 %f1, [v];\n"
    "  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, %ntid.x;\n  mov.u32 %r4, %tid.x;\n"
    "  mad.lo.s32 %r5, %r2, %r3, %r4;\n  setp.ge.u32 %p1, %r5, %r1;\n  @%p1 bra DONE;\n"
    "  cvta.to.global.u64 %rd2, %rd1;\n  mul.wide.u32 %rd3, %r5, 4;\n  add.s64 %rd2, %rd2, %rd3;\n"
    "  st.global.f32 [%rd2], %f1;\nDONE:\n  ret;\n}\n"
    ".visible .entry saxpy(.param .u64 x, .param .u64 y, .param .u32 n, .param .f32 a)\n{\n"
    "  .reg .pred %p<2>; .reg .b32 %r<6>; .reg .b64 %rd<6>; .reg .f32 %f<5>;\n"
    "  ld.param.u64 %rd1, [x];\n  ld.param.u64 %rd2, [y];\n  ld.param.u32 %r1, [n];\n  ld.param.f32 %f1, [a];\n"
    "  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, %ntid.x;\n  mov.u32 %r4, %tid.x;\n"
    "  mad.lo.s32 %r5, %r2, %r3, %r4;\n  setp.ge.u32 %p1, %r5, %r1;\n  @%p1 bra DONE;\n"
    "  cvta.to.global.u64 %rd1, %rd1;\n  cvta.to.global.u64 %rd2, %rd2;\n  mul.wide.u32 %rd3, %r5, 4;\n"
    "  add.s64 %rd4, %rd1, %rd3;\n  add.s64 %rd5, %rd2, %rd3;\n"
    "  ld.global.f32 %f2, [%rd4];\n  ld.global.f32 %f3, [%rd5];\n  fma.rn.f32 %f4, %f1, %f2, %f3;\n"
    "  st.global.f32 [%rd5], %f4;\nDONE:\n  ret;\n}\n"
    ".visible .entry narrow(.param .u64 p)\n.maxntid 64, 1, 1\n{\n  ret;\n}\n";

void *openContext(void) {
  void *context = NULL;
  OK(CU(cuInit)(0));
  OK(CU(cuDevicePrimaryCtxRetain)(&context, 0));
  OK(CU(cuCtxSetCurrent)(context));
  return context;
}

void *loadKernel(const char *name) {
  void *module = NULL, *function = NULL;
  OK(CU(cuModuleLoadData)(&module, kernels));
  OK(CU(cuModuleGetFunction)(&function, module, name));
  return function;
}

static int launch(void *function, unsigned n, void *stream, void **parameters) {
  return CU(cuLaunchKernel)(function, (n + 127) / 128, 1, 1, 128, 1, 1, 0, stream, parameters, NULL);
}

int fill(void *function, Device p, unsigned n, float v, void *stream) {
  void *parameters[] = {&p, &n, &v};
  return launch(function, n, stream, parameters);
}

int saxpy(void *function, Device x, Device y, unsigned n, float a, void *stream) {
  void *parameters[] = {&x, &y, &n, &a};
  return launch(function, n, stream, parameters);
}

Device allocate(size_t bytes) {
  Device p = 0;
  OK(CU(cuMemAlloc_v2)(&p, bytes));
  return p;
}
