// Products of dequantized numbers are sums of integers; scales of a quantization behind go into those before it.
// RUN: %tegula-opt %s -split-input-file --pass-pipeline='builtin.module(func.func(tegula-fold-dequantize))' | FileCheck %s

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "znver4", features = "", vectorBytes = 64, registers = 32, cacheKiB = 512, threads = 1, dot = "u8s8">} {
// CHECK-LABEL: func.func @conv
// CHECK-SAME: %[[X:.+]]: tensor<1x8x6x6xui8>
// CHECK: %[[P:.+]] = nn.pad %[[X]] value %{{.+}} {high = array<i64: 0, 0, 1, 1>, low = array<i64: 0, 0, 1, 1>, mode = "constant"}
// CHECK: %[[S:.+]] = nn.conv %[[P]], %{{.+}} : (tensor<1x8x8x8xui8>, tensor<4x8x3x3xi8>) -> tensor<1x4x6x6xi32>
// CHECK: %[[I:.+]] = nn.binary add %[[S]], %{{.+}} : (tensor<1x4x6x6xi32>, tensor<4x1x1xi32>)
// CHECK: %[[D:.+]] = nn.dequantize %[[I]]
// CHECK: %[[R:.+]] = nn.unary relu %[[D]]
// CHECK: nn.quantize %[[R]], %[[ONE:.+]], %{{.+}} :
func.func @conv(%x: tensor<1x8x6x6xui8>) -> tensor<1x4x6x6xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %z = nn.constant dense<3> : tensor<ui8>
  %w = nn.constant dense<5> : tensor<4x8x3x3xi8>
  %t = nn.constant dense<[[[[0.1]]], [[[0.2]]], [[[0.3]]], [[[0.4]]]]> : tensor<4x1x1x1xf32>
  %u = nn.constant dense<0.25> : tensor<f32>
  %a = nn.dequantize %x, %s, %z : (tensor<1x8x6x6xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x8x6x6xf32>
  %b = nn.dequantize %w, %t : (tensor<4x8x3x3xi8>, tensor<4x1x1x1xf32>) -> tensor<4x8x3x3xf32>
  %c = nn.conv %a, %b {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x8x6x6xf32>, tensor<4x8x3x3xf32>) -> tensor<1x4x6x6xf32>
  %r = nn.unary relu %c : (tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  %y = nn.quantize %r, %u, %z : (tensor<1x4x6x6xf32>, tensor<f32>, tensor<ui8>) -> tensor<1x4x6x6xui8>
  return %y : tensor<1x4x6x6xui8>
}

// The columns of a product of 6 are filled up to 8; signed numbers become unsigned.
// CHECK-LABEL: func.func @product
// CHECK: nn.matmul %{{.+}}, %{{.+}} : (tensor<2x8xui8>, tensor<8x3xi8>) -> tensor<2x3xi32>
func.func @product(%x: tensor<2x6xi8>) -> tensor<2x3xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %w = nn.constant dense<5> : tensor<6x3xi8>
  %a = nn.dequantize %x, %s : (tensor<2x6xi8>, tensor<f32>) -> tensor<2x6xf32>
  %b = nn.dequantize %w, %s : (tensor<6x3xi8>, tensor<f32>) -> tensor<6x3xf32>
  %y = nn.matmul %a, %b : (tensor<2x6xf32>, tensor<6x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// Two sides that are computed at run time: the right one is packed, by one move with its transposition, and what the zero
// points owe are sums of rows and of columns.
// CHECK-LABEL: func.func @variables
// CHECK-SAME: (%[[X:.+]]: tensor<3x20x30xui8>, %[[W:.+]]: tensor<3x40x30xi8>)
// CHECK: %[[PADDED:.+]] = nn.pad %[[W]] {high = array<i64: 0, 8, 2>, low = array<i64: 0, 0, 0>, mode = "constant"}
// CHECK: %[[PARTS:.+]] = nn.reshape %[[PADDED]] : (tensor<3x48x32xi8>) -> tensor<3x48x8x4xi8>
// CHECK: %[[PACKED:.+]] = nn.transpose %[[PARTS]] {perm = array<i64: 0, 2, 1, 3>}
// CHECK: %[[COLUMNS:.+]] = nn.matmul %[[W]], %{{.+}} : (tensor<3x40x30xi8>, tensor<30x1xi8>) -> tensor<3x40x1xi32>
// CHECK: nn.transpose %[[COLUMNS]] {perm = array<i64: 0, 2, 1>}
// CHECK: nn.matmul %[[X]], %{{.+}} : (tensor<3x20x30xui8>, tensor<30x1xi8>) -> tensor<3x20x1xi32>
// CHECK: nn.matmul %{{.+}}, %[[PACKED]] {columns = 40 : i64} : (tensor<3x20x32xui8>, tensor<3x8x48x4xi8>) -> tensor<3x20x40xi32>
func.func @variables(%x: tensor<3x20x30xui8>, %w: tensor<3x40x30xi8>) -> tensor<3x20x40xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %z = nn.constant dense<3> : tensor<ui8>
  %y = nn.constant dense<-4> : tensor<i8>
  %a = nn.dequantize %x, %s, %z : (tensor<3x20x30xui8>, tensor<f32>, tensor<ui8>) -> tensor<3x20x30xf32>
  %b = nn.dequantize %w, %s, %y : (tensor<3x40x30xi8>, tensor<f32>, tensor<i8>) -> tensor<3x40x30xf32>
  %t = nn.transpose %b {perm = array<i64: 0, 2, 1>} : (tensor<3x40x30xf32>) -> tensor<3x30x40xf32>
  %p = nn.matmul %a, %t : (tensor<3x20x30xf32>, tensor<3x30x40xf32>) -> tensor<3x20x40xf32>
  return %p : tensor<3x20x40xf32>
}

// A maximum of dequantized numbers is one of integers, and quantizing with the same scale gives them back.
// CHECK-LABEL: func.func @maximum
// CHECK: %[[Y:.+]] = nn.pool max %{{.+}} : (tensor<1x2x4x4xi8>) -> tensor<1x2x2x2xi8>
// CHECK: return %[[Y]]
func.func @maximum(%x: tensor<1x2x4x4xi8>) -> tensor<1x2x2x2xi8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %z = nn.constant dense<3> : tensor<i8>
  %a = nn.dequantize %x, %s, %z : (tensor<1x2x4x4xi8>, tensor<f32>, tensor<i8>) -> tensor<1x2x4x4xf32>
  %b = nn.pool max %a {layout = "channels_first", kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>, ceil = false, count_include_pad = false} : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32>
  %y = nn.quantize %b, %s, %z : (tensor<1x2x2x2xf32>, tensor<f32>, tensor<i8>) -> tensor<1x2x2x2xi8>
  return %y : tensor<1x2x2x2xi8>
}

// Weights alone quantized: two to a byte where four bits hold them, real numbers in registers only.
// CHECK-LABEL: func.func @weights_of_blocks
// CHECK: nn.block_matmul %{{.+}}, %{{.+}}, %{{.+}}, %{{.+}} {bits = 4 : i64, digits} : (tensor<3x64xf32>, tensor<2x4x5xui32>, tensor<2x5xf32>, tensor<ui8>) -> tensor<3x5xf32>
func.func @weights_of_blocks(%a: tensor<3x64xf32>) -> tensor<3x5xf32> {
  %w = nn.constant dense<-8> : tensor<2x32x5xi8>
  %s = nn.constant dense<0.5> : tensor<2x1x5xf32>
  %b = nn.dequantize %w, %s : (tensor<2x32x5xi8>, tensor<2x1x5xf32>) -> tensor<2x32x5xf32>
  %m = nn.reshape %b : (tensor<2x32x5xf32>) -> tensor<64x5xf32>
  %y = nn.matmul %a, %m : (tensor<3x64xf32>, tensor<64x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// Of eight bits, a scale for each column.
// CHECK-LABEL: func.func @weights_of_columns
// CHECK: nn.block_matmul %{{.+}}, %{{.+}}, %{{.+}}, %{{.+}} {bits = 8 : i64, digits} : (tensor<3x64xf32>, tensor<1x16x5xui32>, tensor<1x5xf32>, tensor<ui8>) -> tensor<3x5xf32>
func.func @weights_of_columns(%a: tensor<3x64xf32>) -> tensor<3x5xf32> {
  %w = nn.constant dense<100> : tensor<64x5xi8>
  %s = nn.constant dense<[0.5, 1.0, 2.0, 3.0, 4.0]> : tensor<5xf32>
  %b = nn.dequantize %w, %s : (tensor<64x5xi8>, tensor<5xf32>) -> tensor<64x5xf32>
  %y = nn.matmul %a, %b : (tensor<3x64xf32>, tensor<64x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// Sums that might not fit into 32 bits stay real; the weights stay small all the same.
// CHECK-LABEL: func.func @negative_long
// CHECK-NOT: xi32>
// CHECK: nn.block_matmul
func.func @negative_long(%x: tensor<2x40000xui8>) -> tensor<2x3xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %w = nn.constant dense<127> : tensor<40000x3xi8>
  %a = nn.dequantize %x, %s : (tensor<2x40000xui8>, tensor<f32>) -> tensor<2x40000xf32>
  %b = nn.dequantize %w, %s : (tensor<40000x3xi8>, tensor<f32>) -> tensor<40000x3xf32>
  %y = nn.matmul %a, %b : (tensor<2x40000xf32>, tensor<40000x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// Weights that are not constant stay dequantized.
// CHECK-LABEL: func.func @negative_variable
// CHECK: nn.matmul %{{.+}}, %{{.+}} : (tensor<2x8xf32>, tensor<8x3xf32>) -> tensor<2x3xf32>
func.func @negative_variable(%x: tensor<2x8xui8>, %w: tensor<8x3xi8>) -> tensor<2x3xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %a = nn.dequantize %x, %s : (tensor<2x8xui8>, tensor<f32>) -> tensor<2x8xf32>
  %b = nn.dequantize %w, %s : (tensor<8x3xi8>, tensor<f32>) -> tensor<8x3xf32>
  %y = nn.matmul %a, %b : (tensor<2x8xf32>, tensor<8x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
}

// -----

// Where pairs of 16 bits are multiplied: weights that many rows read have 16 bits, those of few rows keep 8.
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 1, dot = "s16s16">} {
// CHECK-LABEL: func.func @pairs_many_rows
// CHECK: nn.matmul %{{.+}}, %{{.+}} : (tensor<16x8xi16>, tensor<8x3xi16>) -> tensor<16x3xi32>
func.func @pairs_many_rows(%x: tensor<16x8xi8>) -> tensor<16x3xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %w = nn.constant dense<5> : tensor<8x3xi8>
  %a = nn.dequantize %x, %s : (tensor<16x8xi8>, tensor<f32>) -> tensor<16x8xf32>
  %b = nn.dequantize %w, %s : (tensor<8x3xi8>, tensor<f32>) -> tensor<8x3xf32>
  %y = nn.matmul %a, %b : (tensor<16x8xf32>, tensor<8x3xf32>) -> tensor<16x3xf32>
  return %y : tensor<16x3xf32>
}

// CHECK-LABEL: func.func @pairs_few_rows
// CHECK: nn.matmul %{{.+}}, %{{.+}} : (tensor<2x8xi16>, tensor<8x3xi8>) -> tensor<2x3xi32>
func.func @pairs_few_rows(%x: tensor<2x8xi8>) -> tensor<2x3xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %w = nn.constant dense<5> : tensor<8x3xi8>
  %a = nn.dequantize %x, %s : (tensor<2x8xi8>, tensor<f32>) -> tensor<2x8xf32>
  %b = nn.dequantize %w, %s : (tensor<8x3xi8>, tensor<f32>) -> tensor<8x3xf32>
  %y = nn.matmul %a, %b : (tensor<2x8xf32>, tensor<8x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
}

// -----

// Where signed bytes are multiplied by signed ones, unsigned ones on the left are moved by 128, and so is their zero point.
module attributes {tgl.target = #tgl.target<name = "cpu", triple = "aarch64-unknown-linux-gnu", cpu = "neoverse-n1", features = "", vectorBytes = 16, registers = 32, cacheKiB = 512, threads = 1, dot = "s8s8">} {
// CHECK-LABEL: func.func @signed_left
// CHECK-DAG: %[[OFFSET:.+]] = nn.constant dense<-128> : tensor<i16>
// CHECK: %[[MOVED:.+]] = nn.binary add %{{.+}}, %[[OFFSET]] : (tensor<16x8xi16>, tensor<i16>)
// CHECK: %[[X:.+]] = nn.cast %[[MOVED]] : (tensor<16x8xi16>) -> tensor<16x8xi8>
// CHECK: nn.matmul %[[X]], %{{.+}} : (tensor<16x8xi8>, tensor<8x3xi8>) -> tensor<16x3xi32>
func.func @signed_left(%x: tensor<16x8xui8>) -> tensor<16x3xf32> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %z = nn.constant dense<131> : tensor<ui8>
  %w = nn.constant dense<5> : tensor<8x3xi8>
  %a = nn.dequantize %x, %s, %z : (tensor<16x8xui8>, tensor<f32>, tensor<ui8>) -> tensor<16x8xf32>
  %b = nn.dequantize %w, %s : (tensor<8x3xi8>, tensor<f32>) -> tensor<8x3xf32>
  %y = nn.matmul %a, %b : (tensor<16x8xf32>, tensor<8x3xf32>) -> tensor<16x3xf32>
  return %y : tensor<16x3xf32>
}
}
