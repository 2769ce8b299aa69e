//===- Tools.cpp - other programs of the project --------------------------------------------===//
//
// Needs LLVM only: the companion tool is built with it, without the compiler.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/Tools.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace llvm;

namespace tegula {

std::optional<std::string> findTool(StringRef name) {
  static char here;
  std::string self = sys::fs::getMainExecutable(nullptr, &here);
  StringRef folders[] = {sys::path::parent_path(self)};
  for (ErrorOr<std::string> found : {sys::findProgramByName(name, folders), sys::findProgramByName(name)})
    if (found)
      return *found;
  return std::nullopt;
}

int runTool(ArrayRef<std::string> words, std::optional<StringRef> output, StringRef errors, std::string &why) {
  // A redirection adds to what is there.
  (void)sys::fs::remove(errors);
  if (output)
    (void)sys::fs::remove(*output);
  SmallVector<StringRef> views(words.begin(), words.end());
  std::optional<StringRef> redirects[] = {std::nullopt, output, errors};
  return sys::ExecuteAndWait(words.front(), views, std::nullopt, redirects, 0, 0, &why);
}

std::string textOf(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : "";
}

} // namespace tegula
