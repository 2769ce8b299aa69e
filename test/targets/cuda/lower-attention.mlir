// A block of threads walks along the keys with the greatest score of each row so far, and sums relative to it. The kernel
// chooses the way of its family of GPUs.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(tegula-lower-attention,canonicalize)' | FileCheck %s
// Nothing is stored but the result, and tiles of factors in shared memory.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(tegula-lower-attention,canonicalize)' | FileCheck %s --check-prefix=STORES --implicit-check-not=memref.alloc --implicit-check-not='memref.store %{{[0-9]+}}, %{{[0-9]|arg[0-35-9]}}' --implicit-check-not='f32>, !llvm.ptr<3>' --implicit-check-not=vector.store --implicit-check-not=linalg.generic

#private = #gpu.address_space<private>
#same = affine_map<(b, m, n) -> (b, m, n)>
#row = affine_map<(b, m, n) -> (b, m)>
#key = affine_map<(b, m, n) -> (n)>
#scores = {indexing_maps = [affine_map<(b, m, n, d) -> (b, m, d)>, affine_map<(b, m, n, d) -> (b, n, d)>, affine_map<(b, m, n, d) -> (b, m, n)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#values = {indexing_maps = [affine_map<(b, m, w, n) -> (b, m, n)>, affine_map<(b, m, w, n) -> (b, n, w)>, affine_map<(b, m, w, n) -> (b, m, w)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_70,sm_75,sm_80">} {
// Two stages of keys and values, of which one is on its way; without cp.async one.
// CHECK-DAG: llvm.mlir.global private @tiles_16384() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<16384 x i8>
// CHECK-DAG: llvm.mlir.global private @tiles_8192()

