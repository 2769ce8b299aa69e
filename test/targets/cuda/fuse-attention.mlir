// An attention becomes one unit, with the plan of a block: rows, keys, depth and columns.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-fuse-attention))' | FileCheck %s
// Once more changes nothing.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-fuse-attention,tegula-fuse-attention))' | FileCheck %s

#same = affine_map<(b, m, n) -> (b, m, n)>
#row = affine_map<(b, m, n) -> (b, m)>
#column = affine_map<(b, m, n) -> (b, n)>
#scores = {indexing_maps = [affine_map<(b, m, n, d) -> (b, m, d)>, affine_map<(b, m, n, d) -> (b, n, d)>, affine_map<(b, m, n, d) -> (b, m, n)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#values = {indexing_maps = [affine_map<(b, m, w, n) -> (b, m, n)>, affine_map<(b, m, w, n) -> (b, n, w)>, affine_map<(b, m, w, n) -> (b, m, w)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#elements = {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel", "parallel"]}

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_70,sm_80">} {
// CHECK-LABEL: @halves
// CHECK-SAME: ([[Q:%.+]]: tensor<2x16x8xf16>, [[K:%.+]]: tensor<2x32x8xf16>, [[V:%.+]]: tensor<2x32x8xf16>)
// CHECK-NOT: linalg.generic
// CHECK: [[UNIT:%.+]] = scf.forall ({{.*}}) in (1) shared_outs([[OUT:%.+]] = %{{.+}}) -> (tensor<2x16x8xf16>)
// What is between the products is of the threads.
// CHECK: [[SCORES:%.+]] = bufferization.alloc_tensor() {memory_space = #gpu.address_space<private>} : tensor<2x16x32xf32>
// CHECK: [[S:%.+]] = linalg.generic {{.*}} ins([[Q]], [[K]] : {{.*}} outs([[SCORES]] : {{.*}}tgl.start = 0.000000e+00 : f32
// CHECK: [[T:%.+]] = linalg.generic {{.*}} ins([[S]] :
// CHECK: [[MOST:%.+]] = linalg.generic {{.*}} ins([[T]] : {{.*}}tgl.start = 0xFF800000 : f32
// CHECK: [[P:%.+]] = linalg.generic {{.*}} ins([[T]], [[MOST]] :
// CHECK: [[L:%.+]] = linalg.generic {{.*}} ins([[P]] : {{.*}}tgl.start = 0.000000e+00 : f32
// CHECK: [[SHARES:%.+]] = linalg.generic {{.*}} ins([[P]], [[L]] :
// CHECK: [[Y:%.+]] = linalg.generic {{.*}} ins([[SHARES]], [[V]] : {{.*}}tgl.start = 0.000000e+00 : f32
// CHECK: [[Z:%.+]] = linalg.generic {{.*}} ins([[Y]] : {{.*}} outs([[OUT]] :
// CHECK: tensor.parallel_insert_slice [[Z]] into [[OUT]][0, 0, 0] [2, 16, 8] [1, 1, 1]
// CHECK: tgl.bytes = {{.*}}tgl.flops = {{.*}}tgl.plan = #tgl.plan<{{.*}}block = [64, 64, 32, 32] over 128, dot = 16>
// CHECK-NOT: linalg.generic
// CHECK: return [[UNIT]]
func.func @halves(%q: tensor<2x16x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x8xf16>) -> tensor<2x16x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z : tensor<2x16x8xf16>
}

// Without matrix instructions, four threads a row; neither scale nor epilogue; the inverse of the sum.
// CHECK-LABEL: @floats
// CHECK: [[UNIT:%.+]] = scf.forall ({{.*}}) in (1) shared_outs([[OUT:%.+]] = {{.*}})
// CHECK-COUNT-6: linalg.generic
// CHECK-NOT: linalg.generic
// CHECK: block = [32, 64, 32, 32] over 128>
// CHECK: return [[UNIT]]
func.func @floats(%q: tensor<2x16x8xf32>, %k: tensor<2x32x8xf32>, %v: tensor<2x32x8xf32>) -> tensor<2x16x8xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf32>, tensor<2x32x8xf32>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%s : tensor<2x16x32xf32>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.maximumf %a, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %most : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f32, %b: f32, %old: f32):
    %x = arith.subf %a, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f32, %b: f32, %old: f32):
    %i = arith.divf %one, %b : f32
    %r = arith.mulf %a, %i : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf32>, tensor<2x32x8xf32>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  return %y : tensor<2x16x8xf32>
}

