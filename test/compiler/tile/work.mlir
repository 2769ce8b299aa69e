// A unit knows its arithmetic and its bytes: body ops times iterations, tensors read and written once.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-tile-units))' | FileCheck %s
// The numbers outlive bufferization.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-tile-units),one-shot-bufferize{bufferize-function-boundaries=1 allow-return-allocs-from-loops=1})' | FileCheck %s

#rows = affine_map<(i, j, k) -> (i, k)>
#columns = affine_map<(i, j, k) -> (k, j)>
#result = affine_map<(i, j, k) -> (i, j)>
#id = affine_map<(i, j) -> (i, j)>

// 2 * 8 * 16 * 4 for the product, 8 * 16 for the epilogue; (8 * 4 + 4 * 16 + 8 * 16) * 4 bytes.
// CHECK-LABEL: @product_and_epilogue
// CHECK: tgl.bytes = 8.960000e+02 : f64, tgl.flops = 1.152000e+03 : f64
func.func @product_and_epilogue(%a: tensor<8x4xf32>, %b: tensor<4x16xf32>) -> tensor<8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x16xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x16xf32>) -> tensor<8x16xf32>
  %product = linalg.generic {indexing_maps = [#rows, #columns, #result], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<8x4xf32>, tensor<4x16xf32>) outs(%start : tensor<8x16xf32>)
      attrs = {tgl.plan = #tgl.plan<vectorLoop = 1, lanes = 8, vectors = 2, unrollLoop = 0, unroll = 4, block = [4, 0]>} {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %sum, %p : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  %relu = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%product : tensor<8x16xf32>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%x: f32, %out: f32):
    %m = arith.maximumf %x, %zero : f32
    linalg.yield %m : f32
  } -> tensor<8x16xf32>
  return %relu : tensor<8x16xf32>
}

// A loop of five trips around it; the conversion is no arithmetic, the tensor read twice is read once.
// CHECK-LABEL: @trips
// CHECK: tgl.bytes = 4.800000e+02 : f64, tgl.flops = 8.000000e+01 : f64
func.func @trips(%a: tensor<2x8xf32>) -> tensor<2x8xf16> {
  %zero = arith.constant 0 : index
  %five = arith.constant 5 : index
  %one = arith.constant 1 : index
  %empty = tensor.empty() : tensor<2x8xf16>
  %r = scf.for %i = %zero to %five step %one iter_args(%carried = %empty) -> tensor<2x8xf16> {
    %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%a, %a : tensor<2x8xf32>, tensor<2x8xf32>) outs(%carried : tensor<2x8xf16>) {
    ^bb0(%p: f32, %q: f32, %out: f16):
      %s = arith.addf %p, %q : f32
      %h = arith.truncf %s : f32 to f16
      linalg.yield %h : f16
    } -> tensor<2x8xf16>
    scf.yield %y : tensor<2x8xf16>
  }
  return %r : tensor<2x8xf16>
}

// Unknown extents: unknown work.
// CHECK-LABEL: @dynamic
// CHECK: tgl.bytes = 0.000000e+00 : f64, tgl.flops = 0.000000e+00 : f64
func.func @dynamic(%a: tensor<?x8xf32>, %out: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<?x8xf32>) outs(%out : tensor<?x8xf32>) {
  ^bb0(%p: f32, %o: f32):
    %s = math.exp %p : f32
    linalg.yield %s : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// A packed constant that is read in two ways counts once, 4 * 2 * 4 + 8 * 8 + 8 * 4 bytes; what takes its bits apart is no
// arithmetic, 4 operations 8 * 4 times.
#even = affine_map<(j, k) -> (k, 0)>
#odd = affine_map<(j, k) -> (k, 1)>
#first = affine_map<(j, k) -> (k * 2, j)>
#second = affine_map<(j, k) -> (k * 2 + 1, j)>
#columnsOnly = affine_map<(j, k) -> (j)>
// CHECK-LABEL: @packed
// CHECK: tgl.bytes = 1.280000e+02 : f64, tgl.flops = 1.280000e+02 : f64
func.func @packed(%a: tensor<4x2xf32>) -> tensor<8xf32> {
  %zero = arith.constant 0.0 : f32
  %four = arith.constant 4 : i8
  %w = arith.constant dense<[[1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 3, 4, 5, 6, 7, 8], [3, 2, 3, 4, 5, 6, 7, 8], [4, 2, 3, 4, 5, 6, 7, 8], [5, 2, 3, 4, 5, 6, 7, 8], [6, 2, 3, 4, 5, 6, 7, 8], [7, 2, 3, 4, 5, 6, 7, 8], [8, 2, 3, 4, 5, 6, 7, 8]]> : tensor<8x8xi8>
  %empty = tensor.empty() : tensor<8xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#even, #odd, #first, #second, #columnsOnly], iterator_types = ["parallel", "reduction"]}
      ins(%a, %a, %w, %w : tensor<4x2xf32>, tensor<4x2xf32>, tensor<8x8xi8>, tensor<8x8xi8>) outs(%start : tensor<8xf32>) {
  ^bb0(%x: f32, %z: f32, %b: i8, %c: i8, %sum: f32):
    %high = arith.shrui %b, %four : i8
    %p = arith.uitofp %high : i8 to f32
    %q = arith.uitofp %c : i8 to f32
    %r = arith.mulf %x, %p : f32
    %s = arith.mulf %z, %q : f32
    %t = arith.addf %r, %s : f32
    %u = arith.addf %sum, %t : f32
    linalg.yield %u : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}
