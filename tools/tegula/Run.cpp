//===- Run.cpp - tegula run -----------------------------------------------===//
#include "Artifact.h"
#include "Command.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

/// A file name for an output: tensors may be named "a/b:0" or "..".
static std::string fileName(StringRef name, StringSet<> &taken) {
  std::string file;
  for (char c : name)
    file += isAlnum(c) || c == '_' || c == '-' || c == '.' ? c : '_';
  if (file.empty() || file.front() == '.')
    file = "_" + file;
  while (!taken.insert(file).second)
    file += "_";
  return file + ".npy";
}

Error tegula::runCommand(ArrayRef<StringRef> words) {
  SmallVector<OptionSpec> specs(inputOptions());
  specs.push_back({"out", "DIR", "write each output to DIR/NAME.npy (default: only their types are printed)"});
  Expected<Arguments> arguments = Arguments::parse("run ARTIFACT --in x=@x.npy --out DIR", specs, words);
  if (!arguments || arguments->isHelp)
    return arguments.takeError();
  Expected<StringRef> path = arguments->only("artifact (.so)");
  if (!path)
    return path.takeError();
  Expected<int64_t> threads = arguments->number("threads", 0, 0);
  if (!threads)
    return threads.takeError();
  Expected<Artifact> artifact = Artifact::open(*path, arguments->get("name"));
  if (!artifact)
    return artifact.takeError();
  Expected<std::vector<HostTensor>> inputs = readInputs(*artifact, *arguments, /*areOptional=*/false);
  if (!inputs)
    return inputs.takeError();
  Expected<std::unique_ptr<Session>> session = Session::create(*artifact, *threads, /*isProfiled=*/false);
  if (!session)
    return session.takeError();
  if (Error error = (*session)->run(*inputs))
    return error;

  StringRef folder = arguments->get("out");
  if (!folder.empty())
    if (std::error_code error = sys::fs::create_directories(folder))
      return fail(Exit::Io, folder + ": " + error.message());
  StringSet<> taken;
  std::vector<HostTensor> outputs = (*session)->takeOutputs();
  for (auto [info, tensor] : zip(artifact->outputs(), outputs)) {
    outs() << info.name << ": " << typeText(tensor.dtype, tensor.shape);
    if (!folder.empty()) {
      SmallString<256> file(folder);
      sys::path::append(file, fileName(info.name, taken));
      if (Error error = writeNpy(file, tensor))
        return error;
      outs() << " -> " << file;
    }
    outs() << "\n";
  }
  return Error::success();
}
