//===- Emit.cpp - the artifact of the CUDA target ------------------------------------------===//

#include "tegula/targets/cuda/Emit.h"
#include "tegula/compiler/emit/Artifact.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/emit/Tools.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/IR/Threading.h"
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

namespace {
/// What is made for one chip.
struct Image {
  std::string ptx, cubin, why;
  int code = 0;
  bool isTooNew = false; ///< for ptxas
};
} // namespace

static void buildImage(ModuleOp module, Chip chip, int optLevel, const std::optional<std::string> &ptxas,
                       Image &image) {
  image.ptx = emitPtx(module, chip, optLevel, image.why);
  image.code = image.ptx.empty() ? 1 : 0;
  if (image.code || !ptxas)
    return;
  image.cubin = assemble(*ptxas, image.ptx, chip, image.why);
  image.isTooNew = StringRef(image.why).contains("is not defined for option 'gpu-name'");
  image.code = image.cubin.empty() && !image.isTooNew ? 6 : 0;
}

/// PTX for each chip, which every later one runs too, and machine code where there is an assembler that knows the chip.
static int buildImages(ModuleOp module, const CompileOptions &options, std::vector<FatEntry> &entries,
                       std::string &why) {
  std::vector<Chip> chips = chipsOf(tgl::targetOf(module));
  std::optional<std::string> ptxas = findAssembler();
  std::vector<Image> images(chips.size());
  registerTranslations(*module.getContext());
  parallelFor(module.getContext(), 0, chips.size(),
              [&](size_t i) { buildImage(module, chips[i], options.optLevel, ptxas, images[i]); });
  for (auto [chip, image] : llvm::zip(chips, images)) {
    if (image.code) {
      why = image.why;
      return image.code;
    }
    if (image.isTooNew)
      emitWarning(module.getLoc()) << "'" << *ptxas << "' does not know sm_" << chip
                                   << ": the artifact has PTX alone for it, which the driver translates when it loads";
    else if (ptxas)
      entries.push_back({false, chip, std::move(image.cubin)});
    entries.push_back({true, chip, std::move(image.ptx)});
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
    bytes = makeFatBinary(entries, options.compress);
  } else {
    registerTranslations(*module.getContext());
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
    image.bytes = makeFatBinary(entries, options.compress);
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
