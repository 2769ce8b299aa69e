// Broadcasts go where both sides have the same extents in every run, and stay where they may differ.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fold-expands,canonicalize))' | FileCheck %s

module attributes {tgl.source = {dims = [["n", "", "w"], ["n", "", "w"]]}} {

// A residual branch: the convolution keeps the extent, and inputs of one symbol have one extent.
// CHECK-LABEL: @residual
// CHECK-NOT: nn.expand
// CHECK: nn.binary add
func.func @residual(%x: tensor<?x4x?xf32>, %z: tensor<?x4x?xf32>, %w: tensor<4x4x3xf32>) -> tensor<?x4x?xf32> {
  %c = nn.conv %x, %w {dilations = array<i64: 1>, group = 1 : i64, high = array<i64: 1>, layout = "channels_first", low = array<i64: 1>, strides = array<i64: 1>} : (tensor<?x4x?xf32>, tensor<4x4x3xf32>) -> tensor<?x4x?xf32>
  %r = nn.unary relu %c : (tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %a = nn.shape %r {end = 3 : i64, start = 0 : i64} : (tensor<?x4x?xf32>) -> tensor<3xi64>
  %b = nn.shape %z {end = 3 : i64, start = 0 : i64} : (tensor<?x4x?xf32>) -> tensor<3xi64>
  %s = nn.binary max %a, %b : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  %left = nn.expand %r shape %s : (tensor<?x4x?xf32>, tensor<3xi64>) -> tensor<?x4x?xf32>
  %right = nn.expand %z shape %s : (tensor<?x4x?xf32>, tensor<3xi64>) -> tensor<?x4x?xf32>
  %y = nn.binary add %left, %right : (tensor<?x4x?xf32>, tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  return %y : tensor<?x4x?xf32>
}

// A stride halves the extent; nothing is known of a third input.
// CHECK-LABEL: @unlike
// CHECK-COUNT-2: nn.expand
func.func @unlike(%x: tensor<?x4x?xf32>, %z: tensor<?x4x?xf32>, %w: tensor<4x4x3xf32>) -> tensor<?x4x?xf32> {
  %c = nn.conv %x, %w {dilations = array<i64: 1>, group = 1 : i64, high = array<i64: 1>, layout = "channels_first", low = array<i64: 1>, strides = array<i64: 2>} : (tensor<?x4x?xf32>, tensor<4x4x3xf32>) -> tensor<?x4x?xf32>
  %a = nn.shape %c {end = 3 : i64, start = 0 : i64} : (tensor<?x4x?xf32>) -> tensor<3xi64>
  %b = nn.shape %z {end = 3 : i64, start = 0 : i64} : (tensor<?x4x?xf32>) -> tensor<3xi64>
  %s = nn.binary max %a, %b : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  %left = nn.expand %c shape %s : (tensor<?x4x?xf32>, tensor<3xi64>) -> tensor<?x4x?xf32>
  %right = nn.expand %z shape %s : (tensor<?x4x?xf32>, tensor<3xi64>) -> tensor<?x4x?xf32>
  %y = nn.binary add %left, %right : (tensor<?x4x?xf32>, tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  return %y : tensor<?x4x?xf32>
}

// An extent of 1 has a window of the pool, but none of the convolution.
// CHECK-LABEL: @short_pool
// CHECK-COUNT-2: nn.expand
func.func @short_pool(%x: tensor<?x4x?xf32>, %w: tensor<4x4x2xf32>) -> tensor<?x4x?xf32> {
  %c = nn.conv %x, %w {dilations = array<i64: 1>, group = 1 : i64, high = array<i64: 0>, layout = "channels_first", low = array<i64: 0>, strides = array<i64: 2>} : (tensor<?x4x?xf32>, tensor<4x4x2xf32>) -> tensor<?x4x?xf32>
  %p = nn.pool max %x {ceil = false, count_include_pad = false, dilations = array<i64: 1>, high = array<i64: 0>, kernel = array<i64: 2>, layout = "channels_first", low = array<i64: 0>, strides = array<i64: 2>} : (tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %a = nn.shape %c {end = 3 : i64, start = 0 : i64} : (tensor<?x4x?xf32>) -> tensor<3xi64>
  %b = nn.shape %p {end = 3 : i64, start = 0 : i64} : (tensor<?x4x?xf32>) -> tensor<3xi64>
  %s = nn.binary max %a, %b : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  %left = nn.expand %c shape %s : (tensor<?x4x?xf32>, tensor<3xi64>) -> tensor<?x4x?xf32>
  %right = nn.expand %p shape %s : (tensor<?x4x?xf32>, tensor<3xi64>) -> tensor<?x4x?xf32>
  %y = nn.binary add %left, %right : (tensor<?x4x?xf32>, tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  return %y : tensor<?x4x?xf32>
}
}
