//===- PtxModule.h - a translated text ----------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_PTXMODULE_H
#define TEGULA_TOOLS_PTXSIM_PTXMODULE_H

#include "Emit.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

namespace ptxsim {

struct Kernel {
  KernelInfo info;
  Function expanded;
  Symbols symbols;
  Constants constants;
  uint32_t dynamicOffset = 0; ///< where dynamic shared memory begins
  uint32_t frameBytes = 0;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> code; ///< until it is compiled
  KernelCode entry = nullptr;
};

class PtxModule : public Module {
public:
  PtxModule(Memory &memory) : memory(memory) {}
  ~PtxModule() override;
  Status build(llvm::StringRef ptx, unsigned sm, std::string &log);
  const KernelInfo *kernel(llvm::StringRef name) const override;
  std::vector<std::string> kernelNames() const override;
  std::pair<uint64_t, uint64_t> global(llvm::StringRef name) const override;
  /// The kernel, compiled at its first call. Null if there is none or with `log` if it fails. Not thread-safe.
  const Kernel *compile(llvm::StringRef name, std::string &log) const;
  /// LLVM IR of a kernel that is not compiled yet.
  void print(llvm::raw_ostream &out) const;

private:
  bool placeVariables(std::string &log);
  bool writeVariable(const Variable &variable, std::string &log);
  bool buildKernel(const Function &function, std::string &log);
  bool placeKernelVariables(Kernel &kernel, std::string &log);
  Memory &memory;
  std::string source;
  Text text;
  Symbols globals;
  std::vector<uint64_t> allocations;
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
  mutable std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace ptxsim

#endif
