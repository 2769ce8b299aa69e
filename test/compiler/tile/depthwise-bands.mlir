// A depthwise convolution moves into bands of the 1x1 convolution that reads it, where the image between them is larger than
// the cache; the convolution before it does not, and neither does any where the image is small.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-to-linalg,tegula-fuse-elementwise,tegula-fuse-rows))' | FileCheck %s

// CHECK-LABEL: @large
// CHECK: } -> tensor<1x114x114x32xf32>
// CHECK: scf.for
// CHECK: } -> tensor<1x[[ROWS:[0-9]+]]x112x32xf32>
// CHECK: } -> tensor<1x[[ROWS]]x112x16xf32>
// CHECK: tensor.insert_slice {{.*}} tensor<1x[[ROWS]]x112x16xf32> into tensor<1x112x112x16xf32>
// CHECK: tgl.bands =
func.func @large(%x: tensor<1x114x114x32xf32>, %d: tensor<3x3x32xf32>, %p: tensor<1x1x32x16xf32>) -> tensor<1x112x112x16xf32> {
  %e = nn.unary exp %x : (tensor<1x114x114x32xf32>) -> tensor<1x114x114x32xf32>
  %0 = nn.conv %e, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, group = 32 : i64, layout = "channels_last"} : (tensor<1x114x114x32xf32>, tensor<3x3x32xf32>) -> tensor<1x112x112x32xf32>
  %1 = nn.unary relu %0 : (tensor<1x112x112x32xf32>) -> tensor<1x112x112x32xf32>
  %2 = nn.conv %1, %p {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, group = 1 : i64, layout = "channels_last"} : (tensor<1x112x112x32xf32>, tensor<1x1x32x16xf32>) -> tensor<1x112x112x16xf32>
  return %2 : tensor<1x112x112x16xf32>
}

// CHECK-LABEL: @small
// CHECK-NOT: scf.for
func.func @small(%x: tensor<1x16x16x32xf32>, %d: tensor<3x3x32xf32>, %p: tensor<1x1x32x16xf32>) -> tensor<1x14x14x16xf32> {
  %0 = nn.conv %x, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, group = 32 : i64, layout = "channels_last"} : (tensor<1x16x16x32xf32>, tensor<3x3x32xf32>) -> tensor<1x14x14x32xf32>
  %2 = nn.conv %0, %p {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, group = 1 : i64, layout = "channels_last"} : (tensor<1x14x14x32xf32>, tensor<1x1x32x16xf32>) -> tensor<1x14x14x16xf32>
  return %2 : tensor<1x14x14x16xf32>
}

// Two convolutions of 1x1: the second would read its kernel again for each band.
// CHECK-LABEL: @dense
// CHECK-NOT: scf.for
func.func @dense(%x: tensor<1x112x112x32xf32>, %d: tensor<1x1x32x32xf32>, %p: tensor<1x1x32x16xf32>) -> tensor<1x112x112x16xf32> {
  %0 = nn.conv %x, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, group = 1 : i64, layout = "channels_last"} : (tensor<1x112x112x32xf32>, tensor<1x1x32x32xf32>) -> tensor<1x112x112x32xf32>
  %2 = nn.conv %0, %p {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, group = 1 : i64, layout = "channels_last"} : (tensor<1x112x112x32xf32>, tensor<1x1x32x16xf32>) -> tensor<1x112x112x16xf32>
  return %2 : tensor<1x112x112x16xf32>
}
