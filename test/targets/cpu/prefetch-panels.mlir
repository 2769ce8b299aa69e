// Panels of weights that no cache keeps are fetched 4,096 bytes ahead; small ones, and loops of few sums, stay as they are.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-prefetch-panels))' | FileCheck %s

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v4", features = "", vectorBytes = 64, registers = 32, cacheKiB = 1024, threads = 1>} {
memref.global "private" constant @large_weights : memref<4x8192x16xf32> = uninitialized
memref.global "private" constant @dots_weights : memref<4x8192x16x4xi8> = uninitialized
memref.global "private" constant @negative_small_weights : memref<4x512x16xf32> = uninitialized
memref.global "private" constant @negative_few_sums_weights : memref<4x8192x16xf32> = uninitialized

// CHECK-LABEL: func.func @large
// CHECK: [[PANELS:%.+]] = memref.get_global
// CHECK: scf.for [[K:%[a-z0-9]+]] =
// CHECK: [[AHEAD:%.+]] = arith.constant 64
// CHECK: [[ROW:%.+]] = arith.addi [[K]], [[AHEAD]]
// CHECK: memref.prefetch [[PANELS]][%{{.+}}, [[ROW]], %{{.+}}], read, locality<3>, data
func.func @large() -> vector<16xf32> {
  %panels = memref.get_global @large_weights : memref<4x8192x16xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = arith.constant 8192 : index
  %pad = arith.constant 0.0 : f32
  %zero = arith.constant dense<0.0> : vector<16xf32>
  %sums:12 = scf.for %k = %c0 to %rows step %c1 iter_args(%a0 = %zero, %a1 = %zero, %a2 = %zero, %a3 = %zero, %a4 = %zero, %a5 = %zero, %a6 = %zero, %a7 = %zero, %a8 = %zero, %a9 = %zero, %a10 = %zero, %a11 = %zero) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
    %w = vector.transfer_read %panels[%c0, %k, %c0], %pad {in_bounds = [true]} : memref<4x8192x16xf32>, vector<16xf32>
    %s0 = arith.addf %a0, %w : vector<16xf32>
    %s1 = arith.addf %a1, %w : vector<16xf32>
    %s2 = arith.addf %a2, %w : vector<16xf32>
    %s3 = arith.addf %a3, %w : vector<16xf32>
    %s4 = arith.addf %a4, %w : vector<16xf32>
    %s5 = arith.addf %a5, %w : vector<16xf32>
    %s6 = arith.addf %a6, %w : vector<16xf32>
    %s7 = arith.addf %a7, %w : vector<16xf32>
    %s8 = arith.addf %a8, %w : vector<16xf32>
    %s9 = arith.addf %a9, %w : vector<16xf32>
    %s10 = arith.addf %a10, %w : vector<16xf32>
    %s11 = arith.addf %a11, %w : vector<16xf32>
    scf.yield %s0, %s1, %s2, %s3, %s4, %s5, %s6, %s7, %s8, %s9, %s10, %s11 : vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>
  }
  return %sums#0 : vector<16xf32>
}

// CHECK-LABEL: func.func @negative_small
// CHECK-NOT: memref.prefetch
func.func @negative_small() -> vector<16xf32> {
  %panels = memref.get_global @negative_small_weights : memref<4x512x16xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = arith.constant 512 : index
  %pad = arith.constant 0.0 : f32
  %zero = arith.constant dense<0.0> : vector<16xf32>
  %sums:12 = scf.for %k = %c0 to %rows step %c1 iter_args(%a0 = %zero, %a1 = %zero, %a2 = %zero, %a3 = %zero, %a4 = %zero, %a5 = %zero, %a6 = %zero, %a7 = %zero, %a8 = %zero, %a9 = %zero, %a10 = %zero, %a11 = %zero) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
    %w = vector.transfer_read %panels[%c0, %k, %c0], %pad {in_bounds = [true]} : memref<4x512x16xf32>, vector<16xf32>
    %s0 = arith.addf %a0, %w : vector<16xf32>
    %s1 = arith.addf %a1, %w : vector<16xf32>
    %s2 = arith.addf %a2, %w : vector<16xf32>
    %s3 = arith.addf %a3, %w : vector<16xf32>
    %s4 = arith.addf %a4, %w : vector<16xf32>
    %s5 = arith.addf %a5, %w : vector<16xf32>
    %s6 = arith.addf %a6, %w : vector<16xf32>
    %s7 = arith.addf %a7, %w : vector<16xf32>
    %s8 = arith.addf %a8, %w : vector<16xf32>
    %s9 = arith.addf %a9, %w : vector<16xf32>
    %s10 = arith.addf %a10, %w : vector<16xf32>
    %s11 = arith.addf %a11, %w : vector<16xf32>
    scf.yield %s0, %s1, %s2, %s3, %s4, %s5, %s6, %s7, %s8, %s9, %s10, %s11 : vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>
  }
  return %sums#0 : vector<16xf32>
}

