// A unit's result takes the memory of an input that dies there, if the unit reads it only where it writes.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-plan-arena))' | FileCheck %s

// CHECK-LABEL: @dies
// CHECK-SAME: tgl.live_bytes = 256 : i64, tgl.workspace_bytes = 256 : i64
// CHECK-NOT: tgl.may_overwrite
func.func @dies(%x: memref<64xf32>, %y: memref<64xf32>) {
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() : memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  scf.forall (%i) in (8) {
    %from = arith.muli %i, %c8 : index
    %in = memref.subview %a[%from] [8] [1] : memref<64xf32> to memref<8xf32, strided<[1], offset: ?>>
    %out = memref.subview %b[%from] [8] [1] : memref<64xf32> to memref<8xf32, strided<[1], offset: ?>>
    %c0 = arith.constant 0 : index
    %v = vector.transfer_read %in[%c0], %zero {in_bounds = [true]} : memref<8xf32, strided<[1], offset: ?>>, vector<8xf32>
    %w = arith.addf %v, %v : vector<8xf32>
    vector.transfer_write %w, %out[%c0] {in_bounds = [true]} : vector<8xf32>, memref<8xf32, strided<[1], offset: ?>>
  } {tgl.may_overwrite}
  memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  return
}

// The input is read again thereafter.
// CHECK-LABEL: @lives
// CHECK-SAME: tgl.live_bytes = 512 : i64
func.func @lives(%x: memref<64xf32>, %y: memref<64xf32>) {
  %a = memref.alloc() : memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  scf.forall (%i) in (64) {
    %v = memref.load %a[%i] : memref<64xf32>
    memref.store %v, %b[%i] : memref<64xf32>
  } {tgl.may_overwrite}
  memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  memref.copy %a, %y : memref<64xf32> to memref<64xf32>
  return
}

// Another place is read than is written.
// CHECK-LABEL: @elsewhere
// CHECK-SAME: tgl.live_bytes = 512 : i64
func.func @elsewhere(%x: memref<64xf32>, %y: memref<64xf32>) {
  %c63 = arith.constant 63 : index
  %a = memref.alloc() : memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  scf.forall (%i) in (64) {
    %j = arith.subi %c63, %i : index
    %v = memref.load %a[%j] : memref<64xf32>
    memref.store %v, %b[%i] : memref<64xf32>
  } {tgl.may_overwrite}
  memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  return
}

// The place is read after it is written.
// CHECK-LABEL: @late
// CHECK-SAME: tgl.live_bytes = 512 : i64
func.func @late(%x: memref<64xf32>, %y: memref<64xf32>) {
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() : memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  scf.forall (%i) in (64) {
    memref.store %zero, %b[%i] : memref<64xf32>
    %v = memref.load %a[%i] : memref<64xf32>
    memref.store %v, %y[%i] : memref<64xf32>
  } {tgl.may_overwrite}
  memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  return
}

// The unit does not say that it writes each element once.
// CHECK-LABEL: @silent
// CHECK-SAME: tgl.live_bytes = 512 : i64
func.func @silent(%x: memref<64xf32>, %y: memref<64xf32>) {
  %a = memref.alloc() : memref<64xf32>
  %b = memref.alloc() : memref<64xf32>
  memref.copy %x, %a : memref<64xf32> to memref<64xf32>
  scf.forall (%i) in (64) {
    %v = memref.load %a[%i] : memref<64xf32>
    memref.store %v, %b[%i] : memref<64xf32>
  }
  memref.copy %b, %y : memref<64xf32> to memref<64xf32>
  return
}
