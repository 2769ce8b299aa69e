//===- ExternalData.cpp - tensors' data in files beside the model -------------------------------===//
//
// A model is data from strangers: the files that it names must not let it read what lies elsewhere. A path that was
// checked and then opened could have changed in between, so nothing is checked by path: each folder and the file are
// opened from the one before, refusing links, and what the file is is asked of the open descriptor.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/import/ExternalData.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tegula {

ExternalFiles::ExternalFiles(llvm::StringRef modelPath) : folder(llvm::sys::path::parent_path(modelPath).str()) {
  if (folder.empty())
    folder = ".";
}

/// Opens `location` below `folder`; -1 with a reason.
static int openBelow(const std::string &folder, llvm::StringRef location, std::string &why) {
  llvm::SmallVector<llvm::StringRef> parts;
  location.split(parts, '/');
  bool isOutside = location.empty() || location.starts_with("/") || llvm::is_contained(parts, "..") ||
                   location.find_first_of(llvm::StringRef("\\:\0", 3)) != llvm::StringRef::npos;
  if (isOutside) {
    why = "which is not a relative path that stays in the model's folder";
    return -1;
  }
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (size_t i = 0; i < parts.size() && at >= 0; ++i) {
    int kind = i + 1 < parts.size() ? O_DIRECTORY : 0;
    int next = openat(at, parts[i].empty() ? "." : parts[i].str().c_str(),
                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | kind);
    int reason = errno;
    close(at);
    at = next;
    errno = reason;
  }
  if (at < 0)
    why = errno == ENOENT  ? "which does not exist"
          : errno == ELOOP ? "which is a link"
                           : std::string("which cannot be opened: ") + strerror(errno);
  return at;
}

std::shared_ptr<llvm::MemoryBuffer> ExternalFiles::open(llvm::StringRef location, std::string &why) {
  if (auto known = files.find(location); known != files.end())
    return known->second;
  int descriptor = openBelow(folder, location, why);
  if (descriptor < 0)
    return {};
  struct stat info;
  std::shared_ptr<llvm::MemoryBuffer> file;
  // A second name may lie in a folder that the model must not see.
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) {
    why = "which is not a plain file with one name";
  } else if (auto buffer = llvm::MemoryBuffer::getOpenFile(descriptor, location, info.st_size,
                                                           /*RequiresNullTerminator=*/false)) {
    file = std::move(*buffer);
    files[location] = file;
  } else {
    why = "which cannot be read: " + buffer.getError().message();
  }
  close(descriptor);
  return file;
}

static std::string text(const llvm::Twine &words) { return words.str(); }

std::optional<ExternalData> ExternalFiles::find(const onnx::TensorProto &tensor, uint64_t bytes, std::string &why) {
  llvm::StringMap<llvm::StringRef> entries;
  for (const auto &entry : tensor.external_data())
    if (!entries.try_emplace(entry.key(), entry.value()).second) {
      why = "gives '" + entry.key() + "' of its external data twice";
      return std::nullopt;
    }
  if (!entries.count("location")) {
    why = "has external data without a location";
    return std::nullopt;
  }
  uint64_t offset = 0, length = bytes;
  for (auto [key, number] : {std::pair<llvm::StringRef, uint64_t *>{"offset", &offset}, {"length", &length}})
    if (auto entry = entries.find(key); entry != entries.end() && entry->second.getAsInteger(10, *number)) {
      why = text("gives the " + key + " '" + entry->second + "' for its external data; expected a number of bytes");
      return std::nullopt;
    }
  llvm::StringRef location = entries.lookup("location");
  std::string start = text("keeps its data in '" + location + "', ");
  std::string reason;
  std::shared_ptr<llvm::MemoryBuffer> file = open(location, reason);
  uint64_t size = file ? file->getBufferSize() : 0;
  if (!file)
    why = start + reason;
  else if (length != bytes)
    why = start +
          text("which should hold " + llvm::Twine(length) + " bytes of it, but its shape needs " + llvm::Twine(bytes));
  else if (offset > size || length > size - offset)
    why = start + text("which has " + llvm::Twine(size) + " bytes, but " + llvm::Twine(length) + " from " +
                       llvm::Twine(offset) + " on are needed");
  if (!why.empty())
    return std::nullopt;
  return ExternalData{file, file->getBuffer().substr(offset, length)};
}

} // namespace tegula
