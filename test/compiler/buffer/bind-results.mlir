// A result of static shape becomes memory that the caller passes; one of dynamic shape stays.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-bind-results))' | FileCheck %s

// CHECK-LABEL: @two_results
// CHECK-SAME: %[[OUT:arg2]]: memref<4xf32>) -> tensor<?xf32>
// CHECK-SAME: tgl.bound_outputs = array<i64: 0>
// CHECK: bufferization.materialize_in_destination %arg0 in restrict writable %[[OUT]]
// CHECK: return %arg1
func.func @two_results(%x: tensor<4xf32>, %y: tensor<?xf32>) -> (tensor<4xf32>, tensor<?xf32>) attributes {tgl.output_types = [tensor<4xf32>, tensor<?xf32>]} {
  return %x, %y : tensor<4xf32>, tensor<?xf32>
}
