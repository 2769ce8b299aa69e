//===- Quantize.cpp - tegula quantize -------------------------------------===//
#include "Command.h"
#include "tegula/compiler/emit/Tools.h"
#include <cerrno>
#include <cstring>
#include <unistd.h>

using namespace llvm;
using namespace tegula;

Error tegula::quantizeCommand(ArrayRef<StringRef> words) {
  std::optional<std::string> tool = findTool("tegula-quantize");
  if (!tool)
    return fail(Exit::Io, "quantizing needs tegula-quantize, which is neither beside this tool nor in $PATH");
  std::vector<std::string> texts{*tool};
  texts.insert(texts.end(), words.begin(), words.end());
  std::vector<char *> views;
  for (std::string &text : texts)
    views.push_back(text.data());
  views.push_back(nullptr);
  execv(tool->c_str(), views.data());
  return fail(Exit::Io, *tool + ": " + strerror(errno));
}
