// Sums of products of small numbers take the instructions that the target says it has.
// RUN: %tegula-opt %s -split-input-file --pass-pipeline='builtin.module(func.func(tegula-lower-dots))' | FileCheck %s

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "znver4", features = "", vectorBytes = 64, registers = 32, cacheKiB = 512, threads = 1, dot = "u8s8">} {
// CHECK-LABEL: func.func @bytes
// CHECK-SAME: %[[ROW:.+]]: vector<4xi8>, %[[W:.+]]: vector<16x4xi8>, %[[SUM:.+]]: vector<16xi32>
// CHECK: %[[X:.+]] = vector.bitcast %{{.+}} : vector<16xi32> to vector<64xi8>
// CHECK: %[[F:.+]] = vector.shape_cast %[[W]] : vector<16x4xi8> to vector<64xi8>
// CHECK: %[[Y:.+]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM]], %[[X]], %[[F]])
// CHECK: return %[[Y]]
func.func @bytes(%row: vector<4xi8>, %w: vector<16x4xi8>, %sum: vector<16xi32>) -> vector<16xi32> {
  %x = vector.broadcast %row : vector<4xi8> to vector<16x4xi8>
  %a = arith.extui %x : vector<16x4xi8> to vector<16x4xi32>
  %b = arith.extsi %w : vector<16x4xi8> to vector<16x4xi32>
  %p = arith.muli %a, %b : vector<16x4xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<16x4xi32> to vector<16xi32>
  return %y : vector<16xi32>
}

// Each lane with numbers of its own, as in depthwise sums.
// CHECK-LABEL: func.func @own
// CHECK: %[[X:.+]] = vector.shape_cast %{{.+}} : vector<16x4xi8> to vector<64xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.+}}, %[[X]], %{{.+}})
func.func @own(%x: vector<16x4xi8>, %w: vector<16x4xi8>, %sum: vector<16xi32>) -> vector<16xi32> {
  %a = arith.extui %x : vector<16x4xi8> to vector<16x4xi32>
  %b = arith.extsi %w : vector<16x4xi8> to vector<16x4xi32>
  %p = arith.muli %a, %b : vector<16x4xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<16x4xi32> to vector<16xi32>
  return %y : vector<16xi32>
}

// Signed bytes on the left have no instruction.
// CHECK-LABEL: func.func @negative_signed
// CHECK: vector.multi_reduction
func.func @negative_signed(%row: vector<4xi8>, %w: vector<16x4xi8>, %sum: vector<16xi32>) -> vector<16xi32> {
  %x = vector.broadcast %row : vector<4xi8> to vector<16x4xi8>
  %a = arith.extsi %x : vector<16x4xi8> to vector<16x4xi32>
  %b = arith.extsi %w : vector<16x4xi8> to vector<16x4xi32>
  %p = arith.muli %a, %b : vector<16x4xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<16x4xi32> to vector<16xi32>
  return %y : vector<16xi32>
}
}

// -----

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1, dot = "s16s16">} {
// CHECK-LABEL: func.func @pairs
// CHECK: %[[W:.+]] = arith.extsi %{{.+}} : vector<16xi8> to vector<16xi16>
// CHECK: %[[P:.+]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.+}}, %[[W]])
// CHECK: arith.addi %{{.+}}, %[[P]] : vector<8xi32>
func.func @pairs(%row: vector<2xi16>, %w: vector<8x2xi8>, %sum: vector<8xi32>) -> vector<8xi32> {
  %x = vector.broadcast %row : vector<2xi16> to vector<8x2xi16>
  %a = arith.extsi %x : vector<8x2xi16> to vector<8x2xi32>
  %b = arith.extsi %w : vector<8x2xi8> to vector<8x2xi32>
  %p = arith.muli %a, %b : vector<8x2xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<8x2xi32> to vector<8xi32>
  return %y : vector<8xi32>
}
}

