//===- Tools.h - other programs of the project ----------------------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_TOOLS_H
#define TEGULA_COMPILER_EMIT_TOOLS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace tegula {

/// The path of a tool: beside this program, else in $PATH; nothing where it is in neither.
std::optional<std::string> findTool(llvm::StringRef name);

/// Runs `words[0]` and waits for it. Standard output (if a file is given for it) and error go to files, written anew.
/// The exit code; below 0 with a message in `why` if it could not be run or ended early.
int runTool(llvm::ArrayRef<std::string> words, std::optional<llvm::StringRef> output, llvm::StringRef errors,
            std::string &why);

/// What a file holds; empty if it cannot be read.
std::string textOf(llvm::StringRef path);

} // namespace tegula

#endif
