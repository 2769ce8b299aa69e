//===- Cuda.h - parts of the CUDA target ------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_CUDA_H
#define TEGULA_TARGETS_CUDA_CUDA_H

#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include <optional>
#include <string>
#include <vector>

namespace tegula::cuda {

/// Threads of a block whose threads work for themselves.
constexpr int64_t kThreads = 256;

/// A compute capability, times ten: 75 is sm_75.
using Chip = unsigned;

/// The chips of `sm_75,sm_80`, in ascending order; nothing with a message in `why` for unknown words.
std::optional<std::vector<Chip>> parseChips(llvm::StringRef text, std::string &why);

/// The chips of a target attribute.
std::vector<Chip> chipsOf(tgl::TargetAttr target);

/// The oldest PTX version that knows the chip and its matrix instructions, times ten: old drivers read it.
unsigned ptxVersionOf(Chip chip);

/// The plans that a unit can have, the one to take first.
llvm::SmallVector<tgl::PlanAttr> plansOf(mlir::linalg::GenericOp root, tgl::TargetAttr target);

/// Into how many parts the depth of a product is best split, of those `possible` (1: it stays whole).
int64_t waysToSplit(mlir::linalg::GenericOp root, tgl::TargetAttr target, llvm::ArrayRef<int64_t> possible);

/// Lowers a module of the buffer stage to the LLVM and NVVM dialects.
void addLoweringPasses(mlir::OpPassManager &pm);

/// Has the context know how kernels become LLVM IR; before emitPtx, which may then run in several threads.
void registerTranslations(mlir::MLIRContext &context);

/// The kernels of a lowered module as PTX for `chip`; empty with a message in `why` on failure.
std::string emitPtx(mlir::ModuleOp module, Chip chip, int optLevel, std::string &why);

/// Assembles PTX with ptxas. Empty if it fails, with its words in `why`.
std::string assemble(llvm::StringRef ptxas, llvm::StringRef ptx, Chip chip, std::string &why);

/// One entry of a fat binary: PTX text or an ELF cubin.
struct FatEntry {
  bool isPtx;
  Chip chip;
  std::string bytes;
};

/// A fat binary as NVIDIA's driver reads it. All entries are compressed (zstd) with `areCompressed`, otherwise those
/// for GPUs that only drivers know which read that.
std::string makeFatBinary(llvm::ArrayRef<FatEntry> entries, bool areCompressed);

} // namespace tegula::cuda

#endif
