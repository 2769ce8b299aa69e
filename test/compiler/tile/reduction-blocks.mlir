// A long reduction in blocks: partial sums wait in the result, the epilogue is in the last block only. The
// residual cannot lend its memory to the result: the sums would overwrite it before it is read.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-tile-units))' | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#e = affine_map<(m, n) -> (m, n)>
// CHECK-LABEL: @blocks
// CHECK: scf.forall
// CHECK: %[[SUMS:.*]] = scf.for %[[K:.*]] = %{{.*}} to %c80{{.*}} step %c40
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[K]], %c0
// CHECK: scf.if %[[FIRST]]
// CHECK: else
// CHECK: vector.transfer_read
// CHECK: scf.for %{{.*}} = %[[K]] to
// CHECK-NOT: arith.maximumf
// CHECK: vector.transfer_write
// The last one.
// CHECK-NOT: scf.if
// CHECK: vector.transfer_read {{.*}}%[[SUMS]]
// CHECK: scf.for %{{.*}} = %c80{{.*}} to %c100
// CHECK: arith.maximumf
// CHECK: vector.transfer_write
// CHECK-NOT: tgl.may_overwrite
func.func @blocks(%a: tensor<8x100xf32>, %b: tensor<100x16xf32>, %c: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x16xf32>) -> tensor<8x16xf32>
  %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<8x100xf32>, tensor<100x16xf32>) outs(%init : tensor<8x16xf32>)
      attrs = {tgl.plan = #tgl.plan<vectorLoop = 1, lanes = 8, vectors = 2, unrollLoop = 0, unroll = 4, block = [0, 0, 40]>} {
    ^bb0(%x: f32, %y: f32, %z: f32):
      %p = arith.mulf %x, %y : f32
      %s = arith.addf %z, %p : f32
      linalg.yield %s : f32
  } -> tensor<8x16xf32>
  %1 = linalg.generic {indexing_maps = [#e, #e, #e], iterator_types = ["parallel", "parallel"]}
      ins(%0, %c : tensor<8x16xf32>, tensor<8x16xf32>) outs(%empty : tensor<8x16xf32>) {
    ^bb0(%x: f32, %y: f32, %z: f32):
      %m = arith.maximumf %x, %y : f32
      linalg.yield %m : f32
  } -> tensor<8x16xf32>
  return %1 : tensor<8x16xf32>
}
