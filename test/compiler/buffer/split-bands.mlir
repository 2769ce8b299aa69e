// Bands run on all threads where there are enough of them; each strip has scratch memory of its own.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-split-bands,tegula-plan-arena))' | FileCheck %s

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 2>} {

// CHECK-LABEL: @enough
// CHECK-SAME: tgl.workspace_bytes = 1536
// CHECK: %[[ALL:.*]] = memref.view %{{.*}} to memref<1024xi8>
// CHECK: scf.forall (%[[STRIP:.*]]) in (4)
// CHECK: %[[BEGIN:.*]] = arith.muli %[[STRIP]], %c256
// CHECK: memref.view %[[ALL]]
// CHECK: scf.for
// CHECK: scf.forall
func.func @enough(%v: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %a = memref.alloc() : memref<8x16xf32>
  scf.for %i = %c0 to %c8 step %c1 {
    %s = memref.alloc() : memref<64xf32>
    scf.forall (%j) in (64) {
      memref.store %v, %s[%j] : memref<64xf32>
    }
    %x = memref.load %s[%c0] : memref<64xf32>
    %part = memref.subview %a[%i, 0] [1, 16] [1, 1] : memref<8x16xf32> to memref<1x16xf32, strided<[16, 1], offset: ?>>
    memref.store %x, %part[%c0, %c0] : memref<1x16xf32, strided<[16, 1], offset: ?>>
  } {tgl.bands = 8 : i64}
  %y = memref.load %a[%c0, %c0] : memref<8x16xf32>
  return %y : f32
}

// Three bands would leave a thread idle for a quarter of the time.
// CHECK-LABEL: @few
// CHECK-NOT: scf.forall
// CHECK: scf.for
func.func @few(%v: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %a = memref.alloc() : memref<8x16xf32>
  scf.for %i = %c0 to %c3 step %c1 {
    %part = memref.subview %a[%i, 0] [1, 16] [1, 1] : memref<8x16xf32> to memref<1x16xf32, strided<[16, 1], offset: ?>>
    memref.store %v, %part[%c0, %c0] : memref<1x16xf32, strided<[16, 1], offset: ?>>
  } {tgl.bands = 3 : i64}
  %y = memref.load %a[%c0, %c0] : memref<8x16xf32>
  return %y : f32
}

// Scratch memory from outside, which the bands share: they stay one after the other.
// CHECK-LABEL: @shared_scratch
// CHECK-NOT: scf.forall (%{{.*}}) in (4)
// CHECK: scf.for
// CHECK: scf.forall (%{{.*}}) in (64)
func.func @shared_scratch(%v: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %a = memref.alloc() : memref<8x16xf32>
  %s = memref.alloc() : memref<64xf32>
  scf.for %i = %c0 to %c8 step %c1 {
    scf.forall (%j) in (64) {
      memref.store %v, %s[%j] : memref<64xf32>
    }
    %x = memref.load %s[%c0] : memref<64xf32>
    %part = memref.subview %a[%i, 0] [1, 16] [1, 1] : memref<8x16xf32> to memref<1x16xf32, strided<[16, 1], offset: ?>>
    memref.store %x, %part[%c0, %c0] : memref<1x16xf32, strided<[16, 1], offset: ?>>
  } {tgl.bands = 8 : i64}
  %y = memref.load %a[%c0, %c0] : memref<8x16xf32>
  return %y : f32
}
}
