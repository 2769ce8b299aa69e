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
