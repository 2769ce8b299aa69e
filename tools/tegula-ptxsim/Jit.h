//===- Jit.h - LLVM IR to code of the host ------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_JIT_H
#define TEGULA_TOOLS_PTXSIM_JIT_H

#include "llvm/ExecutionEngine/Orc/LLJIT.h"

namespace ptxsim {

/// Null with a sentence in `log` on failure.
std::unique_ptr<llvm::orc::LLJIT> makeJit(std::string &log);

/// Optimises and compiles a module. Returns the address of `symbol`, null with a sentence in `log` on failure.
void *addToJit(llvm::orc::LLJIT &jit, std::unique_ptr<llvm::Module> module, std::unique_ptr<llvm::LLVMContext> context,
               const std::string &symbol, std::string &log);

} // namespace ptxsim

#endif
