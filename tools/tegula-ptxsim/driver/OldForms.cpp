//===- OldForms.cpp - names without a version ---------------------------------===//
//
// A driver also has the first form of each function. Where only the meaning of a name changed it is the same call.
// Those from before 64-bit addresses (CUDA 3.2) are there as in a real driver, but fail: a program that looks one of
// them up by mistake would pass pointers to the wrong types.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

using namespace ptxsim;

#define ALIAS(OLD, NEW, DECLARATION, ARGUMENTS)                                                                        \
  CUDA_API CUresult NEW DECLARATION;                                                                                   \
  CUDA_API CUresult OLD DECLARATION { return NEW ARGUMENTS; }

ALIAS(cuDeviceGetUuid, cuDeviceGetUuid_v2, (CUuuid * uuid, CUdevice device), (uuid, device))
ALIAS(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice device), (device))
ALIAS(cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset_v2, (CUdevice device), (device))
ALIAS(cuDevicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags_v2, (CUdevice device, unsigned flags), (device, flags))
ALIAS(cuCtxCreate, cuCtxCreate_v2, (CUcontext * context, unsigned flags, CUdevice device), (context, flags, device))
ALIAS(cuCtxDestroy, cuCtxDestroy_v2, (CUcontext context), (context))
ALIAS(cuCtxPushCurrent, cuCtxPushCurrent_v2, (CUcontext context), (context))
ALIAS(cuCtxPopCurrent, cuCtxPopCurrent_v2, (CUcontext * context), (context))
ALIAS(cuStreamDestroy, cuStreamDestroy_v2, (CUstream stream), (stream))
ALIAS(cuEventDestroy, cuEventDestroy_v2, (CUevent event), (event))
ALIAS(cuEventElapsedTime, cuEventElapsedTime_v2, (float *milliseconds, CUevent start, CUevent end),
      (milliseconds, start, end))
ALIAS(cuMemHostRegister, cuMemHostRegister_v2, (void *pointer, size_t bytes, unsigned flags), (pointer, bytes, flags))
ALIAS(cuLinkCreate, cuLinkCreate_v2, (unsigned count, CUjit_option *options, void **values, CUlinkState *state),
      (count, options, values, state))
ALIAS(cuLinkAddData, cuLinkAddData_v2,
      (CUlinkState state, CUjitInputType type, void *data, size_t bytes, const char *name, unsigned count,
       CUjit_option *options, void **values),
      (state, type, data, bytes, name, count, options, values))
#undef ALIAS

static CUresult refuse32Bit(const char *name) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  printLine(*call.driver, std::string(name) + " is the form for 32-bit addresses: look up " + name + "_v2");
  return CUDA_ERROR_NOT_SUPPORTED;
}

#define NARROW(NAME)                                                                                                   \
  CUDA_API CUresult NAME() { return refuse32Bit(#NAME); }
NARROW(cuDeviceTotalMem)
NARROW(cuModuleGetGlobal)
NARROW(cuMemGetInfo)
NARROW(cuMemAlloc)
NARROW(cuMemAllocPitch)
NARROW(cuMemFree)
NARROW(cuMemGetAddressRange)
NARROW(cuMemAllocHost)
NARROW(cuMemHostGetDevicePointer)
NARROW(cuMemcpyHtoD)
NARROW(cuMemcpyDtoH)
NARROW(cuMemcpyDtoD)
NARROW(cuMemcpyHtoDAsync)
NARROW(cuMemcpyDtoHAsync)
NARROW(cuMemcpyDtoDAsync)
NARROW(cuMemcpy2D)
NARROW(cuMemcpy2DUnaligned)
NARROW(cuMemcpy2DAsync)
NARROW(cuMemcpy3D)
NARROW(cuMemcpy3DAsync)
NARROW(cuMemsetD8)
NARROW(cuMemsetD16)
NARROW(cuMemsetD32)
NARROW(cuMemsetD2D8)
NARROW(cuMemsetD2D16)
NARROW(cuMemsetD2D32)
#undef NARROW
