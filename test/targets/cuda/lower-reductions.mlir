// The lanes of a warp share a row: each takes every 32nd element, then they combine by shuffles.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-reductions),canonicalize)' | FileCheck %s

// CHECK-LABEL: @maxima
// CHECK-NOT: linalg.generic
// CHECK: scf.forall ({{.*}}) in (13) {
// CHECK: nvvm.read.ptx.sreg.tid.x
// The last block has rows that are not there.
// CHECK: arith.cmpi ult
// CHECK: scf.for {{.*}} step %c32 iter_args
// CHECK: arith.maximumf
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK: memref.store
// CHECK: } {tgl.threads = 128 : i64}
func.func @maxima(%x: memref<50x100xf32>, %y: memref<50xf32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i)>],
                    iterator_types = ["parallel", "reduction"]}
        ins(%x : memref<50x100xf32>) outs(%y : memref<50xf32>) attrs = {tgl.start = 0xFF800000 : f32} {
    ^bb0(%a: f32, %s: f32):
      %m = arith.maximumf %s, %a : f32
      linalg.yield %m : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 1, unrollLoop = -1, unroll = 1, block = [] over 128>}
  return
}

// Numbers of fewer bits go through 32.
// CHECK-LABEL: @half_sums
// CHECK: arith.bitcast {{.*}} : f16 to i16
// CHECK: arith.extui {{.*}} : i16 to i32
// CHECK: nvvm.shfl.sync bfly
func.func @half_sums(%x: memref<8x64xf16>, %y: memref<8xf16>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i)>],
                    iterator_types = ["parallel", "reduction"]}
        ins(%x : memref<8x64xf16>) outs(%y : memref<8xf16>) attrs = {tgl.start = 0.0 : f16} {
    ^bb0(%a: f16, %s: f16):
      %m = arith.addf %s, %a : f16
      linalg.yield %m : f16
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 1, unrollLoop = -1, unroll = 1, block = [] over 128>}
  return
}
