//===- Recurrent.td - LSTM, GRU, RNN ---------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_RECURRENT_TD
#define TEGULA_DIALECTS_NN_RECURRENT_TD
include "tegula/dialects/nn/Nn.td"

def Nn_RecurrentOp : Nn_Op<"recurrent", [AttrSizedOperandSegments]> {
  let summary = "One direction of an LSTM, GRU or RNN layer over a sequence";
  let description = [{
    Kinds: lstm (gates i, o, f, c), gru (z, r, h), rnn (i). `x: [T, B, I]`, `w: [I, G*H]`, `r: [H, G*H]` (transposed
    against the standard so that both are plain right operands of a product), `bias: [G*H]` for the input side and
    `rbias: [G*H]` for the recurrent side, `h0, c0: [B, H]`, `peephole: [3*H]` (i, o, f), `lengths: [B]` of i32. Results: all states
    `y: [T, B, H]`, the last `h: [B, H]` and `c: [B, H]` (c is zero where there is no cell). `activations` are kinds of
    `nn.unary`, `alpha` and `beta` their parameters; `clip` 0 means none; `reverse` runs from the last step to the first (per batch row when lengths is given);
    `linear_before_reset` and `input_forget` as in the standard.

    (C1) Extents agree with T, B, I, H and the kind's G (4, 3, 1).
    (C2) One activation per use: 3 for lstm, 2 for gru, 1 for rnn.

    ```mlir
    func.func @f(%x: tensor<5x1x8xf32>, %w: tensor<8x4xf32>, %r: tensor<4x4xf32>) -> tensor<5x1x4xf32> {
      %y, %h, %c = nn.recurrent rnn %x, %w, %r {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
      return %y : tensor<5x1x4xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Nn_Tensor:$x, Nn_Tensor:$w, Nn_Tensor:$r, Optional<Nn_Tensor>:$bias, Optional<Nn_Tensor>:$rbias, Optional<Nn_Tensor>:$lengths,
                       Optional<Nn_Tensor>:$h0, Optional<Nn_Tensor>:$c0, Optional<Nn_Tensor>:$peephole,
                       StrArrayAttr:$activations, DenseF64ArrayAttr:$alpha, DenseF64ArrayAttr:$beta, F64Attr:$clip, BoolAttr:$reverse, BoolAttr:$linear_before_reset, BoolAttr:$input_forget);
  let results = (outs Nn_Tensor:$y, Nn_Tensor:$h, Nn_Tensor:$c);
  let assemblyFormat = "custom<Kind>($kind) operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif
