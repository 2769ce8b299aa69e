// The C header stands alone and names shapes and sizes.
// RUN: %tegulac %s --start-after=graph -o %t.h --name=fc
// RUN: %cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c %t.h
// RUN: FileCheck %s --input-file=%t.h

// CHECK: #define TEGULA_ABI_VERSION 1
// CHECK: input 0: 'x', float [2, 3]
// CHECK: FC_INPUT_0_BYTES 24
// CHECK: const tegula_model *fc_model(void);
func.func @fc(%x: tensor<2x3xf32>) -> tensor<2x3xf32> attributes {tgl.inputs = ["x"], tgl.input_types = [tensor<2x3xf32>], tgl.outputs = ["y"], tgl.output_types = [tensor<2x3xf32>]} {
  %0 = nn.unary relu %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
