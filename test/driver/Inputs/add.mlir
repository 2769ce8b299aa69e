// The smallest model, as the import stage leaves it.
func.func @add(%x: tensor<4xf32>) -> tensor<4xf32> attributes {tgl.inputs = ["x"], tgl.input_types = [tensor<4xf32>], tgl.outputs = ["y"], tgl.output_types = [tensor<4xf32>]} {
  %y = nn.binary add %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
