//===- UnitArguments.h - what a unit's call hands on -----------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_UNITARGUMENTS_H
#define TEGULA_COMPILER_EMIT_UNITARGUMENTS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/SetVector.h"

namespace tegula {

/// Where an argument of a unit comes from: a place among the values that are handed on, or a constant (or nothing) that
/// whoever calls the unit's code knows.
struct UnitArgument {
  int64_t place;
  mlir::Attribute constant;
};

/// The arguments of `call` after the range of iterations. Each value is handed on once, in `handed`; places and sizes
/// that are constant and what `code` does not read are not handed on at all.
llvm::SmallVector<UnitArgument> argumentsOf(mlir::LLVM::CallOp call, mlir::LLVM::LLVMFuncOp code,
                                            llvm::SetVector<mlir::Value> &handed);

/// The same text for calls that can share a caller of `code`.
std::string callerKey(mlir::LLVM::LLVMFuncOp code, llvm::ArrayRef<UnitArgument> arguments);

/// Adds the operands for `arguments` to those of the range; `read` gives the value at a place.
void addOperands(mlir::OpBuilder &b, mlir::LLVM::LLVMFuncOp code, llvm::ArrayRef<UnitArgument> arguments,
                 llvm::function_ref<mlir::Value(int64_t place, mlir::Type type)> read,
                 llvm::SmallVectorImpl<mlir::Value> &operands);

} // namespace tegula

#endif
