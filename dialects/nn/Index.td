//===- Index.td - ops that read or write at computed places ----------------===//
#ifndef TEGULA_DIALECTS_NN_INDEX_TD
#define TEGULA_DIALECTS_NN_INDEX_TD
include "tegula/dialects/nn/Nn.td"

def Nn_GatherOp : Nn_InferredOp<"gather"> {
  let summary = "Picks slices along an axis";
  let description = [{
    `y[a..., i..., b...] = x[a..., indices[i...], b...]`; negative indices count from the end; one outside is a
    run-time error.

    (C1) `axis` is an axis of x; indices are integers.

    ```mlir
    func.func @f(%x: tensor<9x4xf32>, %i: tensor<2x3xi64>) -> tensor<2x3x4xf32> {
      %y = nn.gather %x, %i {axis = 0 : i64} : (tensor<9x4xf32>, tensor<2x3xi64>) -> tensor<2x3x4xf32>
      return %y : tensor<2x3x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$indices, I64Attr:$axis);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $indices attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Nn_GatherElementsOp : Nn_InferredOp<"gather_elements"> {
  let summary = "Picks single elements along an axis";
  let description = [{
    `y[i] = x[i with i[axis] replaced by indices[i]]`.

    (C1) x and indices have one rank; `axis` is one of its axes.

    ```mlir
    func.func @f(%x: tensor<3x4xf32>, %i: tensor<2x4xi64>) -> tensor<2x4xf32> {
      %y = nn.gather_elements %x, %i {axis = 0 : i64} : (tensor<3x4xf32>, tensor<2x4xi64>) -> tensor<2x4xf32>
      return %y : tensor<2x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$indices, I64Attr:$axis);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $indices attr-dict `:` functional-type(operands, results)";
}

def Nn_GatherNdOp : Nn_InferredOp<"gather_nd"> {
  let summary = "Picks slices at index tuples";
  let description = [{
    The last axis of `indices` holds tuples that index x after `batch_dims` shared axes.

    (C1) The last extent of indices is static and at most `rank(x) - batch_dims`.

    ```mlir
    func.func @f(%x: tensor<3x4xf32>, %i: tensor<5x2xi64>) -> tensor<5xf32> {
      %y = nn.gather_nd %x, %i {batch_dims = 0 : i64} : (tensor<3x4xf32>, tensor<5x2xi64>) -> tensor<5xf32>
      return %y : tensor<5xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$indices, I64Attr:$batch_dims);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $indices attr-dict `:` functional-type(operands, results)";
}

def Nn_ScatterElementsOp : Nn_Op<"scatter_elements", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Writes single elements along an axis";
  let description = [{
    `y = x; y[i with i[axis] replaced by indices[i]] (op)= updates[i]` in row-major order; `reduction` is none, add,
    mul, max or min.

    (C1) indices and updates have one shape and x's rank.

    ```mlir
    func.func @f(%x: tensor<3x4xf32>, %i: tensor<2x4xi64>, %u: tensor<2x4xf32>) -> tensor<3x4xf32> {
      %y = nn.scatter_elements %x, %i, %u {axis = 0 : i64, reduction = "none"} : (tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x4xf32>) -> tensor<3x4xf32>
      return %y : tensor<3x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$indices, Nn_Tensor:$updates, I64Attr:$axis, StrAttr:$reduction);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_ScatterNdOp : Nn_Op<"scatter_nd", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Writes slices at index tuples";
  let description = [{
    `y = x; y[indices[i...], ...] (op)= updates[i..., ...]` in row-major order; reductions as in scatter_elements.

    (C1) The last extent of indices is static and at most x's rank.

    ```mlir
    func.func @f(%x: tensor<8xf32>, %i: tensor<4x1xi64>, %u: tensor<4xf32>) -> tensor<8xf32> {
      %y = nn.scatter_nd %x, %i, %u {reduction = "none"} : (tensor<8xf32>, tensor<4x1xi64>, tensor<4xf32>) -> tensor<8xf32>
      return %y : tensor<8xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$indices, Nn_Tensor:$updates, StrAttr:$reduction);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_OneHotOp : Nn_Op<"one_hot"> {
  let summary = "Indices to rows that are on at one place";
  let description = [{
    `y[a..., d, b...] = values[1]` where `d == indices[a..., b...]` (negative indices count from depth), else
    `values[0]`; the new axis is `axis` and has `depth` elements.

    (C1) depth holds one number; values holds two.
    (C2) `axis` is an axis of the result, which has one more than indices.
    (C3) y has the extents of indices around the new axis, and values' element type.

    ```mlir
    func.func @f(%i: tensor<3xi64>, %d: tensor<i64>, %v: tensor<2xf32>) -> tensor<3x?xf32> {
      %y = nn.one_hot %i, %d, %v {axis = 1 : i64} : (tensor<3xi64>, tensor<i64>, tensor<2xf32>) -> tensor<3x?xf32>
      return %y : tensor<3x?xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$indices, Nn_Tensor:$depth, Nn_Tensor:$values, I64Attr:$axis);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$indices `,` $depth `,` $values attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_TopKOp : Nn_Op<"top_k"> {
  let summary = "The k largest or smallest elements along an axis, in order";
  let description = [{
    Values and their indices, sorted; of equal elements the one with the lower index comes first. k is the extent of
    the result on `axis`, read from the operand when that is `?`.

    (C1) k holds one integer.
    (C2) `axis` is an axis of x.
    (C3) Results have x's extents on the other axes, and no more on `axis`; values x's element type, indices i64.

    ```mlir
    func.func @f(%x: tensor<3x9xf32>, %k: tensor<1xi64>) -> (tensor<3x4xf32>, tensor<3x4xi64>) {
      %v, %i = nn.top_k %x, %k {axis = 1 : i64, largest = true} : (tensor<3x9xf32>, tensor<1xi64>) -> (tensor<3x4xf32>, tensor<3x4xi64>)
      return %v, %i : tensor<3x4xf32>, tensor<3x4xi64>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$k, I64Attr:$axis, BoolAttr:$largest);
  let results = (outs Nn_Tensor:$values, Nn_Tensor:$indices);
  let assemblyFormat = "$x `,` $k attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_NonZeroOp : Nn_Op<"non_zero"> {
  let summary = "Places of the elements that are not zero";
  let description = [{
    `y[:, n]` is the index tuple of the n-th non-zero element in row-major order.

    (C1) y is `[rank(x), ?]` of i64.

    ```mlir
    func.func @f(%x: tensor<3x3xf32>) -> tensor<2x?xi64> {
      %y = nn.non_zero %x : (tensor<3x3xf32>) -> tensor<2x?xi64>
      return %y : tensor<2x?xi64>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_CompressOp : Nn_Op<"compress"> {
  let summary = "Keeps the slices along an axis whose condition holds";
  let description = [{
    (C1) condition is a vector of i1, at most as long as x on `axis`.
    (C2) `axis` is an axis of x.
    (C3) y has x's element type, and its extents on the other axes.

    ```mlir
    func.func @f(%x: tensor<3x3xf32>, %c: tensor<3xi1>) -> tensor<?x3xf32> {
      %y = nn.compress %x, %c {axis = 0 : i64} : (tensor<3x3xf32>, tensor<3xi1>) -> tensor<?x3xf32>
      return %y : tensor<?x3xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$condition, I64Attr:$axis);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $condition attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif
