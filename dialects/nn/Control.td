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
  let hasFolder = 1;
}

// Not pure: a check must stay in the branch that it is in.
def Nn_RequireOp : Op<Nn_Dialect, "require", [DeclareOpInterfaceMethods<LowerOpInterface>, AllTypesMatch<["x", "y"]>]> {
  let summary = "x, if what the model was compiled for holds; the run ends with an error otherwise";
  let description = [{
    y = x where `holds` is true. Where it is not, the run ends and its error is `text`, after the node's name. The
    importer puts it where the standard lets the rank of a value depend on numbers of the run (Squeeze without axes, the
    branches of If).

    (C1) `holds` holds booleans and, where its shape is known, one element.

    ```mlir
    func.func @f(%holds: tensor<i1>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
      %y = nn.require %x if %holds, "the batch is 1" : (tensor<?x4xf32>, tensor<i1>) -> tensor<?x4xf32>
      return %y : tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$holds, StrAttr:$text);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `if` $holds `,` $text attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}
#endif
