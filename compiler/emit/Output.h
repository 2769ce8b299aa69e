//===- Output.h - writing files so that a failure leaves nothing behind ---------------------===//
//
// Of LLVM's libraries only: the companion tool, which has no part of the compiler, writes with it too.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_OUTPUT_H
#define TEGULA_COMPILER_EMIT_OUTPUT_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <string>

namespace tegula {

/// A C identifier from any text: other characters become '_', a leading digit gets '_' before it.
std::string sanitizeSymbol(llvm::StringRef text);

/// Calls `write` with a stream on a temporary file beside `path`, then renames it to `path`; "-" is standard output. On
/// failure nothing is left, `path` is untouched and `why` says what happened.
bool writeFile(llvm::StringRef path, std::string &why, llvm::function_ref<void(llvm::raw_pwrite_stream &)> write);

/// Renames a finished temporary file to `path` (same folder).
bool moveFile(llvm::StringRef temporary, llvm::StringRef path, std::string &why);

/// A fresh temporary path beside `path`; empty with a message in `why` when the folder cannot be written.
std::string temporaryBeside(llvm::StringRef path, std::string &why);

} // namespace tegula

#endif
