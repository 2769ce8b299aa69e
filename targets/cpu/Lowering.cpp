//===- Lowering.cpp - from the buffer stage to the LLVM dialect -----------------------===//

#include "tegula/targets/cpu/Cpu.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tegula::cpu {

void addLoweringPasses(OpPassManager &pm) {
  pm.addPass(createExternalizeConstants());
  pm.addNestedPass<func::FuncOp>(createLowerCopies());
  // Before units become functions: the panels are in sight.
  pm.addNestedPass<func::FuncOp>(createPrefetchPanels());
  pm.addNestedPass<func::FuncOp>(createLowerDivisions());
  pm.addPass(createOutlineUnits());
  pm.addPass(createBindDynamicResults());
  OpPassManager &function = pm.nest<func::FuncOp>();
  // bf16 is a format to store: arithmetic is done in f32, and conversions are written out (few CPUs have them).
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16"};
  function.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  function.addPass(math::createMathExtendToSupportedTypes());
  // Before transfers of several axes are taken apart.
  function.addPass(createLowerMatrices());
  function.addPass(createLowerDots());
  function.addPass(createLowerVectors());
  function.addPass(createCanonicalizerPass());
  function.addPass(createCSEPass());
  function.addPass(createLoopInvariantCodeMotionPass());
  function.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  addLlvmConversions(pm);
  pm.addPass(createLowerRuntimeCalls());
}

} // namespace tegula::cpu
