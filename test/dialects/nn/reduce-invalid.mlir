// Each constraint of Reduce.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @reduce_C1_axis(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{expects increasing axes below 2, but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reduce max %a {axes = array<i64: 2>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_C1_order(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{expects increasing axes below 2, but got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reduce max %a {axes = array<i64: 1, 0>, keepdims = false} : (tensor<2x3xf32>) -> tensor<f32>
  return
}

// -----

func.func @reduce_C2_kind(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{has no kind 'median'}}
  %0 = nn.reduce median %a {axes = array<i64: 1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_C2_elements(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{kind 'any' does not take elements of type 'f32'}}
  %0 = nn.reduce any %a {axes = array<i64: 1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @arg_reduce_C1_axis(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{axis is 2, but the input has 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.arg_reduce max %a {axis = 2 : i64, keepdims = false, select_last = false} : (tensor<2x3xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @arg_reduce_C2_kind(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{has no kind 'sum'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.arg_reduce sum %a {axis = 1 : i64, keepdims = false, select_last = false} : (tensor<2x3xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @cumulate_C1_axis(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{axis is -1, but the input has 2 axes}}
  %0 = nn.cumulate sum %a {axis = -1 : i64, exclusive = false, reverse = false} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @cumulate_C2_kind(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{has no kind 'max'}}
  %0 = nn.cumulate max %a {axis = 1 : i64, exclusive = false, reverse = false} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}
