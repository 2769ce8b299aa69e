// Each constraint of Pool.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @pool_C1_kernel(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{kernel expects 2 numbers, one per spatial axis, but got 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_C1_strides(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{strides expects numbers from 1, but got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 0>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_C1_dilations(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{dilations expects numbers from 1, but got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 0, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_C1_low(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{low pads expects numbers from 0, but got -1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: -1, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_C1_high(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{high pads expects 2 numbers, one per spatial axis, but got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @pool_C2_kernel(%a: tensor<1x3x8x1xf32>) {
  // expected-error @+2 {{the kernel covers 3 elements of spatial axis 1, but the padded input has 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 2>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x1xf32>) -> tensor<1x3x4x1xf32>
  return
}

// -----

func.func @pool_kind(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{has no kind 'min'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pool min %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @max_pool_indices_C1_kernel(%a: tensor<1x3x8x8xf32>) {
  // expected-error @+2 {{kernel expects 2 numbers, one per spatial axis, but got 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool_indices %a {kernel = array<i64: 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, column_major = false} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xi64>
  return
}

// -----

func.func @max_pool_indices_C1_room(%a: tensor<1x3x1x8xf32>) {
  // expected-error @+2 {{the kernel covers 3 elements of spatial axis 0, but the padded input has 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool_indices %a {kernel = array<i64: 3, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, column_major = false} : (tensor<1x3x1x8xf32>) -> tensor<1x3x1x4xi64>
  return
}
