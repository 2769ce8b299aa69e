//===- Passes.h - passes of the CPU target ---------------------------------------===//
#ifndef TEGULA_TARGETS_CPU_PASSES_H
#define TEGULA_TARGETS_CPU_PASSES_H
#include "tegula/compiler/emit/Passes.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/targets/cpu/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/targets/cpu/Passes.h.inc"
} // namespace tegula
#endif
