// With matrix registers: rows of as high matrices as leave few to vectors, two by two of them where there are as many, and
// no more neighbours than a row of a register holds.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-plan-units))' | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-linux-gnu", cpu = "sapphirerapids", features = "", vectorBytes = 64, registers = 32, cacheKiB = 2048, threads = 1, dot = "u8s8", tiles = 8, realDot = "bf16">} {
  // CHECK-LABEL: @whole
  // CHECK: lanes = 16, vectors = 2, unrollLoop = 0, unroll = 32, {{.*}}dot = 4, rows = 16, depth = 64>
  func.func @whole(%a: tensor<192x768xi8>) -> tensor<192x192xi32> {
    %w = arith.constant dense<1> : tensor<768x192xi8>
    %zero = arith.constant 0 : i32
    %e = tensor.empty() : tensor<192x192xi32>
    %c = linalg.fill ins(%zero : i32) outs(%e : tensor<192x192xi32>) -> tensor<192x192xi32>
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %w : tensor<192x768xi8>, tensor<768x192xi8>) outs(%c : tensor<192x192xi32>) {
      ^bb0(%x: i8, %y: i8, %z: i32):
        %p = arith.extui %x : i8 to i32
        %q = arith.extsi %y : i8 to i32
        %r = arith.muli %p, %q : i32
        %s = arith.addi %z, %r : i32
        linalg.yield %s : i32
    } -> tensor<192x192xi32>
    return %0 : tensor<192x192xi32>
  }

  // One matrix of 14 rows: four columns of them, of 40 bytes each.
  // CHECK-LABEL: @few
  // CHECK: lanes = 16, vectors = 4, unrollLoop = 0, unroll = 14, {{.*}}dot = 4, rows = 14, depth = 40>
  func.func @few(%a: tensor<14x80xi8>) -> tensor<14x192xi32> {
    %w = arith.constant dense<1> : tensor<80x192xi8>
    %zero = arith.constant 0 : i32
    %e = tensor.empty() : tensor<14x192xi32>
    %c = linalg.fill ins(%zero : i32) outs(%e : tensor<14x192xi32>) -> tensor<14x192xi32>
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %w : tensor<14x80xi8>, tensor<80x192xi8>) outs(%c : tensor<14x192xi32>) {
      ^bb0(%x: i8, %y: i8, %z: i32):
        %p = arith.extui %x : i8 to i32
        %q = arith.extsi %y : i8 to i32
        %r = arith.muli %p, %q : i32
        %s = arith.addi %z, %r : i32
        linalg.yield %s : i32
    } -> tensor<14x192xi32>
    return %0 : tensor<14x192xi32>
  }

  // Three rows, or four bytes of depth, are left to vectors.
  // CHECK-LABEL: @negative_small
  // CHECK: dot = 4>
  // CHECK-NOT: depth
  func.func @negative_small(%a: tensor<3x768xi8>) -> tensor<3x192xi32> {
    %w = arith.constant dense<1> : tensor<768x192xi8>
    %zero = arith.constant 0 : i32
    %e = tensor.empty() : tensor<3x192xi32>
    %c = linalg.fill ins(%zero : i32) outs(%e : tensor<3x192xi32>) -> tensor<3x192xi32>
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %w : tensor<3x768xi8>, tensor<768x192xi8>) outs(%c : tensor<3x192xi32>) {
      ^bb0(%x: i8, %y: i8, %z: i32):
        %p = arith.extui %x : i8 to i32
        %q = arith.extsi %y : i8 to i32
        %r = arith.muli %p, %q : i32
        %s = arith.addi %z, %r : i32
        linalg.yield %s : i32
    } -> tensor<3x192xi32>
    return %0 : tensor<3x192xi32>
  }

  // Of bf16 a row of a register holds 32.
  // CHECK-LABEL: @reals
  // CHECK: lanes = 16, vectors = 2, unrollLoop = 0, unroll = 32, {{.*}}dot = 2, rows = 16, depth = 32>
  func.func @reals(%a: tensor<192x768xbf16>) -> tensor<192x192xf32> {
    %w = arith.constant dense<1.0> : tensor<768x192xbf16>
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<192x192xf32>
    %c = linalg.fill ins(%zero : f32) outs(%e : tensor<192x192xf32>) -> tensor<192x192xf32>
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %w : tensor<192x768xbf16>, tensor<768x192xbf16>) outs(%c : tensor<192x192xf32>) {
      ^bb0(%x: bf16, %y: bf16, %z: f32):
        %p = arith.extf %x : bf16 to f32
        %q = arith.extf %y : bf16 to f32
        %r = arith.mulf %p, %q : f32
        %s = arith.addf %z, %r : f32
        linalg.yield %s : f32
    } -> tensor<192x192xf32>
    return %0 : tensor<192x192xf32>
  }

  // Pairs of 16-bit integers have no matrices.
  // CHECK-LABEL: @negative_pairs
  // CHECK-NOT: depth
  // CHECK: return
  func.func @negative_pairs(%a: tensor<192x768xi16>) -> tensor<192x192xi32> {
    %w = arith.constant dense<1> : tensor<768x192xi16>
    %zero = arith.constant 0 : i32
    %e = tensor.empty() : tensor<192x192xi32>
    %c = linalg.fill ins(%zero : i32) outs(%e : tensor<192x192xi32>) -> tensor<192x192xi32>
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %w : tensor<192x768xi16>, tensor<768x192xi16>) outs(%c : tensor<192x192xi32>) {
      ^bb0(%x: i16, %y: i16, %z: i32):
        %p = arith.extsi %x : i16 to i32
        %q = arith.extsi %y : i16 to i32
        %r = arith.muli %p, %q : i32
        %s = arith.addi %z, %r : i32
        linalg.yield %s : i32
    } -> tensor<192x192xi32>
    return %0 : tensor<192x192xi32>
  }
}
