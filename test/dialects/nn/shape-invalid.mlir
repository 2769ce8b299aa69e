// Each constraint of Shape.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @constant_C1_type() {
  // expected-error @+1 {{failed to verify that all of {value, y} have same type}}
  %0 = "nn.constant"() <{value = dense<[1, 2]> : tensor<2xi64>}> : () -> tensor<3xi64>
  return
}

// -----

func.func @reshape_C1_count(%a: tensor<2x6xf32>) {
  // expected-error @+1 {{result has 10 elements, but the input has 12}}
  %0 = nn.reshape %a : (tensor<2x6xf32>) -> tensor<5x2xf32>
  return
}

// -----

func.func @reshape_C2_missing(%a: tensor<2x?xf32>) {
  // expected-error @+1 {{expects the operand 'shape' for a result with 2 unknown extents}}
  %0 = nn.reshape %a : (tensor<2x?xf32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @reshape_C2_length(%a: tensor<2x?xf32>, %b: tensor<3xi64>) {
  // expected-error @+1 {{'shape' expects 2 integers, but is a 'tensor<3xi64>'}}
  %0 = nn.reshape %a shape %b : (tensor<2x?xf32>, tensor<3xi64>) -> tensor<?x?xf32>
  return
}

// -----

func.func @transpose_C1_length(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{perm [1, 0, 2] is not a permutation of the input's 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.transpose %a {perm = array<i64: 1, 0, 2>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @transpose_C1_twice(%a: tensor<2x3xf32>) {
  // expected-error @+2 {{perm [1, 1] is not a permutation of the input's 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.transpose %a {perm = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}

// -----

func.func @expand_C1_extent(%a: tensor<3x2xf32>) {
  // expected-error @+1 {{axis 1 of the input has extent 2, but expected 1 or 4}}
  %0 = nn.expand %a : (tensor<3x2xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @expand_C1_rank(%a: tensor<3x2xf32>) {
  // expected-error @+1 {{cannot expand 'tensor<3x2xf32>' to 'tensor<2xf32>'}}
  %0 = nn.expand %a : (tensor<3x2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @expand_C2_missing(%a: tensor<3x1xf32>) {
  // expected-error @+1 {{expects the operand 'shape' for a result of unknown shape}}
  %0 = nn.expand %a : (tensor<3x1xf32>) -> tensor<3x?xf32>
  return
}

// -----

func.func @expand_C2_length(%a: tensor<3x1xf32>, %b: tensor<3xi64>) {
  // expected-error @+1 {{'shape' expects 2 integers, but is a 'tensor<3xi64>'}}
  %0 = nn.expand %a shape %b : (tensor<3x1xf32>, tensor<3xi64>) -> tensor<3x?xf32>
  return
}

// -----

func.func @concat_C1_none() {
  // expected-error @+2 {{expects at least one input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = "nn.concat"() <{axis = 0 : i64}> : () -> tensor<2xf32>
  return
}

// -----

func.func @concat_C1_rank(%a: tensor<2x3xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{cannot join 'tensor<2x3xf32>' and 'tensor<2xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %b {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @concat_C1_elements(%a: tensor<2x3xf32>, %b: tensor<2x3xi64>) {
  // expected-error @+2 {{cannot join 'tensor<2x3xf32>' and 'tensor<2x3xi64>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %b {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xi64>) -> tensor<4x3xf32>
  return
}

// -----

func.func @concat_C2_extents(%a: tensor<2x3xf32>, %b: tensor<3x3xf32>) {
  // expected-error @+2 {{inputs have extents 2 and 3 on axis 0, but are joined on axis 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @concat_C2_axis(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) {
  // expected-error @+2 {{axis is 2, but the inputs have 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %a, %b {axis = 2 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @slice_C1_count(%a: tensor<4x6xf32>) {
  // expected-error @+2 {{expects one start, size and step for each of 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %a {starts = array<i64: 0>, sizes = array<i64: 4>, steps = array<i64: 1>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @slice_C1_step(%a: tensor<4x6xf32>) {
  // expected-error @+2 {{step on axis 1 is 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %a {starts = array<i64: 0, 0>, sizes = array<i64: 4, 2>, steps = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<4x2xf32>
  return
}

// -----

func.func @slice_C1_whole(%a: tensor<4x6xf32>) {
  // expected-error @+2 {{the whole of axis 1 expects step 1 or -1, but got 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %a {starts = array<i64: 0, 0>, sizes = array<i64: 4, -1>, steps = array<i64: 1, 2>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @slice_C2_end(%a: tensor<4x6xf32>) {
  // expected-error @+2 {{window of 3 elements from 3 by 2 leaves axis 1 of extent 6}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %a {starts = array<i64: 0, 3>, sizes = array<i64: 4, 3>, steps = array<i64: 1, 2>} : (tensor<4x6xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @slice_C2_start(%a: tensor<4x6xf32>) {
  // expected-error @+2 {{window of 2 elements from -1 by 1 leaves axis 0 of extent 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %a {starts = array<i64: -1, 0>, sizes = array<i64: 2, 6>, steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @dynamic_slice_C1_length(%a: tensor<4x6xf32>, %b: tensor<2xi64>, %c: tensor<1xi64>) {
  // expected-error @+1 {{expects 1 integers for starts, ends and steps each}}
  %0 = nn.dynamic_slice %a, %b, %c {axes = array<i64: 1>} : (tensor<4x6xf32>, tensor<2xi64>, tensor<1xi64>) -> tensor<4x?xf32>
  return
}

// -----

func.func @dynamic_slice_C1_axis(%a: tensor<4x6xf32>, %b: tensor<1xi64>, %c: tensor<1xi64>) {
  // expected-error @+1 {{axis is 2, but the input has 2 axes}}
  %0 = nn.dynamic_slice %a, %b, %c {axes = array<i64: 2>} : (tensor<4x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x?xf32>
  return
}

// -----

func.func @dynamic_slice_C2_rank(%a: tensor<4x6xf32>, %b: tensor<1xi64>, %c: tensor<1xi64>) {
  // expected-error @+1 {{result expects the input's axes and elements, but is 'tensor<?xf32>' of 'tensor<4x6xf32>'}}
  %0 = nn.dynamic_slice %a, %b, %c {axes = array<i64: 1>} : (tensor<4x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xf32>
  return
}

// -----

func.func @pad_C1_low(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{expects 2 low and high pads, but got 1 and 2}}
  %0 = nn.pad %a {mode = "edge", low = array<i64: 1>, high = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @pad_C1_pads(%a: tensor<2x3xf32>, %b: tensor<3xi64>) {
  // expected-error @+1 {{expects 4 pads, but got a 'tensor<3xi64>'}}
  %0 = nn.pad %a pads %b {mode = "edge", low = array<i64: 0, 1>, high = array<i64: 0, 1>} : (tensor<2x3xf32>, tensor<3xi64>) -> tensor<2x?xf32>
  return
}

// -----

func.func @pad_C2_extent(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{result has extent 6 on axis 1, but expected 5}}
  %0 = nn.pad %a {mode = "edge", low = array<i64: 0, 1>, high = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @pad_mode(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{has no mode 'frob'}}
  %0 = nn.pad %a {mode = "frob", low = array<i64: 0, 1>, high = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @tile_C1_repeats(%a: tensor<2xf32>, %b: tensor<2xi64>) {
  // expected-error @+1 {{expects 1 repeats, but got a 'tensor<2xi64>'}}
  %0 = nn.tile %a, %b : (tensor<2xf32>, tensor<2xi64>) -> tensor<?xf32>
  return
}

// -----

func.func @shape_C1_order(%a: tensor<?x3xf32>) {
  // expected-error @+2 {{expects axes in [0, 2), but got [2, 1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.shape %a {start = 2 : i64, end = 1 : i64} : (tensor<?x3xf32>) -> tensor<1xi64>
  return
}

// -----

func.func @shape_C1_end(%a: tensor<?x3xf32>) {
  // expected-error @+2 {{expects axes in [0, 2), but got [0, 3)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.shape %a {start = 0 : i64, end = 3 : i64} : (tensor<?x3xf32>) -> tensor<3xi64>
  return
}

// -----

func.func @range_C1_elements(%a: tensor<i64>, %b: tensor<i64>, %c: tensor<f32>) {
  // expected-error @+1 {{expects one 'i64' each as start, limit and delta, but got a 'tensor<f32>'}}
  %0 = nn.range %a, %b, %c : (tensor<i64>, tensor<i64>, tensor<f32>) -> tensor<?xi64>
  return
}

// -----

func.func @range_C1_scalars(%a: tensor<i64>, %b: tensor<2xi64>, %c: tensor<i64>) {
  // expected-error @+1 {{expects one 'i64' each as start, limit and delta, but got a 'tensor<2xi64>'}}
  %0 = nn.range %a, %b, %c : (tensor<i64>, tensor<2xi64>, tensor<i64>) -> tensor<?xi64>
  return
}

// -----

func.func @trilu_C1_rank(%a: tensor<3xf32>) {
  // expected-error @+1 {{expects at least two axes, but the input has 1}}
  %0 = nn.trilu %a {upper = true} : (tensor<3xf32>) -> tensor<3xf32>
  return
}
