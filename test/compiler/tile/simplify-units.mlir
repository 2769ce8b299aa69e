// Neighbouring contiguous loops of an elementwise op become one.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-to-linalg,tegula-simplify-units))' | FileCheck %s

// CHECK-LABEL: @exp_2d
// CHECK: tensor.collapse_shape %arg0 {{.*}} into tensor<32xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]
func.func @exp_2d(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = nn.unary exp %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
