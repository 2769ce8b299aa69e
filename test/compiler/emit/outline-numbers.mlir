// Units that differ in numbers share a function, which gets these as arguments; equal ones and those of shifts stay its own.
// A function of bands passes on what the one that it calls differs in.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-outline-units)' | FileCheck %s

// CHECK-LABEL: func.func @model
// CHECK-DAG: %[[TENTH:.+]] = arith.constant 1.000000e-01 : f32
// CHECK-DAG: %[[THIRD:.+]] = arith.constant 3.000000e-01 : f32
// CHECK: call @unit_1(%{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}}, %[[TENTH]])
// CHECK: call @unit_1(%{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}}, %[[THIRD]])
// CHECK: call @unit_2
// CHECK: call @unit_3
// CHECK: func.func private @unit_0(%{{[^,]+}}: index, %{{[^,]+}}: index, %{{[^,]+}}: memref<2x8xf32>{{.*}}, %{{[^,]+}}: index, %[[SCALE:.+]]: f32)
// CHECK-DAG: %[[SPREAD:.+]] = vector.broadcast %[[SCALE]] : f32 to vector<8xf32>
// CHECK-DAG: %[[ONE:.+]] = arith.constant dense<1.000000e+00> : vector<8xf32>
// CHECK: scf.for
// CHECK-DAG: arith.mulf %{{.+}}, %[[SPREAD]]
// CHECK-DAG: arith.addf %{{.+}}, %[[ONE]]
// CHECK: func.func private @unit_1(%{{[^,]+}}: index, %{{[^,]+}}: index, %{{[^,]+}}: memref<2x8xf32>{{.*}}, %[[SCALE:.+]]: f32)
// CHECK: call @unit_0({{.+}}, %[[SCALE]])
// CHECK: func.func private @unit_2
// CHECK: func.func private @unit_3
func.func @model(%x: memref<2x8xf32>, %y: memref<8xi32>) attributes {tgl.inputs = []} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant dense<1.0> : vector<8xf32>
  %a = arith.constant dense<0.1> : vector<8xf32>
  %b = arith.constant dense<0.3> : vector<8xf32>
  %four = arith.constant 4 : i32
  %five = arith.constant 5 : i32
  scf.forall (%band) in (2) {
    scf.forall (%i) in (1) {
      %v = vector.transfer_read %x[%band, %c0], %zero {in_bounds = [true]} : memref<2x8xf32>, vector<8xf32>
      %p = arith.mulf %v, %a : vector<8xf32>
      %q = arith.addf %p, %one : vector<8xf32>
      vector.transfer_write %q, %x[%band, %c0] {in_bounds = [true]} : vector<8xf32>, memref<2x8xf32>
    }
  }
  scf.forall (%band) in (2) {
    scf.forall (%i) in (1) {
      %v = vector.transfer_read %x[%band, %c0], %zero {in_bounds = [true]} : memref<2x8xf32>, vector<8xf32>
      %p = arith.mulf %v, %b : vector<8xf32>
      %q = arith.addf %p, %one : vector<8xf32>
      vector.transfer_write %q, %x[%band, %c0] {in_bounds = [true]} : vector<8xf32>, memref<2x8xf32>
    }
  }
  scf.forall (%i) in (8) {
    %v = memref.load %y[%i] : memref<8xi32>
    %s = arith.shrui %v, %four : i32
    memref.store %s, %y[%i] : memref<8xi32>
  }
  scf.forall (%i) in (8) {
    %v = memref.load %y[%i] : memref<8xi32>
    %s = arith.shrui %v, %five : i32
    memref.store %s, %y[%i] : memref<8xi32>
  }
  return
}
