// A product and the elementwise op behind it are one forall: accumulators in registers over the reduction, the epilogue on
// them, one masked write at the tail.
// RUN: %tegulac %s --start-after=graph --stop-after=tile -o - | FileCheck %s

// CHECK-LABEL: @fc
// CHECK: scf.forall
// CHECK-COUNT-12: vector<8xf32>
// CHECK: vector.transfer_write {{.*}}, %{{.*}} {in_bounds = [true]} : vector<8xf32>
// CHECK: tensor.parallel_insert_slice
// CHECK-NOT: scf.forall
// CHECK-NOT: linalg.
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1>} {
  func.func @fc(%a: tensor<12x32xf32>, %w: tensor<32x20xf32>, %b: tensor<20xf32>) -> tensor<12x20xf32> attributes {tgl.inputs = ["a", "w", "b"], tgl.input_types = [tensor<12x32xf32>, tensor<32x20xf32>, tensor<20xf32>], tgl.outputs = ["y"], tgl.output_types = [tensor<12x20xf32>]} {
    %0 = nn.matmul %a, %w : (tensor<12x32xf32>, tensor<32x20xf32>) -> tensor<12x20xf32>
    %1 = nn.binary add %0, %b : (tensor<12x20xf32>, tensor<20xf32>) -> tensor<12x20xf32>
    %2 = nn.unary relu %1 : (tensor<12x20xf32>) -> tensor<12x20xf32>
    return %2 : tensor<12x20xf32>
  }
}