// Wide ones have fewer keys at a time; extents that are not powers of two are filled up.
// CHECK-LABEL: @wide
// CHECK: block = [64, 32, 128, 128] over 128, dot = 16>
func.func @wide(%q: tensor<2x16x128xf16>, %k: tensor<2x32x128xf16>, %v: tensor<2x32x100xf16>) -> tensor<2x16x100xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x128xf16>, tensor<2x32x128xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x100xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x100xf32>) -> tensor<2x16x100xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x100xf16>) outs(%results_start : tensor<2x16x100xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x100xf32>
  %rounded = tensor.empty() : tensor<2x16x100xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x100xf32>) outs(%rounded : tensor<2x16x100xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x100xf16>
  return %z : tensor<2x16x100xf16>
}

// CHECK-LABEL: @dynamic
// CHECK: scf.forall ({{.*}}) in (1)
// CHECK: bufferization.alloc_tensor({{.*}}) {memory_space = #gpu.address_space<private>} : tensor<2x?x?xf32>
// CHECK: tensor.parallel_insert_slice {{.*}}[0, 0, 0] [2, [[ROWS:%.+]], 8] [1, 1, 1]
// CHECK: tgl.plan = #tgl.plan<{{.*}}block = [64, 64, 32, 32] over 128, dot = 16>
func.func @dynamic(%q: tensor<2x?x8xbf16>, %k: tensor<2x?x8xbf16>, %v: tensor<2x?x8xbf16>, %m: index, %n: index) -> tensor<2x?x8xbf16> {
  %factor = arith.constant 0.5 : bf16
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty(%m, %n) : tensor<2x?x?xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x?x?xf32>) -> tensor<2x?x?xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x?x8xbf16>, tensor<2x?x8xbf16>) outs(%scores_start : tensor<2x?x?xf32>) {
  ^bb0(%a: bf16, %b: bf16, %sum: f32):
    %ae = arith.extf %a : bf16 to f32
    %be = arith.extf %b : bf16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x?x?xf32>
  %halves = tensor.empty(%m, %n) : tensor<2x?x?xbf16>
  %t = linalg.generic #elements ins(%s : tensor<2x?x?xf32>) outs(%halves : tensor<2x?x?xbf16>) {
  ^bb0(%a: f32, %old: bf16):
    %h = arith.truncf %a : f32 to bf16
    %r = arith.mulf %h, %factor : bf16
    linalg.yield %r : bf16
  } -> tensor<2x?x?xbf16>
  %rows = tensor.empty(%m) : tensor<2x?xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x?xf32>) -> tensor<2x?xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x?x?xbf16>) outs(%most_start : tensor<2x?xf32>) {
  ^bb0(%a: bf16, %old: f32):
    %ae = arith.extf %a : bf16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x?xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x?x?xbf16>, tensor<2x?xf32>) outs(%scores : tensor<2x?x?xf32>) {
  ^bb0(%a: bf16, %b: f32, %old: f32):
    %ae = arith.extf %a : bf16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x?x?xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x?xf32>) -> tensor<2x?xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x?x?xf32>) outs(%sum_start : tensor<2x?xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x?xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x?x?xf32>, tensor<2x?xf32>) outs(%halves : tensor<2x?x?xbf16>) {
  ^bb0(%a: f32, %b: f32, %old: bf16):
    %i = arith.divf %one, %b : f32
    %r = arith.mulf %a, %i : f32
    %h = arith.truncf %r : f32 to bf16
    linalg.yield %h : bf16
  } -> tensor<2x?x?xbf16>
  %results = tensor.empty(%m) : tensor<2x?x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x?x?xbf16>, tensor<2x?x8xbf16>) outs(%results_start : tensor<2x?x8xf32>) {
  ^bb0(%a: bf16, %b: bf16, %sum: f32):
    %ae = arith.extf %a : bf16 to f32
    %be = arith.extf %b : bf16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x?x8xf32>
  %rounded = tensor.empty(%m) : tensor<2x?x8xbf16>
  %z = linalg.generic #elements ins(%y : tensor<2x?x8xf32>) outs(%rounded : tensor<2x?x8xbf16>) {
  ^bb0(%a: f32, %old: bf16):
    %r = arith.truncf %a : f32 to bf16
    linalg.yield %r : bf16
  } -> tensor<2x?x8xbf16>
  return %z : tensor<2x?x8xbf16>
}

