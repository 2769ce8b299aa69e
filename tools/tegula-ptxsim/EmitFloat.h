//===- EmitFloat.h - numbers with a point in LLVM IR --------------------------===//
//
// Operands are read in the format in which they are computed: f16 as half (64 of them for f16x2), f32 and f64 as they
// are, bf16 as float, from which `packFloat` rounds to the nearest even bf16 (once is enough for add and mul: float has
// more than twice the digits).
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_EMITFLOAT_H
#define TEGULA_TOOLS_PTXSIM_EMITFLOAT_H

#include "Emit.h"

namespace ptxsim {

/// Rounding modes as C++ numbers, for the helpers.
enum class Rounding : uint8_t { NearestEven, Zero, Down, Up, NearestAway };
Rounding roundingOf(const Instruction &instruction);

llvm::Value *readFloat(Emitter &e, const Operand &operand, Type type);
llvm::Value *packFloat(Emitter &e, llvm::Value *lanes, Type type);
llvm::Value *flushSubnormals(Emitter &e, llvm::Value *lanes);
llvm::Value *saturate(Emitter &e, llvm::Value *lanes);
llvm::Value *clampNegative(Emitter &e, llvm::Value *lanes); ///< .relu
llvm::Value *isNan(Emitter &e, llvm::Value *lanes);
llvm::Value *bfloatToFloat(Emitter &e, llvm::Value *lanes);
llvm::Value *floatToBfloat(Emitter &e, llvm::Value *lanes);
/// Double to float so that a second rounding gives what one would (rounds to odd).
llvm::Value *doubleToFloatOdd(Emitter &e, llvm::Value *lanes);
/// Writes a result after .ftz, .sat and .relu.
bool writeFloat(Emitter &e, const Instruction &i, llvm::Value *lanes, Type type);
/// A result under a rounding mode that the host's vectors do not have: operation + - * / s(qrt) f(ma).
llvm::Value *callRounded(Emitter &e, const Instruction &i, char operation, llvm::ArrayRef<llvm::Value *> operands);

} // namespace ptxsim

#endif
