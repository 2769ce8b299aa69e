// What writes memory outside of units becomes a unit; what the host decides by stays.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-outline-serial-code))' | FileCheck %s

// CHECK-LABEL: @serial
// CHECK: scf.forall ({{.*}}) in (1) {
// CHECK-NEXT: memref.store
// CHECK: scf.forall ({{.*}}) in (1) {
// CHECK-NEXT: scf.for
func.func @serial(%m: memref<4xi64>, %v: i64, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  memref.store %v, %m[%c0] : memref<4xi64>
  %sum = scf.for %i = %c0 to %n step %c1 iter_args(%s = %v) -> (i64) {
    memref.store %s, %m[%i] : memref<4xi64>
    %t = arith.addi %s, %v : i64
    scf.yield %t : i64
  }
  return
}

// CHECK-LABEL: @strided_copy
// CHECK: scf.forall ({{.*}}) in (4, 8) {
// CHECK-NEXT: memref.load
// CHECK-NEXT: memref.store
func.func @strided_copy(%a: memref<4x8xf32, strided<[16, 1]>>, %b: memref<4x8xf32>) {
  memref.copy %a, %b : memref<4x8xf32, strided<[16, 1]>> to memref<4x8xf32>
  return
}

// CHECK-LABEL: @negative_whole_copy
// CHECK-NOT: scf.forall
// CHECK: memref.copy
func.func @negative_whole_copy(%a: memref<4x8xf32>, %b: memref<4x8xf32>) {
  memref.copy %a, %b : memref<4x8xf32> to memref<4x8xf32>
  return
}

// The host goes round a loop whose body is a unit.
// CHECK-LABEL: @loop_around_a_unit
// CHECK: scf.for
// CHECK-NEXT: scf.forall ({{.*}}) in (4) {
func.func @loop_around_a_unit(%m: memref<4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f = arith.constant 1.0 : f32
  scf.for %i = %c0 to %n step %c1 {
    scf.forall (%j) in (4) {
      memref.store %f, %m[%j] : memref<4xf32>
    }
  }
  return
}

// CHECK-LABEL: @shape_is_stored
// CHECK-SAME: %{{[^,]*}}: memref<12xf32>, %{{[^,]*}}: memref<2xindex>, %[[ROWS:.*]]: index, %[[COLUMNS:.*]]: index
// CHECK-NOT: memref.store
// CHECK: memref.reinterpret_cast {{.*}} sizes: [%[[ROWS]], %[[COLUMNS]]], strides: [%[[COLUMNS]], 1]
func.func @shape_is_stored(%m: memref<12xf32>, %shape: memref<2xindex>, %r: index, %c: index) -> memref<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  memref.store %r, %shape[%c0] : memref<2xindex>
  memref.store %c, %shape[%c1] : memref<2xindex>
  %y = memref.reshape %m(%shape) : (memref<12xf32>, memref<2xindex>) -> memref<?x?xf32>
  return %y : memref<?x?xf32>
}

// CHECK-LABEL: @shape_is_an_input
// CHECK: %[[EXTENT:.*]] = memref.load
// CHECK: memref.reinterpret_cast {{.*}} sizes: [%[[EXTENT]]], strides: [1]
func.func @shape_is_an_input(%m: memref<12xf32>, %shape: memref<1xindex>) -> memref<?xf32> {
  %y = memref.reshape %m(%shape) : (memref<12xf32>, memref<1xindex>) -> memref<?xf32>
  return %y : memref<?xf32>
}
