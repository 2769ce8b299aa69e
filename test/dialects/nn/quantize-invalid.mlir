// RUN: %tegula-opt %s -split-input-file -verify-diagnostics

func.func @quantize_C1_shape(%x: tensor<4xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{expects a result of the input's shape, but got 'tensor<5xi8>' of 'tensor<4xf32>'}}
  %0 = nn.quantize %x, %s : (tensor<4xf32>, tensor<f32>) -> tensor<5xi8>
  return
}

// -----

func.func @quantize_C1_scale(%x: tensor<1x4xf32>, %s: tensor<3x1xf32>) {
  // expected-error @+1 {{expects a scale and a zero point that broadcast to 'tensor<1x4xf32>', but got 'tensor<3x1xf32>'}}
  %0 = nn.quantize %x, %s : (tensor<1x4xf32>, tensor<3x1xf32>) -> tensor<1x4xi8>
  return
}

// -----

func.func @quantize_C2_types(%x: tensor<4xf16>, %s: tensor<f32>) {
  // expected-error @+1 {{cannot divide 'f16' by a scale of 'f32'}}
  %0 = nn.quantize %x, %s : (tensor<4xf16>, tensor<f32>) -> tensor<4xi8>
  return
}

// -----

func.func @quantize_C3_result(%x: tensor<4xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{expects a result of 8 or 16 bits, but got 'i32'}}
  %0 = nn.quantize %x, %s : (tensor<4xf32>, tensor<f32>) -> tensor<4xi32>
  return
}

// -----

func.func @quantize_C3_zero(%x: tensor<4xf32>, %s: tensor<f32>, %z: tensor<ui8>) {
  // expected-error @+1 {{expects a zero point of 'i8', but got 'ui8'}}
  %0 = nn.quantize %x, %s, %z : (tensor<4xf32>, tensor<f32>, tensor<ui8>) -> tensor<4xi8>
  return
}

// -----

func.func @dequantize_C1_zero(%x: tensor<2x4xi8>, %s: tensor<f32>, %z: tensor<3xi8>) {
  // expected-error @+1 {{expects a scale and a zero point that broadcast to 'tensor<2x4xi8>', but got 'tensor<3xi8>'}}
  %0 = nn.dequantize %x, %s, %z : (tensor<2x4xi8>, tensor<f32>, tensor<3xi8>) -> tensor<2x4xf32>
  return
}

// -----

func.func @dequantize_C2_result(%x: tensor<4xi8>, %s: tensor<f32>) {
  // expected-error @+1 {{expects a scale and a result of floats, but got 'f32' and 'i32'}}
  %0 = nn.dequantize %x, %s : (tensor<4xi8>, tensor<f32>) -> tensor<4xi32>
  return
}

// -----

func.func @dequantize_C3_input(%x: tensor<4xi64>, %s: tensor<f32>) {
  // expected-error @+1 {{expects integers of 8, 16 or 32 bits, but got 'i64'}}
  %0 = nn.dequantize %x, %s : (tensor<4xi64>, tensor<f32>) -> tensor<4xf32>
  return
}

// -----

func.func @block_matmul_C1_columns(%a: tensor<3x60xf32>, %w: tensor<2x4x5xui32>, %s: tensor<2x5xf32>, %z: tensor<ui8>) {
  // expected-error @+2 {{expects [..., M, K] and [P, N] of f32 and blocks of ui32 that hold K}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.block_matmul %a, %w, %s, %z {bits = 4 : i64} : (tensor<3x60xf32>, tensor<2x4x5xui32>, tensor<2x5xf32>, tensor<ui8>) -> tensor<3x5xf32>
  return
}

// -----

func.func @block_matmul_C2_bits(%a: tensor<3x64xf32>, %w: tensor<2x4x5xui32>, %s: tensor<2x5xf32>, %z: tensor<ui8>) {
  // expected-error @+2 {{expects 4 or 8 bits, but got 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.block_matmul %a, %w, %s, %z {bits = 3 : i64} : (tensor<3x64xf32>, tensor<2x4x5xui32>, tensor<2x5xf32>, tensor<ui8>) -> tensor<3x5xf32>
  return
}

// -----

func.func @block_matmul_C3_zero(%a: tensor<3x64xf32>, %w: tensor<2x4x5xui32>, %s: tensor<2x5xf32>, %z: tensor<5xui8>) {
  // expected-error @+2 {{expects a zero point of ui8 for all or for each scale}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.block_matmul %a, %w, %s, %z {bits = 4 : i64} : (tensor<3x64xf32>, tensor<2x4x5xui32>, tensor<2x5xf32>, tensor<5xui8>) -> tensor<3x5xf32>
  return
}

// -----

func.func @lookup_C1_shape(%x: tensor<4xi8>, %t: tensor<256xi8>) {
  // expected-error @+1 {{expects a result of the input's shape, but got 'tensor<5xi8>' of 'tensor<4xi8>'}}
  %0 = nn.lookup %x, %t : (tensor<4xi8>, tensor<256xi8>) -> tensor<5xi8>
  return
}

// -----

func.func @lookup_C2_input(%x: tensor<4xi16>, %t: tensor<256xi8>) {
  // expected-error @+1 {{expects integers of 8 bits, but got 'i16'}}
  %0 = nn.lookup %x, %t : (tensor<4xi16>, tensor<256xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @lookup_C3_table(%x: tensor<4xi8>, %t: tensor<256xi8>) {
  // expected-error @+1 {{expects a table of 256 elements of 'ui8', but got 'tensor<256xi8>'}}
  %0 = nn.lookup %x, %t : (tensor<4xi8>, tensor<256xi8>) -> tensor<4xui8>
  return
}
