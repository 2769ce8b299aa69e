// Bounded numbers are divided by constants without a division.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-divisions))' | FileCheck %s

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1>} {
// What is bounded is divided by a constant without a division; what may be infinite is divided.
// CHECK-LABEL: @quotient
// CHECK-NOT: divf
// CHECK: %[[Q:.+]] = arith.mulf
// CHECK: %[[E:.+]] = math.fma %[[Q]]
// CHECK: math.fma %[[E]], %{{.+}}, %[[Q]]
// CHECK: arith.divf
// CHECK-NOT: divf
func.func @quotient(%x: vector<8xf32>) -> (vector<8xf32>, vector<8xf32>) {
  %low = arith.constant dense<-12.8> : vector<8xf32>
  %high = arith.constant dense<12.7> : vector<8xf32>
  %c = arith.constant dense<0.1> : vector<8xf32>
  %0 = arith.cmpf ogt, %x, %low : vector<8xf32>
  %1 = arith.select %0, %x, %low : vector<8xi1>, vector<8xf32>
  %2 = arith.cmpf olt, %1, %high : vector<8xf32>
  %3 = arith.select %2, %1, %high : vector<8xi1>, vector<8xf32>
  %4 = arith.divf %3, %c : vector<8xf32>
  %5 = arith.divf %x, %c : vector<8xf32>
  return %4, %5 : vector<8xf32>, vector<8xf32>
}
}