// CHECK-LABEL: @halves
// STORES-LABEL: @halves
// STORES: memref.store
// CHECK-DAG: [[AMPERE:%.+]] = arith.constant 80 : i32
// CHECK-DAG: [[TURING:%.+]] = arith.constant 75 : i32
// CHECK: scf.forall ([[BATCH:%.+]], [[ROWS:%.+]]) in (2, 2) {
// CHECK: [[CHIP:%.+]] = llvm.call @tegula_chip() : () -> i32
// CHECK: [[IS_AMPERE:%.+]] = arith.cmpi uge, [[CHIP]], [[AMPERE]]
// CHECK: scf.if [[IS_AMPERE]] {
// The queries, 16 deep each, are in registers from here on.
// CHECK-COUNT-2: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK-NOT: nvvm.ldmatrix
// CHECK: nvvm.barrier0
// CHECK: nvvm.cp.async.shared.global {{.*}}, 16, cache =  cg
// CHECK: nvvm.cp.async.commit.group
// CHECK: [[STATE:%.+]]:{{[0-9]+}} = scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK-NEXT: nvvm.barrier0
// CHECK: scf.if
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// 64 keys, 16 at a time, and 32 of depth.
// CHECK-COUNT-8: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK-NOT: nvvm.ldmatrix
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 16>} : (vector<2xf16>, vector<2xf16>, f32)
// The mask, then the greatest of the four lanes that have a row.
// CHECK: memref.load %{{.+}}[%{{.+}}] : memref<128xf16>
// CHECK: arith.maxnumf
// CHECK: nvvm.shfl.sync bfly
// CHECK: arith.maxnumf
// CHECK: llvm.intr.fma
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz"
// What is along the values' columns is turned on its way.
// CHECK-COUNT-8: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>, num = 4
// CHECK-NOT: nvvm.ldmatrix
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 16>
// CHECK: scf.yield
// Only now are sums of four lanes added, and divided by.
// CHECK: nvvm.shfl.sync bfly
// CHECK: arith.divf
// CHECK: arith.mulf [[STATE]]#
// CHECK: memref.store {{.*}} : memref<2x128x32xf16>
// CHECK: } else {
// CHECK: [[IS_TURING:%.+]] = arith.cmpi uge, [[CHIP]], [[TURING]]
// CHECK: scf.if [[IS_TURING]] {
// CHECK-NOT: cp.async
// CHECK: nvvm.ldmatrix
// CHECK: scf.for
// CHECK-NOT: cp.async
// CHECK: nvvm.barrier0
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>, num = 4
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 8>
// CHECK: nvvm.shfl.sync bfly
// CHECK: nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>, num = 4
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 8>
// CHECK: memref.store
// CHECK: } else {
// Volta has two threads a row here, and one key at a time.
// CHECK-NOT: nvvm.mma.sync
// CHECK-NOT: nvvm.barrier0
// CHECK: scf.for {{.*}} = %c0 to %c128 step %c1 iter_args
// CHECK: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz"
// CHECK-NOT: nvvm.mma.sync
// CHECK: memref.store
// CHECK: } {tgl.threads = 128 : i64}
func.func @halves(%q: memref<2x128x32xf16>, %k: memref<2x128x32xf16>, %v: memref<2x128x32xf16>, %mask: memref<128xf16>,
                 %y: memref<2x128x32xf16>) {
  scf.forall (%u) in (1) {
    %s = memref.alloc() : memref<2x128x128xf32, #private>
    linalg.generic #scores ins(%q, %k : memref<2x128x32xf16>, memref<2x128x32xf16>) outs(%s : memref<2x128x128xf32, #private>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f16, %b: f16, %sum: f32):
      %ae = arith.extf %a : f16 to f32
      %be = arith.extf %b : f16 to f32
      %ab = arith.mulf %ae, %be : f32
      %r = arith.addf %sum, %ab : f32
      linalg.yield %r : f32
    }
    %t = memref.alloc() : memref<2x128x128xf16, #private>
    linalg.generic {indexing_maps = [#same, #key, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%s, %mask : memref<2x128x128xf32, #private>, memref<128xf16>) outs(%t : memref<2x128x128xf16, #private>) {
    ^bb0(%a: f32, %b: f16, %old: f16):
      %h = arith.truncf %a : f32 to f16
      %r = arith.addf %h, %b : f16
      linalg.yield %r : f16
    }
    %most = memref.alloc() : memref<2x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%t : memref<2x128x128xf16, #private>) outs(%most : memref<2x128xf32, #private>) attrs = {tgl.start = 0xFF800000 : f32} {
    ^bb0(%a: f16, %old: f32):
      %ae = arith.extf %a : f16 to f32
      %r = arith.maximumf %ae, %old : f32
      linalg.yield %r : f32
    }
    %p = memref.alloc() : memref<2x128x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%t, %most : memref<2x128x128xf16, #private>, memref<2x128xf32, #private>) outs(%p : memref<2x128x128xf32, #private>) {
    ^bb0(%a: f16, %b: f32, %old: f32):
      %ae = arith.extf %a : f16 to f32
      %x = arith.subf %ae, %b : f32
      %r = math.exp %x : f32
      linalg.yield %r : f32
    }
    %l = memref.alloc() : memref<2x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%p : memref<2x128x128xf32, #private>) outs(%l : memref<2x128xf32, #private>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f32, %old: f32):
      %r = arith.addf %old, %a : f32
      linalg.yield %r : f32
    }
    %shares = memref.alloc() : memref<2x128x128xf16, #private>
    linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%p, %l : memref<2x128x128xf32, #private>, memref<2x128xf32, #private>) outs(%shares : memref<2x128x128xf16, #private>) {
    ^bb0(%a: f32, %b: f32, %old: f16):
      %r = arith.divf %a, %b : f32
      %h = arith.truncf %r : f32 to f16
      linalg.yield %h : f16
    }
    %z = memref.alloc() : memref<2x128x32xf32, #private>
    linalg.generic #values ins(%shares, %v : memref<2x128x128xf16, #private>, memref<2x128x32xf16>) outs(%z : memref<2x128x32xf32, #private>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f16, %b: f16, %sum: f32):
      %ae = arith.extf %a : f16 to f32
      %be = arith.extf %b : f16 to f32
      %ab = arith.mulf %ae, %be : f32
      %r = arith.addf %sum, %ab : f32
      linalg.yield %r : f32
    }
    linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%z : memref<2x128x32xf32, #private>) outs(%y : memref<2x128x32xf16>) {
    ^bb0(%a: f32, %old: f16):
      %h = arith.truncf %a : f32 to f16
      linalg.yield %h : f16
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 64, unrollLoop = -1, unroll = 16, block = [64, 64, 32, 32] over 128, dot = 16>}
  return
}
}

