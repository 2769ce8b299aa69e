// A product with its epilogue becomes blocks of threads: tiles in shared memory, sums in registers.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-lower-contractions,canonicalize)' | FileCheck %s

// CHECK-DAG: memref.global "private" @shared_16x32xf32 : memref<2x16x36xf32, 3> = uninitialized {alignment = 16 : i64}
// CHECK-DAG: memref.global "private" @shared_16x32xf32_right

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#i = affine_map<(m, n) -> (m, n)>
#row = affine_map<(m, n) -> (n)>

// CHECK-LABEL: @bias_ragged
// CHECK-NOT: linalg.generic
// CHECK: scf.forall ({{.*}}) in (2, 3) {
// CHECK: nvvm.read.ptx.sreg.tid.x
// Rows beyond the end are not read.
// CHECK: arith.select
// CHECK: nvvm.barrier0
// CHECK: scf.for {{.*}} iter_args
// CHECK: vector.load {{.*}}alignment = 16{{.*}} memref<2x16x36xf32, 3>, vector<4xf32>
// CHECK: arith.mulf
// CHECK: nvvm.barrier0
// CHECK: arith.addf {{.*}}
// CHECK: memref.store
// CHECK: } {tgl.threads = 64 : i64}
func.func @bias_ragged(%a: memref<50x40xf32>, %b: memref<40x70xf32>, %bias: memref<70xf32>, %y: memref<50x70xf32>) {
  scf.forall (%u) in (1) {
    %c = memref.alloc() : memref<50x70xf32, #gpu.address_space<private>>
    linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : memref<50x40xf32>, memref<40x70xf32>) outs(%c : memref<50x70xf32, #gpu.address_space<private>>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%x: f32, %w: f32, %s: f32):
      %p = arith.mulf %x, %w : f32
      %t = arith.addf %s, %p : f32
      linalg.yield %t : f32
    }
    linalg.generic {indexing_maps = [#i, #row, #i], iterator_types = ["parallel", "parallel"]}
        ins(%c, %bias : memref<50x70xf32, #gpu.address_space<private>>, memref<70xf32>) outs(%y : memref<50x70xf32>) {
    ^bb0(%x: f32, %w: f32, %o: f32):
      %t = arith.addf %x, %w : f32
      linalg.yield %t : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 4, unrollLoop = -1, unroll = 4, block = [32, 32, 16] over 64>}
  return
}

// A convolution over rows of 3 places is one product, of whose depth the window is part: no division by what is known to divide.
// CHECK-LABEL: @window
// CHECK: scf.forall ({{.*}}) in (2) {
func.func @window(%x: memref<2x34x16xf32>, %w: memref<3x16x32xf32>, %y: memref<2x32x32xf32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [affine_map<(n, o, c, t, k) -> (n, o + t, k)>, affine_map<(n, o, c, t, k) -> (t, k, c)>, affine_map<(n, o, c, t, k) -> (n, o, c)>],
                    iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
        ins(%x, %w : memref<2x34x16xf32>, memref<3x16x32xf32>) outs(%y : memref<2x32x32xf32>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f32, %b: f32, %s: f32):
      %p = arith.mulf %a, %b : f32
      %t = arith.addf %s, %p : f32
      linalg.yield %t : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 4, unrollLoop = -1, unroll = 4, block = [32, 32, 16] over 64>}
  return
}

// Of two rows, all threads share the depth: each reads four columns of every 64th row of the right side, 16 bytes at a time; lanes
// with the same columns add up what they have, then warps through shared memory.
// CHECK-LABEL: @few_rows
// CHECK: scf.forall ({{.*}}) in (8) {
// CHECK: scf.for {{.*}} iter_args
// CHECK-COUNT-4: vector.load {{.*}} vector<4xf32>
// CHECK: arith.mulf
// CHECK: nvvm.shfl.sync bfly
// CHECK: llvm.store {{.*}} !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-8: llvm.load {{.*}} !llvm.ptr<3>
// CHECK: memref.store
// CHECK: } {tgl.threads = 256 : i64}
func.func @few_rows(%a: memref<2x512xf32>, %b: memref<512x128xf32>, %y: memref<2x128xf32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : memref<2x512xf32>, memref<512x128xf32>) outs(%y : memref<2x128xf32>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%x: f32, %w: f32, %s: f32):
      %p = arith.mulf %x, %w : f32
      %t = arith.addf %s, %p : f32
      linalg.yield %t : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 1, unrollLoop = -1, unroll = 1, block = [8, 16, 1] over 256>}
  return
}
