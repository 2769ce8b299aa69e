//===- Pool.td - windows over spatial axes ---------------------------------===//
#ifndef TEGULA_DIALECTS_NN_POOL_TD
#define TEGULA_DIALECTS_NN_POOL_TD
include "tegula/dialects/nn/Nn.td"

def Nn_PoolOp : Nn_InferredOp<"pool"> {
  let summary = "Maximum, average or sum of windows";
  let description = [{
    Kinds: max, average, sum. Layouts as in `nn.conv` (`x: [N, C, D...]` or `[N, D..., C]`). An average divides by the number
    of window elements inside x, or inside the padded x with `count_include_pad`. `ceil` rounds the number of
    windows up, as in the standard. A padded input shorter than the dilated kernel by less than a stride has one window.

    (C1) One kernel extent, stride, dilation, low and high pad per spatial axis.
    (C2) The padded input holds the dilated kernel, or lacks less than a stride of it.

    ```mlir
    func.func @f(%x: tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32> {
      %y = nn.pool max %x {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
      return %y : tensor<1x3x4x4xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, StrAttr:$layout, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, BoolAttr:$ceil, BoolAttr:$count_include_pad);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = extraClassInferred # [{
    bool isChannelsLast() { return getLayout() == "channels_last"; }
  }];
}

def Nn_MaxPoolIndicesOp : Nn_InferredOp<"max_pool_indices"> {
  let summary = "Flat index of each window's maximum (MaxPool's second output)";
  let description = [{
    `x: [N, C, D...]`; indices count over the whole of x, in row-major or (with `column_major`) column-major spatial order.

    (C1) As for `nn.pool`.

    ```mlir
    func.func @f(%x: tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xi64> {
      %y = nn.max_pool_indices %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, column_major = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xi64>
      return %y : tensor<1x3x4x4xi64>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, BoolAttr:$ceil, BoolAttr:$column_major);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
}
#endif
