//===- Pipeline.cpp - THE place: the whole lowering, top to bottom ---------------------===//
//
// One function per stage. Each ordering constraint stands with its reason.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/Passes.h"
#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/compiler/tile/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tegula {

/// Canonicalisation without what the next passes cannot use: a unit of one iteration stays a unit (one function, shared
/// and profiled), a branch that only chooses tensors stays a branch.
static std::unique_ptr<Pass> canonicalize() {
  return createCanonicalizerPass(GreedyRewriteConfig(),
                                 {"(anonymous namespace)::ForallOpSingleOrZeroIterationDimsFolder",
                                  "{anonymous}::ForallOpSingleOrZeroIterationDimsFolder",
                                  "(anonymous namespace)::ConvertTrivialIfToSelect",
                                  "{anonymous}::ConvertTrivialIfToSelect"});
}

/// nn -> nn: fewer and better ops.
static void graphStage(const CompileOptions &options, OpPassManager &pm) {
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(canonicalize());
  function.addPass(createCSEPass());
  if (options.optLevel == 0) {
    if (options.precision != "f32") {
      function.addPass(createLowerPrecision({options.precision}));
      pm.addPass(createFoldConstants());
    }
    return;
  }
  // After CSE: equal shapes are one value. Before the layouts: a broadcast would keep transposes apart.
  function.addPass(createFoldExpands());
  function.addPass(canonicalize());
  // Before scales move into weights: those of quantized ones are integers.
  function.addPass(createFoldDequantize());
  function.addPass(canonicalize());
  // Of what is still computed with real numbers. FoldConstants evaluates the tables.
  function.addPass(createFoldTables());
  function.addPass(canonicalize());
  // Scales move into weights as ops on constants; FoldConstants then evaluates them.
  function.addPass(createFoldScales());
  function.addPass(canonicalize());
  // Layouts before constant folding: the weights' transposes are folded with everything else.
  function.addPass(createChooseLayouts());
  function.addPass(canonicalize());
  function.addPass(createCSEPass());
  // Of channels-last convolutions, and of their weights as they will be stored.
  function.addPass(createLowerPrecision({options.precision}));
  // Of channels-last convolutions. Its rounding errors are larger, if small: for those who ask for speed.
  if (options.optLevel >= 3)
    function.addPass(createChooseWinograd());
  pm.addPass(createFoldConstants());
  pm.nest<func::FuncOp>().addPass(canonicalize());
}

/// nn -> linalg -> scf.forall of vector code, as the target's plans say.
static void tileStage(const Target &target, OpPassManager &pm) {
  OpPassManager &before = pm.nest<func::FuncOp>();
  before.addPass(createLowerToLinalg());
  before.addPass(canonicalize());
  before.addPass(createCSEPass());
  before.addPass(createFuseElementwise());
  // Of chains that are one op, before loops are put in order and plans are made.
  target.addPasses(Stage::Tile, pm);
  OpPassManager &function = pm.nest<func::FuncOp>();
  // Chains are one op now, so that all of a chain moves. Two users of one op get a copy each, which CSE makes one.
  function.addPass(createFuseRows());
  function.addPass(affine::createAffineExpandIndexOpsPass());
  function.addPass(createLowerAffinePass());
  function.addPass(canonicalize());
  function.addPass(createCSEPass());
  function.addPass(createFuseBands());
  // Units are what plans speak of: one form for all of them.
  function.addPass(createSimplifyUnits());
  function.addPass(canonicalize());
  function.addPass(createCSEPass());
  function.addPass(createPlanUnits());
  // After the plans: panels are as wide as the register tile.
  function.addPass(createPackWeights());
  function.addPass(createTileUnits());
  function.addPass(canonicalize());
  function.addPass(createCSEPass());
}

/// Tensors -> memrefs in one arena.
static void bufferStage(const Target &target, OpPassManager &pm) {
  pm.nest<func::FuncOp>().addPass(createBindResults());
  // No CSE from here to the buffers: it would make one empty tensor of equal ones again.
  pm.nest<func::FuncOp>().addPass(createSplitEmpties());
  // A producer writes straight into the slice, padding or result that it ends up in.
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(canonicalize());
  function.addPass(createCSEPass());
  // On buffers, with every access in sight, more copies can go than on tensors.
  function.addPass(createPlaceParts());
  // Before the arena: each strip of bands needs scratch memory of its own.
  function.addPass(createSplitBands());
  function.addPass(createPlaceRows());
  function.addPass(createPlanArena());
  target.addPasses(Stage::Buffer, pm);
}

void addStage(Stage stage, const Target &target, const CompileOptions &options, OpPassManager &pm) {
  switch (stage) {
  case Stage::Import:
    pm.nest<func::FuncOp>().addPass(canonicalize());
    break;
  case Stage::Graph:
    graphStage(options, pm);
    break;
  case Stage::Tile:
    tileStage(target, pm);
    break;
  case Stage::Buffer:
    bufferStage(target, pm);
    break;
  case Stage::Emit:
    target.addPasses(Stage::Emit, pm);
    break;
  }
  pm.addPass(createVerifyStage(stage));
}

} // namespace tegula
