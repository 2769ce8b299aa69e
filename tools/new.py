#!/usr/bin/env python3
"""Starts a pass, an op or a target: writes the files, and says what is left to do.

  new.py pass graph/FuseConvBias     compiler/graph/FuseConvBias.cpp, its record in Passes.td, its test
  new.py pass cpu/LowerGathers       the same under targets/cpu
  new.py op Linear/GridSample        the record in dialects/nn/Linear.td, the methods in Linear.cpp, a test
  new.py target metal                a copy of targets/TEMPLATE
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

PASS = '''//===- {name}.cpp - TODO: remove once this says what the pass does ===//
//
//   %y = before   ->   %z = after
//
// Needs: TODO until written. Leaves: TODO until written. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/{folder}/Passes.h"

using namespace mlir;

namespace tegula {{
#define GEN_PASS_DEF_{upper}
#include "tegula/{folder}/Passes.h.inc"

namespace {{
struct {name} : impl::{name}Base<{name}> {{
  using {name}Base::{name}Base;
  void runOnOperation() override {{}}
}};
}} // namespace
}} // namespace tegula
'''
PASS_RECORD = '''
def {name} : Pass<"{flag}", "::mlir::func::FuncOp"> {{
  let summary = "TODO until written";
  let description = [{{
    TODO until written: what it looks for and what becomes of it.
  }}];
  let statistics = [Statistic<"rewritten", "rewritten", "Number of ops rewritten">];
}}
'''
PASS_TEST = '''// RUN: %tegula-opt %s --pass-pipeline='builtin.module(func.func({flag}))' | FileCheck %s

// The smallest case.
// CHECK-LABEL: @{case}_static_f32
func.func @{case}_static_f32(%input: tensor<4xf32>) -> tensor<4xf32> {{
  // CHECK: return
  return %input : tensor<4xf32>
}}

// Nothing must change.
// CHECK-LABEL: @negative_{case}
func.func @negative_{case}(%input: tensor<4xf32>) -> tensor<4xf32> {{
  // CHECK-NEXT: return %{{{{.*}}}}
  return %input : tensor<4xf32>
}}
'''
OP_RECORD = '''
def Nn_{name}Op : Nn_InferredOp<"{mnemonic}"> {{
  let summary = "TODO until written";
  let description = [{{
    `y[i] = x[i]`

    (C1) x has at least one axis.

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {{
      %y = nn.{mnemonic} %x : (tensor<4xf32>) -> tensor<4xf32>
      return %y : tensor<4xf32>
    }}
    ```
  }}];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
}}
'''
OP_CODE = '''
//===- {mnemonic} ------------------------------------------------------------===//

LogicalResult {name}Op::inferReturnTypes(MLIRContext *, std::optional<Location> location, {name}Op::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {{
  auto x = cast<RankedTensorType>(adaptor.getX().getType());
  if (x.getRank() == 0) // {mnemonic} C1
    return emitOptionalError(location, "input expects at least one axis, but it is a scalar");
  types.push_back(x);
  return success();
}}

FailureOr<SmallVector<Value>> {name}Op::lower(LoweringBuilder &, ValueRange operands) {{
  return SmallVector<Value>{{operands[0]}};
}}
'''
OP_TEST = '''// RUN: %tegula-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @{mnemonic}_static_f32
func.func @{mnemonic}_static_f32(%x: tensor<4xf32>) -> tensor<4xf32> {{
  // CHECK: nn.{mnemonic} %{{{{.*}}}} : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.{mnemonic} %x : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}}

// -----

func.func @{mnemonic}_C1_axes(%x: tensor<f32>) -> tensor<f32> {{
  // expected-error @+1 {{{{at least one axis}}}}
  %y = nn.{mnemonic} %x : (tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}}
'''


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def words(name, separator):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", separator, name).lower()


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def write(path, text, replace=False):
    full = os.path.join(ROOT, path)
    if os.path.exists(full) and not replace:
        fail(f"{path} exists")
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{'changed' if replace else 'wrote  '} {path}")


def insert_at_end(path, addition):
    """Adds text to a file, before the #endif of its guard if it has one."""
    old = read(path).rstrip("\n")
    head, guard = (old[:-len("#endif")], "#endif\n") if old.endswith("#endif") else (old + "\n", "")
    write(path, head.rstrip("\n") + "\n" + addition + guard, replace=True)


def new_pass(folder, name):
    homes = [home for home in (f"compiler/{folder}", f"targets/{folder}")
             if os.path.exists(os.path.join(ROOT, home, "Passes.td"))]
    if not homes:
        fail(f"neither compiler/{folder} nor targets/{folder} has a Passes.td")
    home, case = homes[0], words(name, "_")
    fill = {"name": name, "folder": home, "upper": name.upper(), "flag": "tegula-" + words(name, "-"), "case": case}
    write(f"{home}/{name}.cpp", PASS.format(**fill))
    insert_at_end(f"{home}/Passes.td", PASS_RECORD.format(**fill))
    write(f"test/{home}/{words(name, '-')}.mlir", PASS_TEST.format(**fill))
    where = "compiler/Pipeline.cpp" if home.startswith("compiler") else f"{home}/Target.cpp (addPasses)"
    print(f"left to do: add create{name}() to {where}, say there why it stands where it does; tools/docs.py")


def new_op(family, name):
    record = f"dialects/nn/{family}.td"
    if not os.path.exists(os.path.join(ROOT, record)):
        fail(f"{record} does not exist; families are the .td files of dialects/nn")
    fill = {"name": name, "mnemonic": words(name, "_")}
    write(f"test/dialects/nn/{words(name, '-')}.mlir", OP_TEST.format(**fill))
    insert_at_end(record, OP_RECORD.format(**fill))
    insert_at_end(f"dialects/nn/{family}.cpp", OP_CODE.format(**fill))
    print(f"left to do: a row in compiler/import/{family}.cpp; tools/docs.py")


def new_target(name):
    template = os.path.join(ROOT, "targets", "TEMPLATE")
    if not os.path.isdir(template):
        fail("targets/TEMPLATE does not exist")
    if os.path.exists(os.path.join(ROOT, "targets", name)):
        fail(f"targets/{name} exists")
    for folder, _, names in os.walk(template):
        for file in sorted(names):
            path = os.path.relpath(os.path.join(folder, file), ROOT)
            target = path.replace("targets/TEMPLATE", f"targets/{name}", 1)
            text = read(path).replace("TARGETS_TEMPLATE_", f"TARGETS_{name.upper()}_").replace("TEMPLATE", name)
            write(target, text.replace("Template", "".join(word.capitalize() for word in name.split("_"))))
    print(f"left to do: the functions of targets/{name}/Target.cpp, their tests in test/targets/{name}")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "target" and re.fullmatch(r"[a-z]\w*", arguments[1]):
        return new_target(arguments[1])
    match = re.fullmatch(r"(\w+)/([A-Z]\w*)", arguments[1]) if len(arguments) == 2 else None
    if match and arguments[0] in ("pass", "op"):
        return {"pass": new_pass, "op": new_op}[arguments[0]](*match.groups())
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
