//===- Passes.td - passes of the tile stage ---------------------------------===//
#ifndef TEGULA_COMPILER_TILE_PASSES_TD
#define TEGULA_COMPILER_TILE_PASSES_TD
include "mlir/Pass/PassBase.td"

def LowerToLinalg : Pass<"tegula-lower-to-linalg", "::mlir::func::FuncOp"> {
  let summary = "Lower nn ops to linalg on signless tensors";
  let description = "Each nn op lowers itself; see the file's head for the IR before and after.";
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::ub::UBDialect", "::mlir::bufferization::BufferizationDialect"];
}

def FuseElementwise : Pass<"tegula-fuse-elementwise", "::mlir::func::FuncOp"> {
  let summary = "Fuse chains of elementwise linalg ops into one";
  let description = [{
    Upstream's elementwise fusion under one rule: the producer has one user and is not evaluated more often than before,
    unless it is a handful of cheap ops.
  }];
  let statistics = [Statistic<"fused", "fused", "Number of producers fused into their user">];
}

def FuseRows : Pass<"tegula-fuse-rows", "::mlir::func::FuncOp"> {
  let summary = "Run ops on rows, and the products around them, band by band";
  let description = [{
    What lies between the two products of attention, within a softmax larger than the caches, or between a depthwise
    convolution and one of 1x1 that reads it, is made for a band of rows at a time. A band holds as many rows as fill a quarter of a
    second-level cache and divide their number. The loop carries `tgl.bands`.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
                           "::mlir::affine::AffineDialect"];
  let statistics = [Statistic<"fused", "fused", "Number of loops over bands">];
}

def FuseBands : Pass<"tegula-fuse-bands", "::mlir::func::FuncOp"> {
  let summary = "Move elementwise ops into the loops that compute their input band by band";
  let description = [{
    An elementwise op whose input a loop inserts slice by slice is computed slice by slice in that loop (upstream's consumer
    fusion), unless the slices are small.
  }];
  let statistics = [Statistic<"fused", "fused", "Number of ops moved into loops">];
}

def SimplifyUnits : Pass<"tegula-simplify-units", "::mlir::func::FuncOp"> {
  let summary = "Bring linalg ops into the form that plans speak of";
  let description = "Generics only; parallel loops first, in result order; contiguous elementwise loops collapsed.";
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def PackWeights : Pass<"tegula-pack-weights", "::mlir::func::FuncOp"> {
  let summary = "Store constant right operands of contractions in the panels that the plan's register tile reads";
  let description = [{
    A constant that a planned op reads with the vector loop as last index is rewritten at compile time to
    `[panels][other axes...][lanes * vectors]` and read through a `linalg.unpack`, which the tiling pass looks through.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"packed", "packed", "Number of constants packed">];
}

def TileUnits : Pass<"tegula-tile-units", "::mlir::func::FuncOp"> {
  let summary = "Turn every planned linalg op into an scf.forall of vector code";
  let description = [{
    One linalg.generic, with the elementwise op that follows it as epilogue, becomes a top-level `scf.forall` over the
    plan's blocks; inside, loops over register tiles with accumulators in vectors, masked at the tail. With `threads` in the plan,
    the ops stay as they are, in an `scf.forall` of one iteration, for the target to lower.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::bufferization::BufferizationDialect", "::mlir::gpu::GPUDialect", "::mlir::vector::VectorDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
                           "::tegula::tgl::TglDialect"];
  let statistics = [Statistic<"units", "units", "Number of units made">, Statistic<"epilogues", "epilogues", "Number of epilogues fused">];
}
#endif
