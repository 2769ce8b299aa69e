//===- RuntimeImage.cpp - the C runtime that artifacts carry -------------------------------------===//

#include "tegula/targets/cpu/Descriptor.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Support/MemoryBuffer.h"

extern "C" const char tegulaRuntime_x86_64[], tegulaRuntimeEnd_x86_64[];
extern "C" const char tegulaRuntime_aarch64[], tegulaRuntimeEnd_aarch64[];
extern "C" const char tegulaRuntime_riscv64[], tegulaRuntimeEnd_riscv64[];

namespace tegula::cpu {

std::unique_ptr<llvm::Module> loadRuntime(llvm::LLVMContext &context, const llvm::Triple &triple, std::string &why) {
  llvm::StringRef image;
  if (triple.getArch() == llvm::Triple::x86_64)
    image = llvm::StringRef(tegulaRuntime_x86_64, tegulaRuntimeEnd_x86_64 - tegulaRuntime_x86_64);
  else if (triple.getArch() == llvm::Triple::aarch64)
    image = llvm::StringRef(tegulaRuntime_aarch64, tegulaRuntimeEnd_aarch64 - tegulaRuntime_aarch64);
  else if (triple.isRISCV64())
    image = llvm::StringRef(tegulaRuntime_riscv64, tegulaRuntimeEnd_riscv64 - tegulaRuntime_riscv64);
  if (image.empty()) {
    why = "no runtime for " + triple.str() + " is built in";
    return nullptr;
  }
  llvm::Expected<std::unique_ptr<llvm::Module>> module =
      llvm::parseBitcodeFile(llvm::MemoryBufferRef(image, "runtime"), context);
  if (!module) {
    why = "runtime: " + llvm::toString(module.takeError());
    return nullptr;
  }
  for (llvm::Function &function : **module) {
    function.removeFnAttr("target-cpu");
    function.removeFnAttr("target-features");
    function.removeFnAttr("tune-cpu");
  }
  return std::move(*module);
}

} // namespace tegula::cpu
