// Each constraint of Control.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @condition_C1_element(%a: tensor<f32>) {
  // expected-error @+1 {{expects one boolean, but got 'tensor<f32>'}}
  %0 = nn.condition %a : tensor<f32>
  return
}

// -----

func.func @condition_C1_count(%a: tensor<2xi1>) {
  // expected-error @+1 {{expects one boolean, but got 'tensor<2xi1>'}}
  %0 = nn.condition %a : tensor<2xi1>
  return
}

// -----

func.func @require_C1_element(%a: tensor<3xf32>, %b: tensor<i8>) {
  // expected-error @+1 {{expects one boolean, but got 'tensor<i8>'}}
  %0 = nn.require %a if %b, "x" : (tensor<3xf32>, tensor<i8>) -> tensor<3xf32>
  return
}

// -----

func.func @require_C1_count(%a: tensor<3xf32>, %b: tensor<2xi1>) {
  // expected-error @+1 {{expects one boolean, but got 'tensor<2xi1>'}}
  %0 = nn.require %a if %b, "x" : (tensor<3xf32>, tensor<2xi1>) -> tensor<3xf32>
  return
}
