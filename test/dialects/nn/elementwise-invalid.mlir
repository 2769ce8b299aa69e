// Each constraint of Elementwise.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @unary_C1_kind(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{'nn.unary' op has no kind 'frob'}}
  %0 = nn.unary frob %a : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @unary_C2_shape(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<2x3xf32>' are incompatible with return type(s) of operation 'tensor<2x4xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.unary exp %a : (tensor<2x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @unary_C2_predicate(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<2x3xi1>' are incompatible}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.unary is_nan %a : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @binary_C1_kind(%a: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{has no kind 'frob'}}
  %0 = nn.binary frob %a, %b : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @binary_C2_extents(%a: tensor<2x3xf32>, %b: tensor<4xf32>) {
  // expected-error @+2 {{extents 3 and 4 do not broadcast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.binary add %a, %b : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @binary_C3_elements(%a: tensor<3xf32>, %b: tensor<3xi64>) {
  // expected-error @+2 {{operands hold 'f32' and 'i64', but expected one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.binary add %a, %b : (tensor<3xf32>, tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @binary_C3_comparison(%a: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<3xi1>' are incompatible}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.binary less %a, %b : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @select_C1_condition(%a: tensor<3xf32>, %b: tensor<3xf32>, %c: tensor<3xf32>) {
  // expected-error @+2 {{condition expects booleans, but holds 'f32'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.select %a, %b, %c : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @select_C1_choices(%a: tensor<3xi1>, %b: tensor<3xf32>, %c: tensor<3xi64>) {
  // expected-error @+2 {{choices hold 'f32' and 'i64'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.select %a, %b, %c : (tensor<3xi1>, tensor<3xf32>, tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @select_C2_extents(%a: tensor<2x1xi1>, %b: tensor<2x3xf32>, %c: tensor<2x4xf32>) {
  // expected-error @+2 {{extents 3 and 4 do not broadcast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.select %a, %b, %c : (tensor<2x1xi1>, tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @cast_C1_shape(%a: tensor<4xi64>) {
  // expected-error @+1 {{expects a result of the input's shape, but got 'tensor<5xf32>' of 'tensor<4xi64>'}}
  %0 = nn.cast %a : (tensor<4xi64>) -> tensor<5xf32>
  return
}
