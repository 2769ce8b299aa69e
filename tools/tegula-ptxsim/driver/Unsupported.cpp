//===- Unsupported.cpp - functions that only say no ---------------------------===//
//
// Programs and bindings look these up when they start, whether they need them or not. Sharing with other processes and
// memory that moves by itself are not emulated.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

using namespace ptxsim;

#define REFUSE(NAME)                                                                                                   \
  CUDA_API CUresult NAME() {                                                                                           \
    Call call(Call::Initialised);                                                                                      \
    return call ? CUDA_ERROR_NOT_SUPPORTED : call.status;                                                              \
  }
REFUSE(cuIpcGetMemHandle)
REFUSE(cuIpcOpenMemHandle)
REFUSE(cuIpcOpenMemHandle_v2)
REFUSE(cuIpcCloseMemHandle)
REFUSE(cuIpcGetEventHandle)
REFUSE(cuIpcOpenEventHandle)
REFUSE(cuMemAdvise)
REFUSE(cuMemPrefetchAsync)
REFUSE(cuMemRangeGetAttribute)
#undef REFUSE
