// Products with few sums become products of parts of the depth and a sum of the parts.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-split-depth))' | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// CHECK-DAG: #[[A:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
// CHECK-DAG: #[[B:.*]] = affine_map<(d0, d1, d2, d3) -> (d3, d2, d1)>
// CHECK-DAG: #[[C:.*]] = affine_map<(d0, d1, d2, d3) -> (d3, d0, d1)>
// CHECK-DAG: #[[PARTS:.*]] = affine_map<(d0, d1, d2) -> (d2, d0, d1)>
// CHECK-DAG: #[[SUM:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[WINDOW:.*]] = affine_map<(d0, d1, d2, d3) -> (d0 + d2, d3)>
module attributes {tgl.target = #tgl.target<name = "cuda", triple = "x86_64-pc-linux-gnu", cpu = "x86-64", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_80">} {

// The axis of the depth becomes two: 8 parts of 256 products.
// CHECK-LABEL: @deep
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [64, 8, 256]
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0, 1], [2]] output_shape [8, 256, 128]
// CHECK: %[[P:.*]] = linalg.generic {indexing_maps = [#[[A]], #[[B]], #[[C]]], iterator_types = ["parallel", "parallel", "reduction", "parallel"]}
// CHECK: -> tensor<8x64x128xf32>
// CHECK: linalg.generic {indexing_maps = [#[[PARTS]], #[[SUM]]], iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[P]]
// CHECK: arith.addf
func.func @deep(%a: tensor<64x2048xf16>, %b: tensor<2048x128xf16>) -> tensor<64x128xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x128xf32>
  %start = linalg.fill ins(%zero : f32) outs(%e : tensor<64x128xf32>) -> tensor<64x128xf32>
  %y = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<64x2048xf16>, tensor<2048x128xf16>) outs(%start : tensor<64x128xf32>) {
  ^bb0(%x: f16, %w: f16, %s: f32):
    %xx = arith.extf %x : f16 to f32
    %ww = arith.extf %w : f16 to f32
    %p = arith.mulf %xx, %ww : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<64x128xf32>
  return %y : tensor<64x128xf32>
}

// A short outer loop of the depth, as the rows of a window, becomes the parts: nothing is reshaped.
// CHECK-LABEL: @window
// CHECK-NOT: expand_shape
// CHECK: linalg.generic {{.*}}#[[WINDOW]]{{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK: -> tensor<3x32x32xi32>
// CHECK: arith.addi
func.func @window(%x: tensor<34x512xi8>, %w: tensor<3x512x32xi8>) -> tensor<32x32xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty() : tensor<32x32xi32>
  %start = linalg.fill ins(%zero : i32) outs(%e : tensor<32x32xi32>) -> tensor<32x32xi32>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n, t, k) -> (m + t, k)>, affine_map<(m, n, t, k) -> (t, k, n)>, affine_map<(m, n, t, k) -> (m, n)>],
                       iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<34x512xi8>, tensor<3x512x32xi8>) outs(%start : tensor<32x32xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %aa = arith.extsi %a : i8 to i32
    %bb = arith.extsi %b : i8 to i32
    %p = arith.muli %aa, %bb : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<32x32xi32>
  return %y : tensor<32x32xi32>
}

// Enough blocks, or too few products for parts.
// CHECK-LABEL: @enough
// CHECK-COUNT-1: linalg.generic
// CHECK-NOT: linalg.generic
// CHECK-LABEL: @shallow
// CHECK-COUNT-1: linalg.generic
// CHECK-NOT: linalg.generic
func.func @enough(%a: tensor<2048x512xf32>, %b: tensor<512x2048xf32>) -> tensor<2048x2048xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2048x2048xf32>
  %start = linalg.fill ins(%zero : f32) outs(%e : tensor<2048x2048xf32>) -> tensor<2048x2048xf32>
  %y = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<2048x512xf32>, tensor<512x2048xf32>) outs(%start : tensor<2048x2048xf32>) {
  ^bb0(%x: f32, %w: f32, %s: f32):
    %p = arith.mulf %x, %w : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<2048x2048xf32>
  return %y : tensor<2048x2048xf32>
}
func.func @shallow(%a: tensor<64x256xf32>, %b: tensor<256x64xf32>) -> tensor<64x64xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x64xf32>
  %start = linalg.fill ins(%zero : f32) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<64x256xf32>, tensor<256x64xf32>) outs(%start : tensor<64x64xf32>) {
  ^bb0(%x: f32, %w: f32, %s: f32):
    %p = arith.mulf %x, %w : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}
}
