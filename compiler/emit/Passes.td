//===- Passes.td - passes of the emit stage that targets share -------------------===//
#ifndef TEGULA_COMPILER_EMIT_PASSES_TD
#define TEGULA_COMPILER_EMIT_PASSES_TD
include "mlir/Pass/PassBase.td"

def OutlineUnits : Pass<"tegula-outline-units", "::mlir::ModuleOp"> {
  let summary = "Make each scf.forall a function over a range of its iterations";
  let description = [{
    `scf.forall` becomes `func.call @unit(0, count, captured values...) {tgl.unit = n}`; the function runs iterations
    [begin, end). Equal functions are emitted once; those that differ in numbers only, too, with these as arguments. The entry function gets the run's handle as its last argument.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
  let statistics = [Statistic<"outlined", "outlined", "Number of units">, Statistic<"shared", "shared", "Number of units that share another's code">];
}

def BindDynamicResults : Pass<"tegula-bind-dynamic-results", "::mlir::ModuleOp"> {
  let summary = "Hand results of dynamic shape to the runtime";
  let description = "A returned memref is copied to memory that `tegula_rt_output` names; the entry returns a status.";
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect"];
}

def ExternalizeConstants : Pass<"tegula-externalize-constants", "::mlir::ModuleOp"> {
  let summary = "Keep constants out of the code";
  let description = "Every memref.global with a value becomes a declaration; the values stay in `tgl.constants` for the emitter.";
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def LowerCopies : Pass<"tegula-lower-copies", "::mlir::func::FuncOp"> {
  let summary = "Turn copies between strided buffers into loops";
  let description = "Copies between contiguous buffers stay (they become memcpy).";
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def LowerChecks : Pass<"tegula-lower-checks", "::mlir::ModuleOp"> {
  let summary = "End the run where a check fails";
  let description = [{
    A `cf.assert` of the entry function becomes a branch that reports its text, with the node's name, through
    `tegula_rt_error` and returns.
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect"];
}

def LowerArith : Pass<"tegula-lower-arith", "::mlir::func::FuncOp"> {
  let summary = "Write out arithmetic that LLVM has no instruction for";
  let description = [{
    Ceiling and floor divisions and, on CPUs that do not multiply bf16, conversions from and to it (in integer arithmetic).
    Masked loads and stores of bf16 become such of integers. Rounding to an
    integer becomes x86's one instruction for it; a rounded number that becomes an integer and a real number again stays one.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::vector::VectorDialect"];
}

def LowerVectors : Pass<"tegula-lower-vectors", "::mlir::func::FuncOp"> {
  let summary = "Lower transfers and approximate math functions by polynomials";
  let description = "Masked transfers become masked loads and stores; f32 exp, log, tanh, erf, sin, ... become polynomials.";
  let dependentDialects = ["::mlir::vector::VectorDialect", "::mlir::math::MathDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def LowerRuntimeCalls : Pass<"tegula-lower-runtime-calls", "::mlir::ModuleOp"> {
  let summary = "Call units and allocate through the runtime";
  let description = [{
    On the LLVM dialect: a call of a unit stores its arguments in a record and calls `tegula_rt_parallel` with a thunk that loads them;
    allocation calls become `tegula_rt_alloc` and `tegula_rt_free`.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}
#endif
