//===- Emit.cpp - the artifact of the CUDA target ------------------------------------------===//

#include "tegula/targets/cuda/Emit.h"
#include "tegula/compiler/emit/Artifact.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/emit/Tools.h"
#include "tegula/targets/cuda/Passes.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"

using namespace mlir;

namespace tegula::cuda {

/// The assembler: what $TEGULA_PTXAS names, beside this program, or in $PATH.
static std::optional<std::string> findAssembler() {
  if (std::optional<std::string> named = llvm::sys::Process::GetEnv("TEGULA_PTXAS"))
    return named->empty() ? std::nullopt : named;
  return findTool("ptxas");
}

std::string assemble(StringRef ptxas, StringRef ptx, Chip chip, std::string &why) {
  SmallString<128> folder;
  if (llvm::sys::fs::createUniqueDirectory("tegula-ptxas", folder)) {
    why = "cannot make a temporary folder for ptxas";
    return "";
  }
  std::string source = (folder + "/kernels.ptx").str(), cubin = (folder + "/kernels.cubin").str(),
              errors = (folder + "/errors").str();
  bool isWritten = writeFile(source, why, [&](llvm::raw_pwrite_stream &stream) { stream << ptx; });
  int code = isWritten ? runTool({ptxas.str(), "-O3", "-arch=sm_" + std::to_string(chip), source, "-o", cubin},
                                 std::nullopt, errors, why)
                       : -1;
  std::string bytes = code == 0 ? textOf(cubin) : "";
  if (bytes.empty())
    why = "ptxas failed for sm_" + std::to_string(chip) + ": " + textOf(errors) + why;
  (void)llvm::sys::fs::remove_directories(folder);
  return bytes;
}

/// PTX for each chip, which every later one runs too, and machine code where there is an assembler that knows the chip.
static int buildImages(ModuleOp module, const CompileOptions &options, std::vector<FatEntry> &entries,
                       std::string &why) {
  std::vector<Chip> chips = chipsOf(tgl::targetOf(module));
  std::optional<std::string> ptxas = findAssembler();
  for (Chip chip : chips) {
    std::string ptx = emitPtx(module, chip, options.optLevel, why);
    if (ptx.empty())
      return 1;
    if (ptxas) {
      std::string cubin = assemble(*ptxas, ptx, chip, why);
      bool isTooNew = StringRef(why).contains("is not defined for option 'gpu-name'");
      if (cubin.empty() && !isTooNew)
        return 6;
      if (isTooNew)
        emitWarning(module.getLoc())
            << "'" << *ptxas << "' does not know sm_" << chip
            << ": the artifact has PTX alone for it, which the driver translates when it loads";
      else
        entries.push_back({false, chip, std::move(cubin)});
      why.clear();
    }
    entries.push_back({true, chip, std::move(ptx)});
    if (options.onProgress)
      options.onProgress({0, 0, "", "sm_" + std::to_string(chip), false});
  }
  return 0;
}

static int writeImage(ModuleOp module, StringRef kind, const CompileOptions &options, std::string &why) {
  std::vector<Chip> chips = chipsOf(tgl::targetOf(module));
  if (kind != "fatbin" && chips.size() != 1) {
    why = "one file of " + kind.str() + " is for one GPU, but --device names " + std::to_string(chips.size()) +
          "; name one, or write a .fatbin";
    return 2;
  }
  std::string bytes;
  if (kind == "fatbin") {
    std::vector<FatEntry> entries;
    if (int code = buildImages(module, options, entries, why))
      return code;
    bytes = makeFatBinary(entries);
  } else {
    bytes = emitPtx(module, chips.front(), options.optLevel, why);
    if (bytes.empty())
      return 1;
  }
  if (kind == "cubin") {
    std::optional<std::string> ptxas = findAssembler();
    if (!ptxas) {
      why = "a cubin needs NVIDIA's assembler, and there is no ptxas beside tegulac or in $PATH; $TEGULA_PTXAS can "
            "name one, and .ptx can be had without";
      return 6;
    }
    bytes = assemble(*ptxas, bytes, chips.front(), why);
    if (bytes.empty())
      return 6;
  }
  return writeFile(options.output, why, [&](llvm::raw_pwrite_stream &stream) { stream << bytes; }) ? 0 : 3;
}

/// Whether every run is the same launches with the same numbers: extents are known, no element is read by the host and
/// no memory allocated.
static bool isReplayable(ModuleOp module) {
  auto types = entryOf(module)->getAttrOfType<ArrayAttr>(tgl::kInputTypes);
  for (auto type : types.getAsValueRange<TypeAttr>())
    if (!cast<RankedTensorType>(type).hasStaticShape())
      return false;
  for (StringRef name : {"tegula_cuda_load", "tegula_cuda_alloc", "tegula_rt_output", "tegula_rt_error"})
    if (module.lookupSymbol(name))
      return false;
  return true;
}

int emit(ModuleOp module, const CompileOptions &options, std::string &why) {
  std::string kind = kindOf(options);
  if (kind == "ptx" || kind == "cubin" || kind == "fatbin")
    return writeImage(module, kind, options, why);
  DeviceImage image;
  image.runtime = "cuda";
  image.flags = 1u | (isReplayable(module) ? 2u : 0u); // TEGULA_ON_DEVICE, TEGULA_REPLAYABLE
  bool hasCode = llvm::is_contained({"shared", "obj", "lib"}, kind);
  if (hasCode) {
    std::vector<FatEntry> entries;
    if (int code = buildImages(module, options, entries, why))
      return code;
    image.bytes = makeFatBinary(entries);
  }
  if (auto kernels = module->getAttrOfType<ArrayAttr>(kKernels))
    for (auto kernel : kernels.getAsRange<DictionaryAttr>()) {
      auto number = [&](StringRef key) { return static_cast<int32_t>(kernel.getAs<IntegerAttr>(key).getInt()); };
      image.kernels.push_back(
          {kernel.getAs<StringAttr>("name").getValue().str(), number("threads"), number("iterations"), 0});
    }
  // The rest is the host's.
  for (auto function : llvm::make_early_inc_range(module.getOps<LLVM::LLVMFuncOp>()))
    if (function->hasAttr(kKernel) || function.getName() == kChip)
      function.erase();
  return emitArtifact(module, options, &image, why);
}

} // namespace tegula::cuda
