//===- Passes.td - passes of the buffer stage --------------------------------===//
#ifndef TEGULA_COMPILER_BUFFER_PASSES_TD
#define TEGULA_COMPILER_BUFFER_PASSES_TD
include "mlir/Pass/PassBase.td"

def BindResults : Pass<"tegula-bind-results", "::mlir::func::FuncOp"> {
  let summary = "Write results of static shape into memory that the caller passes";
  let description = [{
    A tensor result of static shape becomes a memref argument that the value is materialised in; `tgl.bound_outputs`
    lists which outputs are arguments. Results of dynamic shape stay results.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect"];
}

def SplitEmpties : Pass<"tegula-split-empties", "::mlir::func::FuncOp"> {
  let summary = "Give each unit an empty tensor of its own";
  let description = [{
    A `tensor.empty` in the function's body that several ops of the body use is copied for each of them. Shared, it would
    become one buffer that lives from the first to the last of them. What bands of a loop (`tgl.bands`) use moves into the
    loop.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"copies", "copies", "Number of empty tensors added">];
}

def PlaceParts : Pass<"tegula-place-parts", "::mlir::func::FuncOp"> {
  let summary = "Make what is copied into a part of a buffer there";
  let description = [{
    A buffer that ends in a `memref.copy` into a part of another one (a padding's inside, a place in a concatenation)
    becomes that part from its first write on, unless something else touches the part meanwhile. Later readers of the
    buffer read the part.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
  let statistics = [Statistic<"placed", "placed", "Number of copies saved">];
}

def SplitBands : Pass<"tegula-split-bands", "::mlir::func::FuncOp"> {
  let summary = "Let each thread make whole bands";
  let description = [{
    A loop over independent bands (`tgl.bands`) becomes a unit of strips of neighbouring bands, where these are enough for
    all threads. The units inside then run on one thread each.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"divided", "divided", "Number of loops divided">];
}

def PlaceRows : Pass<"tegula-place-rows", "::mlir::func::FuncOp"> {
  let summary = "Put the rows of a buffer on different sets of a cache";
  let description = [{
    Rows whose bytes are a multiple of 2048 get one cache line more between them.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
  let statistics = [Statistic<"spreadOut", "spread-out", "Number of buffers with a line more in each row">];
}

def PlanArena : Pass<"tegula-plan-arena", "::mlir::func::FuncOp"> {
  let summary = "Give every static buffer a place in one arena";
  let description = [{
    Buffers whose lives do not overlap share memory, and a unit's result takes the memory of an input that dies there
    where the unit carries `tgl.may_overwrite` and reads that input only where it then writes. The largest buffers are
    placed first, each at the lowest free offset (multiples of 64 bytes); where that is not the best, a search exchanges
    buffers in this order. The function gets the arena as its last argument; `tgl.workspace_bytes` is its size and
    `tgl.live_bytes` the peak of bytes alive, the bound that no plan can beat. Buffers of dynamic size stay
    `memref.alloc` and get a `memref.dealloc` after their last use.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"placed", "placed", "Number of buffers placed">,
                    Statistic<"shared", "shared", "Number of results written over an input">];
}
#endif
