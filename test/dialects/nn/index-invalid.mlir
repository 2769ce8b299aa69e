// Each constraint of Index.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @gather_C1_axis(%a: tensor<9x4xf32>, %b: tensor<3xi64>) {
  // expected-error @+2 {{axis is 2, but the input has 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather %a, %b {axis = 2 : i64} : (tensor<9x4xf32>, tensor<3xi64>) -> tensor<3x4xf32>
  return
}

// -----

func.func @gather_C1_indices(%a: tensor<9x4xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{indices expect integers, but hold 'f32'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather %a, %b {axis = 0 : i64} : (tensor<9x4xf32>, tensor<3xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @gather_elements_C1_rank(%a: tensor<3x4xf32>, %b: tensor<2xi64>) {
  // expected-error @+2 {{indices have 1 axes, but the input has 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_elements %a, %b {axis = 0 : i64} : (tensor<3x4xf32>, tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @gather_elements_C1_axis(%a: tensor<3x4xf32>, %b: tensor<2x4xi64>) {
  // expected-error @+2 {{axis is -1, but the input has 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_elements %a, %b {axis = -1 : i64} : (tensor<3x4xf32>, tensor<2x4xi64>) -> tensor<2x4xf32>
  return
}

// -----

func.func @gather_nd_C1_unknown_length(%a: tensor<3x4xf32>, %b: tensor<5x?xi64>) {
  // expected-error @+2 {{indices expect a last axis of known extent}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_nd %a, %b {batch_dims = 0 : i64} : (tensor<3x4xf32>, tensor<5x?xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_C1_long_tuples(%a: tensor<3x4xf32>, %b: tensor<5x3xi64>) {
  // expected-error @+2 {{index tuples of 3 after 0 shared axes do not fit an input with 2 axes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_nd %a, %b {batch_dims = 0 : i64} : (tensor<3x4xf32>, tensor<5x3xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_C1_indices(%a: tensor<3x4xf32>, %b: tensor<5x2xf32>) {
  // expected-error @+2 {{indices expect integers, but hold 'f32'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather_nd %a, %b {batch_dims = 0 : i64} : (tensor<3x4xf32>, tensor<5x2xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @scatter_elements_C1_updates(%a: tensor<3x4xf32>, %b: tensor<2x4xi64>, %c: tensor<2x3xf32>) {
  // expected-error @+1 {{indices and updates expect one shape with the input's 2 axes}}
  %0 = nn.scatter_elements %a, %b, %c {axis = 0 : i64, reduction = "none"} : (tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x3xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @scatter_elements_C1_rank(%a: tensor<3x4xf32>, %b: tensor<4xi64>, %c: tensor<4xf32>) {
  // expected-error @+1 {{indices and updates expect one shape with the input's 2 axes}}
  %0 = nn.scatter_elements %a, %b, %c {axis = 0 : i64, reduction = "none"} : (tensor<3x4xf32>, tensor<4xi64>, tensor<4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @scatter_elements_C1_axis(%a: tensor<3x4xf32>, %b: tensor<2x4xi64>, %c: tensor<2x4xf32>) {
  // expected-error @+1 {{axis is 2, but the input has 2 axes}}
  %0 = nn.scatter_elements %a, %b, %c {axis = 2 : i64, reduction = "none"} : (tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @scatter_elements_reduction(%a: tensor<3x4xf32>, %b: tensor<2x4xi64>, %c: tensor<2x4xf32>) {
  // expected-error @+1 {{has no reduction 'frob'}}
  %0 = nn.scatter_elements %a, %b, %c {axis = 0 : i64, reduction = "frob"} : (tensor<3x4xf32>, tensor<2x4xi64>, tensor<2x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @scatter_nd_C1_unknown_length(%a: tensor<8xf32>, %b: tensor<4x?xi64>, %c: tensor<4xf32>) {
  // expected-error @+1 {{indices expect a last axis of known extent}}
  %0 = nn.scatter_nd %a, %b, %c {reduction = "none"} : (tensor<8xf32>, tensor<4x?xi64>, tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @scatter_nd_C1_long_tuples(%a: tensor<8xf32>, %b: tensor<4x2xi64>, %c: tensor<4xf32>) {
  // expected-error @+1 {{index tuples of 2 do not fit an input with 1 axes}}
  %0 = nn.scatter_nd %a, %b, %c {reduction = "none"} : (tensor<8xf32>, tensor<4x2xi64>, tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @scatter_nd_C1_updates(%a: tensor<8xf32>, %b: tensor<4x1xi64>, %c: tensor<5xf32>) {
  // expected-error @+1 {{updates expect the shape 'tensor<4xf32>'}}
  %0 = nn.scatter_nd %a, %b, %c {reduction = "none"} : (tensor<8xf32>, tensor<4x1xi64>, tensor<5xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @one_hot_C1_depth(%a: tensor<3xi64>, %b: tensor<2xi64>, %c: tensor<2xf32>) {
  // expected-error @+1 {{depth expects one number, but is a 'tensor<2xi64>'}}
  %0 = nn.one_hot %a, %b, %c {axis = 1 : i64} : (tensor<3xi64>, tensor<2xi64>, tensor<2xf32>) -> tensor<3x?xf32>
  return
}

// -----

func.func @one_hot_C1_values(%a: tensor<3xi64>, %b: tensor<i64>, %c: tensor<3xf32>) {
  // expected-error @+1 {{values expect two elements, but are a 'tensor<3xf32>'}}
  %0 = nn.one_hot %a, %b, %c {axis = 1 : i64} : (tensor<3xi64>, tensor<i64>, tensor<3xf32>) -> tensor<3x?xf32>
  return
}

// -----

func.func @one_hot_C2_axis(%a: tensor<3xi64>, %b: tensor<i64>, %c: tensor<2xf32>) {
  // expected-error @+1 {{axis is 2, but the result has 2 axes}}
  %0 = nn.one_hot %a, %b, %c {axis = 2 : i64} : (tensor<3xi64>, tensor<i64>, tensor<2xf32>) -> tensor<3x?xf32>
  return
}

// -----

func.func @one_hot_C3_extents(%a: tensor<3xi64>, %b: tensor<i64>, %c: tensor<2xf32>) {
  // expected-error @+1 {{result expects 'tensor<3x?xf32>', but is a 'tensor<4x5xf32>'}}
  %0 = nn.one_hot %a, %b, %c {axis = 1 : i64} : (tensor<3xi64>, tensor<i64>, tensor<2xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @one_hot_C3_elements(%a: tensor<3xi64>, %b: tensor<i64>, %c: tensor<2xf32>) {
  // expected-error @+1 {{result expects 'tensor<3x?xf32>', but is a 'tensor<3x5xi64>'}}
  %0 = nn.one_hot %a, %b, %c {axis = 1 : i64} : (tensor<3xi64>, tensor<i64>, tensor<2xf32>) -> tensor<3x5xi64>
  return
}

// -----

func.func @top_k_C1_float(%a: tensor<3x9xf32>, %b: tensor<1xf32>) {
  // expected-error @+1 {{k expects one integer, but is a 'tensor<1xf32>'}}
  %0:2 = nn.top_k %a, %b {axis = 1 : i64, largest = true} : (tensor<3x9xf32>, tensor<1xf32>) -> (tensor<3x4xf32>, tensor<3x4xi64>)
  return
}

// -----

func.func @top_k_C1_count(%a: tensor<3x9xf32>, %b: tensor<2xi64>) {
  // expected-error @+1 {{k expects one integer, but is a 'tensor<2xi64>'}}
  %0:2 = nn.top_k %a, %b {axis = 1 : i64, largest = true} : (tensor<3x9xf32>, tensor<2xi64>) -> (tensor<3x4xf32>, tensor<3x4xi64>)
  return
}

// -----

func.func @top_k_C2_axis(%a: tensor<3x9xf32>, %b: tensor<1xi64>) {
  // expected-error @+1 {{axis is 2, but the input has 2 axes}}
  %0:2 = nn.top_k %a, %b {axis = 2 : i64, largest = true} : (tensor<3x9xf32>, tensor<1xi64>) -> (tensor<3x4xf32>, tensor<3x4xi64>)
  return
}

// -----

func.func @top_k_C3_extents(%a: tensor<3x9xf32>, %b: tensor<1xi64>) {
  // expected-error @+1 {{results expect 'tensor<3x?xf32>' and indices of i64}}
  %0:2 = nn.top_k %a, %b {axis = 1 : i64, largest = true} : (tensor<3x9xf32>, tensor<1xi64>) -> (tensor<2x4xf32>, tensor<2x4xi64>)
  return
}

// -----

func.func @top_k_C3_two_counts(%a: tensor<3x9xf32>, %b: tensor<1xi64>) {
  // expected-error @+1 {{results expect 'tensor<3x?xf32>' and indices of i64}}
  %0:2 = nn.top_k %a, %b {axis = 1 : i64, largest = true} : (tensor<3x9xf32>, tensor<1xi64>) -> (tensor<3x4xf32>, tensor<3x5xi64>)
  return
}

// -----

func.func @top_k_C3_too_many(%a: tensor<3x9xf32>, %b: tensor<1xi64>) {
  // expected-error @+1 {{cannot take 10 of 9 elements}}
  %0:2 = nn.top_k %a, %b {axis = 1 : i64, largest = true} : (tensor<3x9xf32>, tensor<1xi64>) -> (tensor<3x10xf32>, tensor<3x10xi64>)
  return
}

// -----

func.func @non_zero_C1_rows(%a: tensor<3x3xf32>) {
  // expected-error @+1 {{result expects 2 rows of i64, but is a 'tensor<3x?xi64>'}}
  %0 = nn.non_zero %a : (tensor<3x3xf32>) -> tensor<3x?xi64>
  return
}

// -----

func.func @non_zero_C1_elements(%a: tensor<3x3xf32>) {
  // expected-error @+1 {{result expects 2 rows of i64, but is a 'tensor<2x?xi32>'}}
  %0 = nn.non_zero %a : (tensor<3x3xf32>) -> tensor<2x?xi32>
  return
}

// -----

func.func @compress_C1_elements(%a: tensor<3x3xf32>, %b: tensor<3xi64>) {
  // expected-error @+1 {{condition expects a vector of booleans, but is a 'tensor<3xi64>'}}
  %0 = nn.compress %a, %b {axis = 0 : i64} : (tensor<3x3xf32>, tensor<3xi64>) -> tensor<?x3xf32>
  return
}

// -----

func.func @compress_C1_length(%a: tensor<3x3xf32>, %b: tensor<4xi1>) {
  // expected-error @+1 {{condition expects at most 3 booleans}}
  %0 = nn.compress %a, %b {axis = 0 : i64} : (tensor<3x3xf32>, tensor<4xi1>) -> tensor<?x3xf32>
  return
}

// -----

func.func @compress_C2_axis(%a: tensor<3x3xf32>, %b: tensor<3xi1>) {
  // expected-error @+1 {{axis is 2, but the input has 2 axes}}
  %0 = nn.compress %a, %b {axis = 2 : i64} : (tensor<3x3xf32>, tensor<3xi1>) -> tensor<?x3xf32>
  return
}

// -----

func.func @compress_C3_extents(%a: tensor<3x3xf32>, %b: tensor<3xi1>) {
  // expected-error @+1 {{result expects 'tensor<?x3xf32>', but is a 'tensor<?x4xf32>'}}
  %0 = nn.compress %a, %b {axis = 0 : i64} : (tensor<3x3xf32>, tensor<3xi1>) -> tensor<?x4xf32>
  return
}
