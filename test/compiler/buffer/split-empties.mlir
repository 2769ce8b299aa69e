// Each op of the body that uses an empty tensor gets one of its own; a loop with two uses inside gets one.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-split-empties))' | FileCheck %s

// CHECK-LABEL: @shared
// CHECK: %[[FIRST:.*]] = tensor.empty() : tensor<64xf32>
// CHECK-NEXT: linalg.fill {{.*}} outs(%[[FIRST]]
// CHECK: %[[SECOND:.*]] = tensor.empty() : tensor<64xf32>
// CHECK-NEXT: scf.for
// CHECK: linalg.fill {{.*}} outs(%[[SECOND]]
// CHECK: linalg.fill {{.*}} outs(%[[SECOND]]
// CHECK-NOT: tensor.empty
func.func @shared(%x: f32, %c0: index, %c1: index) -> (tensor<64xf32>, tensor<64xf32>) {
  %empty = tensor.empty() : tensor<64xf32>
  %a = linalg.fill ins(%x : f32) outs(%empty : tensor<64xf32>) -> tensor<64xf32>
  %b = scf.for %i = %c0 to %c1 step %c1 iter_args(%carried = %a) -> tensor<64xf32> {
    %c = linalg.fill ins(%x : f32) outs(%empty : tensor<64xf32>) -> tensor<64xf32>
    %d = linalg.fill ins(%x : f32) outs(%empty : tensor<64xf32>) -> tensor<64xf32>
    scf.yield %d : tensor<64xf32>
  }
  return %a, %b : tensor<64xf32>, tensor<64xf32>
}

// CHECK-LABEL: @negative_one_user
// CHECK-COUNT-1: tensor.empty
// CHECK-NOT: tensor.empty
func.func @negative_one_user(%x: f32) -> tensor<64xf32> {
  %empty = tensor.empty() : tensor<64xf32>
  %a = linalg.fill ins(%x : f32) outs(%empty : tensor<64xf32>) -> tensor<64xf32>
  return %a : tensor<64xf32>
}

// Bands may run at the same time: each makes its own.
// CHECK-LABEL: @bands
// CHECK-NOT: tensor.empty
// CHECK: scf.for
// CHECK: tensor.empty
// CHECK-NEXT: linalg.fill
func.func @bands(%x: f32, %c0: index, %c1: index, %a: tensor<64xf32>) -> tensor<64xf32> {
  %empty = tensor.empty() : tensor<64xf32>
  %b = scf.for %i = %c0 to %c1 step %c1 iter_args(%carried = %a) -> tensor<64xf32> {
    %c = linalg.fill ins(%x : f32) outs(%empty : tensor<64xf32>) -> tensor<64xf32>
    %d = tensor.insert_slice %c into %carried[0] [64] [1] : tensor<64xf32> into tensor<64xf32>
    scf.yield %d : tensor<64xf32>
  } {tgl.bands = 8 : i64}
  return %b : tensor<64xf32>
}
