//===- FunctionTable.cpp - functions by name ----------------------------------===//
//
// Apart from where they are defined, since their types are of no use here.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"

using namespace ptxsim;

namespace {
struct FunctionRow {
  const char *name; ///< as a program asks for it
  int since;        ///< the version of CUDA that brought this form
  void *entry;      ///< the form
  void *perThread;  ///< with the thread's own default stream; the same where there is no stream
};
} // namespace

// Declared without types: only their addresses are wanted.
#define FUNCTION(NAME, SINCE, ENTRY, PER_THREAD)                                                                       \
  extern "C" void ENTRY();                                                                                             \
  extern "C" void PER_THREAD();
#include "Functions.def"

static const FunctionRow functions[] = {
#define FUNCTION(NAME, SINCE, ENTRY, PER_THREAD)                                                                       \
  {#NAME, SINCE, reinterpret_cast<void *>(&ENTRY), reinterpret_cast<void *>(&PER_THREAD)},
#include "Functions.def"
};

/// The newest form that the caller's version of CUDA knows.
CUresult ptxsim::findFunction(llvm::StringRef name, void **entry, int version, uint64_t flags, int *answer) {
  const FunctionRow *best = nullptr;
  bool isKnown = false;
  for (const FunctionRow &row : functions) {
    if (name != row.name)
      continue;
    isKnown = true;
    if (row.since <= version && (!best || row.since > best->since))
      best = &row;
  }
  *entry = !best ? nullptr : flags & 2 ? best->perThread : best->entry;
  if (answer)
    *answer = best ? 0 : isKnown ? 2 : 1;
  return best ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
