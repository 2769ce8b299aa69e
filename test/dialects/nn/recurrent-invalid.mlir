// Each constraint of Recurrent.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @recurrent_C1_input(%a: tensor<5x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{expects an input with 3 axes and a recurrent weight with 2}}
  %0:3 = nn.recurrent rnn %a, %b, %c {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C1_unknown_hidden(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a recurrent weight of known size}}
  %0:3 = nn.recurrent rnn %a, %b, %c {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<?x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C1_weight(%a: tensor<5x1x8xf32>, %b: tensor<7x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{weight expects the shape 'tensor<8x4xf32>', but is a 'tensor<7x4xf32>'}}
  %0:3 = nn.recurrent rnn %a, %b, %c {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<7x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C1_gates(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{weight expects the shape 'tensor<8x16xf32>'}}
  %0:3 = nn.recurrent lstm %a, %b, %c {activations = ["sigmoid", "tanh", "tanh"], alpha = array<f64: 0.0, 0.0, 0.0>, beta = array<f64: 0.0, 0.0, 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C1_bias(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>, %d: tensor<8xf32>) {
  // expected-error @+1 {{bias expects the shape 'tensor<4xf32>', but is a 'tensor<8xf32>'}}
  %0:3 = nn.recurrent rnn %a, %b, %c, %d {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>, tensor<8xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C1_result(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{result expects the shape 'tensor<5x1x4xf32>'}}
  %0:3 = nn.recurrent rnn %a, %b, %c {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x2x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C2_count(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{expects 1 activations with alpha and beta each, but got 2}}
  %0:3 = nn.recurrent rnn %a, %b, %c {activations = ["tanh", "tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_C2_kind(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{has no activation 'frob'}}
  %0:3 = nn.recurrent rnn %a, %b, %c {activations = ["frob"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @recurrent_kind(%a: tensor<5x1x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{has no kind 'frob'}}
  %0:3 = nn.recurrent frob %a, %b, %c {activations = ["tanh"], alpha = array<f64: 0.0>, beta = array<f64: 0.0>, clip = 0.0 : f64, reverse = false, linear_before_reset = false, input_forget = false, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0>} : (tensor<5x1x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<5x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>)
  return
}