// CHECK-LABEL: func.func @negative_few_sums
// CHECK-NOT: memref.prefetch
func.func @negative_few_sums() -> vector<16xf32> {
  %panels = memref.get_global @negative_few_sums_weights : memref<4x8192x16xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = arith.constant 8192 : index
  %pad = arith.constant 0.0 : f32
  %zero = arith.constant dense<0.0> : vector<16xf32>
  %sums:2 = scf.for %k = %c0 to %rows step %c1 iter_args(%a0 = %zero, %a1 = %zero) -> (vector<16xf32>, vector<16xf32>) {
    %w = vector.transfer_read %panels[%c0, %k, %c0], %pad {in_bounds = [true]} : memref<4x8192x16xf32>, vector<16xf32>
    %s0 = arith.addf %a0, %w : vector<16xf32>
    %s1 = arith.addf %a1, %w : vector<16xf32>
    scf.yield %s0, %s1 : vector<16xf32>, vector<16xf32>
  }
  return %sums#0 : vector<16xf32>
}

// Rows that hold four neighbours of each column: their number is the loop's divided by four.
// CHECK-LABEL: func.func @dots
// CHECK: [[PANELS:%.+]] = memref.get_global
// CHECK: scf.for [[K:%[a-z0-9]+]] =
// CHECK: [[QUARTER:%.+]] = arith.divui [[K]]
// CHECK: [[AHEAD:%.+]] = arith.constant 64
// CHECK: [[ROW:%.+]] = arith.addi [[QUARTER]], [[AHEAD]]
// CHECK: memref.prefetch [[PANELS]][%{{.+}}, [[ROW]], %{{.+}}, %{{.+}}], read, locality<3>, data
func.func @dots() -> vector<16x4xi8> {
  %panels = memref.get_global @dots_weights : memref<4x8192x16x4xi8>
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %rows = arith.constant 32768 : index
  %pad = arith.constant 0 : i8
  %zero = arith.constant dense<0> : vector<16x4xi8>
  %sums:12 = scf.for %k = %c0 to %rows step %c4 iter_args(%a0 = %zero, %a1 = %zero, %a2 = %zero, %a3 = %zero, %a4 = %zero, %a5 = %zero, %a6 = %zero, %a7 = %zero, %a8 = %zero, %a9 = %zero, %a10 = %zero, %a11 = %zero) -> (vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>) {
    %quarter = arith.divui %k, %c4 : index
    %w = vector.transfer_read %panels[%c0, %quarter, %c0, %c0], %pad {in_bounds = [true, true]} : memref<4x8192x16x4xi8>, vector<16x4xi8>
    %s0 = arith.addi %a0, %w : vector<16x4xi8>
    %s1 = arith.addi %a1, %w : vector<16x4xi8>
    %s2 = arith.addi %a2, %w : vector<16x4xi8>
    %s3 = arith.addi %a3, %w : vector<16x4xi8>
    %s4 = arith.addi %a4, %w : vector<16x4xi8>
    %s5 = arith.addi %a5, %w : vector<16x4xi8>
    %s6 = arith.addi %a6, %w : vector<16x4xi8>
    %s7 = arith.addi %a7, %w : vector<16x4xi8>
    %s8 = arith.addi %a8, %w : vector<16x4xi8>
    %s9 = arith.addi %a9, %w : vector<16x4xi8>
    %s10 = arith.addi %a10, %w : vector<16x4xi8>
    %s11 = arith.addi %a11, %w : vector<16x4xi8>
    scf.yield %s0, %s1, %s2, %s3, %s4, %s5, %s6, %s7, %s8, %s9, %s10, %s11 : vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>, vector<16x4xi8>
  }
  return %sums#0 : vector<16x4xi8>
}
}
