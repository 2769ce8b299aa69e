// nn ops lower themselves; booleans become i8.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-to-linalg))' | FileCheck %s

// CHECK-LABEL: @less
// CHECK-SAME: -> tensor<4xi8>
// CHECK: linalg.generic
// CHECK: arith.cmpf olt
// CHECK: arith.extui {{.*}} : i1 to i8
// CHECK-NOT: nn.
func.func @less(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = nn.binary less %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}
