// 3x3 convolutions with many channels take Winograd's method.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-choose-winograd))' | FileCheck %s
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-choose-winograd,tegula-choose-winograd))' | FileCheck %s

// CHECK-LABEL: @pays
// CHECK-SAME: %[[X:.+]]: tensor<1x27x30x64xf32>
// CHECK: %[[P:.+]] = nn.pad %[[X]] {{.*}}high = array<i64: 0, 2, 2, 0>, low = array<i64: 0, 1, 2, 0>{{.*}} -> tensor<1x30x34x64xf32>
// CHECK: nn.winograd_conv %[[P]], %{{.+}} {extents = array<i64: 27, 31>, rows = {{[1-7]}} : i64}
func.func @pays(%x: tensor<1x27x30x64xf32>) -> tensor<1x27x31x96xf32> {
  %w = nn.constant dense_resource<w> : tensor<3x3x64x96xf32>
  %y = nn.conv %x, %w {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 2>, high = array<i64: 1, 1>} : (tensor<1x27x30x64xf32>, tensor<3x3x64x96xf32>) -> tensor<1x27x31x96xf32>
  return %y : tensor<1x27x31x96xf32>
}

// Bands of an image that is larger than the cache; not where each would read a large kernel again.
// CHECK-LABEL: @in_bands
// CHECK: nn.winograd_conv %{{.+}} {extents = array<i64: 64, 64>, rows = {{[1-4]}} : i64}
// CHECK: nn.winograd_conv %{{.+}} {extents = array<i64: 28, 28>, rows = 7 : i64}
func.func @in_bands(%x: tensor<1x64x64x64xf32>, %z: tensor<1x28x28x128xf32>) -> (tensor<1x64x64x64xf32>, tensor<1x28x28x128xf32>) {
  %w = nn.constant dense_resource<ww> : tensor<3x3x64x64xf32>
  %v = nn.constant dense_resource<vv> : tensor<3x3x128x128xf32>
  %y = nn.conv %x, %w {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x64x64x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x64x64x64xf32>
  %0 = nn.conv %z, %v {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x28x28x128xf32>, tensor<3x3x128x128xf32>) -> tensor<1x28x28x128xf32>
  return %y, %0 : tensor<1x64x64x64xf32>, tensor<1x28x28x128xf32>
}

// More kernel than image: one part of it after the other.
// CHECK-LABEL: @in_parts
// CHECK: %[[R:.+]] = nn.reshape %{{.+}} : (tensor<3x3x256x256xf32>) -> tensor<3x3x256x16x16xf32>
// CHECK: %[[W:.+]] = nn.transpose %[[R]] {perm = array<i64: 3, 0, 1, 2, 4>}
// CHECK: nn.winograd_conv %{{.+}}, %[[W]] {{.*}} : (tensor<1x18x18x256xf32>, tensor<16x3x3x256x16xf32>) -> tensor<1x14x14x256xf32>
func.func @in_parts(%x: tensor<1x14x14x256xf32>) -> tensor<1x14x14x256xf32> {
  %w = nn.constant dense_resource<p> : tensor<3x3x256x256xf32>
  %y = nn.conv %x, %w {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 1, 1>, high = array<i64: 1, 1>} : (tensor<1x14x14x256xf32>, tensor<3x3x256x256xf32>) -> tensor<1x14x14x256xf32>
  return %y : tensor<1x14x14x256xf32>
}

// Few places for many weights; few channels; a stride.
// CHECK-LABEL: @stays
// CHECK-COUNT-3: nn.conv
// CHECK-NOT: nn.winograd_conv
func.func @stays(%a: tensor<1x7x7x512xf32>, %b: tensor<1x56x56x4xf32>, %c: tensor<1x57x57x64xf32>) -> (tensor<1x5x5x512xf32>, tensor<1x54x54x4xf32>, tensor<1x28x28x64xf32>) {
  %u = nn.constant dense_resource<u> : tensor<3x3x512x512xf32>
  %v = nn.constant dense_resource<v> : tensor<3x3x4x4xf32>
  %w = nn.constant dense_resource<ww> : tensor<3x3x64x64xf32>
  %0 = nn.conv %a, %u {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x7x7x512xf32>, tensor<3x3x512x512xf32>) -> tensor<1x5x5x512xf32>
  %1 = nn.conv %b, %v {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x56x56x4xf32>, tensor<3x3x4x4xf32>) -> tensor<1x54x54x4xf32>
  %2 = nn.conv %c, %w {layout = "channels_last", group = 1 : i64, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x57x57x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x28x28x64xf32>
  return %0, %1, %2 : tensor<1x5x5x512xf32>, tensor<1x54x54x4xf32>, tensor<1x28x28x64xf32>
}

// Integers: the kernel is transformed beforehand.
// CHECK-LABEL: @integers
// CHECK: %[[P:.+]] = nn.pad {{.*}}high = array<i64: 0, 1, 0, 0>, low = array<i64: 0, 0, 0, 0>{{.*}} -> tensor<1x30x30x64xi16>
// CHECK: %[[R:.+]] = nn.reshape %{{.+}} : (tensor<3x3x64x96xi16>) -> tensor<9x6144xi16>
// CHECK: nn.matmul %{{.+}}, %[[R]] : (tensor<16x9xi16>, tensor<9x6144xi16>)
// CHECK: %[[W:.+]] = nn.reshape %{{.+}} -> tensor<4x4x64x96xi16>
// CHECK: nn.winograd_conv %[[P]], %[[W]] {extents = array<i64: 27, 28>, rows = {{.+}} : i64} : (tensor<1x30x30x64xi16>, tensor<4x4x64x96xi16>) -> tensor<1x27x28x96xi32>
// CHECK: nn.conv
// CHECK-NOT: nn.winograd_conv
// CHECK: return
func.func @integers(%x: tensor<1x29x30x64xi16>, %z: tensor<1x9x9x1024xi16>) -> (tensor<1x27x28x96xi32>, tensor<1x7x7x64xi32>) {
  %w = nn.constant dense_resource<i> : tensor<3x3x64x96xi16>
  %y = nn.conv %x, %w {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x29x30x64xi16>, tensor<3x3x64x96xi16>) -> tensor<1x27x28x96xi32>
  // Four times these sums might not fit into 32 bits.
  %v = nn.constant dense_resource<j> : tensor<3x3x1024x64xi16>
  %0 = nn.conv %z, %v {layout = "channels_last", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, low = array<i64: 0, 0>, high = array<i64: 0, 0>} : (tensor<1x9x9x1024xi16>, tensor<3x3x1024x64xi16>) -> tensor<1x7x7x64xi32>
  return %y, %0 : tensor<1x27x28x96xi32>, tensor<1x7x7x64xi32>
}

{-#
  dialect_resources: {
    builtin: {
      w: "0x40000000", p: "0x40000000", u: "0x40000000", v: "0x40000000", ww: "0x40000000", vv: "0x40000000", i: "0x40000000", j: "0x40000000"
    }
  }
#-}
