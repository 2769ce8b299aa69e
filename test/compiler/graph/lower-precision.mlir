// Weights of f32 products become shorter; where the target multiplies pairs of bf16, the other factor does so too. Of f16,
// the other factor becomes f32 where it is read often.
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-lower-precision{type=bf16}))' | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-lower-precision{type=bf16},tegula-lower-precision{type=bf16}))' | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: %tegula-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(tegula-lower-precision{type=f16}))' | FileCheck %s --check-prefixes=CHECK,F16

module attributes {tgl.target = #tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "znver4", features = "", vectorBytes = 64, registers = 32, cacheKiB = 512, threads = 1, realDot = "bf16">} {
// CHECK-LABEL: @product
// CHECK-SAME: %[[X:.+]]: tensor<?x8xf32>
// BF16: %[[V:.+]] = nn.cast %{{.+}} : (tensor<8x5xf32>) -> tensor<8x5xbf16>
// BF16: %[[U:.+]] = nn.cast %[[X]] : (tensor<?x8xf32>) -> tensor<?x8xbf16>
// BF16: nn.matmul %[[U]], %[[V]] {unrounded} : (tensor<?x8xbf16>, tensor<8x5xbf16>) -> tensor<?x5xf32>
// F16: %[[V:.+]] = nn.cast %{{.+}} : (tensor<8x5xf32>) -> tensor<8x5xf16>
// F16: nn.matmul %[[X]], %[[V]] : (tensor<?x8xf32>, tensor<8x5xf16>) -> tensor<?x5xf32>
func.func @product(%x: tensor<?x8xf32>) -> tensor<?x5xf32> {
  %w = nn.constant dense<1.5> : tensor<8x5xf32>
  %y = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x5xf32>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// An odd number of channels is filled up.
// CHECK-LABEL: @image
// BF16: nn.pad %{{.+}} -> tensor<1x9x9x4xf32>
// BF16: nn.pad %{{.+}} -> tensor<3x3x4x8xf32>
// BF16: nn.conv {{.*}}unrounded{{.*}} : (tensor<1x9x9x4xbf16>, tensor<3x3x4x8xbf16>) -> tensor<1x9x9x8xf32>
// F16: nn.conv {{.*}} : (tensor<1x9x9x3xf32>, tensor<3x3x3x8xf16>) -> tensor<1x9x9x8xf32>
func.func @image(%x: tensor<1x9x9x3xf32>) -> tensor<1x9x9x8xf32> {
  %w = nn.constant dense<0.5> : tensor<3x3x3x8xf32>
  %y = nn.conv %x, %w {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x9x9x3xf32>, tensor<3x3x3x8xf32>) -> tensor<1x9x9x8xf32>
  return %y : tensor<1x9x9x8xf32>
}

// Before it is channels-last, the weights alone.
// CHECK-LABEL: @first
// BF16: nn.conv {{.*}} : (tensor<1x4x9x9xf32>, tensor<8x4x3x3xbf16>) -> tensor<1x8x9x9xf32>
func.func @first(%x: tensor<1x4x9x9xf32>) -> tensor<1x8x9x9xf32> {
  %w = nn.constant dense<0.5> : tensor<8x4x3x3xf32>
  %y = nn.conv %x, %w {layout = "channels_first", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x4x9x9xf32>, tensor<8x4x3x3xf32>) -> tensor<1x8x9x9xf32>
  return %y : tensor<1x8x9x9xf32>
}

// CHECK-LABEL: @table
// F16: %[[G:.+]] = nn.gather %{{.+}}, %{{.+}} : (tensor<50x8xf16>, tensor<4xi64>) -> tensor<4x8xf16>
// F16: nn.cast %[[G]] : (tensor<4x8xf16>) -> tensor<4x8xf32>
func.func @table(%i: tensor<4xi64>) -> tensor<4x8xf32> {
  %w = nn.constant dense<0.5> : tensor<50x8xf32>
  %y = nn.gather %w, %i {axis = 0 : i64} : (tensor<50x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// What masks: it would become infinite.
// CHECK-LABEL: @negative_mask
// CHECK-NOT: nn.cast
// CHECK: return
func.func @negative_mask(%i: tensor<4xi64>) -> tensor<4x2xf32> {
  %w = nn.constant dense<[[0.0, -3.4028235e38], [0.0, 1.0]]> : tensor<2x2xf32>
  %y = nn.gather %w, %i {axis = 0 : i64} : (tensor<2x2xf32>, tensor<4xi64>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// Two variables, groups, integers.
// CHECK-LABEL: @negative
// CHECK-NOT: nn.cast
// CHECK: return
func.func @negative(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>, %x: tensor<1x9x9x8xf32>, %i: tensor<4x8xi32>) -> (tensor<4x5xf32>, tensor<1x9x9x8xf32>, tensor<4x5xi32>) {
  %w = nn.constant dense<0.5> : tensor<3x3x8xf32>
  %v = nn.constant dense<3> : tensor<8x5xi32>
  %0 = nn.matmul %a, %b : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  %1 = nn.conv %x, %w {layout = "channels_last", group = 8 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x9x9x8xf32>, tensor<3x3x8xf32>) -> tensor<1x9x9x8xf32>
  %2 = nn.matmul %i, %v : (tensor<4x8xi32>, tensor<8x5xi32>) -> tensor<4x5xi32>
  return %0, %1, %2 : tensor<4x5xf32>, tensor<1x9x9x8xf32>, tensor<4x5xi32>
}
}

// -----

// CHECK-LABEL: @weights_alone
// BF16: nn.matmul %{{.+}}, %{{.+}} : (tensor<3x8xf32>, tensor<8x5xbf16>) -> tensor<3x5xf32>
func.func @weights_alone(%x: tensor<3x8xf32>) -> tensor<3x5xf32> {
  %w = nn.constant dense<1.5> : tensor<8x5xf32>
  %y = nn.matmul %x, %w : (tensor<3x8xf32>, tensor<8x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// CHECK-LABEL: @of_f16
// CHECK-SAME: %[[X:.+]]: tensor<9x8xf16>
// CHECK: %[[U:.+]] = nn.cast %[[X]] : (tensor<9x8xf16>) -> tensor<9x8xf32>
// CHECK: %[[S:.+]] = nn.matmul %[[U]], %{{.+}} : (tensor<9x8xf32>, tensor<8x5xf16>) -> tensor<9x5xf32>
// CHECK: %[[Y:.+]] = nn.cast %[[S]] : (tensor<9x5xf32>) -> tensor<9x5xf16>
// CHECK: return %[[Y]]
func.func @of_f16(%x: tensor<9x8xf16>) -> tensor<9x5xf16> {
  %w = nn.constant dense<1.5> : tensor<8x5xf16>
  %y = nn.matmul %x, %w : (tensor<9x8xf16>, tensor<8x5xf16>) -> tensor<9x5xf16>
  return %y : tensor<9x5xf16>
}

// CHECK-LABEL: @negative_few_rows
// CHECK: nn.matmul %{{.+}}, %{{.+}} : (tensor<8x8xf16>, tensor<8x5xf16>) -> tensor<8x5xf16>
func.func @negative_few_rows(%x: tensor<8x8xf16>) -> tensor<8x5xf16> {
  %w = nn.constant dense<1.5> : tensor<8x5xf16>
  %y = nn.matmul %x, %w : (tensor<8x8xf16>, tensor<8x5xf16>) -> tensor<8x5xf16>
  return %y : tensor<8x5xf16>
}
