// nn ops lower themselves; booleans become i8.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-lower-to-linalg))' | FileCheck %s

// CHECK-LABEL: @less
// CHECK-SAME: -> tensor<4xi8>
// CHECK: linalg.generic
// CHECK: arith.cmpf olt
// CHECK: arith.extui {{.*}} : i1 to i8
// CHECK-NOT: nn.
func.func @less(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = nn.binary less %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// A condition is a scalar, not storage; branches are lowered in place.
// CHECK-LABEL: @branch
// CHECK: %[[E:.+]] = tensor.extract %arg0[] : tensor<i8>
// CHECK: %[[C:.+]] = arith.cmpi ne, %[[E]]
// CHECK: scf.if %[[C]] -> (tensor<4xf32>)
// CHECK: linalg.generic
// CHECK: math.exp
func.func @branch(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %isTrue = nn.condition %c : tensor<i1>
  %y = scf.if %isTrue -> (tensor<4xf32>) {
    %e = nn.unary exp %x : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %e : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}

// Nothing is computed of a result without elements.
// CHECK-LABEL: @empty
// CHECK-NEXT: %[[Y:.+]] = tensor.empty() : tensor<0x3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @empty(%x: tensor<0x3xf32>) -> tensor<0x3xf32> {
  %y = nn.unary exp %x : (tensor<0x3xf32>) -> tensor<0x3xf32>
  return %y : tensor<0x3xf32>
}

// Indices known at run time only are checked before they are used.
// CHECK-LABEL: @gather
// CHECK: %[[BAD:.+]] = linalg.generic {{.*}}iterator_types = ["reduction"]
// CHECK: tensor.extract %[[BAD]][] : tensor<i8>
// CHECK: cf.assert %{{.+}}, "an index is out of range"
// CHECK: linalg.generic
func.func @gather(%x: tensor<9x4xf32>, %i: tensor<3xi64>) -> tensor<3x4xf32> {
  %y = nn.gather %x, %i {axis = 0 : i64} : (tensor<9x4xf32>, tensor<3xi64>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Constant ones on an axis whose extent is not known, by the least and the greatest of them.
// CHECK-LABEL: @gather_constant_dynamic
// CHECK-NOT: iterator_types = ["reduction"]
// CHECK: cf.assert %{{.+}}, "an index is out of range"
func.func @gather_constant_dynamic(%x: tensor<?x4xf32>) -> tensor<2x4xf32> {
  %i = nn.constant dense<[3, -1]> : tensor<2xi64>
  %y = nn.gather %x, %i {axis = 0 : i64} : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: @negative_gather_constant
// CHECK-NOT: cf.assert
// CHECK: return
func.func @negative_gather_constant(%x: tensor<9x4xf32>) -> tensor<2x4xf32> {
  %i = nn.constant dense<[3, -1]> : tensor<2xi64>
  %y = nn.gather %x, %i {axis = 0 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// Beside quantized tensors each operation is rounded for itself; elsewhere a product and a sum may be rounded as one.
// CHECK-LABEL: func.func @rounded
// CHECK: arith.mulf %{{.+}}, %{{.+}} : f32
// CHECK: arith.addf %{{.+}}, %{{.+}} : f32
func.func @rounded(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %p = nn.binary mul %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %t = nn.binary add %p, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %q = nn.quantize %t, %s : (tensor<4xf32>, tensor<f32>) -> tensor<4xui8>
  return %q : tensor<4xui8>
}

// CHECK-LABEL: func.func @contracted
// CHECK: arith.mulf %{{.+}}, %{{.+}} fastmath<contract> : f32
// CHECK: arith.addf %{{.+}}, %{{.+}} fastmath<contract> : f32
func.func @contracted(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %p = nn.binary mul %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %t = nn.binary add %p, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %t : tensor<4xf32>
}

// In a quantized network each operation rounds as the standard's does, but a sum of products has no order: it may be fused.
// CHECK-LABEL: @quantized_product
// CHECK: arith.mulf %{{.+}}, %{{.+}} fastmath<reassoc,contract> : f32
// CHECK: arith.addf %{{.+}}, %{{.+}} fastmath<reassoc,contract> : f32
// CHECK: arith.addf %{{.+}}, %{{[^ ]+}} : f32
func.func @quantized_product(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>, %c: tensor<2x4xf32>) -> tensor<2x4xui8> {
  %s = nn.constant dense<0.5> : tensor<f32>
  %z = nn.constant dense<3> : tensor<ui8>
  %p = nn.matmul %a, %b : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %r = nn.binary add %p, %c : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %y = nn.quantize %r, %s, %z : (tensor<2x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x4xui8>
  return %y : tensor<2x4xui8>
}

// A right side that is packed by rows is seen unpacked, without what fills it up.
// CHECK-LABEL: @packed_product
// CHECK-SAME: %[[A:.+]]: tensor<2x8xi8>, %[[B:.+]]: tensor<2x32x4xi8>
// CHECK: %[[PARTS:.+]] = tensor.expand_shape %[[B]] {{.+}} into tensor<2x2x16x4xi8>
// CHECK: %[[WHOLE:.+]] = linalg.unpack %[[PARTS]] inner_dims_pos = [1, 0] inner_tiles = [16, 4] {{.+}} -> tensor<8x20xi8>
// CHECK: linalg.generic {{.+}} ins(%[[A]], %[[WHOLE]] :
func.func @packed_product(%a: tensor<2x8xi8>, %b: tensor<2x32x4xi8>) -> tensor<2x20xi32> {
  %y = nn.matmul %a, %b {columns = 20 : i64} : (tensor<2x8xi8>, tensor<2x32x4xi8>) -> tensor<2x20xi32>
  return %y : tensor<2x20xi32>
}
