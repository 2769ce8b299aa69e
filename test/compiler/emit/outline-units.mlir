// Two equal units become one function; each call keeps its own number.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-outline-units)' | FileCheck %s

// CHECK-LABEL: @model
// CHECK: call @unit_0({{.*}}) {tgl.unit = 0 : i32}
// CHECK: call @unit_0({{.*}}) {tgl.unit = 1 : i32}
// CHECK: func.func private @unit_0(%{{.*}}: index, %{{.*}}: index
// CHECK-NOT: @unit_1
func.func @model(%x: memref<8xf32>, %y: memref<8xf32>) attributes {tgl.inputs = []} {
  scf.forall (%i) in (8) {
    %v = memref.load %x[%i] : memref<8xf32>
    memref.store %v, %y[%i] : memref<8xf32>
  }
  scf.forall (%i) in (8) {
    %v = memref.load %y[%i] : memref<8xf32>
    memref.store %v, %x[%i] : memref<8xf32>
  }
  return
}
