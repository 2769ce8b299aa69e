//===- RuntimeImage.cpp - the C runtime that artifacts carry -------------------------------------===//

#include "tegula/compiler/emit/Descriptor.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"

#define TEGULA_IMAGE(name) extern "C" const char tegulaRuntime_##name[], tegulaRuntimeEnd_##name[];
TEGULA_IMAGE(x86_64)
TEGULA_IMAGE(aarch64)
TEGULA_IMAGE(riscv64)
TEGULA_IMAGE(cuda_x86_64)
TEGULA_IMAGE(cuda_aarch64)
TEGULA_IMAGE(cuda_riscv64)
#undef TEGULA_IMAGE

namespace tegula {

static llvm::StringRef imageOf(llvm::StringRef name) {
#define TEGULA_IMAGE(image)                                                                                            \
  if (name == #image)                                                                                                  \
    return llvm::StringRef(tegulaRuntime_##image, tegulaRuntimeEnd_##image - tegulaRuntime_##image);
  TEGULA_IMAGE(x86_64)
  TEGULA_IMAGE(aarch64)
  TEGULA_IMAGE(riscv64)
  TEGULA_IMAGE(cuda_x86_64)
  TEGULA_IMAGE(cuda_aarch64)
  TEGULA_IMAGE(cuda_riscv64)
#undef TEGULA_IMAGE
  return {};
}

static std::unique_ptr<llvm::Module> load(llvm::LLVMContext &context, llvm::StringRef name, const llvm::Triple &triple,
                                          std::string &why) {
  llvm::StringRef image = imageOf(name);
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

std::unique_ptr<llvm::Module> loadRuntime(llvm::LLVMContext &context, const llvm::Triple &triple,
                                          llvm::StringRef device, std::string &why) {
  std::string machine = llvm::Triple::getArchTypeName(triple.getArch()).str();
  std::unique_ptr<llvm::Module> core = load(context, machine, triple, why);
  if (!core || device.empty())
    return core;
  std::unique_ptr<llvm::Module> part = load(context, device.str() + "_" + machine, triple, why);
  if (!part || llvm::Linker::linkModules(*core, std::move(part)))
    return nullptr;
  return core;
}

} // namespace tegula
