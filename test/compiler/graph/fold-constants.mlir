// Ops on constants are compiled, run and replaced by their values.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-fold-constants)' | FileCheck %s

// CHECK-LABEL: @scaled_weight
// CHECK: %[[W:.+]] = nn.constant dense<[2.000000e+00, 6.000000e+00]>
// CHECK-NEXT: nn.binary add %arg0, %[[W]]
// CHECK-NOT: nn.binary mul
func.func @scaled_weight(%x: tensor<2xf32>) -> tensor<2xf32> attributes {tgl.inputs = ["x"], tgl.input_types = [tensor<2xf32>], tgl.outputs = ["y"], tgl.output_types = [tensor<2xf32>]} {
  %a = nn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = nn.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %0 = nn.binary mul %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.binary add %x, %0 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// Constants of a branch are folded, too; the branch keeps what depends on inputs.
// CHECK-LABEL: @in_branch
// CHECK: %[[W:.+]] = nn.constant dense<[2.000000e+00, 6.000000e+00]>
// CHECK: scf.if
// CHECK-NEXT: nn.binary add %arg1, %[[W]]
// CHECK-NOT: nn.binary mul
func.func @in_branch(%c: tensor<i1>, %x: tensor<2xf32>) -> tensor<2xf32> attributes {tgl.inputs = ["c", "x"], tgl.input_types = [tensor<i1>, tensor<2xf32>], tgl.outputs = ["y"], tgl.output_types = [tensor<2xf32>]} {
  %isTrue = nn.condition %c : tensor<i1>
  %y = scf.if %isTrue -> (tensor<2xf32>) {
    %a = nn.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %b = nn.constant dense<[2.0, 3.0]> : tensor<2xf32>
    %0 = nn.binary mul %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %1 = nn.binary add %x, %0 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    scf.yield %1 : tensor<2xf32>
  } else {
    scf.yield %x : tensor<2xf32>
  }
  return %y : tensor<2xf32>
}
