// A convolution and the elementwise op behind it become channels-last; one transpose is left at each border.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-choose-layouts))' | FileCheck %s

// CHECK-LABEL: @conv_relu_conv
// CHECK: %[[X:.+]] = nn.transpose %arg0 {perm = array<i64: 0, 2, 3, 1>}
// CHECK: nn.conv %[[X]]
// CHECK-SAME: layout = "channels_last"
// CHECK-NEXT: nn.unary relu
// CHECK: nn.conv
// CHECK-NEXT: nn.transpose {{.*}} {perm = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: return
func.func @conv_relu_conv(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %v: tensor<8x8x3x3xf32>) -> tensor<1x8x4x4xf32> {
  %0 = nn.conv %x, %w {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32>) -> tensor<1x8x6x6xf32>
  %1 = nn.unary relu %0 : (tensor<1x8x6x6xf32>) -> tensor<1x8x6x6xf32>
  %2 = nn.conv %1, %v {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x8x6x6xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x4x4xf32>
  return %2 : tensor<1x8x4x4xf32>
}

// A rank-3 transpose is its own inverse: operands of equal size do not hand it back and forth.
// CHECK-LABEL: @negative_rank_3_equal_sizes
// CHECK: nn.transpose
// CHECK-NEXT: nn.binary add
// CHECK-NEXT: return
func.func @negative_rank_3_equal_sizes(%x: tensor<1x4x6xf32>, %y: tensor<1x6x4xf32>) -> tensor<1x6x4xf32> {
  %0 = nn.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<1x4x6xf32>) -> tensor<1x6x4xf32>
  %1 = nn.binary add %0, %y : (tensor<1x6x4xf32>, tensor<1x6x4xf32>) -> tensor<1x6x4xf32>
  return %1 : tensor<1x6x4xf32>
}

// A transposed convolution of stride 2: one convolution for the four phases, whose channels are moved to their places.
// CHECK-LABEL: @phases
// CHECK-SAME: %[[X:.+]]: tensor<1x8x5x6xf32>, %[[W:.+]]: tensor<8x3x3x4xf32>
// CHECK-DAG: %[[L:.+]] = nn.transpose %[[X]] {perm = array<i64: 0, 2, 3, 1>}
// CHECK-DAG: nn.pad %[[W]] {{.*}} -> tensor<8x3x4x4xf32>
// CHECK-DAG: nn.slice {{.*}}starts = array<i64: 0, 0, 1, 0, 1, 0>, steps = array<i64: 1, 1, -1, 1, -1, 1>
// CHECK: %[[P:.+]] = nn.conv %[[L]], %{{.+}} {{.*}}high = array<i64: 1, 1>{{.*}}low = array<i64: 1, 1>{{.*}} -> tensor<1x6x7x12xf32>
// CHECK: nn.transpose {{.*}}perm = array<i64: 0, 1, 3, 2, 4, 5>
// CHECK: nn.pad {{.*}} -> tensor<1x10x12x3xf32>
// CHECK-NOT: nn.conv_transpose
func.func @phases(%x: tensor<1x8x5x6xf32>, %w: tensor<8x3x3x4xf32>) -> tensor<1x3x10x12xf32> {
  %y = nn.conv_transpose %x, %w {group = 1 : i64, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>, output_padding = array<i64: 1, 0>} : (tensor<1x8x5x6xf32>, tensor<8x3x3x4xf32>) -> tensor<1x3x10x12xf32>
  return %y : tensor<1x3x10x12xf32>
}
