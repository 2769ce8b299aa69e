// A chain of elementwise ops becomes one.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-to-linalg,tegula-fuse-elementwise))' | FileCheck %s

// CHECK-LABEL: @exp_add
// CHECK: linalg.generic
// CHECK: math.exp
// CHECK-NEXT: arith.addf
// CHECK-NOT: linalg.generic
func.func @exp_add(%x: tensor<8xf32>, %y: tensor<8xf32>) -> tensor<8xf32> {
  %0 = nn.unary exp %x : (tensor<8xf32>) -> tensor<8xf32>
  %1 = nn.binary add %0, %y : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// A costly producer of rows is not evaluated again for every column.
// CHECK-LABEL: @negative_broadcast_exp
// CHECK: math.exp
// CHECK: linalg.generic
// CHECK: arith.addf
func.func @negative_broadcast_exp(%x: tensor<8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = nn.unary exp %x : (tensor<8xf32>) -> tensor<8xf32>
  %1 = nn.binary add %0, %y : (tensor<8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// What is read again for every row is put in order first, instead of being read across its rows each time.
// CHECK-LABEL: @negative_broadcast_turned
// CHECK: linalg.generic
// CHECK: linalg.generic
// CHECK: arith.addf
func.func @negative_broadcast_turned(%x: tensor<8x3x1xf32>, %y: tensor<3x5x8xf32>) -> tensor<3x5x8xf32> {
  %0 = nn.transpose %x {perm = array<i64: 1, 2, 0>} : (tensor<8x3x1xf32>) -> tensor<3x1x8xf32>
  %1 = nn.binary add %y, %0 : (tensor<3x5x8xf32>, tensor<3x1x8xf32>) -> tensor<3x5x8xf32>
  return %1 : tensor<3x5x8xf32>
}
