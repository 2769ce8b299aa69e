// Neighbouring contiguous loops of an elementwise op become one.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-to-linalg,tegula-simplify-units))' | FileCheck %s

// CHECK-LABEL: @exp_2d
// CHECK: tensor.collapse_shape %arg0 {{.*}} into tensor<32xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]
func.func @exp_2d(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = nn.unary exp %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// Rows of a padded image are followed by padding: they stay rows, so that they can be written there.
// CHECK-LABEL: @padded
// CHECK-NOT: tensor.collapse_shape
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
// CHECK: tensor.insert_slice {{.*}} : tensor<4x8xf32> into tensor<4x10xf32>
func.func @padded(%x: tensor<4x8xf32>) -> tensor<4x10xf32> {
  %zero = arith.constant 0.0 : f32
  %0 = nn.unary exp %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = tensor.splat %zero : tensor<4x10xf32>
  %2 = tensor.insert_slice %0 into %1[0, 1] [4, 8] [1, 1] : tensor<4x8xf32> into tensor<4x10xf32>
  return %2 : tensor<4x10xf32>
}
