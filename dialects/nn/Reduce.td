//===- Reduce.td - reductions, searches and running sums -------------------===//
#ifndef TEGULA_DIALECTS_NN_REDUCE_TD
#define TEGULA_DIALECTS_NN_REDUCE_TD
include "tegula/dialects/nn/Nn.td"

def Nn_ReduceOp : Nn_InferredOp<"reduce"> {
  let summary = "Reduction over axes";
  let description = [{
    Kinds: sum, mean, max, min, prod, any, all. An empty reduction gives the kind's neutral element.

    (C1) `axes` are distinct axes of x in increasing order.
    (C2) `kind` is one of the above.

    ```mlir
    func.func @f(%x: tensor<2x3x4xf32>) -> tensor<2x1x4xf32> {
      %y = nn.reduce max %x {axes = array<i64: 1>, keepdims = true} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
      return %y : tensor<2x1x4xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, Nn_Axes:$axes, BoolAttr:$keepdims);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Nn_ArgReduceOp : Nn_InferredOp<"arg_reduce"> {
  let summary = "Index of the largest or smallest element along an axis";
  let description = [{
    Kinds: max, min. Of equal elements the first is taken, or the last with `select_last`.

    (C1) `axis` is an axis of x.
    (C2) `kind` is one of the above.

    ```mlir
    func.func @f(%x: tensor<2x3xf32>) -> tensor<2xi64> {
      %y = nn.arg_reduce max %x {axis = 1 : i64, keepdims = false, select_last = false} : (tensor<2x3xf32>) -> tensor<2xi64>
      return %y : tensor<2xi64>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, I64Attr:$axis, BoolAttr:$keepdims, BoolAttr:$select_last);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
}

def Nn_CumulateOp : Nn_Op<"cumulate", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Running sum or product along an axis";
  let description = [{
    Kinds: sum, prod. `exclusive` leaves the element itself out; `reverse` runs from the end.

    (C1) `axis` is an axis of x.
    (C2) `kind` is one of the above.

    ```mlir
    func.func @f(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
      %y = nn.cumulate sum %x {axis = 1 : i64, exclusive = false, reverse = false} : (tensor<2x3xf32>) -> tensor<2x3xf32>
      return %y : tensor<2x3xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, I64Attr:$axis, BoolAttr:$exclusive, BoolAttr:$reverse);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif
