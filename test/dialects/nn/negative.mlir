// Each constraint has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @matmul_C2_extents(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) -> tensor<2x5xf32> {
  // expected-error @+2 {{the left input has 3 columns, but the right one has 4 rows}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
