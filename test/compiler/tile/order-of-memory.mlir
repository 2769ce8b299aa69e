// Without a reduction, elements are walked in the order of memory: the vector loop is innermost.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-tile-units,canonicalize))' | FileCheck %s

// CHECK-LABEL: @rows
// CHECK-DAG: %[[ONE:.+]] = arith.constant 1 : index
// CHECK-DAG: %[[FOUR:.+]] = arith.constant 4 : index
// CHECK: scf.for %[[ROW:.+]] = %{{.+}} to %{{.+}} step %[[ONE]]
// CHECK: scf.for %[[COLUMN:.+]] = %{{.+}} to %{{.+}} step %[[FOUR]]
// CHECK: vector.transfer_read %{{.+}}[%[[ROW]], %[[COLUMN]]]
func.func @rows(%a: tensor<6x16xf32>, %b: tensor<6xf32>) -> tensor<6x16xf32> {
  %e = tensor.empty() : tensor<6x16xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%a, %b : tensor<6x16xf32>, tensor<6xf32>) outs(%e : tensor<6x16xf32>) attrs = {tgl.plan = #tgl.plan<vectorLoop = 1, lanes = 4, vectors = 1, unrollLoop = -1, unroll = 1, block = [0, 0]>} {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %s = arith.subf %x, %y : f32
    linalg.yield %s : f32
  } -> tensor<6x16xf32>
  return %0 : tensor<6x16xf32>
}
