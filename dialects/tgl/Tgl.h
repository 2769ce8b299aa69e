//===- Tgl.h - decisions that travel with the IR ----------------------------===//
#ifndef TEGULA_DIALECTS_TGL_TGL_H
#define TEGULA_DIALECTS_TGL_TGL_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"

#include "tegula/dialects/tgl/TglDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "tegula/dialects/tgl/TglAttrs.h.inc"

namespace tegula::tgl {

/// Attribute names on the module and the entry function.
constexpr llvm::StringLiteral kTarget = "tgl.target";
constexpr llvm::StringLiteral kPlan = "tgl.plan";
/// On a sum whose threads share its work: what it starts with.
constexpr llvm::StringLiteral kStart = "tgl.start";
/// On an scf.forall of accelerators: so many threads do an iteration together.
constexpr llvm::StringLiteral kThreads = "tgl.threads";
constexpr llvm::StringLiteral kInputs = "tgl.inputs";            // array of the model's input names
constexpr llvm::StringLiteral kOutputs = "tgl.outputs";          // array of the model's output names
constexpr llvm::StringLiteral kInputTypes = "tgl.input_types";   // nn types of the inputs
constexpr llvm::StringLiteral kOutputTypes = "tgl.output_types"; // nn types of the outputs
constexpr llvm::StringLiteral kSource = "tgl.source";            // what the model's file says of itself

/// Plans that were measured, on the module: kernel (Plans.h) = plan. They go before the target's own.
constexpr llvm::StringLiteral kPlans = "tgl.plans";

/// While plans are measured. On the module: each unit takes the plan of this number, or with -1 the best so far. On a
/// unit that does: {kernel, plan}; on one that holds units, an array of theirs.
constexpr llvm::StringLiteral kCandidate = "tgl.candidate";
constexpr llvm::StringLiteral kMeasured = "tgl.measured";
/// On a vector.contract whose sum is a matrix register: the numbers of it and of those for the left and the right side.
constexpr llvm::StringLiteral kRegisters = "tgl.registers";

/// On the module, written by a target: {node, op, flops, bytes, measured} of each unit, in the order of a profile.
constexpr llvm::StringLiteral kUnits = "tgl.units";

/// Attribute names on the op that stands for a unit: its work in one run, 0 if unknown.
constexpr llvm::StringLiteral kFlops = "tgl.flops";
constexpr llvm::StringLiteral kBytes = "tgl.bytes";

/// On a unit that writes each element of its result once, after it has read whatever it reads at the same place of
/// other tensors. Buffers may share memory there; see compiler/buffer/Overwrite.h.
constexpr llvm::StringLiteral kMayOverwrite = "tgl.may_overwrite";

/// On a loop whose iterations ("bands") each make a part of the result, independent of each other: how many there are
/// at least.
constexpr llvm::StringLiteral kBands = "tgl.bands";

/// The target of the module that holds `op`; null if none was set.
TargetAttr targetOf(mlir::Operation *op);

} // namespace tegula::tgl

#endif
