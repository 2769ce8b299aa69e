//===- Normalize.td - softmax and normalisations ---------------------------===//
#ifndef TEGULA_DIALECTS_NN_NORMALIZE_TD
#define TEGULA_DIALECTS_NN_NORMALIZE_TD
include "tegula/dialects/nn/Nn.td"

def Nn_SoftmaxOp : Nn_Op<"softmax", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Softmax or its logarithm along one axis";
  let description = [{
    Kinds: softmax, log_softmax. `m = max(x); e = exp(x - m); y = e / sum(e)`, or `x - m - log(sum(e))`.

    (C1) `axis` is an axis of x; the element type is a float.

    ```mlir
    func.func @f(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
      %y = nn.softmax softmax %x {axis = 1 : i64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
      return %y : tensor<2x8xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, I64Attr:$axis);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_NormalizeOp : Nn_Op<"normalize", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Rows to zero mean and unit variance (or unit root mean square)";
  let description = [{
    Kinds: layer (`(x - mean) / sqrt(var + epsilon)`, var being the biased variance) and rms
    (`x / sqrt(mean(x^2) + epsilon)`) over the last `rank - axis` axes taken together. Scale and bias follow as
    elementwise ops, which fusion brings back together.

    (C1) `axis` is an axis of x; the element type is a float.

    ```mlir
    func.func @f(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
      %y = nn.normalize layer %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
      return %y : tensor<2x8xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif
