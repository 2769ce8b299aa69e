// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-place-parts))' | FileCheck %s

// The inside of a padding is made in place, and read there by others.
// CHECK-LABEL: @padding
// CHECK-NOT: memref.copy
// CHECK: %[[WHOLE:.*]] = memref.alloc() : memref<10xf32>
// CHECK: %[[PART:.*]] = memref.subview %[[WHOLE]][1] [8] [1]
// CHECK: memref.store %{{.*}}, %[[PART]]
// CHECK: memref.subview %[[WHOLE]][0] [1] [1]
// CHECK: memref.load %[[PART]]
// CHECK-NOT: memref.copy
func.func @padding(%v: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() : memref<8xf32>
  scf.forall (%i) in (8) {
    memref.store %v, %a[%i] : memref<8xf32>
  }
  %d = memref.alloc() : memref<10xf32>
  %low = memref.subview %d[0] [1] [1] : memref<10xf32> to memref<1xf32, strided<[1]>>
  memref.store %zero, %low[%c0] : memref<1xf32, strided<[1]>>
  %s = memref.subview %d[1] [8] [1] : memref<10xf32> to memref<8xf32, strided<[1], offset: 1>>
  memref.copy %a, %s : memref<8xf32> to memref<8xf32, strided<[1], offset: 1>>
  %x = memref.load %a[%c0] : memref<8xf32>
  %y = memref.load %d[%c0] : memref<10xf32>
  %z = arith.addf %x, %y : f32
  return %z : f32
}

// A unit that fills the whole goes first.
// CHECK-LABEL: @filled
// CHECK: %[[WHOLE:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK: scf.forall
// CHECK-NEXT: memref.store %{{.*}}, %[[WHOLE]]
// CHECK: %[[PART:.*]] = memref.subview %[[WHOLE]][1]
// CHECK: scf.forall
// CHECK-NEXT: memref.store %{{.*}}, %[[PART]]
// CHECK-NOT: memref.copy
func.func @filled(%v: f32, %n: index) -> f32 {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc(%n) : memref<?xf32>
  scf.forall (%i) in (%n) {
    memref.store %v, %a[%i] : memref<?xf32>
  }
  %m = arith.addi %n, %c2 : index
  %d = memref.alloc(%m) : memref<?xf32>
  scf.forall (%i) in (%m) {
    memref.store %zero, %d[%i] : memref<?xf32>
  }
  %s = memref.subview %d[1] [%n] [1] : memref<?xf32> to memref<?xf32, strided<[1], offset: 1>>
  memref.copy %a, %s : memref<?xf32> to memref<?xf32, strided<[1], offset: 1>>
  %y = memref.load %d[%c0] : memref<?xf32>
  return %y : f32
}

// Something else is in the part while the buffer is alive; what is written later is not for the part.
// CHECK-LABEL: @taken
// CHECK-COUNT-2: memref.copy
func.func @taken(%v: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %d = memref.alloc() : memref<10xf32>
  %a = memref.alloc() : memref<8xf32>
  memref.store %v, %a[%c0] : memref<8xf32>
  memref.store %v, %d[%c1] : memref<10xf32>
  %x = memref.load %d[%c1] : memref<10xf32>
  %s = memref.subview %d[1] [8] [1] : memref<10xf32> to memref<8xf32, strided<[1], offset: 1>>
  memref.copy %a, %s : memref<8xf32> to memref<8xf32, strided<[1], offset: 1>>
  %e = memref.alloc() : memref<10xf32>
  %b = memref.alloc() : memref<8xf32>
  memref.store %x, %b[%c0] : memref<8xf32>
  %t = memref.subview %e[1] [8] [1] : memref<10xf32> to memref<8xf32, strided<[1], offset: 1>>
  memref.copy %b, %t : memref<8xf32> to memref<8xf32, strided<[1], offset: 1>>
  memref.store %v, %b[%c0] : memref<8xf32>
  %y = memref.load %d[%c1] : memref<10xf32>
  %z = memref.load %e[%c1] : memref<10xf32>
  %w = memref.load %b[%c1] : memref<8xf32>
  %yz = arith.addf %y, %z : f32
  %yzw = arith.addf %yz, %w : f32
  return %yzw : f32
}

// Nothing has been written yet.
// CHECK-LABEL: @nothing
// CHECK-NOT: memref.copy
func.func @nothing(%v: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %d = memref.alloc() : memref<10xf32>
  %s = memref.subview %d[1] [8] [1] : memref<10xf32> to memref<8xf32, strided<[1], offset: 1>>
  %a = memref.alloc() : memref<8xf32>
  memref.copy %s, %a : memref<8xf32, strided<[1], offset: 1>> to memref<8xf32>
  memref.store %v, %a[%c0] : memref<8xf32>
  %x = memref.load %a[%c0] : memref<8xf32>
  return %x : f32
}
