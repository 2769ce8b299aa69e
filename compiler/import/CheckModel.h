//===- CheckModel.h - a model's structure, before anything walks it --------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_CHECKMODEL_H
#define TEGULA_COMPILER_IMPORT_CHECKMODEL_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/LogicalResult.h"
#include <onnx/onnx_pb.h>

namespace tegula {

/// Checks what holds a model together: versions, one definition for each name, definitions before uses, bounded nesting
/// and bounded expansion of functions. Reports all that is wrong. What comes after relies on it: ONNX's inference
/// expands functions without bounds, and the importer takes a name for the value it saw last.
llvm::LogicalResult checkModel(const onnx::ModelProto &model, llvm::StringRef path, mlir::MLIRContext &context);

/// How problems of a node are located: its name (or operator and index), the names of what it lies in, its operator.
mlir::Location locationOfNode(mlir::MLIRContext &context, llvm::StringRef path, const onnx::NodeProto &node, int index,
                              llvm::StringRef prefix);

/// The name that locationOfNode gives.
std::string nameOfNode(const onnx::NodeProto &node, int index, llvm::StringRef prefix);

} // namespace tegula

#endif
