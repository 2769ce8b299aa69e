// Each constraint of Linear.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @matmul_C1_rank(%a: tensor<3xf32>, %b: tensor<3x5xf32>) {
  // expected-error @+2 {{expects inputs with at least 2 axes, but got 1 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<3xf32>, tensor<3x5xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @matmul_C1_elements(%a: tensor<2x3xf32>, %b: tensor<3x5xf64>) {
  // expected-error @+2 {{expects one element type, but got 'f32' and 'f64'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<2x3xf32>, tensor<3x5xf64>) -> tensor<2x5xf32>
  return
}

// -----

func.func @matmul_C2_extents(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+2 {{the left input has 3 columns, but the right one has 4 rows}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @matmul_C3_batch(%a: tensor<2x3x4xf32>, %b: tensor<5x4x6xf32>) {
  // expected-error @+2 {{leading extents 2 and 5 do not broadcast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b : (tensor<2x3x4xf32>, tensor<5x4x6xf32>) -> tensor<2x3x6xf32>
  return
}

// -----

func.func @matmul_C4_columns(%a: tensor<2x8xi8>, %b: tensor<2x16x4xi8>) {
  // expected-error @+2 {{expects 17 columns in packed rows of a multiple of 16, but got 'tensor<2x16x4xi8>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b {columns = 17 : i64} : (tensor<2x8xi8>, tensor<2x16x4xi8>) -> tensor<2x17xi32>
  return
}

// -----

func.func @matmul_C4_rows(%a: tensor<2x9xi8>, %b: tensor<2x16x4xi8>) {
  // expected-error @+2 {{the left input has 9 columns, but the right one has 8 rows}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %a, %b {columns = 16 : i64} : (tensor<2x9xi8>, tensor<2x16x4xi8>) -> tensor<2x16xi32>
  return
}

// -----

func.func @einsum_C1_terms(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{equation 'ij,jk->ik' has 2 terms, but got 1 inputs}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.einsum %a {equation = "ij,jk->ik"} : (tensor<2x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @einsum_C1_letters(%a: tensor<2x3xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{term 'jk' has 2 letters, but input 1 has 1 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.einsum %a, %b {equation = "ij,jk->ik"} : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @einsum_C1_result(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @+2 {{letter 'z' of the result is in no input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.einsum %a, %b {equation = "ij,jk->iz"} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @einsum_C2_extents(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+2 {{axis 'j' has extents 3 and 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.einsum %a, %b {equation = "ij,jk->ik"} : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @conv_C1_rank(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3xf32>) {
  // expected-error @+2 {{weight has 3 axes, which does not fit an input with 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_elements(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf64>) {
  // expected-error @+2 {{weight holds 'f64', but the input holds 'f32'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf64>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_channels(%a: tensor<1x4x8x8xf32>, %b: tensor<6x3x3x3xf32>) {
  // expected-error @+2 {{weight expects 3 input channels, but the input has 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x3x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_group_positive(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{group expects a positive number, but got 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 0 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_group_divides_outputs(%a: tensor<1x4x8x8xf32>, %b: tensor<5x2x3x3xf32>) {
  // expected-error @+2 {{weight has 5 output channels, which 2 groups do not divide}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 2 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<5x2x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_group_divides_inputs(%a: tensor<1x4x8x8xf32>, %b: tensor<6x1x3x3xf32>) {
  // expected-error @+2 {{the input has 4 channels, which 3 groups do not divide}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 3 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x1x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_group_of_channels_last(%a: tensor<1x8x8x4xf32>, %b: tensor<3x3x2x6xf32>) {
  // expected-error @+2 {{weight has 1 group, but expected 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_last", group = 2 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x8x8x4xf32>, tensor<3x3x2x6xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_depthwise(%a: tensor<1x8x8x4xf32>, %b: tensor<3x3x6xf32>) {
  // expected-error @+2 {{weight has 6 groups, but expected 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_last", group = 4 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x8x8x4xf32>, tensor<3x3x6xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C1_grouped(%a: tensor<1x8x8x4xf32>, %b: tensor<3x3x3x2x2xf32>) {
  // expected-error @+2 {{weight has 3 groups, but expected 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_last", group = 2 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x8x8x4xf32>, tensor<3x3x3x2x2xf32>) -> tensor<1x6x6x4xf32>
  return
}

// -----

func.func @conv_C2_strides(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{strides}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 0, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C2_dilations(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{dilations}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C2_low_pads(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{low pads}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: -1, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C2_high_pads(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{high pads}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_C3_kernel(%a: tensor<1x4x2x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{the kernel covers 3 elements of spatial axis 0, but the padded input has 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x2x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x1x6xf32>
  return
}

// -----

func.func @conv_C3_dilated_kernel(%a: tensor<1x4x8x4xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error @+2 {{the kernel covers 5 elements of spatial axis 1, but the padded input has 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 2>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x4x8x4xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x1xf32>
  return
}

// -----

func.func @conv_transpose_C1_rank(%a: tensor<1x4x8x8xf32>, %b: tensor<4x6x3xf32>) {
  // expected-error @+2 {{weight has 3 axes, which does not fit an input with 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %a, %b {group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<4x6x3xf32>) -> tensor<1x6x10x10xf32>
  return
}

// -----

func.func @conv_transpose_C1_channels(%a: tensor<1x4x8x8xf32>, %b: tensor<3x6x3x3xf32>) {
  // expected-error @+2 {{weight expects 3 input channels, but the input has 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %a, %b {group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<3x6x3x3xf32>) -> tensor<1x6x10x10xf32>
  return
}

// -----

func.func @conv_transpose_C1_group(%a: tensor<1x4x8x8xf32>, %b: tensor<4x2x3x3xf32>) {
  // expected-error @+2 {{the input has 4 channels, which 3 groups do not divide}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %a, %b {group = 3 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<1x6x10x10xf32>
  return
}

// -----

func.func @conv_transpose_C2_strides(%a: tensor<1x4x8x8xf32>, %b: tensor<4x6x3x3xf32>) {
  // expected-error @+2 {{strides}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %a, %b {group = 1 : i64, strides = array<i64: 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<1x4x8x8xf32>, tensor<4x6x3x3xf32>) -> tensor<1x6x10x10xf32>
  return
}

// -----

func.func @conv_transpose_C2_output_padding(%a: tensor<1x4x8x8xf32>, %b: tensor<4x6x3x3xf32>) {
  // expected-error @+2 {{output_padding}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %a, %b {group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, output_padding = array<i64: -1, 0>} : (tensor<1x4x8x8xf32>, tensor<4x6x3x3xf32>) -> tensor<1x6x10x10xf32>
  return
}

// -----

func.func @conv_transpose_C2_cut(%a: tensor<1x4x1x1xf32>, %b: tensor<4x6x1x1xf32>) {
  // expected-error @+2 {{the pads cut more than the result has on spatial axis 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %a, %b {group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 2, 0>, high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<1x4x1x1xf32>, tensor<4x6x1x1xf32>) -> tensor<1x6x1x1xf32>
  return
}
