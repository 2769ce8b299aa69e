// A unit's values go through a record; its constants do not.
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(tegula-lower-runtime-calls)' | FileCheck %s

// CHECK: llvm.func internal @unit_0.thunk(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
// CHECK: llvm.func @model
// CHECK: llvm.alloca {{.*}} x !llvm.struct<(ptr)>
// CHECK: llvm.call @tegula_rt_parallel
llvm.func @unit_0(%b: i64, %e: i64, %p: !llvm.ptr, %n: i64) attributes {tgl.kernel} {
  llvm.store %n, %p : i64, !llvm.ptr
  llvm.return
}
llvm.func @model(%p: !llvm.ptr, %call: !llvm.ptr) attributes {tgl.entry} {
  %c0 = llvm.mlir.constant(0 : i64) : i64
  %c8 = llvm.mlir.constant(8 : i64) : i64
  llvm.call @unit_0(%c0, %c8, %p, %c8) {tgl.unit = 0 : i32} : (i64, i64, !llvm.ptr, i64) -> ()
  llvm.return
}
