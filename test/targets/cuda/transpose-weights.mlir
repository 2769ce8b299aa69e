// Constant right sides of products of bytes are laid along the depth, where matrix instructions multiply.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-transpose-weights))' | FileCheck %s
// Once more changes nothing.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-transpose-weights,tegula-transpose-weights))' | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#product = {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}

// CHECK-DAG: [[LEFT:#.+]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: [[ACROSS:#.+]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: [[ALONG:#.+]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: [[RESULT:#.+]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: [[WINDOW:#.+]] = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4)>

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_80">} {
// CHECK-LABEL: @columns_last
// CHECK: [[WEIGHT:%.+]] = arith.constant dense_resource<[[DENSE:[a-z_0-9]+]]> : tensor<8x2xi8>
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[ALONG]], [[RESULT]]]
// CHECK-SAME: ins(%{{.+}}, [[WEIGHT]] : tensor<1024x2xi8>, tensor<8x2xi8>)
func.func @columns_last(%x: tensor<1024x2xi8>) -> tensor<1024x8xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<1024x8xi32>
  %y = linalg.fill ins(%zero : i32) outs(%empty : tensor<1024x8xi32>) -> tensor<1024x8xi32>
  %w = arith.constant dense<[[1, 2, 3, 4, 5, 6, 7, 8], [-1, -2, -3, -4, -5, -6, -7, -8]]> : tensor<2x8xi8>
  %r = linalg.generic #product ins(%x, %w : tensor<1024x2xi8>, tensor<2x8xi8>) outs(%y : tensor<1024x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<1024x8xi32>
  return %r : tensor<1024x8xi32>
}

// Both read the one resource.
// CHECK-LABEL: @two_readers
// CHECK: arith.constant dense_resource<[[SHARED:[a-z_0-9]+]]> : tensor<8x2xi8>
// CHECK: arith.constant dense_resource<[[SHARED]]> : tensor<8x2xi8>
func.func @two_readers(%x: tensor<1024x2xi8>, %z: tensor<1024x2xi8>) -> (tensor<1024x8xi32>, tensor<1024x8xi32>) {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<1024x8xi32>
  %y = linalg.fill ins(%zero : i32) outs(%empty : tensor<1024x8xi32>) -> tensor<1024x8xi32>
  %w = arith.constant dense_resource<shared> : tensor<2x8xi8>
  %q = linalg.generic #product ins(%x, %w : tensor<1024x2xi8>, tensor<2x8xi8>) outs(%y : tensor<1024x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<1024x8xi32>
  %r = linalg.generic #product ins(%z, %w : tensor<1024x2xi8>, tensor<2x8xi8>) outs(%y : tensor<1024x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<1024x8xi32>
  return %q, %r : tensor<1024x8xi32>, tensor<1024x8xi32>
}

// A convolution's: of window, channels and columns the last comes first.
// CHECK-LABEL: @window
// CHECK: arith.constant dense_resource<[[CONV:[a-z_0-9]+]]> : tensor<8x2x1xi8>
// CHECK: linalg.generic {indexing_maps = {{\[#[a-z0-9]+}}, [[WINDOW]],
func.func @window(%x: tensor<2x513x1xi8>) -> tensor<2x512x8xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<2x512x8xi32>
  %y = linalg.fill ins(%zero : i32) outs(%empty : tensor<2x512x8xi32>) -> tensor<2x512x8xi32>
  %w = arith.constant dense<[[[1, 2, 3, 4, 5, 6, 7, 8]], [[9, 10, 11, 12, 13, 14, 15, 16]]]> : tensor<2x1x8xi8>
  %r = linalg.generic {indexing_maps = [affine_map<(n, o, c, t, k) -> (n, o + t, k)>, affine_map<(n, o, c, t, k) -> (t, k, c)>,
                                        affine_map<(n, o, c, t, k) -> (n, o, c)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : tensor<2x513x1xi8>, tensor<2x1x8xi8>) outs(%y : tensor<2x512x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<2x512x8xi32>
  return %r : tensor<2x512x8xi32>
}

// Elements of 16 bits are turned on their way through shared memory.
// CHECK-LABEL: @negative_halves
// CHECK: arith.constant dense<{{.*}}> : tensor<2x8xf16>
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[ACROSS]], [[RESULT]]]
func.func @negative_halves(%x: tensor<1024x2xf16>) -> tensor<1024x8xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1024x8xf32>
  %y = linalg.fill ins(%zero : f32) outs(%empty : tensor<1024x8xf32>) -> tensor<1024x8xf32>
  %w = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<2x8xf16>
  %r = linalg.generic #product ins(%x, %w : tensor<1024x2xf16>, tensor<2x8xf16>) outs(%y : tensor<1024x8xf32>) {
  ^bb0(%a: f16, %b: f16, %s: f32):
    %ae = arith.extf %a : f16 to f32
    %be = arith.extf %b : f16 to f32
    %p = arith.mulf %ae, %be : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<1024x8xf32>
  return %r : tensor<1024x8xf32>
}

