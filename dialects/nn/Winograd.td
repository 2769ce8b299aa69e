//===- Winograd.td - convolution with fewer products -------------------------===//
#ifndef TEGULA_DIALECTS_NN_WINOGRAD_TD
#define TEGULA_DIALECTS_NN_WINOGRAD_TD
include "tegula/dialects/nn/Nn.td"

def Nn_WinogradConvOp : Nn_InferredOp<"winograd_conv"> {
  let summary = "A 3x3 convolution by fewer products: a quarter of them, of integers 4/9";
  let description = [{
    F(4x4, 3x3) and, of integers, F(2x2, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
    (CVPR 2016, arXiv:1509.09308). `x: [N, H, W, C]` is padded already, `w: [3, 3, C, M]` or, in `P` parts of the outputs,
    `[P, 3, 3, C, M / P]`, `y: [N, E, F, M]` for `extents = [E, F]`. With the matrices A (6x4), B (6x6) and G (6x3) of the
    paper, for each tile `d` of 6x6 places (4 apart):
    `y_tile = A^T [(G w G^T) * (B^T d B)] A`, where `*` multiplies place by place and sums over C.

    `rows` rows of tiles are computed at a time, so that what lies between the products stays in a cache. The images
    of a batch come one by one. With a kernel in parts all tiles are computed at a time, for one part of the kernel after
    the other: its transformed part is what stays in a cache.

    The matrices' entries go up to 8, so that rounding errors grow: about 10 times those of a direct convolution.

    Sums of i16 are exact. Tiles are of 4x4 places (2 apart), and `w: [4, 4, C, M]` is `(2 G) w (2 G)^T` (4x3: 2 G is whole
    numbers), so that a quarter of the result is taken, an i32. Elements of x have to leave room for four times their size
    in i16, the result for that in i32; what lies between may wrap around.

    (C1) x has 4 axes and holds f32 or i16, w is of that type (by f32 also f16 or bf16) and has 4 axes (of reals also 5),
    its kernel as above and x's channels.
    (C2) `extents` holds E and F, positive, with `H = S * ceil(E / S) + 2` and `W = S * ceil(F / S) + 2`, where S is 4, of
    i16 2.
    (C3) `rows` is positive.

    ```mlir
    func.func @f(%x: tensor<1x10x6x8xf32>, %w: tensor<3x3x8x16xf32>) -> tensor<1x7x4x16xf32> {
      %y = nn.winograd_conv %x, %w {extents = array<i64: 7, 4>, rows = 2 : i64} : (tensor<1x10x6x8xf32>, tensor<3x3x8x16xf32>) -> tensor<1x7x4x16xf32>
      return %y : tensor<1x7x4x16xf32>
    }
    ```

    ```mlir
    func.func @g(%x: tensor<1x8x6x8xi16>, %w: tensor<4x4x8x16xi16>) -> tensor<1x5x4x16xi32> {
      %y = nn.winograd_conv %x, %w {extents = array<i64: 5, 4>, rows = 3 : i64} : (tensor<1x8x6x8xi16>, tensor<4x4x8x16xi16>) -> tensor<1x5x4x16xi32>
      return %y : tensor<1x5x4x16xi32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$w, DenseI64ArrayAttr:$extents, I64Attr:$rows);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $w attr-dict `:` functional-type(operands, results)";
}
#endif
