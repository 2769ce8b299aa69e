// Transfers become loads; exp becomes a polynomial.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-vectors))' | FileCheck %s

// CHECK-LABEL: @exp
// CHECK: vector.load
// CHECK-NOT: math.exp
// CHECK: vector.store
func.func @exp(%x: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32
  %v = vector.transfer_read %x[%c0], %pad {in_bounds = [true]} : memref<8xf32>, vector<8xf32>
  %e = math.exp %v : vector<8xf32>
  vector.transfer_write %e, %x[%c0] {in_bounds = [true]} : vector<8xf32>, memref<8xf32>
  return
}