// CHECK-LABEL: @negative_depth_last
// CHECK: arith.constant dense<{{.*}}> : tensor<8x2xi8>
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[ALONG]], [[RESULT]]]
func.func @negative_depth_last(%x: tensor<1024x2xi8>) -> tensor<1024x8xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<1024x8xi32>
  %y = linalg.fill ins(%zero : i32) outs(%empty : tensor<1024x8xi32>) -> tensor<1024x8xi32>
  %w = arith.constant dense<[[1, 2], [3, 4], [5, 6], [7, 8], [1, 2], [3, 4], [5, 6], [7, 8]]> : tensor<8x2xi8>
  %r = linalg.generic {indexing_maps = [#a, affine_map<(m, n, k) -> (n, k)>, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<1024x2xi8>, tensor<8x2xi8>) outs(%y : tensor<1024x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<1024x8xi32>
  return %r : tensor<1024x8xi32>
}

// Too little work for matrix instructions.
// CHECK-LABEL: @negative_few_products
// CHECK: arith.constant dense<{{.*}}> : tensor<2x8xi8>
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[ACROSS]], [[RESULT]]]
func.func @negative_few_products(%x: tensor<64x2xi8>) -> tensor<64x8xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<64x8xi32>
  %y = linalg.fill ins(%zero : i32) outs(%empty : tensor<64x8xi32>) -> tensor<64x8xi32>
  %w = arith.constant dense<[[1, 2, 3, 4, 5, 6, 7, 8], [-1, -2, -3, -4, -5, -6, -7, -8]]> : tensor<2x8xi8>
  %r = linalg.generic #product ins(%x, %w : tensor<64x2xi8>, tensor<2x8xi8>) outs(%y : tensor<64x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<64x8xi32>
  return %r : tensor<64x8xi32>
}
}

// The alignment, of four bytes, then column by column.
// CHECK: dialect_resources
// CHECK-DAG: {{ }}[[DENSE]]: "0x4000000001FF02FE03FD04FC05FB06FA07F908F8"
// CHECK-DAG: {{ }}[[SHARED]]: "0x4000000001110212031304140515061607170818"
// CHECK-DAG: {{ }}[[CONV]]: "0x400000000109020A030B040C050D060E070F0810"
{-#
  dialect_resources: {
    builtin: {
      shared: "0x0400000001020304050607081112131415161718"
    }
  }
#-}

// -----
// Volta has no matrix instructions for bytes.
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#product = {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}

module attributes {tgl.target = #tgl.target<name = "cuda", triple = "", cpu = "", features = "", vectorBytes = 16, registers = 16, cacheKiB = 0, threads = 1, chips = "sm_70">} {
// CHECK-LABEL: @negative_volta
// CHECK: arith.constant dense<{{.*}}> : tensor<2x8xi8>
// CHECK-NOT: dense_resource
func.func @negative_volta(%x: tensor<1024x2xi8>) -> tensor<1024x8xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<1024x8xi32>
  %y = linalg.fill ins(%zero : i32) outs(%empty : tensor<1024x8xi32>) -> tensor<1024x8xi32>
  %w = arith.constant dense<[[1, 2, 3, 4, 5, 6, 7, 8], [-1, -2, -3, -4, -5, -6, -7, -8]]> : tensor<2x8xi8>
  %r = linalg.generic #product ins(%x, %w : tensor<1024x2xi8>, tensor<2x8xi8>) outs(%y : tensor<1024x8xi32>) {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %ae = arith.extsi %a : i8 to i32
    %be = arith.extsi %b : i8 to i32
    %p = arith.muli %ae, %be : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<1024x8xi32>
  return %r : tensor<1024x8xi32>
}
}
