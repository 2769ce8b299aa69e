// Sums stay in matrix registers over the loops: set to zero before, stored after, where their rows are read from.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-matrices,canonicalize))' | FileCheck %s

#x = affine_map<(m, n, k, i) -> (m, k, i)>
#w = affine_map<(m, n, k, i) -> (k, n, i)>
#y = affine_map<(m, n, k, i) -> (m, n)>
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "sapphirerapids", features = "", vectorBytes = 64, registers = 32, cacheKiB = 512, threads = 1, dot = "u8s8", tiles = 8>} {
// Sums of 12 rows of 64 bytes, left sides of 12 rows of 32 bytes, right sides of 8 rows of 64 bytes.
// CHECK-LABEL: func.func @sums
// CHECK-DAG: %[[SUM:.+]] = llvm.mlir.constant(0 : i8)
// CHECK-DAG: %[[LEFT:.+]] = llvm.mlir.constant(4 : i8)
// CHECK-DAG: %[[RIGHT:.+]] = llvm.mlir.constant(6 : i8)
// CHECK: %[[CONFIG:.+]] = arith.constant dense<[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 12, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]> : vector<64xi8>
// CHECK: vector.store %[[CONFIG]]
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK: llvm.call_intrinsic "llvm.x86.tilezero"(%[[SUM]])
// CHECK-NEXT: scf.for
// CHECK-NOT: vector.contract
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"(%[[LEFT]]
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"(%[[RIGHT]]
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbusd"(%[[SUM]], %[[LEFT]], %[[RIGHT]])
// CHECK: }
// CHECK: llvm.call_intrinsic "llvm.x86.tilestored64"(%[[SUM]]
// CHECK: vector.load %{{.+}}[%{{.+}}, %{{.+}}] : memref<16x16xi32>, vector<16xi32>
// CHECK: llvm.call_intrinsic "llvm.x86.tilerelease"
func.func @sums(%rows: memref<12x256xi8, strided<[512, 1], offset: ?>>, %panel: memref<64x32x4xi8>) -> vector<16xi32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant dense<0> : vector<12x16xi32>
  %pad = arith.constant 0 : i8
  %sum = scf.for %k = %c0 to %c64 step %c8 iter_args(%s = %zero) -> vector<12x16xi32> {
    %at = arith.muli %k, %c4 : index
    %x = vector.transfer_read %rows[%c0, %at], %pad {in_bounds = [true, true]} : memref<12x256xi8, strided<[512, 1], offset: ?>>, vector<12x32xi8>
    %w = vector.transfer_read %panel[%k, %c0, %c0], %pad {in_bounds = [true, true, true]} : memref<64x32x4xi8>, vector<8x16x4xi8>
    %x4 = vector.shape_cast %x : vector<12x32xi8> to vector<12x8x4xi8>
    %a = arith.extui %x4 : vector<12x8x4xi8> to vector<12x8x4xi32>
    %b = arith.extsi %w : vector<8x16x4xi8> to vector<8x16x4xi32>
    %t = vector.contract {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction", "reduction"], kind = #vector.kind<add>, tgl.registers = array<i64: 0, 4, 6>} %a, %b, %s : vector<12x8x4xi32>, vector<8x16x4xi32> into vector<12x16xi32>
    scf.yield %t : vector<12x16xi32>
  }
  %row = vector.extract %sum[3] : vector<16xi32> from vector<12x16xi32>
  return %row : vector<16xi32>
}

// Two units of other shapes in one function: each is configured for before its sums begin.
// CHECK-LABEL: func.func @two
// CHECK: ldtilecfg
// CHECK: tilezero
// CHECK: tdpbusd
// CHECK: tilestored64
// CHECK: ldtilecfg
// CHECK: tilezero
// CHECK: tdpbusd
// CHECK: tilestored64
// CHECK-NOT: ldtilecfg
// CHECK: tilerelease
func.func @two(%rows: memref<12x64xi8>, %panel: memref<16x16x4xi8>, %others: memref<7x32xi8>, %other: memref<8x16x4xi8>) -> (vector<16xi32>, vector<16xi32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0> : vector<12x16xi32>
  %zeros = arith.constant dense<0> : vector<7x16xi32>
  %pad = arith.constant 0 : i8
  %x = vector.transfer_read %rows[%c0, %c0], %pad {in_bounds = [true, true]} : memref<12x64xi8>, vector<12x64xi8>
  %w = vector.transfer_read %panel[%c0, %c0, %c0], %pad {in_bounds = [true, true, true]} : memref<16x16x4xi8>, vector<16x16x4xi8>
  %x4 = vector.shape_cast %x : vector<12x64xi8> to vector<12x16x4xi8>
  %a = arith.extui %x4 : vector<12x16x4xi8> to vector<12x16x4xi32>
  %b = arith.extsi %w : vector<16x16x4xi8> to vector<16x16x4xi32>
  %t = vector.contract {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction", "reduction"], kind = #vector.kind<add>, tgl.registers = array<i64: 0, 4, 6>} %a, %b, %zero : vector<12x16x4xi32>, vector<16x16x4xi32> into vector<12x16xi32>
  %row = vector.extract %t[3] : vector<16xi32> from vector<12x16xi32>
  %p = vector.transfer_read %others[%c0, %c0], %pad {in_bounds = [true, true]} : memref<7x32xi8>, vector<7x32xi8>
  %q = vector.transfer_read %other[%c0, %c0, %c0], %pad {in_bounds = [true, true, true]} : memref<8x16x4xi8>, vector<8x16x4xi8>
  %p4 = vector.shape_cast %p : vector<7x32xi8> to vector<7x8x4xi8>
  %c = arith.extui %p4 : vector<7x8x4xi8> to vector<7x8x4xi32>
  %d = arith.extsi %q : vector<8x16x4xi8> to vector<8x16x4xi32>
  %u = vector.contract {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction", "reduction"], kind = #vector.kind<add>, tgl.registers = array<i64: 0, 4, 6>} %c, %d, %zeros : vector<7x8x4xi32>, vector<8x16x4xi32> into vector<7x16xi32>
  %line = vector.extract %u[1] : vector<16xi32> from vector<7x16xi32>
  return %row, %line : vector<16xi32>, vector<16xi32>
}

// Left sides of 12 rows of 16 bf16, right sides of 8 rows of 64 bytes.
// CHECK-LABEL: func.func @reals
// CHECK-DAG: arith.constant dense<[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 64, {{.*}}]> : vector<64xi8>
// CHECK-DAG: arith.constant 1024 : i64
// CHECK: tilezero
// CHECK: tileloadd64
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: tilestored64
// CHECK: vector.load %{{.+}}[%{{.+}}, %{{.+}}] : memref<16x16xf32>, vector<16xf32>
func.func @reals(%rows: memref<12x256xbf16, strided<[512, 1], offset: ?>>, %panel: memref<64x32x2xbf16>) -> vector<16xf32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant dense<0.0> : vector<12x16xf32>
  %pad = arith.constant 0.0 : bf16
  %sum = scf.for %k = %c0 to %c64 step %c8 iter_args(%s = %zero) -> vector<12x16xf32> {
    %at = arith.muli %k, %c2 : index
    %x = vector.transfer_read %rows[%c0, %at], %pad {in_bounds = [true, true]} : memref<12x256xbf16, strided<[512, 1], offset: ?>>, vector<12x16xbf16>
    %w = vector.transfer_read %panel[%k, %c0, %c0], %pad {in_bounds = [true, true, true]} : memref<64x32x2xbf16>, vector<8x16x2xbf16>
    %x2 = vector.shape_cast %x : vector<12x16xbf16> to vector<12x8x2xbf16>
    %a = arith.extf %x2 : vector<12x8x2xbf16> to vector<12x8x2xf32>
    %b = arith.extf %w : vector<8x16x2xbf16> to vector<8x16x2xf32>
    %t = vector.contract {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction", "reduction"], kind = #vector.kind<add>, tgl.registers = array<i64: 0, 4, 6>} %a, %b, %s : vector<12x8x2xf32>, vector<8x16x2xf32> into vector<12x16xf32>
    scf.yield %t : vector<12x16xf32>
  }
  %row = vector.extract %sum[3] : vector<16xf32> from vector<12x16xf32>
  return %row : vector<16xf32>
}
}
