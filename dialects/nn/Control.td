//===- Control.td - where tensors steer control flow -------------------------===//
#ifndef TEGULA_DIALECTS_NN_CONTROL_TD
#define TEGULA_DIALECTS_NN_CONTROL_TD
include "tegula/dialects/nn/Nn.td"

def Nn_ConditionOp : Nn_Op<"condition"> {
  let summary = "A boolean tensor of one element as the condition of scf.if";
  let description = [{
    Whether the element of x is true. If (ONNX) is `scf.if` on it; both branches yield tensors of the same types.

    (C1) x holds booleans and, where its shape is known, one element.

    ```mlir
    func.func @f(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
      %isTrue = nn.condition %c : tensor<i1>
      %y = scf.if %isTrue -> (tensor<4xf32>) {
        %e = nn.unary exp %x : (tensor<4xf32>) -> tensor<4xf32>
        scf.yield %e : tensor<4xf32>
      } else {
        scf.yield %x : tensor<4xf32>
      }
      return %y : tensor<4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs I1:$isTrue);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasVerifier = 1;
}
#endif
