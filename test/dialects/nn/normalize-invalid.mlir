// Each constraint of Normalize.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @softmax_C1_axis(%a: tensor<2x8xf32>) {
  // expected-error @+1 {{axis is 2, but the input has 2 axes}}
  %0 = nn.softmax softmax %a {axis = 2 : i64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @softmax_C1_elements(%a: tensor<2x8xi64>) {
  // expected-error @+1 {{expects floats, but the input holds 'i64'}}
  %0 = nn.softmax softmax %a {axis = 1 : i64} : (tensor<2x8xi64>) -> tensor<2x8xi64>
  return
}

// -----

func.func @softmax_kind(%a: tensor<2x8xf32>) {
  // expected-error @+1 {{has no kind 'hard'}}
  %0 = nn.softmax hard %a {axis = 1 : i64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @normalize_C1_axis(%a: tensor<2x8xf32>) {
  // expected-error @+1 {{axis is -1, but the input has 2 axes}}
  %0 = nn.normalize layer %a {axis = -1 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @normalize_C1_elements(%a: tensor<2x8xi64>) {
  // expected-error @+1 {{expects floats, but the input holds 'i64'}}
  %0 = nn.normalize rms %a {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x8xi64>) -> tensor<2x8xi64>
  return
}

// -----

func.func @normalize_kind(%a: tensor<2x8xf32>) {
  // expected-error @+1 {{has no kind 'batch'}}
  %0 = nn.normalize batch %a {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return
}