// -----
// One family needs no choice. Rows and keys that are not there are read as others, and such keys have no share; rows
// of 20 and 24 elements are filled up with zeros.
#private = #gpu.address_space<private>
#same = affine_map<(b, m, n) -> (b, m, n)>
#row = affine_map<(b, m, n) -> (b, m)>
#key = affine_map<(b, m, n) -> (n)>
#scores = {indexing_maps = [affine_map<(b, m, n, d) -> (b, m, d)>, affine_map<(b, m, n, d) -> (b, n, d)>, affine_map<(b, m, n, d) -> (b, m, n)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#values = {indexing_maps = [affine_map<(b, m, w, n) -> (b, m, n)>, affine_map<(b, m, w, n) -> (b, n, w)>, affine_map<(b, m, w, n) -> (b, m, w)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_80">} {
// CHECK-LABEL: @odd
// STORES-LABEL: @odd
// STORES: memref.store
// CHECK-DAG: [[NONE:%.+]] = arith.constant 0xFF800000 : f32
// CHECK: [[COUNT:%.+]] = memref.dim %arg0
// CHECK: [[BLOCKS:%.+]] = arith.ceildivui [[COUNT]], %c64
// CHECK: scf.forall ({{.*}}) in (2, [[BLOCKS]]) {
// CHECK-NOT: tegula_chip
// CHECK: scf.for
// CHECK: nvvm.mma.sync {{.*}}<m = 16, n = 8, k = 16>
// CHECK: [[IS_KEY:%.+]] = arith.cmpi ult
// CHECK-NEXT: arith.select [[IS_KEY]], %{{.+}}, [[NONE]] : f32
// CHECK: scf.yield
// CHECK: scf.if
// CHECK: memref.store {{.*}} : memref<2x?x20xf16>
// CHECK: return
func.func @odd(%q: memref<2x?x24xf16>, %k: memref<2x?x24xf16>, %v: memref<2x?x20xf16>, %mask: memref<?xf16>,
                 %y: memref<2x?x20xf16>, %m: index, %n: index) {
  scf.forall (%u) in (1) {
    %s = memref.alloc(%m, %n) : memref<2x?x?xf32, #private>
    linalg.generic #scores ins(%q, %k : memref<2x?x24xf16>, memref<2x?x24xf16>) outs(%s : memref<2x?x?xf32, #private>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f16, %b: f16, %sum: f32):
      %ae = arith.extf %a : f16 to f32
      %be = arith.extf %b : f16 to f32
      %ab = arith.mulf %ae, %be : f32
      %r = arith.addf %sum, %ab : f32
      linalg.yield %r : f32
    }
    %t = memref.alloc(%m, %n) : memref<2x?x?xf16, #private>
    linalg.generic {indexing_maps = [#same, #key, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%s, %mask : memref<2x?x?xf32, #private>, memref<?xf16>) outs(%t : memref<2x?x?xf16, #private>) {
    ^bb0(%a: f32, %b: f16, %old: f16):
      %h = arith.truncf %a : f32 to f16
      %r = arith.addf %h, %b : f16
      linalg.yield %r : f16
    }
    %most = memref.alloc(%m) : memref<2x?xf32, #private>
    linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%t : memref<2x?x?xf16, #private>) outs(%most : memref<2x?xf32, #private>) attrs = {tgl.start = 0xFF800000 : f32} {
    ^bb0(%a: f16, %old: f32):
      %ae = arith.extf %a : f16 to f32
      %r = arith.maximumf %ae, %old : f32
      linalg.yield %r : f32
    }
    %p = memref.alloc(%m, %n) : memref<2x?x?xf32, #private>
    linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%t, %most : memref<2x?x?xf16, #private>, memref<2x?xf32, #private>) outs(%p : memref<2x?x?xf32, #private>) {
    ^bb0(%a: f16, %b: f32, %old: f32):
      %ae = arith.extf %a : f16 to f32
      %x = arith.subf %ae, %b : f32
      %r = math.exp %x : f32
      linalg.yield %r : f32
    }
    %l = memref.alloc(%m) : memref<2x?xf32, #private>
    linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%p : memref<2x?x?xf32, #private>) outs(%l : memref<2x?xf32, #private>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f32, %old: f32):
      %r = arith.addf %old, %a : f32
      linalg.yield %r : f32
    }
    %shares = memref.alloc(%m, %n) : memref<2x?x?xf16, #private>
    linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%p, %l : memref<2x?x?xf32, #private>, memref<2x?xf32, #private>) outs(%shares : memref<2x?x?xf16, #private>) {
    ^bb0(%a: f32, %b: f32, %old: f16):
      %r = arith.divf %a, %b : f32
      %h = arith.truncf %r : f32 to f16
      linalg.yield %h : f16
    }
    %z = memref.alloc(%m) : memref<2x?x20xf32, #private>
    linalg.generic #values ins(%shares, %v : memref<2x?x?xf16, #private>, memref<2x?x20xf16>) outs(%z : memref<2x?x20xf32, #private>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f16, %b: f16, %sum: f32):
      %ae = arith.extf %a : f16 to f32
      %be = arith.extf %b : f16 to f32
      %ab = arith.mulf %ae, %be : f32
      %r = arith.addf %sum, %ab : f32
      linalg.yield %r : f32
    }
    linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%z : memref<2x?x20xf32, #private>) outs(%y : memref<2x?x20xf16>) {
    ^bb0(%a: f32, %old: f16):
      %h = arith.truncf %a : f32 to f16
      linalg.yield %h : f16
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 64, unrollLoop = -1, unroll = 16, block = [64, 64, 32, 32] over 128, dot = 16>}
  return
}