// The scores have another reader.
// CHECK-LABEL: @negative_scores_read
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_scores_read(%q: tensor<2x16x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x8xf16>) -> (tensor<2x16x8xf16>, tensor<2x16x32xf16>) {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z, %t : tensor<2x16x8xf16>, tensor<2x16x32xf16>
}

// Too much for the registers.
// CHECK-LABEL: @negative_deep
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_deep(%q: tensor<2x16x129xf16>, %k: tensor<2x32x129xf16>, %v: tensor<2x32x8xf16>) -> tensor<2x16x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x129xf16>, tensor<2x32x129xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z : tensor<2x16x8xf16>
}

// CHECK-LABEL: @negative_wide
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_wide(%q: tensor<2x16x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x129xf16>) -> tensor<2x16x129xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x129xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x129xf32>) -> tensor<2x16x129xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x129xf16>) outs(%results_start : tensor<2x16x129xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x129xf32>
  %rounded = tensor.empty() : tensor<2x16x129xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x129xf32>) outs(%rounded : tensor<2x16x129xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x129xf16>
  return %z : tensor<2x16x129xf16>
}

// Sixteen rows are the least that a warp can do.
// CHECK-LABEL: @negative_few_rows
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_few_rows(%q: tensor<2x15x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x8xf16>) -> tensor<2x15x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x15x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x15x32xf32>) -> tensor<2x15x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x15x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x15x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x15x32xf32>
  %halves = tensor.empty() : tensor<2x15x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x15x32xf32>) outs(%halves : tensor<2x15x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x15x32xf16>
  %rows = tensor.empty() : tensor<2x15xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x15xf32>) -> tensor<2x15xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x15x32xf16>) outs(%most_start : tensor<2x15xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x15xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x15x32xf16>, tensor<2x15xf32>) outs(%scores : tensor<2x15x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x15x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x15xf32>) -> tensor<2x15xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x15x32xf32>) outs(%sum_start : tensor<2x15xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x15xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x15x32xf32>, tensor<2x15xf32>) outs(%halves : tensor<2x15x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x15x32xf16>
  %results = tensor.empty() : tensor<2x15x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x15x8xf32>) -> tensor<2x15x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x15x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x15x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x15x8xf32>
  %rounded = tensor.empty() : tensor<2x15x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x15x8xf32>) outs(%rounded : tensor<2x15x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x15x8xf16>
  return %z : tensor<2x15x8xf16>
}

// A softmax of columns.
// CHECK-LABEL: @negative_other_axis
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_other_axis(%q: tensor<2x16x8xf16>, %k: tensor<2x16x8xf16>, %v: tensor<2x16x8xf16>) -> tensor<2x16x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x16xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x16xf32>) -> tensor<2x16x16xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x16x8xf16>) outs(%scores_start : tensor<2x16x16xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x16xf32>
  %halves = tensor.empty() : tensor<2x16x16xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x16xf32>) outs(%halves : tensor<2x16x16xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x16xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #column], iterator_types = ["parallel", "reduction", "parallel"]}
      ins(%t : tensor<2x16x16xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #column, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x16xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x16xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x16xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #column], iterator_types = ["parallel", "reduction", "parallel"]}
      ins(%p : tensor<2x16x16xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #column, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x16xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x16xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x16xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x16xf16>, tensor<2x16x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z : tensor<2x16x8xf16>
}

// CHECK-LABEL: @negative_powers_of_two
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_powers_of_two(%q: tensor<2x16x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x8xf16>) -> tensor<2x16x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp2 %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z : tensor<2x16x8xf16>
}

// CHECK-LABEL: @negative_division
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_division(%q: tensor<2x16x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x8xf16>) -> tensor<2x16x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %b, %a : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z : tensor<2x16x8xf16>
}
}

