//===- Quantize.td - between real numbers and the integers that stand for them ----------===//
#ifndef TEGULA_DIALECTS_NN_QUANTIZE_TD
#define TEGULA_DIALECTS_NN_QUANTIZE_TD
include "tegula/dialects/nn/Nn.td"

class Nn_AffineOp<string mnemonic> : Nn_Op<mnemonic> {
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$scale, Optional<Nn_Tensor>:$zero);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $scale (`,` $zero^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_QuantizeOp : Nn_AffineOp<"quantize"> {
  let summary = "The integers nearest to real numbers divided by a scale";
  let description = [{
    `y = saturate(round(x / scale) + zero)`: to the nearest integer and the even one of two (QuantizeLinear of the standard).
    The quotient is rounded to the type of x, or of scale where x holds integers. A NaN becomes the smallest number.

    (C1) y has the shape of x; scale and zero broadcast to it, as in `nn.binary`.
    (C2) scale holds floats, and x does, of the same type, or `i32`.
    (C3) y holds integers of 8 or 16 bits, and zero, if there is one, the same.

    ```mlir
    func.func @f(%x: tensor<1x3x4xf32>, %scale: tensor<3x1xf32>, %zero: tensor<ui8>) -> tensor<1x3x4xui8> {
      %y = nn.quantize %x, %scale, %zero : (tensor<1x3x4xf32>, tensor<3x1xf32>, tensor<ui8>) -> tensor<1x3x4xui8>
      return %y : tensor<1x3x4xui8>
    }
    ```
  }];
}

def Nn_DequantizeOp : Nn_AffineOp<"dequantize"> {
  let summary = "The real numbers that integers stand for";
  let description = [{
    `y = (x - zero) * scale` (DequantizeLinear of the standard), computed in f32 and rounded to the type of y.

    (C1) y has the shape of x; scale and zero broadcast to it, as in `nn.binary`.
    (C2) scale and y hold floats.
    (C3) x holds integers of 8, 16 or 32 bits, and zero, if there is one, the same.

    ```mlir
    func.func @f(%x: tensor<2x3xi8>, %scale: tensor<f32>) -> tensor<2x3xf32> {
      %y = nn.dequantize %x, %scale : (tensor<2x3xi8>, tensor<f32>) -> tensor<2x3xf32>
      return %y : tensor<2x3xf32>
    }
    ```
  }];
}

def Nn_LookupOp : Nn_Op<"lookup"> {
  let summary = "A function of 8-bit integers as a table";
  let description = [{
    `y = table[x]`: place i of the table belongs to the number whose bits, read as an unsigned number, are i.

    (C1) y has the shape of x.
    (C2) x holds integers of 8 bits.
    (C3) table has 256 elements, of the type that y holds.

    ```mlir
    func.func @f(%x: tensor<2x3xi8>, %table: tensor<256xui8>) -> tensor<2x3xui8> {
      %y = nn.lookup %x, %table : (tensor<2x3xi8>, tensor<256xui8>) -> tensor<2x3xui8>
      return %y : tensor<2x3xui8>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$table);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $table attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_BlockMatMulOp : Nn_InferredOp<"block_matmul"> {
  let summary = "Product with a matrix of small integers that have a scale for each block of a column";
  let description = [{
    `y[..., m, n] = sum_k a[..., m, k] * (w[k, n] - zero[k / B, n]) * scale[k / B, n]`, in f32. The weights stay as small as
    they are; they are unpacked in registers. With `digits` and few rows, a becomes three digits of 8 bits with a scale for each
    C neighbours (an error of at most 2^-24 of the largest of them), whose products with w are summed as integers.

    `w: [P, B * bits / 32, N]` holds P blocks of B unsigned numbers of each column, in chunks of C: the most of 32, 16, 8 and 4
    that divide B. Byte q of word j of a chunk holds number `q * C / 4 + j`, or, with 4 bits, `q * C / 4 + 2 * j` in its low half
    and the next one in the high half. `scale: [P, N]`; `zero` is one number or has the shape of `scale`.

    (C1) a has at least 2 axes, scale has 2, both hold f32; w has 3 axes and holds `ui32`; their extents agree, `K = P * B`.
    (C2) bits is 4 or 8.
    (C3) zero holds `ui8` and is a scalar or has the shape of scale.

    ```mlir
    func.func @f(%a: tensor<3x64xf32>, %w: tensor<2x4x5xui32>, %scale: tensor<2x5xf32>, %zero: tensor<ui8>) -> tensor<3x5xf32> {
      %y = nn.block_matmul %a, %w, %scale, %zero {bits = 4 : i64} : (tensor<3x64xf32>, tensor<2x4x5xui32>, tensor<2x5xf32>, tensor<ui8>) -> tensor<3x5xf32>
      return %y : tensor<3x5xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$a, Nn_Tensor:$w, Nn_Tensor:$scale, Nn_Tensor:$zero, I64Attr:$bits,
                       UnitAttr:$digits);
  let results = (outs Nn_Tensor:$y);
  let extraClassDeclaration = [{
    /// C of blocks of `block` numbers; 0 where they do not fill words.
    static int64_t chunkOf(int64_t block, int64_t bits);
  }];
  let assemblyFormat = "$a `,` $w `,` $scale `,` $zero attr-dict `:` functional-type(operands, results)";
}
#endif
