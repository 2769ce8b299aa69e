//===- Header.h - the C header of an artifact ---------------------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_HEADER_H
#define TEGULA_COMPILER_EMIT_HEADER_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace tegula {

/// ONNX's TensorProto.DataType number of an nn element type; 0 when there is none.
int32_t onnxTypeOf(mlir::Type element);

/// The operation that carries tgl.inputs (the entry function, in any dialect).
mlir::Operation *entryOf(mlir::ModuleOp module);

/// The text of the C header: runtime/tegula.h, then this model's shapes, sizes and its one function.
std::string headerText(mlir::ModuleOp module, llvm::StringRef symbol);

} // namespace tegula

#endif
