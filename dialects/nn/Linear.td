//===- Linear.td - contractions -------------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_LINEAR_TD
#define TEGULA_DIALECTS_NN_LINEAR_TD
include "tegula/dialects/nn/Nn.td"

def Nn_MatMulOp : Nn_InferredOp<"matmul"> {
  let summary = "Matrix product with batch broadcasting";
  let description = [{
    `y[..., m, n] = sum_k a[..., m, k] * b[..., k, n]`, accumulated in the element type (i32 for integers of 8 and 16 bits).
    Numbers of f16 and bf16 are accumulated in f32 and then rounded, unless the result is `unrounded`.

    (C1) a and b have at least two axes and one element type, or a holds f32 and b f16 or bf16.
    (C2) The k extents agree.
    (C3) The leading axes broadcast as in `nn.binary`.
    (C4) With `columns` = n, b is packed: `[..., k / C, P, C]` has C neighbours along k side by side, as instructions that sum
    C products want them, and P columns, a multiple of 16, of which the last P - n are not read; its extents are known.

    ```mlir
    func.func @f(%a: tensor<2x3x4xf32>, %b: tensor<4x5xf32>) -> tensor<2x3x5xf32> {
      %y = nn.matmul %a, %b : (tensor<2x3x4xf32>, tensor<4x5xf32>) -> tensor<2x3x5xf32>
      return %y : tensor<2x3x5xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$a, Nn_Tensor:$b, UnitAttr:$unrounded, OptionalAttr<I64Attr>:$columns);
  let results = (outs Nn_Tensor:$y);
  let extraClassDeclaration = [{
    /// Columns that packed rows hold a multiple of.
    static constexpr int64_t kPackedColumns = 16;
  }];
  let builders = [OpBuilder<(ins "mlir::Value":$a, "mlir::Value":$b),
                            [{ build($_builder, $_state, a, b, mlir::UnitAttr(), mlir::IntegerAttr()); }]>];
  let assemblyFormat = "$a `,` $b attr-dict `:` functional-type(operands, results)";
}

def Nn_EinsumOp : Nn_InferredOp<"einsum"> {
  let summary = "Sum of products over named axes";
  let description = [{
    The standard's Einsum without ellipsis (the importer writes it out): letters of `equation` name axes.

    (C1) One term per input with one letter per axis; every output letter occurs in an input.
    (C2) Extents of one letter agree.

    ```mlir
    func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) -> tensor<2x4xf32> {
      %y = nn.einsum %a, %b {equation = "ij,jk->ik"} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
      return %y : tensor<2x4xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<Nn_Tensor>:$xs, StrAttr:$equation);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$xs attr-dict `:` functional-type(operands, results)";
}

def Nn_ConvOp : Nn_InferredOp<"conv"> {
  let summary = "Convolution over any number of spatial axes";
  let description = [{
    In layout `channels_first` (the standard's): `x: [N, C, D...]`, `w: [M, C/group, K...]`, `y: [N, M, E...]`. In layout
    `channels_last`: `x: [N, D..., C]`, `y: [N, E..., M]` and `w: [K..., C/group, M]` for one group, `[K..., C]` when
    depthwise (`C == M == group`), else `[group, K..., C/group, M/group]`.
    `y[n, m, e] = sum_{c, k} w[m, c, k] * x[n, c + C/group * (m / (M/group)), e * strides + k * dilations - low]`. Element
    types, sums and `unrounded` are as in `nn.matmul`.

    (C1) `group` divides C and M; w has `C/group` input channels.
    (C2) One stride, dilation, low and high pad per spatial axis; strides and dilations are positive, pads not negative.
    (C3) The padded input holds the dilated kernel.

    ```mlir
    func.func @f(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32> {
      %y = nn.conv %x, %w {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32>
      return %y : tensor<1x4x8x8xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$w, StrAttr:$layout, I64Attr:$group, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, UnitAttr:$unrounded);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $w attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = extraClassInferred # [{
    bool isChannelsLast() { return getLayout() == "channels_last"; }
    /// Sizes of the kernel's spatial axes in either layout.
    ::llvm::SmallVector<int64_t> kernelShape();
  }];
}

def Nn_ConvTransposeOp : Nn_InferredOp<"conv_transpose"> {
  let summary = "Transposed convolution";
  let description = [{
    `x: [N, C, D...]`, `w: [C, M/group, K...]`, `y: [N, M, E...]` with
    `E = strides * (D - 1) + output_padding + (K - 1) * dilations + 1 - low - high`: the adjoint of `nn.conv` in x.

    (C1) `group` divides C and M.
    (C2) One stride, dilation, low, high and output padding per spatial axis.

    ```mlir
    func.func @f(%x: tensor<1x1x3x3xf32>, %w: tensor<1x2x3x3xf32>) -> tensor<1x2x5x5xf32> {
      %y = nn.conv_transpose %x, %w {group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<1x1x3x3xf32>, tensor<1x2x3x3xf32>) -> tensor<1x2x5x5xf32>
      return %y : tensor<1x2x5x5xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$w, I64Attr:$group, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, DenseI64ArrayAttr:$output_padding);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $w attr-dict `:` functional-type(operands, results)";
}
#endif
