//===- Lowering.cpp - from the buffer stage to the LLVM and NVVM dialects --------------===//

#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tegula::cuda {

void addLoweringPasses(OpPassManager &pm) {
  pm.addPass(createExternalizeConstants());
  pm.addPass(createLowerAttention());
  pm.addPass(createLowerContractions());
  pm.addNestedPass<func::FuncOp>(createLowerReductions());
  // Before copies become loops: outside of units they are units.
  pm.addNestedPass<func::FuncOp>(createOutlineSerialCode());
  pm.addNestedPass<func::FuncOp>(createLowerCopies());
  pm.addPass(createOutlineUnits());
  pm.addPass(createBindDynamicResults());
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(createLowerHostLoads());
  // bf16 is a format to store: arithmetic is done in f32.
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16"};
  function.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  function.addPass(math::createMathExtendToSupportedTypes());
  function.addPass(createLowerVectors());
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  function.addPass(createLoopInvariantCodeMotionPass());
  function.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  addLlvmConversions(pm);
  pm.addPass(createLowerLaunches());
}

} // namespace tegula::cuda
