// Factors that are transpositions are read where they lie, and sums are in the order in which they are read next.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fuse-transposes))' | FileCheck %s
// Once more changes nothing.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fuse-transposes,tegula-fuse-transposes))' | FileCheck %s

#same3 = affine_map<(i, j, k) -> (i, j, k)>
#turn3 = affine_map<(i, j, k) -> (j, i, k)>
#a = affine_map<(b, m, n, k) -> (b, m, k)>
#b = affine_map<(b, m, n, k) -> (b, k, n)>
#c = affine_map<(b, m, n, k) -> (b, m, n)>
#product = {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
#heads = {indexing_maps = [#turn3, #same3], iterator_types = ["parallel", "parallel", "parallel"]}
#turned = {indexing_maps = [affine_map<(b, k, n) -> (b, n, k)>, #same3], iterator_types = ["parallel", "parallel", "parallel"]}

// CHECK-DAG: [[LEFT:#.+]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: [[RIGHT:#.+]] = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
// CHECK-DAG: [[RIGHT_TURNED:#.+]] = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
// CHECK-DAG: [[SUMS:#.+]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK-DAG: [[LEFT_TURNED:#.+]] = affine_map<(d0, d1, d2, d3) -> (d1, d0, d3)>
// CHECK-DAG: [[SUMS_TURNED:#.+]] = affine_map<(d0, d1, d2, d3) -> (d1, d0, d2)>
// CHECK-DAG: [[SAME:#.+]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// CHECK-LABEL: @factor
// CHECK-SAME: ([[X:%.+]]: tensor<2x8x16xf32>, [[W:%.+]]: tensor<2x32x16xf32>)
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT_TURNED]], [[SUMS]]]
// CHECK-SAME: ins([[X]], [[W]] :
// CHECK-NOT: linalg.generic
func.func @factor(%x: tensor<2x8x16xf32>, %w: tensor<2x32x16xf32>) -> tensor<2x8x32xf32> {
  %empty = tensor.empty() : tensor<2x16x32xf32>
  %k = linalg.generic #turned ins(%w : tensor<2x32x16xf32>) outs(%empty : tensor<2x16x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<2x16x32xf32>
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  return %s : tensor<2x8x32xf32>
}

// Heads, whose batch is the second axis.
// CHECK-LABEL: @both_factors
// CHECK-SAME: ([[X:%.+]]: tensor<8x2x16xf32>, [[W:%.+]]: tensor<2x32x16xf32>)
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT_TURNED]], [[RIGHT_TURNED]], [[SUMS]]]
// CHECK-SAME: ins([[X]], [[W]] :
// CHECK-NOT: linalg.generic
func.func @both_factors(%x: tensor<8x2x16xf32>, %w: tensor<2x32x16xf32>) -> tensor<2x8x32xf32> {
  %empty = tensor.empty() : tensor<2x16x32xf32>
  %other = tensor.empty() : tensor<2x8x16xf32>
  %k = linalg.generic #turned ins(%w : tensor<2x32x16xf32>) outs(%empty : tensor<2x16x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<2x16x32xf32>
  %q = linalg.generic #heads ins(%x : tensor<8x2x16xf32>) outs(%other : tensor<2x8x16xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<2x8x16xf32>
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%q, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  return %s : tensor<2x8x32xf32>
}

// A factor and the sums: both are gone.
// CHECK-LABEL: @dynamic
// CHECK-SAME: ([[X:%.+]]: tensor<?x?x?xf32>, [[W:%.+]]: tensor<?x?x?xf32>
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT_TURNED]], [[SUMS_TURNED]]]
// CHECK-SAME: ins([[X]], [[W]] :
// CHECK-NOT: linalg.generic
func.func @dynamic(%x: tensor<?x?x?xf32>, %w: tensor<?x?x?xf32>, %b: index, %m: index, %n: index, %d: index) -> tensor<?x?x?xf32> {
  %empty = tensor.empty(%b, %d, %n) : tensor<?x?x?xf32>
  %k = linalg.generic #turned ins(%w : tensor<?x?x?xf32>) outs(%empty : tensor<?x?x?xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<?x?x?xf32>
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty(%b, %m, %n) : tensor<?x?x?xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<?x?x?xf32>, tensor<?x?x?xf32>) outs(%start : tensor<?x?x?xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<?x?x?xf32>
  %out = tensor.empty(%m, %b, %n) : tensor<?x?x?xf32>
  %y = linalg.generic #heads ins(%s : tensor<?x?x?xf32>) outs(%out : tensor<?x?x?xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<?x?x?xf32>
  return %y : tensor<?x?x?xf32>
}

// A reader with arithmetic stays, at the same place of both.
// CHECK-LABEL: @sums
// CHECK: [[EMPTY:%.+]] = tensor.empty() : tensor<8x2x32xf32>
// CHECK: [[START:%.+]] = linalg.fill {{.*}} outs([[EMPTY]] :
// CHECK: [[S:%.+]] = linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT]], [[SUMS_TURNED]]]
// CHECK-SAME: outs([[START]] :
// CHECK: linalg.generic {indexing_maps = {{\[}}[[SAME]], [[SAME]]]
// CHECK-SAME: ins([[S]] : tensor<8x2x32xf32>)
// CHECK: math.absf
func.func @sums(%x: tensor<2x8x16xf32>, %k: tensor<2x16x32xf32>) -> tensor<8x2x32xf32> {
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  %out = tensor.empty() : tensor<8x2x32xf32>
  %y = linalg.generic #heads ins(%s : tensor<2x8x32xf32>) outs(%out : tensor<8x2x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    %e = math.absf %u : f32
    linalg.yield %e : f32
  } -> tensor<8x2x32xf32>
  return %y : tensor<8x2x32xf32>
}

