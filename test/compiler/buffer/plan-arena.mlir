// Buffers whose lives do not overlap share a place; the arena is as large as the peak of live bytes.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-plan-arena))' | FileCheck %s

// CHECK-LABEL: @chain
// CHECK-SAME: tgl.live_bytes = 512 : i64, tgl.workspace_bytes = 512 : i64
// CHECK-COUNT-3: memref.view
// CHECK-NOT: memref.alloc
func.func @chain(%x: memref<64xf32>, %y: memref<64xf32>) {
  %a = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  memref.copy %a, %b : memref<64xf32> to memref<64xf32>
  %c = memref.alloc() : memref<64xf32>
  memref.copy %b, %c : memref<64xf32> to memref<64xf32>
  memref.copy %c, %y : memref<64xf32> to memref<64xf32>
  return
}

// Largest first, %d and %c take 256 bytes with %c above, %b goes below, and %a above both: 320 bytes. Another order is found.
// CHECK-LABEL: @search
// CHECK-SAME: tgl.live_bytes = 256 : i64, tgl.workspace_bytes = 256 : i64
func.func @search(%x: memref<32xf32>, %s: memref<16xf32>, %y: memref<32xf32>, %t: memref<16xf32>) {
  %d = memref.alloc() : memref<32xf32>
  %c = memref.alloc() : memref<32xf32>
  %b = memref.alloc() : memref<32xf32>
  %a = memref.alloc() : memref<16xf32>
  memref.copy %s, %a : memref<16xf32> to memref<16xf32>
  memref.copy %x, %b : memref<32xf32> to memref<32xf32>
  memref.copy %b, %y : memref<32xf32> to memref<32xf32>
  memref.copy %x, %c : memref<32xf32> to memref<32xf32>
  memref.copy %a, %t : memref<16xf32> to memref<16xf32>
  memref.copy %x, %d : memref<32xf32> to memref<32xf32>
  memref.copy %c, %y : memref<32xf32> to memref<32xf32>
  memref.copy %d, %y : memref<32xf32> to memref<32xf32>
  return
}

// Buffers of two branches share a place; what is used in a loop lives as long as the loop.
// CHECK-LABEL: @branches
// CHECK-SAME: tgl.live_bytes = 256 : i64, tgl.workspace_bytes = 256 : i64
func.func @branches(%c: i1, %x: memref<64xf32>, %y: memref<64xf32>) {
  scf.if %c {
    %a = memref.alloc() : memref<64xf32>
    memref.copy %x, %a : memref<64xf32> to memref<64xf32>
    memref.copy %a, %y : memref<64xf32> to memref<64xf32>
  } else {
    %b = memref.alloc() : memref<64xf32>
    memref.copy %x, %b : memref<64xf32> to memref<64xf32>
    memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  }
  return
}

// CHECK-LABEL: @loop
// CHECK-SAME: tgl.live_bytes = 512 : i64, tgl.workspace_bytes = 512 : i64
func.func @loop(%n: index, %x: memref<64xf32>, %y: memref<64xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %a = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  scf.for %i = %zero to %n step %one {
    memref.copy %a, %y : memref<64xf32> to memref<64xf32>
    %b = memref.alloc() : memref<64xf32>
    memref.copy %y, %b : memref<64xf32> to memref<64xf32>
    memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  }
  return
}
