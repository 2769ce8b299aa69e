// The host reads single elements of the device's memory through the runtime.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-host-loads))' | FileCheck %s

// CHECK: llvm.func @tegula_cuda_load(!llvm.ptr, !llvm.ptr, i32) -> i64
// CHECK-LABEL: @entry
// CHECK: %[[SIZE:.*]] = llvm.mlir.constant(4 : i32)
// CHECK: memref.extract_aligned_pointer_as_index
// CHECK: %[[BITS:.*]] = llvm.call @tegula_cuda_load(%arg2, %{{.*}}, %[[SIZE]])
// CHECK: arith.trunci %[[BITS]] : i64 to i32
// CHECK: arith.bitcast {{.*}} : i32 to f32
func.func @entry(%m: memref<4x8xf32>, %i: index, %call: !llvm.ptr) -> f32 attributes {tgl.entry} {
  %v = memref.load %m[%i, %i] : memref<4x8xf32>
  return %v : f32
}

// CHECK-LABEL: @negative_kernel
// CHECK: memref.load
func.func @negative_kernel(%m: memref<4xf32>, %i: index) -> f32 {
  %v = memref.load %m[%i] : memref<4xf32>
  return %v : f32
}