// -----

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "aarch64-unknown-linux-gnu", cpu = "neoverse-n1", features = "", vectorBytes = 16, registers = 32, cacheKiB = 512, threads = 1, dot = "s8s8">} {
// CHECK-LABEL: func.func @signed_bytes
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
func.func @signed_bytes(%row: vector<4xi8>, %w: vector<4x4xi8>, %sum: vector<4xi32>) -> vector<4xi32> {
  %x = vector.broadcast %row : vector<4xi8> to vector<4x4xi8>
  %a = arith.extsi %x : vector<4x4xi8> to vector<4x4xi32>
  %b = arith.extsi %w : vector<4x4xi8> to vector<4x4xi32>
  %p = arith.muli %a, %b : vector<4x4xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<4x4xi32> to vector<4xi32>
  return %y : vector<4xi32>
}

// CHECK-LABEL: func.func @negative_unsigned
// CHECK: vector.multi_reduction
func.func @negative_unsigned(%row: vector<4xi8>, %w: vector<4x4xi8>, %sum: vector<4xi32>) -> vector<4xi32> {
  %x = vector.broadcast %row : vector<4xi8> to vector<4x4xi8>
  %a = arith.extui %x : vector<4x4xi8> to vector<4x4xi32>
  %b = arith.extsi %w : vector<4x4xi8> to vector<4x4xi32>
  %p = arith.muli %a, %b : vector<4x4xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<4x4xi32> to vector<4xi32>
  return %y : vector<4xi32>
}
}

// -----

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "aarch64-unknown-linux-gnu", cpu = "neoverse-v1", features = "", vectorBytes = 32, registers = 32, cacheKiB = 512, threads = 1, dot = "u8s8">} {
// CHECK-LABEL: func.func @unsigned_bytes
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"
func.func @unsigned_bytes(%row: vector<4xi8>, %w: vector<4x4xi8>, %sum: vector<4xi32>) -> vector<4xi32> {
  %x = vector.broadcast %row : vector<4xi8> to vector<4x4xi8>
  %a = arith.extui %x : vector<4x4xi8> to vector<4x4xi32>
  %b = arith.extsi %w : vector<4x4xi8> to vector<4x4xi32>
  %p = arith.muli %a, %b : vector<4x4xi32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<4x4xi32> to vector<4xi32>
  return %y : vector<4xi32>
}
}

// -----

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "znver4", features = "", vectorBytes = 64, registers = 32, cacheKiB = 512, threads = 1, realDot = "bf16">} {
// CHECK-LABEL: func.func @reals
// CHECK-SAME: %[[ROW:.+]]: vector<2xbf16>, %[[W:.+]]: vector<16x2xbf16>, %[[SUM:.+]]: vector<16xf32>
// CHECK: %[[X:.+]] = vector.bitcast %{{.+}} : vector<16xi32> to vector<32xbf16>
// CHECK: %[[F:.+]] = vector.shape_cast %[[W]] : vector<16x2xbf16> to vector<32xbf16>
// CHECK: %[[Y:.+]] = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%[[SUM]], %[[X]], %[[F]])
// CHECK: return %[[Y]]
func.func @reals(%row: vector<2xbf16>, %w: vector<16x2xbf16>, %sum: vector<16xf32>) -> vector<16xf32> {
  %x = vector.broadcast %row : vector<2xbf16> to vector<16x2xbf16>
  %a = arith.extf %x : vector<16x2xbf16> to vector<16x2xf32>
  %b = arith.extf %w : vector<16x2xbf16> to vector<16x2xf32>
  %p = arith.mulf %a, %b : vector<16x2xf32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<16x2xf32> to vector<16xf32>
  return %y : vector<16xf32>
}

// CHECK-LABEL: func.func @negative_half
// CHECK: vector.multi_reduction
func.func @negative_half(%row: vector<2xf16>, %w: vector<16x2xf16>, %sum: vector<16xf32>) -> vector<16xf32> {
  %x = vector.broadcast %row : vector<2xf16> to vector<16x2xf16>
  %a = arith.extf %x : vector<16x2xf16> to vector<16x2xf32>
  %b = arith.extf %w : vector<16x2xf16> to vector<16x2xf32>
  %p = arith.mulf %a, %b : vector<16x2xf32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<16x2xf32> to vector<16xf32>
  return %y : vector<16xf32>
}
}

// -----

