//===- Elementwise.td - one op per arity, kinds from Elementwise.def -------===//
#ifndef TEGULA_DIALECTS_NN_ELEMENTWISE_TD
#define TEGULA_DIALECTS_NN_ELEMENTWISE_TD
include "tegula/dialects/nn/Nn.td"

def Nn_UnaryOp : Nn_InferredOp<"unary"> {
  let summary = "Elementwise function of one tensor";
  let description = [{
    `y[i] = kind(x[i], params)`; the kinds and their formulas are the NN_UNARY lines of `Elementwise.def`.
    `params` holds the kind's constants in the standard's order (alpha, beta, ...).

    (C1) `kind` is listed in `Elementwise.def`.
    (C2) y has the shape of x; its element type is that of x, or `i1` for the predicates `is_nan` and `is_inf`.

    ```mlir
    func.func @f(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
      %y = nn.unary exp %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
      return %y : tensor<2x3xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, OptionalAttr<DenseF64ArrayAttr>:$params);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Nn_BinaryOp : Nn_InferredOp<"binary"> {
  let summary = "Elementwise function of two tensors with broadcasting";
  let description = [{
    `y[i] = kind(a[i], b[i])`; kinds are the NN_BINARY and NN_COMPARE lines of `Elementwise.def`.

    (C1) `kind` is listed in `Elementwise.def`.
    (C2) Shapes broadcast as in numpy over static extents 1; other extents agree.
    (C3) a and b have one element type; y has it too, or `i1` for comparisons.

    ```mlir
    func.func @f(%a: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
      %y = nn.binary add %a, %b : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
      return %y : tensor<2x3xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$a, Nn_Tensor:$b);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "custom<Kind>($kind) $a `,` $b attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Nn_SelectOp : Nn_InferredOp<"select"> {
  let summary = "Elementwise choice (Where of the standard)";
  let description = [{
    `y[i] = condition[i] ? a[i] : b[i]`.

    (C1) condition holds `i1`; a and b have one element type.
    (C2) The three shapes broadcast as in `nn.binary`.

    ```mlir
    func.func @f(%c: tensor<2x1xi1>, %a: tensor<2x3xf32>, %b: tensor<f32>) -> tensor<2x3xf32> {
      %y = nn.select %c, %a, %b : (tensor<2x1xi1>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
      return %y : tensor<2x3xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$condition, Nn_Tensor:$a, Nn_Tensor:$b);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$condition `,` $a `,` $b attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Nn_CastOp : Nn_Op<"cast"> {
  let summary = "Element type conversion";
  let description = [{
    Floats to integers truncate towards zero, anything to `i1` is `x != 0`, wider integers to narrower ones wrap.

    (C1) x and y have compatible shapes.

    ```mlir
    func.func @f(%x: tensor<4xi64>) -> tensor<4xf32> {
      %y = nn.cast %x : (tensor<4xi64>) -> tensor<4xf32>
      return %y : tensor<4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}
#endif
