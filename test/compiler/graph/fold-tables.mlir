// Functions of one 8-bit number become tables.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fold-tables,canonicalize))' | FileCheck %s
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-fold-tables,canonicalize,tegula-fold-tables,canonicalize))' | FileCheck %s

// x * sigmoid(x), with a quantization between: one table in all.
// CHECK-LABEL: @swish
// CHECK-SAME: %[[X:.+]]: tensor<1x8x?xui8>
// CHECK: %[[S:.+]] = nn.unary sigmoid %{{.+}} : (tensor<256xf32>)
// CHECK: nn.binary mul %{{.+}} : (tensor<256xf32>, tensor<256xf32>)
// CHECK: %[[T:.+]] = nn.quantize %{{.+}} -> tensor<256xi8>
// CHECK: %[[Y:.+]] = nn.lookup %[[X]], %[[T]] : (tensor<1x8x?xui8>, tensor<256xi8>) -> tensor<1x8x?xi8>
// CHECK: return %[[Y]]
func.func @swish(%x: tensor<1x8x?xui8>) -> tensor<1x8x?xi8> {
  %s = nn.constant dense<0.05> : tensor<1x1x1xf32>
  %z = nn.constant dense<130> : tensor<ui8>
  %t = nn.constant dense<0.004> : tensor<f32>
  %r = nn.dequantize %x, %s, %z : (tensor<1x8x?xui8>, tensor<1x1x1xf32>, tensor<ui8>) -> tensor<1x8x?xf32>
  %g = nn.unary sigmoid %r : (tensor<1x8x?xf32>) -> tensor<1x8x?xf32>
  %h = nn.quantize %g, %t : (tensor<1x8x?xf32>, tensor<f32>) -> tensor<1x8x?xui8>
  %i = nn.dequantize %h, %t : (tensor<1x8x?xui8>, tensor<f32>) -> tensor<1x8x?xf32>
  %p = nn.binary mul %r, %i : (tensor<1x8x?xf32>, tensor<1x8x?xf32>) -> tensor<1x8x?xf32>
  %y = nn.quantize %p, %s : (tensor<1x8x?xf32>, tensor<1x1x1xf32>) -> tensor<1x8x?xi8>
  return %y : tensor<1x8x?xi8>
}

// Two arguments; a scale for each channel; nothing that costs much; a result that is wanted anyway.
// CHECK-LABEL: @stays
// CHECK-NOT: nn.lookup
// CHECK: return
func.func @stays(%a: tensor<2x8xui8>, %b: tensor<2x8xui8>) -> (tensor<2x8xui8>, tensor<2x8xui8>, tensor<2x8xui8>, tensor<2x8xui8>, tensor<2x8xf32>) {
  %s = nn.constant dense<0.05> : tensor<f32>
  %c = nn.constant dense<[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]> : tensor<8xf32>
  %ra = nn.dequantize %a, %s : (tensor<2x8xui8>, tensor<f32>) -> tensor<2x8xf32>
  %rb = nn.dequantize %b, %s : (tensor<2x8xui8>, tensor<f32>) -> tensor<2x8xf32>
  %rc = nn.dequantize %a, %c : (tensor<2x8xui8>, tensor<8xf32>) -> tensor<2x8xf32>
  %ta = nn.unary tanh %ra : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %p = nn.binary mul %ta, %rb : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %0 = nn.quantize %p, %s : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xui8>
  %tc = nn.unary tanh %rc : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %1 = nn.quantize %tc, %s : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xui8>
  %q = nn.unary hard_swish %ra : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = nn.quantize %q, %s : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xui8>
  %e = nn.unary erf %rb : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = nn.quantize %e, %s : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xui8>
  return %0, %1, %2, %3, %e : tensor<2x8xui8>, tensor<2x8xui8>, tensor<2x8xui8>, tensor<2x8xui8>, tensor<2x8xf32>
}
