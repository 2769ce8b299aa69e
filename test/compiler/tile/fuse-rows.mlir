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