// -----
// Nothing is planned for no target.
#same = affine_map<(b, m, n) -> (b, m, n)>
#row = affine_map<(b, m, n) -> (b, m)>
#scores = {indexing_maps = [affine_map<(b, m, n, d) -> (b, m, d)>, affine_map<(b, m, n, d) -> (b, n, d)>, affine_map<(b, m, n, d) -> (b, m, n)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#values = {indexing_maps = [affine_map<(b, m, w, n) -> (b, m, n)>, affine_map<(b, m, w, n) -> (b, n, w)>, affine_map<(b, m, w, n) -> (b, m, w)>],
           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#elements = {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel", "parallel"]}

// CHECK-LABEL: @negative_no_target
// CHECK-NOT: scf.forall
// CHECK: return
func.func @negative_no_target(%q: tensor<2x16x8xf16>, %k: tensor<2x32x8xf16>, %v: tensor<2x32x8xf16>) -> tensor<2x16x8xf16> {
  %factor = arith.constant 0.5 : f16
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scores = tensor.empty() : tensor<2x16x32xf32>
  %scores_start = linalg.fill ins(%zero : f32) outs(%scores : tensor<2x16x32xf32>) -> tensor<2x16x32xf32>
  %s = linalg.generic #scores ins(%q, %k : tensor<2x16x8xf16>, tensor<2x32x8xf16>) outs(%scores_start : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %halves = tensor.empty() : tensor<2x16x32xf16>
  %t = linalg.generic #elements ins(%s : tensor<2x16x32xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %old: f16):
    %h = arith.truncf %a : f32 to f16
    %r = arith.mulf %h, %factor : f16
    linalg.yield %r : f16
  } -> tensor<2x16x32xf16>
  %rows = tensor.empty() : tensor<2x16xf32>
  %most_start = linalg.fill ins(%least : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %most = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%t : tensor<2x16x32xf16>) outs(%most_start : tensor<2x16xf32>) {
  ^bb0(%a: f16, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %r = arith.maximumf %ae, %old : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %p = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t, %most : tensor<2x16x32xf16>, tensor<2x16xf32>) outs(%scores : tensor<2x16x32xf32>) {
  ^bb0(%a: f16, %b: f32, %old: f32):
    %ae = arith.extf %a : f16 to f32
    %x = arith.subf %ae, %b : f32
    %r = math.exp %x : f32
    linalg.yield %r : f32
  } -> tensor<2x16x32xf32>
  %sum_start = linalg.fill ins(%zero : f32) outs(%rows : tensor<2x16xf32>) -> tensor<2x16xf32>
  %l = linalg.generic {indexing_maps = [#same, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<2x16x32xf32>) outs(%sum_start : tensor<2x16xf32>) {
  ^bb0(%a: f32, %old: f32):
    %r = arith.addf %old, %a : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  %shared = linalg.generic {indexing_maps = [#same, #row, #same], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %l : tensor<2x16x32xf32>, tensor<2x16xf32>) outs(%halves : tensor<2x16x32xf16>) {
  ^bb0(%a: f32, %b: f32, %old: f16):
    %r = arith.divf %a, %b : f32
    %h = arith.truncf %r : f32 to f16
    linalg.yield %h : f16
  } -> tensor<2x16x32xf16>
  %results = tensor.empty() : tensor<2x16x8xf32>
  %results_start = linalg.fill ins(%zero : f32) outs(%results : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  %y = linalg.generic #values ins(%shared, %v : tensor<2x16x32xf16>, tensor<2x32x8xf16>) outs(%results_start : tensor<2x16x8xf32>) {
  ^bb0(%a: f16, %b: f16, %sum: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %ab = arith.mulf %ae, %be : f32
    %r = arith.addf %sum, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x16x8xf32>
  %rounded = tensor.empty() : tensor<2x16x8xf16>
  %z = linalg.generic #elements ins(%y : tensor<2x16x8xf32>) outs(%rounded : tensor<2x16x8xf16>) {
  ^bb0(%a: f32, %old: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x16x8xf16>
  return %z : tensor<2x16x8xf16>
}
