// How one scf.forall of the tile stage goes to three kinds of target, with passes that exist: targets/README.md.
// RUN: rm -rf %t && mkdir %t
// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func(tegula-tile-units))' -o %t/tile.mlir
// RUN: FileCheck %s --input-file=%t/tile.mlir
// RUN: %tegulac --start-after=tile %t/tile.mlir --stop-after=buffer -o %t/buffer.mlir
// CHECK: scf.forall (%{{.*}}) in (3)

// On a CPU a function over a range of iterations, which the runtime's threads share.
// RUN: %tegula-opt %t/buffer.mlir --pass-pipeline='builtin.module(tegula-outline-units)' --mlir-print-local-scope -o %t/units.mlir
// RUN: FileCheck %s --input-file=%t/units.mlir --check-prefix=CPU
// CPU: call @unit_0(%c0{{[^,]*}}, %c3
// CPU: func.func private @unit_0(%{{.*}}: index, %{{.*}}: index, %{{.*}}: memref<

// On a GPU a kernel of three blocks, as PTX.
// RUN: %tegula-opt %t/buffer.mlir --pass-pipeline='builtin.module(func.func(scf-forall-to-parallel,gpu-map-parallel-loops,convert-parallel-loops-to-gpu),gpu-kernel-outlining)' -o %t/gpu.mlir
// RUN: FileCheck %s --input-file=%t/gpu.mlir --check-prefix=GPU
// GPU: gpu.launch_func @mm_kernel::@mm_kernel blocks in
// GPU: gpu.func @mm_kernel({{.*}} kernel
// GPU: gpu.block_id x
// RUN: %tegula-opt %t/gpu.mlir --pass-pipeline='builtin.module(gpu.module(canonicalize,fold-memref-alias-ops,expand-strided-metadata),lower-affine,gpu.module(convert-scf-to-cf,convert-gpu-to-nvvm,reconcile-unrealized-casts),nvvm-attach-target{chip=sm_80},gpu-module-to-binary{format=isa})' | FileCheck %s --check-prefix=PTX
// PTX: .visible .entry mm_kernel(
// PTX-SAME: ctaid.x
// PTX-SAME: {{mul|fma}}.rn.f32

// For HLS the unit's function alone, as C++ text (a function of static shapes: plain arrays).
// RUN: awk '/func.func private @unit_0/{on=1} on{print} /^  }/{on=0}' %t/units.mlir > %t/unit.mlir
// RUN: %tegula-opt %t/unit.mlir --pass-pipeline='builtin.module(func.func(canonicalize,fold-memref-alias-ops,canonicalize),lower-affine,convert-to-emitc)' | mlir-translate --mlir-to-cpp > %t/unit.cpp
// RUN: FileCheck %s --input-file=%t/unit.cpp --check-prefix=HLS
// HLS: static void unit_0(size_t [[BEGIN:v[0-9]+]], size_t [[END:v[0-9]+]], float {{v[0-9]+}}[12]
// HLS: for (size_t {{.*}} = [[BEGIN]]; {{.*}} < [[END]];
// RUN: %python -c "print('#include <cstddef>'); print(open('%t/unit.cpp').read())" > %t/whole.cpp && clang++ -fsyntax-only -Wno-unused-function %t/whole.cpp

#rows = affine_map<(i, j, k) -> (i, k)>
#columns = affine_map<(i, j, k) -> (k, j)>
#result = affine_map<(i, j, k) -> (i, j)>
func.func @mm(%a: tensor<12x32xf32>, %b: tensor<32x20xf32>) -> tensor<12x20xf32> attributes {tgl.inputs = ["a", "b"], tgl.input_types = [tensor<12x32xf32>, tensor<32x20xf32>], tgl.outputs = ["y"], tgl.output_types = [tensor<12x20xf32>]} {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<12x20xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<12x20xf32>) -> tensor<12x20xf32>
  %product = linalg.generic {indexing_maps = [#rows, #columns, #result], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<12x32xf32>, tensor<32x20xf32>) outs(%start : tensor<12x20xf32>)
      attrs = {tgl.plan = #tgl.plan<vectorLoop = -1, lanes = 1, vectors = 1, unrollLoop = -1, unroll = 1, block = [4, 0]>} {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %sum, %p : f32
    linalg.yield %s : f32
  } -> tensor<12x20xf32>
  return %product : tensor<12x20xf32>
}
