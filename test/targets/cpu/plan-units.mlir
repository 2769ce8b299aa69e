// Blocks hold whole register tiles, whatever the extents: 197 rows have no divisor.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-plan-units))' | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#x = affine_map<(h, w, n, i, j, k) -> (h + i, w + j, k)>
#w = affine_map<(h, w, n, i, j, k) -> (i, j, k, n)>
#y = affine_map<(h, w, n, i, j, k) -> (h, w, n)>
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 4>} {
  // The left side does not fit the cache: rows are split, in tiles of 6, then columns.
  // CHECK-LABEL: @rows
  // CHECK: unroll = 6, block = [66, {{[1-9][0-9]*}}]
  func.func @rows(%a: tensor<197x768xf32>, %b: tensor<768x192xf32>, %c: tensor<197x192xf32>) -> tensor<197x192xf32> {
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : tensor<197x768xf32>, tensor<768x192xf32>) outs(%c : tensor<197x192xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<197x192xf32>
    return %0 : tensor<197x192xf32>
  }

  // The panel of all 5120 rows does not stay in the cache: five blocks. Fewer rows would gain nothing.
  // CHECK-LABEL: @long
  // CHECK: block = [{{[0-9]+}}, {{[0-9]+}}, 1024]
  func.func @long(%a: tensor<197x5120xf32>, %b: tensor<5120x192xf32>, %c: tensor<197x192xf32>) -> tensor<197x192xf32> {
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : tensor<197x5120xf32>, tensor<5120x192xf32>) outs(%c : tensor<197x192xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<197x192xf32>
    return %0 : tensor<197x192xf32>
  }

  // CHECK-LABEL: @few_rows
  // CHECK: block = [{{[0-9]+}}, {{[0-9]+}}]>
  func.func @few_rows(%a: tensor<24x5120xf32>, %b: tensor<5120x192xf32>, %c: tensor<24x192xf32>) -> tensor<24x192xf32> {
    %0 = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%a, %b : tensor<24x5120xf32>, tensor<5120x192xf32>) outs(%c : tensor<24x192xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<24x192xf32>
    return %0 : tensor<24x192xf32>
  }

  // Rows of three places: all of them at a time read the weights once. One of sixteen fills the registers.
  // CHECK-LABEL: @short_rows
  // CHECK: unrollLoop = {{[0-9]}}, unroll = 3 by 3, block
  func.func @short_rows(%x: tensor<5x5x64xf32>, %w: tensor<3x3x64x256xf32>, %c: tensor<3x3x256xf32>) -> tensor<3x3x256xf32> {
    %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
        ins(%x, %w : tensor<5x5x64xf32>, tensor<3x3x64x256xf32>) outs(%c : tensor<3x3x256xf32>) {
      ^bb0(%a: f32, %b: f32, %z: f32):
        %p = arith.mulf %a, %b : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<3x3x256xf32>
    return %0 : tensor<3x3x256xf32>
  }

  // Two rows of seven with a vector each, instead of rows of four and three with two; the weights do not stay in the
  // cache, so that threads share them rather than the rows.
  // CHECK-LABEL: @rows_of_seven
  // CHECK: vectors = 1, unrollLoop = 1, unroll = 7 by 2, block = [0, 0, {{[1-9][0-9]*}}]
  func.func @rows_of_seven(%x: tensor<9x9x512xf32>, %w: tensor<3x3x512x512xf32>, %c: tensor<7x7x512xf32>) -> tensor<7x7x512xf32> {
    %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
        ins(%x, %w : tensor<9x9x512xf32>, tensor<3x3x512x512xf32>) outs(%c : tensor<7x7x512xf32>) {
      ^bb0(%a: f32, %b: f32, %z: f32):
        %p = arith.mulf %a, %b : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<7x7x512xf32>
    return %0 : tensor<7x7x512xf32>
  }

  // CHECK-LABEL: @long_rows
  // CHECK: unroll = {{[0-9]+}}, block
  func.func @long_rows(%x: tensor<9x18x64xf32>, %w: tensor<3x3x64x256xf32>, %c: tensor<7x16x256xf32>) -> tensor<7x16x256xf32> {
    %0 = linalg.generic {indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
        ins(%x, %w : tensor<9x18x64xf32>, tensor<3x3x64x256xf32>) outs(%c : tensor<7x16x256xf32>) {
      ^bb0(%a: f32, %b: f32, %z: f32):
        %p = arith.mulf %a, %b : f32
        %s = arith.addf %z, %p : f32
        linalg.yield %s : f32
    } -> tensor<7x16x256xf32>
    return %0 : tensor<7x16x256xf32>
  }
}
