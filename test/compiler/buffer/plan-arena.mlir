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
