// Divisions that round up or down and conversions of bf16 are written out; maxima stay for LLVM.
// RUN: %tegula-opt %s -split-input-file --pass-pipeline='builtin.module(func.func(tegula-lower-arith))' | FileCheck %s

// CHECK-LABEL: @divisions
// CHECK-NOT: {{ceildiv|floordiv}}
func.func @divisions(%a: index, %b: index) -> (index, index) {
  %0 = arith.ceildivui %a, %b : index
  %1 = arith.floordivsi %a, %b : index
  return %0, %1 : index, index
}

// CHECK-LABEL: @bf16
// CHECK: arith.shli
// CHECK-NOT: {{extf|truncf}}
func.func @bf16(%x: bf16) -> f32 {
  %0 = arith.extf %x : bf16 to f32
  return %0 : f32
}

// CHECK-LABEL: @maximum
// CHECK: arith.maximumf
func.func @maximum(%x: f32, %y: f32) -> f32 {
  %0 = arith.maximumf %x, %y : f32
  return %0 : f32
}

// -----

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1>} {
// A number that is quantized and dequantized at once stays a rounded real number, and x86 rounds to integers by one
// instruction.
// CHECK-LABEL: @quantized
// CHECK-SAME: %[[X:.+]]: vector<8xf32>
// CHECK-DAG: %[[R:.+]] = math.roundeven %[[X]]
// CHECK-DAG: %[[I:.+]] = llvm.intr.lrint(%[[X]]) : (vector<8xf32>) -> vector<8xi32>
// CHECK: %[[Q:.+]] = arith.trunci %[[I]] overflow<nuw> : vector<8xi32> to vector<8xi8>
// CHECK-NOT: sitofp
// CHECK: return %[[Q]], %[[R]]
func.func @quantized(%x: vector<8xf32>) -> (vector<8xi8>, vector<8xf32>) {
  %r = math.roundeven %x : vector<8xf32>
  %i = arith.fptosi %r : vector<8xf32> to vector<8xi32>
  %q = arith.trunci %i overflow<nuw> : vector<8xi32> to vector<8xi8>
  %w = arith.extui %q : vector<8xi8> to vector<8xi32>
  %y = arith.sitofp %w : vector<8xi32> to vector<8xf32>
  return %q, %y : vector<8xi8>, vector<8xf32>
}

// Bits may be cut off here.
// CHECK-LABEL: @negative_cut
// CHECK: arith.extui
func.func @negative_cut(%i: vector<8xi32>) -> vector<8xi32> {
  %q = arith.trunci %i overflow<nsw> : vector<8xi32> to vector<8xi8>
  %w = arith.extui %q : vector<8xi8> to vector<8xi32>
  return %w : vector<8xi32>
}
}
