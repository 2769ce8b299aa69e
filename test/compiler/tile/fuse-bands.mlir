// An elementwise op moves into the loop that makes its input band by band; steps that depend on each other stay alone.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fuse-bands,canonicalize))' | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// CHECK-LABEL: @band
// CHECK: scf.for
// CHECK:   %[[T:.+]] = linalg.fill {{.*}} -> tensor<8x1024xf32>
// CHECK:   %[[U:.+]] = linalg.generic {{.*}} ins(%[[T]], %{{.+}} : tensor<8x1024xf32>, tensor<1024xf32>)
// CHECK:   tensor.insert_slice %[[U]]
// CHECK: tgl.bands = 4
// CHECK: return
func.func @band(%e: tensor<32x1024xf32>, %bias: tensor<1024xf32>, %c: f32) -> tensor<32x1024xf32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c32 = arith.constant 32 : index
  %y = scf.for %i = %c0 to %c32 step %c8 iter_args(%a = %e) -> (tensor<32x1024xf32>) {
    %t0 = tensor.empty() : tensor<8x1024xf32>
    %t = linalg.fill ins(%c : f32) outs(%t0 : tensor<8x1024xf32>) -> tensor<8x1024xf32>
    %s = tensor.insert_slice %t into %a[%i, 0] [8, 1024] [1, 1] : tensor<8x1024xf32> into tensor<32x1024xf32>
    scf.yield %s : tensor<32x1024xf32>
  } {tgl.bands = 4 : i64}
  %z0 = tensor.empty() : tensor<32x1024xf32>
  %z = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]} ins(%y, %bias : tensor<32x1024xf32>, tensor<1024xf32>) outs(%z0 : tensor<32x1024xf32>) {
  ^bb0(%in: f32, %b: f32, %out: f32):
    %0 = arith.addf %in, %b : f32
    linalg.yield %0 : f32
  } -> tensor<32x1024xf32>
  return %z : tensor<32x1024xf32>
}

// CHECK-LABEL: @step
// CHECK: scf.for
// CHECK-NOT: linalg.generic
// CHECK: scf.yield
// CHECK: linalg.generic
func.func @step(%e: tensor<32x16xf32>, %c: f32) -> tensor<32x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  %y = scf.for %i = %c0 to %c32 step %c1 iter_args(%a = %e) -> (tensor<32x16xf32>) {
    %t0 = tensor.empty() : tensor<1x16xf32>
    %t = linalg.fill ins(%c : f32) outs(%t0 : tensor<1x16xf32>) -> tensor<1x16xf32>
    %s = tensor.insert_slice %t into %a[%i, 0] [1, 16] [1, 1] : tensor<1x16xf32> into tensor<32x16xf32>
    scf.yield %s : tensor<32x16xf32>
  }
  %z0 = tensor.empty() : tensor<32x16xf32>
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%y : tensor<32x16xf32>) outs(%z0 : tensor<32x16xf32>) {
  ^bb0(%in: f32, %out: f32):
    %0 = arith.negf %in : f32
    linalg.yield %0 : f32
  } -> tensor<32x16xf32>
  return %z : tensor<32x16xf32>
}
