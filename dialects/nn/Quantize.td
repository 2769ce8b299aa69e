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
#endif