#rows = affine_map<(m, n, k) -> (m, k)>
#columns = affine_map<(m, n, k) -> (n, k)>
#square = affine_map<(m, n, k) -> (m, n)>
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "aarch64-unknown-linux-gnu", cpu = "neoverse-v1", features = "", vectorBytes = 32, registers = 32, cacheKiB = 512, threads = 1, dot = "u8s8", mmla = true>} {
// CHECK-LABEL: func.func @mmla
// CHECK-SAME: %[[X:.+]]: vector<2x8xi8>, %[[W:.+]]: vector<2x8xi8>, %[[SUM:.+]]: vector<4xi32>
// CHECK-DAG: %[[ROWS:.+]] = vector.shape_cast %[[X]] : vector<2x8xi8> to vector<16xi8>
// CHECK-DAG: %[[COLUMNS:.+]] = vector.shape_cast %[[W]] : vector<2x8xi8> to vector<16xi8>
// CHECK: %[[Y:.+]] = llvm.call_intrinsic "llvm.aarch64.neon.usmmla.v4i32.v16i8"(%[[SUM]], %[[ROWS]], %[[COLUMNS]])
// CHECK: return %[[Y]]
func.func @mmla(%x: vector<2x8xi8>, %w: vector<2x8xi8>, %sum: vector<4xi32>) -> vector<4xi32> {
  %a = arith.extui %x : vector<2x8xi8> to vector<2x8xi32>
  %b = arith.extsi %w : vector<2x8xi8> to vector<2x8xi32>
  %s = vector.shape_cast %sum : vector<4xi32> to vector<2x2xi32>
  %p = vector.contract {indexing_maps = [#rows, #columns, #square], iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>} %a, %b, %s : vector<2x8xi32>, vector<2x8xi32> into vector<2x2xi32>
  %y = vector.shape_cast %p : vector<2x2xi32> to vector<4xi32>
  return %y : vector<4xi32>
}
}

// -----

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "aarch64-unknown-linux-gnu", cpu = "neoverse-v1", features = "", vectorBytes = 32, registers = 32, cacheKiB = 512, threads = 1, realDot = "bf16">} {
// CHECK-LABEL: func.func @neon
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.bfdot.v4f32.v8bf16"
func.func @neon(%row: vector<2xbf16>, %w: vector<4x2xbf16>, %sum: vector<4xf32>) -> vector<4xf32> {
  %x = vector.broadcast %row : vector<2xbf16> to vector<4x2xbf16>
  %a = arith.extf %x : vector<4x2xbf16> to vector<4x2xf32>
  %b = arith.extf %w : vector<4x2xbf16> to vector<4x2xf32>
  %p = arith.mulf %a, %b : vector<4x2xf32>
  %y = vector.multi_reduction <add>, %p, %sum [1] : vector<4x2xf32> to vector<4xf32>
  return %y : vector<4xf32>
}
}

// -----

// All four bytes of lanes: unsigned ones of 4 bits, whose products AVX2 sums without saturation, and signed ones.
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1, dot = "s16s16">} {
// CHECK-LABEL: func.func @bytes_of_lanes
// CHECK-SAME: %[[X:.+]]: vector<8xi32>, %[[PACKED:.+]]: vector<8xi32>, %[[SUM:.+]]: vector<8xi32>
// CHECK: %[[W:.+]] = arith.andi %[[PACKED]]
// CHECK-DAG: %[[WB:.+]] = vector.bitcast %[[W]] : vector<8xi32> to vector<32xi8>
// CHECK-DAG: %[[XB:.+]] = vector.bitcast %[[X]] : vector<8xi32> to vector<32xi8>
// CHECK: %[[PAIRS:.+]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[WB]], %[[XB]])
// CHECK: %[[SUMS:.+]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[PAIRS]], %{{.+}})
// CHECK: arith.addi %[[SUM]], %[[SUMS]]
func.func @bytes_of_lanes(%x: vector<8xi32>, %packed: vector<8xi32>, %sum: vector<8xi32>) -> vector<8xi32> {
  %c8 = arith.constant dense<8> : vector<8xi32>
  %c16 = arith.constant dense<16> : vector<8xi32>
  %c24 = arith.constant dense<24> : vector<8xi32>
  %byte = arith.constant dense<255> : vector<8xi32>
  %low = arith.constant dense<252645135> : vector<8xi32>
  %w = arith.andi %packed, %low : vector<8xi32>
  %w0 = arith.andi %w, %byte : vector<8xi32>
  %l0 = arith.shli %x, %c24 : vector<8xi32>
  %x0 = arith.shrsi %l0, %c24 : vector<8xi32>
  %p0 = arith.muli %w0, %x0 : vector<8xi32>
  %r1 = arith.shrui %w, %c8 : vector<8xi32>
  %w1 = arith.andi %r1, %byte : vector<8xi32>
  %l1 = arith.shli %x, %c16 : vector<8xi32>
  %x1 = arith.shrsi %l1, %c24 : vector<8xi32>
  %p1 = arith.muli %w1, %x1 : vector<8xi32>
  %r2 = arith.shrui %w, %c16 : vector<8xi32>
  %w2 = arith.andi %r2, %byte : vector<8xi32>
  %l2 = arith.shli %x, %c8 : vector<8xi32>
  %x2 = arith.shrsi %l2, %c24 : vector<8xi32>
  %p2 = arith.muli %w2, %x2 : vector<8xi32>
  %r3 = arith.shrui %w, %c24 : vector<8xi32>
  %w3 = arith.andi %r3, %byte : vector<8xi32>
  %x3 = arith.shrsi %x, %c24 : vector<8xi32>
  %p3 = arith.muli %w3, %x3 : vector<8xi32>
  %s01 = arith.addi %p0, %p1 : vector<8xi32>
  %s23 = arith.addi %p2, %p3 : vector<8xi32>
  %s = arith.addi %s01, %s23 : vector<8xi32>
  %y = arith.addi %sum, %s : vector<8xi32>
  return %y : vector<8xi32>
}

// Of 8 bits, two products might not fit.
// CHECK-LABEL: func.func @negative_large_bytes
// CHECK-NOT: llvm.call_intrinsic
// CHECK: return
func.func @negative_large_bytes(%x: vector<8xi32>, %packed: vector<8xi32>, %sum: vector<8xi32>) -> vector<8xi32> {
  %c8 = arith.constant dense<8> : vector<8xi32>
  %c16 = arith.constant dense<16> : vector<8xi32>
  %c24 = arith.constant dense<24> : vector<8xi32>
  %byte = arith.constant dense<255> : vector<8xi32>
  %low = arith.constant dense<-1> : vector<8xi32>
  %w = arith.andi %packed, %low : vector<8xi32>
  %w0 = arith.andi %w, %byte : vector<8xi32>
  %l0 = arith.shli %x, %c24 : vector<8xi32>
  %x0 = arith.shrsi %l0, %c24 : vector<8xi32>
  %p0 = arith.muli %w0, %x0 : vector<8xi32>
  %r1 = arith.shrui %w, %c8 : vector<8xi32>
  %w1 = arith.andi %r1, %byte : vector<8xi32>
  %l1 = arith.shli %x, %c16 : vector<8xi32>
  %x1 = arith.shrsi %l1, %c24 : vector<8xi32>
  %p1 = arith.muli %w1, %x1 : vector<8xi32>
  %r2 = arith.shrui %w, %c16 : vector<8xi32>
  %w2 = arith.andi %r2, %byte : vector<8xi32>
  %l2 = arith.shli %x, %c8 : vector<8xi32>
  %x2 = arith.shrsi %l2, %c24 : vector<8xi32>
  %p2 = arith.muli %w2, %x2 : vector<8xi32>
  %r3 = arith.shrui %w, %c24 : vector<8xi32>
  %w3 = arith.andi %r3, %byte : vector<8xi32>
  %x3 = arith.shrsi %x, %c24 : vector<8xi32>
  %p3 = arith.muli %w3, %x3 : vector<8xi32>
  %s01 = arith.addi %p0, %p1 : vector<8xi32>
  %s23 = arith.addi %p2, %p3 : vector<8xi32>
  %s = arith.addi %s01, %s23 : vector<8xi32>
  %y = arith.addi %sum, %s : vector<8xi32>
  return %y : vector<8xi32>
}
}
