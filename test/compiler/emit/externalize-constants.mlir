// Values leave the globals; the module keeps them for the emitter.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-externalize-constants)' | FileCheck %s

// CHECK: module attributes {tgl.constants = {w = dense<1.000000e+00> : tensor<4xf32>}}
// CHECK: memref.global @w : memref<4xf32>
memref.global "private" constant @w : memref<4xf32> = dense<1.0>
