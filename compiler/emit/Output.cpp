//===- Output.cpp - writing files so that a failure leaves nothing behind -------------------===//

#include "tegula/compiler/emit/Output.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"

using namespace llvm;

namespace tegula {

std::string sanitizeSymbol(StringRef text) {
  std::string symbol;
  for (char c : text)
    symbol += isAlnum(c) || c == '_' ? c : '_';
  if (symbol.empty() || isDigit(symbol[0]))
    symbol = "_" + symbol;
  return symbol;
}

std::string temporaryBeside(StringRef path, std::string &why) {
  SmallString<128> model(path);
  model += ".tmp-%%%%%%%%";
  SmallString<128> temporary;
  int descriptor;
  if (std::error_code error = sys::fs::createUniqueFile(model, descriptor, temporary)) {
    why = ("cannot write '" + path + "': " + error.message()).str();
    return "";
  }
  sys::Process::SafelyCloseFileDescriptor(descriptor);
  sys::RemoveFileOnSignal(temporary);
  return temporary.str().str();
}

bool moveFile(StringRef temporary, StringRef path, std::string &why) {
  if (std::error_code error = sys::fs::rename(temporary, path)) {
    why = ("cannot write '" + path + "': " + error.message()).str();
    (void)sys::fs::remove(temporary);
    return false;
  }
  sys::DontRemoveFileOnSignal(temporary);
  return true;
}

/// Writes in one piece what is no plain file, and so cannot be replaced. An error left in the stream would end the
/// program.
static std::error_code writeInPlace(raw_fd_ostream &stream, function_ref<void(raw_pwrite_stream &)> write) {
  SmallString<0> buffer;
  raw_svector_ostream text(buffer);
  write(text);
  stream << buffer;
  stream.flush();
  std::error_code error = stream.error();
  stream.clear_error();
  return error;
}

static bool replaceFile(StringRef path, std::string &why, function_ref<void(raw_pwrite_stream &)> write) {
  std::error_code error;
  std::string temporary = temporaryBeside(path, why);
  if (temporary.empty())
    return false;
  {
    raw_fd_ostream stream(temporary, error);
    if (!error) {
      write(stream);
      stream.close();
      error = stream.error();
      stream.clear_error();
    }
  }
  if (error) {
    (void)sys::fs::remove(temporary);
    why = ("cannot write '" + path + "': " + error.message()).str();
    return false;
  }
  (void)sys::fs::setPermissions(temporary, sys::fs::perms::all_read | sys::fs::perms::owner_write);
  return moveFile(temporary, path, why);
}

bool writeFile(StringRef path, std::string &why, function_ref<void(raw_pwrite_stream &)> write) {
  std::error_code error;
  if (path == "-") {
    error = writeInPlace(outs(), write);
  } else if (sys::fs::exists(path) && !sys::fs::is_regular_file(path)) { // a device or pipe
    raw_fd_ostream stream(path, error);
    if (!error)
      error = writeInPlace(stream, write);
  } else {
    return replaceFile(path, why, write);
  }
  if (error)
    why = ("cannot write '" + path + "': " + error.message()).str();
  return !error;
}

} // namespace tegula
