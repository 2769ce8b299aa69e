// A plan that was measured goes before the target's own; one that does not suit its kernel does not.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-plan-units))' 2>%t.warnings | FileCheck %s
// RUN: FileCheck %s --check-prefix=WARN --input-file=%t.warnings

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
module attributes {
  tgl.target = #tgl.target<name = "cpu", triple = "x86_64-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1>,
  tgl.plans = {"p24 p64 r32 f32(d0, d2) f32(d2, d1) -> f32(d0, d1) mulf addf" = #tgl.plan<vectorLoop = 1, lanes = 8, vectors = 4, unrollLoop = 0, unroll = 3, block = [12, 0]>}} {
  // CHECK-LABEL: @found
  // CHECK: tgl.plan = #tgl.plan<vectorLoop = 1, lanes = 8, vectors = 4, unrollLoop = 0, unroll = 3, block = [12, 0]>
  func.func @found(%a: tensor<24x32xf32>, %b: tensor<32x64xf32>, %c: tensor<24x64xf32>) -> tensor<24x64xf32> {
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : tensor<24x32xf32>, tensor<32x64xf32>) outs(%c : tensor<24x64xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<24x64xf32>
    return %0 : tensor<24x64xf32>
  }
}

// -----

// The reduction cannot be the vector loop. The unit is to be measured: its first candidate after the target's own.
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
module attributes {
  tgl.target = #tgl.target<name = "cpu", triple = "x86_64-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1>,
  tgl.candidate = 2 : i64,
  tgl.plans = {"p24 p64 r32 f32(d0, d2) f32(d2, d1) -> f32(d0, d1) mulf addf" = #tgl.plan<vectorLoop = 2, lanes = 8, vectors = 4, unrollLoop = 0, unroll = 3, block = [12, 0]>}} {
  // WARN: warning: {{.*}}[T0003] the file of plans has
  // WARN-SAME: which it does not suit
  // CHECK-LABEL: @measured
  // CHECK: tgl.measured = {kernel = "p24 p64 r32 f32(d0, d2) f32(d2, d1) -> f32(d0, d1) mulf addf", plan = [[PLAN:#tgl.plan<[^>]*>]]}, tgl.plan = [[PLAN]]
  func.func @measured(%a: tensor<24x32xf32>, %b: tensor<32x64xf32>, %c: tensor<24x64xf32>) -> tensor<24x64xf32> {
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : tensor<24x32xf32>, tensor<32x64xf32>) outs(%c : tensor<24x64xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<24x64xf32>
    return %0 : tensor<24x64xf32>
  }
}
