//===- DataObject.h - weights as a relocatable object ------------------------===//
//
// LLVM's way from a constant to an object file copies the bytes three times; here they go straight to the file.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_DATAOBJECT_H
#define TEGULA_COMPILER_EMIT_DATAOBJECT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace tegula {

struct NamedData {
  std::string symbol;
  llvm::StringRef bytes;
};

/// Bytes from the first of `data` to the end of the last, as `writeDataObject` places them.
uint64_t dataBytes(llvm::ArrayRef<NamedData> data);

/// Writes an ELF object with one read-only section that holds each of `data` at a multiple of 64 bytes under a hidden
/// global symbol. Class, byte order, machine and ABI flags are those of the relocatable object `like`. False, with a
/// message in `why`, when a file cannot be read or written.
bool writeDataObject(llvm::ArrayRef<NamedData> data, llvm::StringRef like, llvm::StringRef path, std::string &why);

} // namespace tegula

#endif
