// A check of the entry function reports and returns.
// RUN: %tegula-opt %s -tegula-lower-checks | FileCheck %s

module {
  // CHECK: llvm.mlir.global internal constant @check_0("node 'pick': an index is out of range\00")
  // CHECK: llvm.func @tegula_rt_error(!llvm.ptr, i32, !llvm.ptr)
  // CHECK-LABEL: func.func @net(
  // CHECK-SAME: %[[OK:.+]]: i1, %[[CALL:.+]]: !llvm.ptr)
  func.func @net(%ok: i1, %call: !llvm.ptr) attributes {tgl.entry} {
    // CHECK: cf.cond_br %[[OK]], ^[[ON:.+]], ^[[FAILED:.+]]
    // CHECK: ^[[ON]]:
    // CHECK-NEXT: return
    // CHECK: ^[[FAILED]]:
    // CHECK: %[[TEXT:.+]] = llvm.mlir.addressof @check_0
    // CHECK: llvm.call @tegula_rt_error(%[[CALL]], %{{.+}}, %[[TEXT]])
    // CHECK-NEXT: return
    cf.assert %ok, "an index is out of range" loc("pick"(fused<"Gather">["m.onnx":1:1]))
    return
  }
}
