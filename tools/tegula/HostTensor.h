//===- HostTensor.h - Tensors in memory and in files ------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_TEGULA_HOSTTENSOR_H
#define TEGULA_TOOLS_TEGULA_HOSTTENSOR_H

#include "tegula/runtime/tegula.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace tegula {

/// A dense row-major tensor that owns its elements (aligned to 16 bytes).
struct HostTensor {
  int32_t dtype = TEGULA_UNDEFINED;
  llvm::SmallVector<int64_t> shape;
  std::vector<char> data;

  /// As the runtime takes it; valid while this tensor lives unchanged.
  tegula_tensor view();
};

/// Bytes of one element; 0 for types that have no whole number of them.
size_t elementBytes(int32_t dtype);
/// "float32" and so on.
llvm::StringRef dtypeName(int32_t dtype);
/// The number of elements, or -1 if it exceeds 2^48 or an extent is negative.
int64_t elementCount(llvm::ArrayRef<int64_t> shape);
/// "float32[1, ?, 3]"; -1 prints as "?".
std::string typeText(int32_t dtype, llvm::ArrayRef<int64_t> shape);

/// What a NumPy file says before its elements, which begin at `bytes`.
struct NpyHeader {
  int32_t dtype = TEGULA_UNDEFINED;
  llvm::SmallVector<int64_t> shape;
  bool isColumnMajor = false;
  size_t bytes = 0;
};

/// Reads the header of a file, of which `file` holds at least the beginning; `path` names it in errors.
llvm::Expected<NpyHeader> readNpyHeader(llvm::StringRef file, llvm::StringRef path, int32_t expected);
/// Reads a NumPy file (format 1 to 3). Types that NumPy has no name for come as raw bytes; `expected` names them then.
llvm::Expected<HostTensor> readNpy(llvm::StringRef path, int32_t expected);
/// Writes one; on failure nothing is left at `path`.
llvm::Error writeNpy(llvm::StringRef path, const HostTensor &tensor);
/// Reads an ONNX TensorProto (.pb).
llvm::Expected<HostTensor> readTensorProto(llvm::StringRef path);

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_HOSTTENSOR_H
