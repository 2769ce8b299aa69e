// Rows a multiple of 2048 bytes apart get a cache line more between them, unless something needs them side by side.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-place-rows))' | FileCheck %s

// CHECK-LABEL: @rows
// CHECK: memref.alloc() {{.*}}: memref<16x1040xf32>
// CHECK: memref.subview %{{.*}}[0, 0] [16, 1024] [1, 1]
// CHECK: memref.subview {{.*}} strided<[1040, 1], offset: ?>
// CHECK-NOT: memref<16x1024xf32>
func.func @rows(%v: f32, %i: index) -> f32 {
  %a = memref.alloc() : memref<16x1024xf32>
  %s = memref.subview %a[%i, 0] [1, 1024] [1, 1] : memref<16x1024xf32> to memref<1x1024xf32, strided<[1024, 1], offset: ?>>
  memref.store %v, %s[%i, %i] : memref<1x1024xf32, strided<[1024, 1], offset: ?>>
  %x = memref.load %a[%i, %i] : memref<16x1024xf32>
  return %x : f32
}

// Other lengths spread by themselves; few rows fit; a reshape needs all elements side by side.
// CHECK-LABEL: @others
// CHECK: memref<16x1000xf32>
// CHECK: memref<4x1024xf32>
// CHECK: memref<16x2048xf32>
// CHECK-NOT: memref.subview
func.func @others(%v: f32, %i: index) -> f32 {
  %a = memref.alloc() : memref<16x1000xf32>
  %b = memref.alloc() : memref<4x1024xf32>
  %c = memref.alloc() : memref<16x2048xf32>
  %flat = memref.collapse_shape %c [[0, 1]] : memref<16x2048xf32> into memref<32768xf32>
  memref.store %v, %flat[%i] : memref<32768xf32>
  memref.store %v, %a[%i, %i] : memref<16x1000xf32>
  memref.store %v, %b[%i, %i] : memref<4x1024xf32>
  %x = memref.load %a[%i, %i] : memref<16x1000xf32>
  %y = memref.load %b[%i, %i] : memref<4x1024xf32>
  %z = memref.load %c[%i, %i] : memref<16x2048xf32>
  %xy = arith.addf %x, %y : f32
  %xyz = arith.addf %xy, %z : f32
  return %xyz : f32
}
