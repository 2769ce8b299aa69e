// A strided copy becomes loops; a contiguous one stays.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-copies))' | FileCheck %s

// CHECK-LABEL: @strided
// CHECK-COUNT-2: scf.for
// CHECK: memref.store
func.func @strided(%x: memref<4x4xf32, strided<[8, 1]>>, %y: memref<4x4xf32>) {
  memref.copy %x, %y : memref<4x4xf32, strided<[8, 1]>> to memref<4x4xf32>
  return
}
// CHECK-LABEL: @negative_contiguous
// CHECK: memref.copy
func.func @negative_contiguous(%x: memref<4x4xf32>, %y: memref<4x4xf32>) {
  memref.copy %x, %y : memref<4x4xf32> to memref<4x4xf32>
  return
}
