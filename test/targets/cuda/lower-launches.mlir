// A unit becomes a kernel with the values it needs as parameters; constants it knows. Threads of a block have an iteration
// each, or share one.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-lower-launches)' | FileCheck %s

// CHECK: tgl.kernels = [{iterations = 256 : i64, name = "kernel_0", threads = 256 : i64}, {iterations = 1 : i64, name = "kernel_1", threads = 64 : i64}]

module attributes {tgl.constants = {w = dense<0.0> : tensor<4xf32>}} {
llvm.mlir.global external @w() {addr_space = 0 : i32} : !llvm.array<4 x f32>

// CHECK: llvm.func @kernel_0(%{{.*}}: !llvm.ptr {llvm.align = 2 : i64}, %[[COUNT:.*]]: i64) attributes {nvvm.kernel
// CHECK: nvvm.read.ptx.sreg.ctaid.x
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: llvm.icmp "ult" %{{.*}}, %[[COUNT]]
// CHECK: llvm.call @unit_0
llvm.func @unit_0(%b: i64, %e: i64, %p: !llvm.ptr, %n: i64) attributes {tgl.kernel} {
  llvm.store %n, %p : i64, !llvm.ptr
  llvm.return
}

// This one reads weights in all its calls, which nobody writes.
// CHECK: llvm.func @kernel_1(%{{.*}}: !llvm.ptr {llvm.align = 2 : i64, llvm.noalias}, %{{.*}}: i64)
// CHECK: nvvm.read.ptx.sreg.ctaid.x
// CHECK-NOT: nvvm.read.ptx.sreg.tid.x
// CHECK: llvm.call @unit_1
llvm.func @unit_1(%b: i64, %e: i64, %p: !llvm.ptr) attributes {tgl.kernel, tgl.threads = 64 : i64} {
  llvm.store %b, %p : i64, !llvm.ptr
  llvm.return
}

// CHECK-LABEL: llvm.func @model
// CHECK: %[[AWAY:.*]] = llvm.call @tegula_cuda_weights
// CHECK: llvm.getelementptr %{{.*}}[%[[AWAY]]]
// CHECK: llvm.call @tegula_cuda_launch
// CHECK: llvm.call @tegula_cuda_launch
// CHECK: llvm.call @tegula_cuda_alloc
// CHECK: llvm.call @tegula_cuda_copy
llvm.func @_mlir_memref_to_llvm_alloc(i64) -> !llvm.ptr
llvm.func @model(%p: !llvm.ptr, %call: !llvm.ptr) attributes {tgl.entry} {
  %c0 = llvm.mlir.constant(0 : i64) : i64
  %c8 = llvm.mlir.constant(8 : i64) : i64
  %w = llvm.mlir.addressof @w : !llvm.ptr
  llvm.call @unit_0(%c0, %c8, %p, %c8) {tgl.unit = 0 : i32} : (i64, i64, !llvm.ptr, i64) -> ()
  llvm.call @unit_1(%c0, %c8, %w) {tgl.unit = 1 : i32} : (i64, i64, !llvm.ptr) -> ()
  %a = llvm.call @_mlir_memref_to_llvm_alloc(%c8) : (i64) -> !llvm.ptr
  "llvm.intr.memcpy"(%a, %p, %c8) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
  llvm.return
}
}