// Four threads a row: their parts of a score are added twice.
// CHECK-LABEL: @floats
// STORES-LABEL: @floats
// STORES: memref.store
// CHECK: scf.forall ({{.*}}) in (2, 4) {
// CHECK-NOT: nvvm.mma.sync
// CHECK: scf.for
// CHECK-COUNT-2: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz"
// CHECK: scf.yield
// CHECK: arith.divf
// CHECK: memref.store
// CHECK: } {tgl.threads = 128 : i64}
func.func @floats(%q: memref<2x128x32xf32>, %k: memref<2x128x32xf32>, %v: memref<2x128x32xf32>, %mask: memref<128xf32>,
                 %y: memref<2x128x32xf32>) {
  scf.forall (%u) in (1) {
    %s = memref.alloc() : memref<2x128x128xf32, #private>
    linalg.generic #scores ins(%q, %k : memref<2x128x32xf32>, memref<2x128x32xf32>) outs(%s : memref<2x128x128xf32, #private>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f32, %b: f32, %sum: f32):
      %ab = arith.mulf %a, %b : f32
      %r = arith.addf %sum, %ab : f32
      linalg.yield %r : f32
    }
    %t = memref.alloc() : memref<2x128x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #key, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%s, %mask : memref<2x128x128xf32, #private>, memref<128xf32>) outs(%t : memref<2x128x128xf32, #private>) {
    ^bb0(%a: f32, %b: f32, %old: f32):
      %r = arith.addf %a, %b : f32
      linalg.yield %r : f32
    }
    %most = memref.alloc() : memref<2x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%t : memref<2x128x128xf32, #private>) outs(%most : memref<2x128xf32, #private>) attrs = {tgl.start = 0xFF800000 : f32} {
    ^bb0(%a: f32, %old: f32):
      %r = arith.maximumf %a, %old : f32
      linalg.yield %r : f32
    }
    %p = memref.alloc() : memref<2x128x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%t, %most : memref<2x128x128xf32, #private>, memref<2x128xf32, #private>) outs(%p : memref<2x128x128xf32, #private>) {
    ^bb0(%a: f32, %b: f32, %old: f32):
      %x = arith.subf %a, %b : f32
      %r = math.exp %x : f32
      linalg.yield %r : f32
    }
    %l = memref.alloc() : memref<2x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%p : memref<2x128x128xf32, #private>) outs(%l : memref<2x128xf32, #private>) attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f32, %old: f32):
      %r = arith.addf %old, %a : f32
      linalg.yield %r : f32
    }
    %shares = memref.alloc() : memref<2x128x128xf32, #private>
    linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%p, %l : memref<2x128x128xf32, #private>, memref<2x128xf32, #private>) outs(%shares : memref<2x128x128xf32, #private>) {
    ^bb0(%a: f32, %b: f32, %old: f32):
      %r = arith.divf %a, %b : f32
      linalg.yield %r : f32
    }
    linalg.generic #values ins(%shares, %v : memref<2x128x128xf32, #private>, memref<2x128x32xf32>) outs(%y : memref<2x128x32xf32>)
        attrs = {tgl.start = 0.0 : f32} {
    ^bb0(%a: f32, %b: f32, %sum: f32):
      %ab = arith.mulf %a, %b : f32
      %r = arith.addf %sum, %ab : f32
      linalg.yield %r : f32
    }
  } {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 64, unrollLoop = -1, unroll = 8, block = [32, 64, 32, 32] over 128>}
  return
}
}
