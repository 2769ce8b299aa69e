//===- Passes.td - passes of the CUDA target ---------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_PASSES_TD
#define TEGULA_TARGETS_CUDA_PASSES_TD
include "mlir/Pass/PassBase.td"

def OutlineSerialCode : Pass<"tegula-outline-serial-code", "::mlir::func::FuncOp"> {
  let summary = "Make units of what the host cannot do: it has no access to the device's memory";
  let description = [{
    Outside of units, stores and loops that write become `scf.forall` of one iteration, and copies between strided buffers
    one of an iteration an element. Loads stay: the host decides by them.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"launched", "launched", "Number of units made">];
}

def FuseTransposes : Pass<"tegula-fuse-transposes", "::mlir::func::FuncOp"> {
  let summary = "Have products read and write transposed tensors where they lie";
  let description = [{
    A factor that is a transposition of a tensor is read from that one; sums that the next op reads in another order of axes
    are in that order.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"fused", "fused", "Number of transpositions">];
}

def FuseAttention : Pass<"tegula-fuse-attention", "::mlir::func::FuncOp"> {
  let summary = "Make an attention one unit";
  let description = [{
    Two products with a softmax of rows between them, and whatever is done with each score before it, become one `scf.forall`
    with `threads` in its plan: scores are never stored. Not where a row is wider than 128 elements, or where there are few
    rows.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::bufferization::BufferizationDialect", "::mlir::tensor::TensorDialect", "::mlir::gpu::GPUDialect"];
  let statistics = [Statistic<"fused", "fused", "Number of attentions">];
}

def LowerAttention : Pass<"tegula-lower-attention", "::mlir::ModuleOp"> {
  let summary = "Share the work of attentions among the threads of a block";
  let description = [{
    A unit of FuseAttention becomes an `scf.forall` over blocks of queries, which walk through the keys with the greatest score
    and the sum of each row so far.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect", "::mlir::affine::AffineDialect", "::mlir::vector::VectorDialect", "::mlir::NVVM::NVVMDialect", "::mlir::LLVM::LLVMDialect"];
  let statistics = [Statistic<"lowered", "lowered", "Number of attentions">];
}

def SplitDepth : Pass<"tegula-split-depth", "::mlir::func::FuncOp"> {
  let summary = "Share the depth of products with few sums among blocks";
  let description = [{
    A product that would have too few blocks of threads becomes one of parts of the depth, whose sums are added up by a unit of
    their own, with the epilogue (split-K).
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"parts", "split", "Number of products">];
}

def TransposeWeights : Pass<"tegula-transpose-weights", "::mlir::func::FuncOp"> {
  let summary = "Lay constant right sides of products along the depth";
  let description = [{
    Matrix instructions take neighbours along the depth together, and only elements of 16 bits can be turned on their way
    through shared memory (`ldmatrix.trans`): of 8-bit integers and tf32, a constant whose last axis are the columns gets
    these as its first axis.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"transposed", "transposed", "Number of constants">];
}

def LowerContractions : Pass<"tegula-lower-contractions", "::mlir::ModuleOp"> {
  let summary = "Share the work of products among the threads of a block";
  let description = [{
    The linalg ops of a unit with `threads` in its plan become an `scf.forall` over blocks, an iteration of which is done by
    so many threads together (`tgl.threads`): tiles of both sides go through shared memory, sums are in registers.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect", "::mlir::affine::AffineDialect", "::mlir::vector::VectorDialect", "::mlir::NVVM::NVVMDialect"];
  let statistics = [Statistic<"lowered", "lowered", "Number of products">];
}

def LowerReductions : Pass<"tegula-lower-reductions", "::mlir::func::FuncOp"> {
  let summary = "Share the work of reductions among the threads of a warp";
  let description = [{
    Where neighbours in memory are summed up (or compared), a unit with `threads` in its plan becomes an `scf.forall` over blocks
    whose warps have an element of the result each: its lanes take every 32nd element and then combine by shuffles.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect", "::mlir::affine::AffineDialect", "::mlir::NVVM::NVVMDialect", "::mlir::LLVM::LLVMDialect"];
  let statistics = [Statistic<"lowered", "lowered", "Number of reductions">];
}

def LowerHostLoads : Pass<"tegula-lower-host-loads", "::mlir::func::FuncOp"> {
  let summary = "Read single elements of the device's memory through the runtime";
  let description = "A `memref.load` of the entry function becomes a call of `tegula_cuda_load`.";
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"];
}

def LowerLaunches : Pass<"tegula-lower-launches", "::mlir::ModuleOp"> {
  let summary = "Launch units as kernels, through the runtime";
  let description = [{
    On the LLVM dialect: a call of a unit becomes one of `tegula_cuda_launch` with the number of a kernel, whose threads call the
    unit for an iteration each. Addresses of constants, copies and allocations become the device's.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}
#endif
