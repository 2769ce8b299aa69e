// A scale per channel after a convolution goes into the weights; the offset stays.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fold-scales))' | FileCheck %s

// CHECK-LABEL: @conv_scale_offset
// CHECK: %[[W:.+]] = nn.constant dense<{{\[\[\[\[}}2.000000e+00{{.*}}3.000000e+00{{.*}} : tensor<2x1x1x1xf32>
// CHECK: %[[Y:.+]] = nn.conv %arg0, %[[W]]
// CHECK-NEXT: nn.binary add %[[Y]]
// CHECK-NEXT: return
func.func @conv_scale_offset(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = nn.constant dense<1.0> : tensor<2x1x1x1xf32>
  %s = nn.constant dense<[[[2.0]], [[3.0]]]> : tensor<2x1x1xf32>
  %b = nn.constant dense<[[[1.0]], [[5.0]]]> : tensor<2x1x1xf32>
  %0 = nn.conv %x, %w {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.binary mul %0, %s : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = nn.binary add %1, %b : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  return %2 : tensor<1x2x4x4xf32>
}

// The convolution has another user: its weights stay.
// CHECK-LABEL: @negative_conv_two_users
// CHECK: nn.conv
// CHECK: nn.binary mul
func.func @negative_conv_two_users(%x: tensor<1x1x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = nn.constant dense<1.0> : tensor<2x1x1x1xf32>
  %s = nn.constant dense<[[[2.0]], [[3.0]]]> : tensor<2x1x1xf32>
  %0 = nn.conv %x, %w {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = nn.binary mul %0, %s : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  return %0, %1 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}
