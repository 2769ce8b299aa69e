// A constant right operand is stored in panels of lanes * vectors columns, the last one padded.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-pack-weights))' | FileCheck %s

#plan = #tgl.plan<vectorLoop = 1, lanes = 4, vectors = 1, unrollLoop = 0, unroll = 2, block = [0, 0]>
// CHECK-LABEL: @matmul
// CHECK: %[[P:.+]] = arith.constant dense_resource<{{.+}}> : tensor<2x2x4xf32>
// CHECK: %[[W:.+]] = linalg.unpack %[[P]] outer_dims_perm = [1, 0] inner_dims_pos = [1] inner_tiles = [4]
// CHECK: linalg.generic {{.*}} ins(%arg0, %[[W]]
func.func @matmul(%a: tensor<3x2xf32>) -> tensor<3x5xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]]> : tensor<2x5xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %w : tensor<3x2xf32>, tensor<2x5xf32>) outs(%f : tensor<3x5xf32>) attrs = {tgl.plan = #plan} {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}

// A constant that two ops read alike is packed once.
// CHECK-LABEL: @shared
// CHECK: arith.constant dense_resource<[[KEY:.+]]> : tensor<2x2x4xf32>
// CHECK: arith.constant dense_resource<[[KEY]]> : tensor<2x2x4xf32>
func.func @shared(%a: tensor<3x2xf32>, %b: tensor<3x2xf32>) -> (tensor<3x5xf32>, tensor<3x5xf32>) {
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 11.0]]> : tensor<2x5xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %w : tensor<3x2xf32>, tensor<2x5xf32>) outs(%f : tensor<3x5xf32>) attrs = {tgl.plan = #plan} {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<3x5xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%b, %w : tensor<3x2xf32>, tensor<2x5xf32>) outs(%f : tensor<3x5xf32>) attrs = {tgl.plan = #plan} {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %acc, %p : f32
    linalg.yield %s : f32
  } -> tensor<3x5xf32>
  return %0, %1 : tensor<3x5xf32>, tensor<3x5xf32>
}
