// nn.winograd_conv says which condition fails.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @winograd_conv_C1_kernel(%x: tensor<1x6x6x8xf32>, %w: tensor<4x4x8x16xf32>) {
  // expected-error @+2 {{expects [N, H, W, C] and [3, 3, C, M] of f32 or [4, 4, C, M] of i16, but got 'tensor<1x6x6x8xf32>' and 'tensor<4x4x8x16xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = nn.winograd_conv %x, %w {extents = array<i64: 4, 4>, rows = 1 : i64} : (tensor<1x6x6x8xf32>, tensor<4x4x8x16xf32>) -> tensor<1x4x4x16xf32>
  return
}

// -----

func.func @winograd_conv_C1_channels(%x: tensor<1x6x6x8xf32>, %w: tensor<3x3x9x16xf32>) {
  // expected-error @+2 {{expects [N, H, W, C] and [3, 3, C, M] of f32}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = nn.winograd_conv %x, %w {extents = array<i64: 4, 4>, rows = 1 : i64} : (tensor<1x6x6x8xf32>, tensor<3x3x9x16xf32>) -> tensor<1x4x4x16xf32>
  return
}

// -----

func.func @winograd_conv_C1_integers(%x: tensor<1x6x6x8xi16>, %w: tensor<3x3x8x16xi16>) {
  // expected-error @+2 {{expects [N, H, W, C] and [3, 3, C, M] of f32 or [4, 4, C, M] of i16, but got 'tensor<1x6x6x8xi16>' and 'tensor<3x3x8x16xi16>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = nn.winograd_conv %x, %w {extents = array<i64: 4, 4>, rows = 1 : i64} : (tensor<1x6x6x8xi16>, tensor<3x3x8x16xi16>) -> tensor<1x4x4x16xi32>
  return
}

// -----

func.func @winograd_conv_C2_integers(%x: tensor<1x10x6x8xi16>, %w: tensor<4x4x8x16xi16>) {
  // expected-error @+2 {{expects two extents that x, padded to whole tiles, holds; x is 'tensor<1x10x6x8xi16>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = nn.winograd_conv %x, %w {extents = array<i64: 5, 4>, rows = 1 : i64} : (tensor<1x10x6x8xi16>, tensor<4x4x8x16xi16>) -> tensor<1x5x4x16xi32>
  return
}

// -----

func.func @winograd_conv_C2_tiles(%x: tensor<1x6x6x8xf32>, %w: tensor<3x3x8x16xf32>) {
  // expected-error @+2 {{expects two extents that x, padded to whole tiles, holds; x is 'tensor<1x6x6x8xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = nn.winograd_conv %x, %w {extents = array<i64: 4, 5>, rows = 1 : i64} : (tensor<1x6x6x8xf32>, tensor<3x3x8x16xf32>) -> tensor<1x4x5x16xf32>
  return
}

// -----

func.func @winograd_conv_C3_rows(%x: tensor<1x6x6x8xf32>, %w: tensor<3x3x8x16xf32>) {
  // expected-error @+2 {{rows expects a positive number, but got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = nn.winograd_conv %x, %w {extents = array<i64: 4, 4>, rows = 0 : i64} : (tensor<1x6x6x8xf32>, tensor<3x3x8x16xf32>) -> tensor<1x4x4x16xf32>
  return
}
