//===- ApiLookup.cpp - errors' names, and functions by name -------------------===//

#include "Driver.h"

using namespace ptxsim;

namespace {
struct ErrorText {
  int number;
  const char *name, *text;
};
} // namespace

static constexpr ErrorText errors[] = {
#define CUDA_CODE(NAME, NUMBER, TEXT) {NUMBER, #NAME, TEXT},
#include "Errors.def"
};

static const ErrorText *findError(int number) {
  for (const ErrorText &error : errors)
    if (error.number == number)
      return &error;
  return nullptr;
}

CUDA_API CUresult cuGetErrorName(CUresult number, const char **name) {
  const ErrorText *error = findError(number);
  if (!name)
    return CUDA_ERROR_INVALID_VALUE;
  *name = error ? error->name : nullptr;
  return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuGetErrorString(CUresult number, const char **text) {
  const ErrorText *error = findError(number);
  if (!text)
    return CUDA_ERROR_INVALID_VALUE;
  *text = error ? error->text : nullptr;
  return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuGetProcAddress(const char *name, void **entry, int version, uint64_t flags) {
  return name && entry && flags <= 2 ? findFunction(name, entry, version, flags, nullptr) : CUDA_ERROR_INVALID_VALUE;
}

/// Does not fail if `answer` tells that there is no such function, as CUDA's does since 12.0.
CUDA_API CUresult cuGetProcAddress_v2(const char *name, void **entry, int version, uint64_t flags, int *answer) {
  if (!name || !entry || flags > 2)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult status = findFunction(name, entry, version, flags, answer);
  return answer ? CUDA_SUCCESS : status;
}

CUDA_API CUresult cuGetProcAddress_v2_ptsz(const char *name, void **entry, int version, uint64_t flags, int *answer) {
  return cuGetProcAddress_v2(name, entry, version, flags & 1 ? flags : 2, answer);
}

/// The tables behind it are private to NVIDIA's own libraries.
CUDA_API CUresult cuGetExportTable(const void **table, const CUuuid *) {
  if (table)
    *table = nullptr;
  return CUDA_ERROR_NOT_FOUND;
}
