// Divisions that round up or down and conversions of bf16 are written out; maxima stay for LLVM.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-arith))' | FileCheck %s

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
