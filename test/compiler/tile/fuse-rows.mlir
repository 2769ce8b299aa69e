// The ops between two products move into a loop over bands of rows; what something else reads stays.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fuse-rows,canonicalize,cse))' | FileCheck %s

#left = affine_map<(d0, d1, d2) -> (d0, d2)>
#right = affine_map<(d0, d1, d2) -> (d2, d1)>
#result = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// CHECK-LABEL: @attention
// CHECK-NOT: tensor<240x1000xf32>
// CHECK: scf.for
// CHECK: -> tensor<[[ROWS:[0-9]+]]x1000xf32>
// CHECK: linalg.generic
// CHECK-SAME: "reduction"
// CHECK: linalg.generic
// CHECK: linalg.generic
// CHECK: tensor.insert_slice {{.*}} tensor<[[ROWS]]x64xf32> into tensor<240x64xf32>
// CHECK: tgl.bands =
func.func @attention(%q: tensor<240x64xf32>, %k: tensor<64x1000xf32>, %v: tensor<1000x64xf32>) -> tensor<240x64xf32> {
  %zero = arith.constant 0.0 : f32
  %s0 = tensor.empty() : tensor<240x1000xf32>
  %s1 = linalg.fill ins(%zero : f32) outs(%s0 : tensor<240x1000xf32>) -> tensor<240x1000xf32>
  %s = linalg.generic {indexing_maps = [#left, #right, #result], iterator_types = ["parallel", "parallel", "reduction"]} ins(%q, %k : tensor<240x64xf32>, tensor<64x1000xf32>) outs(%s1 : tensor<240x1000xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<240x1000xf32>
  %m0 = tensor.empty() : tensor<240xf32>
  %m1 = linalg.fill ins(%zero : f32) outs(%m0 : tensor<240xf32>) -> tensor<240xf32>
  %m = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]} ins(%s : tensor<240x1000xf32>) outs(%m1 : tensor<240xf32>) {
  ^bb0(%a: f32, %c: f32):
    %0 = arith.maximumf %a, %c : f32
    linalg.yield %0 : f32
  } -> tensor<240xf32>
  %p = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]} ins(%s, %m : tensor<240x1000xf32>, tensor<240xf32>) outs(%s0 : tensor<240x1000xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.subf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<240x1000xf32>
  %y0 = tensor.empty() : tensor<240x64xf32>
  %y1 = linalg.fill ins(%zero : f32) outs(%y0 : tensor<240x64xf32>) -> tensor<240x64xf32>
  %y = linalg.generic {indexing_maps = [#left, #right, #result], iterator_types = ["parallel", "parallel", "reduction"]} ins(%p, %v : tensor<240x1000xf32>, tensor<1000x64xf32>) outs(%y1 : tensor<240x64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<240x64xf32>
  return %y : tensor<240x64xf32>
}

// Two products alone gain nothing, and scores that leave the function have to be made as a whole.
// CHECK-LABEL: @read_elsewhere
// CHECK-NOT: scf.for
func.func @read_elsewhere(%p: tensor<240x1000xf32>, %v: tensor<1000x64xf32>) -> (tensor<240xf32>, tensor<240x64xf32>) {
  %zero = arith.constant 0.0 : f32
  %m0 = tensor.empty() : tensor<240xf32>
  %m1 = linalg.fill ins(%zero : f32) outs(%m0 : tensor<240xf32>) -> tensor<240xf32>
  %m = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]} ins(%p : tensor<240x1000xf32>) outs(%m1 : tensor<240xf32>) {
  ^bb0(%a: f32, %c: f32):
    %0 = arith.maximumf %a, %c : f32
    linalg.yield %0 : f32
  } -> tensor<240xf32>
  %y0 = tensor.empty() : tensor<240x64xf32>
  %y1 = linalg.fill ins(%zero : f32) outs(%y0 : tensor<240x64xf32>) -> tensor<240x64xf32>
  %y = linalg.generic {indexing_maps = [#left, #right, #result], iterator_types = ["parallel", "parallel", "reduction"]} ins(%p, %v : tensor<240x1000xf32>, tensor<1000x64xf32>) outs(%y1 : tensor<240x64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<240x64xf32>
  return %m, %y : tensor<240xf32>, tensor<240x64xf32>
}

// Rows that are summed up beside the product: what reads both is banded, here two matrices by one. The right side is packed
// by rows, of which a band reads one matrix whole.
#heads = affine_map<(h, m, n, k) -> (h, m, k)>
#packed = affine_map<(h, m, n, k) -> (h, k, n)>
#sums = affine_map<(h, m, n, k) -> (h, m, n)>
#id3 = affine_map<(h, m, n) -> (h, m, n)>
#row3 = affine_map<(h, m, n) -> (h, m)>
#turned = affine_map<(h, m, n) -> (m, h, n)>

// CHECK-LABEL: @beside
// CHECK-SAME: %{{.+}}: tensor<2x100x64xi8>, %{{.+}}: tensor<2x64x400xi8>, %[[PACKED:.+]]: tensor<2x100x4x16x4xi8>
// CHECK-NOT: tensor<2x100x400xi32>
// CHECK: scf.for
// CHECK: tensor.extract_slice %[[PACKED]]{{.+}} [1, 100, 4, 16, 4] [1, 1, 1, 1, 1]
// CHECK: linalg.unpack {{.+}} -> tensor<1x400x64xi8>
// CHECK: tensor.insert_slice {{.*}} into tensor<100x2x64xi32>
// CHECK: tgl.bands =
func.func @beside(%q: tensor<2x100x64xi8>, %k: tensor<2x64x400xi8>, %packed: tensor<2x100x4x16x4xi8>) -> tensor<100x2x64xi32> {
  %zero = arith.constant 0 : i32
  %whole = tensor.empty() : tensor<2x400x64xi8>
  %v = linalg.unpack %packed inner_dims_pos = [2, 1] inner_tiles = [16, 4] into %whole : tensor<2x100x4x16x4xi8> -> tensor<2x400x64xi8>
  %s0 = tensor.empty() : tensor<2x100x400xi32>
  %s1 = linalg.fill ins(%zero : i32) outs(%s0 : tensor<2x100x400xi32>) -> tensor<2x100x400xi32>
  %s = linalg.generic {indexing_maps = [#heads, #packed, #sums], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%q, %k : tensor<2x100x64xi8>, tensor<2x64x400xi8>) outs(%s1 : tensor<2x100x400xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %0 = arith.extsi %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %c, %2 : i32
    linalg.yield %3 : i32
  } -> tensor<2x100x400xi32>
  %p0 = tensor.empty() : tensor<2x100x400xi8>
  %p = linalg.generic {indexing_maps = [#id3, #id3], iterator_types = ["parallel", "parallel", "parallel"]} ins(%s : tensor<2x100x400xi32>) outs(%p0 : tensor<2x100x400xi8>) {
  ^bb0(%a: i32, %c: i8):
    %0 = arith.trunci %a : i32 to i8
    linalg.yield %0 : i8
  } -> tensor<2x100x400xi8>
  %r0 = tensor.empty() : tensor<2x100xi32>
  %r1 = linalg.fill ins(%zero : i32) outs(%r0 : tensor<2x100xi32>) -> tensor<2x100xi32>
  %r = linalg.generic {indexing_maps = [#id3, #row3], iterator_types = ["parallel", "parallel", "reduction"]} ins(%p : tensor<2x100x400xi8>) outs(%r1 : tensor<2x100xi32>) {
  ^bb0(%a: i8, %c: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.addi %c, %0 : i32
    linalg.yield %1 : i32
  } -> tensor<2x100xi32>
  %y0 = tensor.empty() : tensor<2x100x64xi32>
  %y1 = linalg.fill ins(%zero : i32) outs(%y0 : tensor<2x100x64xi32>) -> tensor<2x100x64xi32>
  %y = linalg.generic {indexing_maps = [#heads, #packed, #sums], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%p, %v : tensor<2x100x400xi8>, tensor<2x400x64xi8>) outs(%y1 : tensor<2x100x64xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %c, %2 : i32
    linalg.yield %3 : i32
  } -> tensor<2x100x64xi32>
  %z0 = tensor.empty() : tensor<100x2x64xi32>
  %z = linalg.generic {indexing_maps = [#id3, #row3, #turned], iterator_types = ["parallel", "parallel", "parallel"]} ins(%y, %r : tensor<2x100x64xi32>, tensor<2x100xi32>) outs(%z0 : tensor<100x2x64xi32>) {
  ^bb0(%a: i32, %b: i32, %c: i32):
    %0 = arith.subi %a, %b : i32
    linalg.yield %0 : i32
  } -> tensor<100x2x64xi32>
  return %z : tensor<100x2x64xi32>
}
