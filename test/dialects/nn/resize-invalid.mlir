// Each constraint of Resize.td has its diagnostic.
// RUN: %tegula-opt %s --split-input-file --verify-diagnostics

func.func @resize_C1_empty(%a: tensor<1x1x2x0xf32>) {
  // expected-error @+1 {{axis 3 has no elements to interpolate}}
  %0 = nn.resize %a {mode = "nearest", coordinate = "asymmetric", nearest = "floor", scales = array<f64: 1.0, 1.0, 2.0, 2.0>, roi = array<f64>, cubic_a = -0.75 : f64, extrapolation = 0.0 : f64, exclude_outside = false, antialias = false} : (tensor<1x1x2x0xf32>) -> tensor<1x1x4x4xf32>
  return
}

// -----

func.func @resize_C2_count(%a: tensor<1x1x2x2xf32>) {
  // expected-error @+1 {{expects 4 scales, but got 2}}
  %0 = nn.resize %a {mode = "nearest", coordinate = "asymmetric", nearest = "floor", scales = array<f64: 2.0, 2.0>, roi = array<f64>, cubic_a = -0.75 : f64, extrapolation = 0.0 : f64, exclude_outside = false, antialias = false} : (tensor<1x1x2x2xf32>) -> tensor<1x1x4x4xf32>
  return
}

// -----

func.func @resize_C2_positive(%a: tensor<1x1x2x2xf32>) {
  // expected-error @+1 {{expects positive scales, but got -1.000000e+00}}
  %0 = nn.resize %a {mode = "nearest", coordinate = "asymmetric", nearest = "floor", scales = array<f64: 1.0, 1.0, -1.0, 2.0>, roi = array<f64>, cubic_a = -0.75 : f64, extrapolation = 0.0 : f64, exclude_outside = false, antialias = false} : (tensor<1x1x2x2xf32>) -> tensor<1x1x4x4xf32>
  return
}
// -----

func.func @resize_C3_factors(%a: tensor<1x1x2x2xf32>) {
  // expected-error @+1 {{expects 'factors' for a scale that is not known}}
  %0 = nn.resize %a {mode = "nearest", coordinate = "asymmetric", nearest = "floor", scales = array<f64: 1.0, 1.0, 0.0, 0.0>, roi = array<f64>, cubic_a = -0.75 : f64, extrapolation = 0.0 : f64, exclude_outside = false, antialias = false} : (tensor<1x1x2x2xf32>) -> tensor<1x1x?x?xf32>
  return
}

// -----

func.func @resize_C3_length(%a: tensor<1x1x2x2xf32>, %e: tensor<2xi64>, %s: tensor<2xf64>) {
  // expected-error @+1 {{expects 'extents' and 'factors' as vectors of 4 elements}}
  %0 = nn.resize %a extents %e factors %s {mode = "nearest", coordinate = "asymmetric", nearest = "floor", scales = array<f64: 1.0, 1.0, 0.0, 0.0>, roi = array<f64>, cubic_a = -0.75 : f64, extrapolation = 0.0 : f64, exclude_outside = false, antialias = false} : (tensor<1x1x2x2xf32>, tensor<2xi64>, tensor<2xf64>) -> tensor<1x1x?x?xf32>
  return
}
