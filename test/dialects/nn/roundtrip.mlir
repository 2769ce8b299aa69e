// Ops print as they parse.
// RUN: %tegula-opt %s | %tegula-opt | FileCheck %s

// CHECK-LABEL: @ops
// CHECK: nn.unary exp
// CHECK: nn.binary add
// CHECK: nn.reduce max
// CHECK: nn.softmax softmax
// CHECK: nn.transpose
func.func @ops(%x: tensor<2x3xf32>) -> tensor<3x1xf32> {
  %0 = nn.unary exp %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = nn.binary add %0, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.reduce max %1 {axes = array<i64: 0>, keepdims = true} : (tensor<2x3xf32>) -> tensor<1x3xf32>
  %3 = nn.softmax softmax %2 {axis = 1 : i64} : (tensor<1x3xf32>) -> tensor<1x3xf32>
  %4 = nn.transpose %3 {perm = array<i64: 1, 0>} : (tensor<1x3xf32>) -> tensor<3x1xf32>
  return %4 : tensor<3x1xf32>
}
