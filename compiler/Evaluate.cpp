//===- Evaluate.cpp - running a part of a model inside the compiler ------------------------===//

#include "tegula/compiler/Evaluate.h"
#include "tegula/compiler/Pipeline.h"
#include "tegula/runtime/tegula.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <dlfcn.h>

using namespace mlir;

namespace tegula {

static int64_t bytesOf(RankedTensorType type) {
  return type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
}

static RankedTensorType typeAt(ArrayAttr types, size_t index) {
  return cast<RankedTensorType>(cast<TypeAttr>(types[index]).getValue());
}

static tegula_tensor tensorOf(const tegula_tensor_info &info, RankedTensorType type, void *data) {
  tegula_tensor tensor = {};
  tensor.data = data;
  tensor.bytes = bytesOf(type);
  tensor.rank = info.rank;
  tensor.dtype = info.dtype;
  llvm::copy(type.getShape(), tensor.shape);
  return tensor;
}

/// Runs the loaded artifact.
static FailureOr<SmallVector<AsmResourceBlob>> run(const tegula_model *model, ArrayAttr inputTypes,
                                                   ArrayAttr outputTypes, ArrayRef<DenseResourceElementsAttr> inputs) {
  std::vector<tegula_tensor> in, out;
  for (auto [index, input] : llvm::enumerate(inputs))
    in.push_back(tensorOf(model->inputs[index], typeAt(inputTypes, index),
                          const_cast<char *>(input.getRawHandle().getBlob()->getData().data())));
  SmallVector<AsmResourceBlob> blobs;
  for (size_t index = 0; index < outputTypes.size(); ++index) {
    RankedTensorType type = typeAt(outputTypes, index);
    blobs.push_back(HeapAsmResourceBlob::allocate(bytesOf(type), 64, /*dataIsMutable=*/true));
    out.push_back(tensorOf(model->outputs[index], type, blobs.back().getMutableData().data()));
  }
  tegula_options options = {};
  options.abi_version = TEGULA_ABI_VERSION;
  tegula_instance *instance = nullptr;
  if (model->create(model, &options, &instance) != TEGULA_OK)
    return failure();
  tegula_status status = model->run(instance, in.data(), out.data());
  model->destroy(instance);
  if (status != TEGULA_OK)
    return failure();
  return blobs;
}

/// The default CPU where this machine has it, so that all such machines compute the same bits.
static std::string cpuForConstants() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  bool hasDefault =
      !llvm::Triple(llvm::sys::getProcessTriple()).isX86() || (features.lookup("avx2") && features.lookup("fma"));
  return hasDefault ? "" : "native";
}

FailureOr<SmallVector<AsmResourceBlob>> evaluateConstants(ModuleOp module, ArrayRef<DenseResourceElementsAttr> inputs) {
  CompileOptions options;
  options.cpu = cpuForConstants();
  options.threads = 1;
  options.optLevel = 0; // runs once: compiling it takes longer than running it, whatever the weights
  options.name = "constants";
  options.keepWeights = true;
  llvm::SmallString<128> path;
  int descriptor;
  if (llvm::sys::fs::createTemporaryFile("tegula-constants", "so", descriptor, path))
    return failure();
  llvm::sys::Process::SafelyCloseFileDescriptor(descriptor);
  options.output = path.str().str();
  std::vector<std::unique_ptr<Target>> targets = createTargets();
  const Target *target = nullptr;
  for (const std::unique_ptr<Target> &candidate : targets)
    if (candidate->accepts(options.device))
      target = candidate.get();
  std::string why;
  if (!target)
    return failure();
  FailureOr<tgl::TargetAttr> attr = target->parse(options, module.getContext(), why);
  if (failed(attr))
    return failure();
  module->setAttr(tgl::kTarget, *attr);
  Operation *entry = &module.getBody()->front();
  auto inputTypes = entry->getAttrOfType<ArrayAttr>(tgl::kInputTypes);
  auto outputTypes = entry->getAttrOfType<ArrayAttr>(tgl::kOutputTypes);
  FailureOr<SmallVector<AsmResourceBlob>> result = failure();
  PassManager pm(module.getContext());
  for (Stage stage : {Stage::Tile, Stage::Buffer, Stage::Emit})
    addStage(stage, *target, options, pm);
  if (succeeded(pm.run(module)) && target->emit(module, options, why) == kOk) {
    if (void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      auto model = (const tegula_model *(*)(void))dlsym(library, "constants_model");
      if (model)
        result = run(model(), inputTypes, outputTypes, inputs);
      dlclose(library);
    }
  }
  (void)llvm::sys::fs::remove(path);
  return result;
}

} // namespace tegula
