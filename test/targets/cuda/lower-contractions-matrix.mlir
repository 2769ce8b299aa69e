// Matrix instructions multiply where a plan has `dot`: those of each family of GPUs among the target's, chosen by the kernel.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(tegula-lower-contractions,canonicalize)' | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_70,sm_75,sm_80">} {

// Stages of 4 KiB: four that are copied ahead, two that are loaded in turns.
// CHECK-DAG: llvm.mlir.global private @tiles_16384() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<16384 x i8>
// CHECK-DAG: llvm.mlir.global private @tiles_8192()

// CHECK-LABEL: @halves
// CHECK-NOT: linalg.generic
// CHECK-DAG: [[AMPERE:%.+]] = arith.constant 80 : i32
// CHECK-DAG: [[TURING:%.+]] = arith.constant 75 : i32
// CHECK: scf.forall ({{.*}}) in (2, 2) {
// CHECK: [[CHIP:%.+]] = llvm.call @tegula_chip() : () -> i32
// CHECK: [[IS_AMPERE:%.+]] = arith.cmpi uge, [[CHIP]], [[AMPERE]]
// CHECK: scf.if [[IS_AMPERE]] {
// CHECK: nvvm.cp.async.shared.global {{.*}}, 16, cache =  cg
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 2
// CHECK-NEXT: nvvm.barrier0
// The right side's neighbours are columns, the left one's along the depth.
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>, num = 4
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK: nvvm.mma.sync A[%{{[^]]+}}] B[%{{[0-9]+, %[0-9]+}}] {{.*}}<m = 16, n = 8, k = 16>} : (vector<2xf16>, vector<2xf16>, f32)
// CHECK: } else {
// CHECK: [[IS_TURING:%.+]] = arith.cmpi uge, [[CHIP]], [[TURING]]
// CHECK: scf.if [[IS_TURING]] {
// CHECK-NOT: cp.async
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>, num = 4
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 8>
// CHECK: } else {
// Volta reads what it multiplies by plain loads.
// CHECK-NOT: nvvm.ldmatrix
// CHECK: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xf16>
// CHECK: llvm.load {{.*}} : !llvm.ptr<3> -> vector<8xf16>
// CHECK: nvvm.mma.sync {{.*}}layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<row>, {{.*}}<m = 8, n = 8, k = 4>
// CHECK-NOT: nvvm.ldmatrix
// CHECK: } {tgl.threads = 64 : i64}
func.func @halves(%a: memref<64x64xf16>, %b: memref<64x64xf16>, %y: memref<64x64xf32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : memref<64x64xf16>, memref<64x64xf16>) outs(%y : memref<64x64xf32>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%x: f16, %w: f16, %s: f32):
      %xe = arith.extf %x : f16 to f32
      %we = arith.extf %w : f16 to f32
      %p = arith.mulf %xe, %we : f32
      %t = arith.addf %s, %p : f32
      linalg.yield %t : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 32, unrollLoop = -1, unroll = 16, block = [32, 32, 32] over 64, dot = 16>}
  return
}
}

// -----
// One family needs no choice; with both sides along the depth nothing is turned.
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_75">} {
// CHECK-LABEL: @one_chip
// CHECK-NOT: tegula_chip
// CHECK-NOT: scf.if
// CHECK-NOT: #nvvm.mma_layout<col>, num
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK-NOT: #nvvm.mma_layout<col>, num
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 8>
// CHECK: return
func.func @one_chip(%a: memref<64x64xf16>, %b: memref<64x64xf16>, %y: memref<64x64xf32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : memref<64x64xf16>, memref<64x64xf16>) outs(%y : memref<64x64xf32>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%x: f16, %w: f16, %s: f32):
      %xe = arith.extf %x : f16 to f32
      %we = arith.extf %w : f16 to f32
      %p = arith.mulf %xe, %we : f32
      %t = arith.addf %s, %p : f32
      linalg.yield %t : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 32, unrollLoop = -1, unroll = 16, block = [32, 32, 32] over 64, dot = 16>}
  return
}
}

// -----
// Turing has no instruction for bf16.
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_75,sm_80">} {
// CHECK-LABEL: @brains
// CHECK: llvm.call @tegula_chip
// CHECK: scf.if
// CHECK-NOT: arith.mulf
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>, {{.*}}<m = 16, n = 8, k = 16>
// CHECK: } else {
// CHECK-NOT: nvvm.mma.sync
// CHECK: memref.get_global @shared_32x32xbf16
// CHECK: arith.mulf
// CHECK-NOT: nvvm.mma.sync
// CHECK: return
func.func @brains(%a: memref<64x64xbf16>, %b: memref<64x64xbf16>, %y: memref<64x64xf32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : memref<64x64xbf16>, memref<64x64xbf16>) outs(%y : memref<64x64xf32>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%x: bf16, %w: bf16, %s: f32):
      %xe = arith.extf %x : bf16 to f32
      %we = arith.extf %w : bf16 to f32
      %p = arith.mulf %xe, %we : f32
      %t = arith.addf %s, %p : f32
      linalg.yield %t : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 32, unrollLoop = -1, unroll = 16, block = [32, 32, 32] over 64, dot = 16>}
  return
}

// Bytes, 32 at a time or four times eight rows of 16; each side has its sign. Those that are not along the depth are stored one by one.
// CHECK-LABEL: @bytes
// CHECK: scf.if
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK: nvvm.mma.sync {{.*}}intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>
// CHECK-SAME: multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>
// CHECK-SAME: <m = 16, n = 8, k = 32>
// CHECK: } else {
// CHECK: llvm.store {{.*}}{alignment = 1 : i64} : i8, !llvm.ptr<3>
// CHECK: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>
// CHECK-SAME: <m = 8, n = 8, k = 16>
// CHECK: return
func.func @bytes(%a: memref<64x64xi8>, %b: memref<64x64xi8>, %y: memref<64x64xi32>) {
  scf.forall (%u) in (1) {
    linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : memref<64x64xi8>, memref<64x64xi8>) outs(%y : memref<64x64xi32>) attrs = {tgl.start = 0 : i32} {
    ^bb0(%x: i8, %w: i8, %s: i32):
      %xe = arith.extui %x : i8 to i32
      %we = arith.extsi %w : i8 to i32
      %p = arith.muli %xe, %we : i32
      %t = arith.addi %s, %p : i32
      linalg.yield %t : i32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 32, unrollLoop = -1, unroll = 16, block = [32, 32, 64] over 64, dot = 32>}
  return
}
}
