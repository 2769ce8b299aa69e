//===- ExternalData.h - tensors' data in files beside the model ---------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_EXTERNALDATA_H
#define TEGULA_COMPILER_IMPORT_EXTERNALDATA_H

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <onnx/onnx_pb.h>
#include <optional>
#include <string>

namespace tegula {

/// The bytes of one tensor. `file` keeps them mapped.
struct ExternalData {
  std::shared_ptr<llvm::MemoryBuffer> file;
  llvm::StringRef bytes;
};

/// The data files of one model. Each is opened once, below the model's folder, through no link; large ones are mapped.
class ExternalFiles {
public:
  explicit ExternalFiles(llvm::StringRef modelPath);

  /// The data of `tensor`, exactly `bytes` long; nullopt with a reason, as "keeps its data in ..., but ...".
  std::optional<ExternalData> find(const onnx::TensorProto &tensor, uint64_t bytes, std::string &why);

private:
  std::shared_ptr<llvm::MemoryBuffer> open(llvm::StringRef location, std::string &why);

  std::string folder;
  llvm::StringMap<std::shared_ptr<llvm::MemoryBuffer>> files;
};

} // namespace tegula

#endif