// CHECK-LABEL: @sums_alone
// CHECK: [[S:%.+]] = linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT]], [[SUMS_TURNED]]]
// CHECK-NOT: linalg.generic
// CHECK: return [[S]] : tensor<8x2x32xf32>
func.func @sums_alone(%x: tensor<2x8x16xf32>, %k: tensor<2x16x32xf32>) -> tensor<8x2x32xf32> {
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  %out = tensor.empty() : tensor<8x2x32xf32>
  %y = linalg.generic #heads ins(%s : tensor<2x8x32xf32>) outs(%out : tensor<8x2x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<8x2x32xf32>
  return %y : tensor<8x2x32xf32>
}

// The other reader of the transposed tensor keeps it.
// CHECK-LABEL: @two_readers
// CHECK-SAME: ([[X:%.+]]: tensor<2x8x16xf32>, [[W:%.+]]: tensor<2x32x16xf32>)
// CHECK: [[K:%.+]] = linalg.generic {indexing_maps = {{.*}} ins([[W]] :
// CHECK: [[S:%.+]] = linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT_TURNED]], [[SUMS]]]
// CHECK-SAME: ins([[X]], [[W]] :
// CHECK: return [[S]], [[K]]
func.func @two_readers(%x: tensor<2x8x16xf32>, %w: tensor<2x32x16xf32>) -> (tensor<2x8x32xf32>, tensor<2x16x32xf32>) {
  %empty = tensor.empty() : tensor<2x16x32xf32>
  %k = linalg.generic #turned ins(%w : tensor<2x32x16xf32>) outs(%empty : tensor<2x16x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<2x16x32xf32>
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  return %s, %k : tensor<2x8x32xf32>, tensor<2x16x32xf32>
}

// Neighbours in memory would be of as many tiles.
// CHECK-LABEL: @negative_batch_last
// CHECK-SAME: ([[X:%.+]]: tensor<2x8x16xf32>, [[W:%.+]]: tensor<32x16x2xf32>)
// CHECK: [[K:%.+]] = linalg.generic {{.*}} ins([[W]] :
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT]], [[SUMS]]]
// CHECK-SAME: ins([[X]], [[K]] :
func.func @negative_batch_last(%x: tensor<2x8x16xf32>, %w: tensor<32x16x2xf32>) -> tensor<2x8x32xf32> {
  %empty = tensor.empty() : tensor<2x16x32xf32>
  %k = linalg.generic {indexing_maps = [affine_map<(b, k, n) -> (n, k, b)>, #same3], iterator_types = ["parallel", "parallel", "parallel"]} ins(%w : tensor<32x16x2xf32>) outs(%empty : tensor<2x16x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<2x16x32xf32>
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  return %s : tensor<2x8x32xf32>
}

// With arithmetic it is no transposition.
// CHECK-LABEL: @negative_arithmetic
// CHECK: [[K:%.+]] = linalg.generic
// CHECK: linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT]], [[SUMS]]]
// CHECK-SAME: ins(%{{.+}}, [[K]] :
func.func @negative_arithmetic(%x: tensor<2x8x16xf32>, %w: tensor<2x32x16xf32>) -> tensor<2x8x32xf32> {
  %empty = tensor.empty() : tensor<2x16x32xf32>
  %k = linalg.generic #turned ins(%w : tensor<2x32x16xf32>) outs(%empty : tensor<2x16x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    %e = math.absf %u : f32
    linalg.yield %e : f32
  } -> tensor<2x16x32xf32>
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  return %s : tensor<2x8x32xf32>
}

// CHECK-LABEL: @negative_sums_two_readers
// CHECK: [[S:%.+]] = linalg.generic {indexing_maps = {{\[}}[[LEFT]], [[RIGHT]], [[SUMS]]]
// CHECK: linalg.generic {{.*}} ins([[S]] : tensor<2x8x32xf32>)
func.func @negative_sums_two_readers(%x: tensor<2x8x16xf32>, %k: tensor<2x16x32xf32>) -> (tensor<8x2x32xf32>, tensor<2x8x32xf32>) {
  %zero = arith.constant 0.0 : f32
  %sums = tensor.empty() : tensor<2x8x32xf32>
  %start = linalg.fill ins(%zero : f32) outs(%sums : tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %s = linalg.generic #product ins(%x, %k : tensor<2x8x16xf32>, tensor<2x16x32xf32>) outs(%start : tensor<2x8x32xf32>) {
  ^bb0(%u: f32, %v: f32, %t: f32):
    %p = arith.mulf %u, %v : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x8x32xf32>
  %out = tensor.empty() : tensor<8x2x32xf32>
  %y = linalg.generic #heads ins(%s : tensor<2x8x32xf32>) outs(%out : tensor<8x2x32xf32>) {
  ^bb0(%u: f32, %v: f32):
    linalg.yield %u : f32
  } -> tensor<8x2x32xf32>
  return %y, %s : tensor<8x2x32xf32>, tensor<2x8x32xf32>
}
