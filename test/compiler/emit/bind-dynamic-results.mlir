// A result of dynamic shape is copied to memory that the runtime names.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-bind-dynamic-results)' | FileCheck %s

// CHECK-LABEL: func.func @model
// CHECK-NOT: -> memref
// CHECK: llvm.call @tegula_rt_output
// CHECK: llvm.intr.memcpy
func.func @model(%x: memref<?xf32>, %call: !llvm.ptr) -> memref<?xf32> attributes {tgl.entry} {
  return %x : memref<?xf32>
}
