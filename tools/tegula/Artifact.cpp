//===- Artifact.cpp - Opening and running an artifact ---------------------===//
#include "Artifact.h"
#include "Command.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <chrono>
#include <dlfcn.h>

using namespace llvm;
using namespace tegula;

/// The symbol that the compiler gives a model, from its file's name.
static std::string symbolOf(StringRef stem) {
  std::string name;
  for (char c : stem)
    name += isAlnum(c) || c == '_' ? c : '_';
  return (name.empty() || isDigit(name.front()) ? "_" : "") + name + "_model";
}

/// The symbols NAME_model that the file exports.
static std::vector<std::string> exportedModels(StringRef path) {
  std::vector<std::string> names;
  Expected<object::OwningBinary<object::ObjectFile>> file = object::ObjectFile::createObjectFile(path);
  if (!file) {
    consumeError(file.takeError());
    return names;
  }
  const auto *elf = dyn_cast<object::ELFObjectFileBase>(file->getBinary());
  if (!elf)
    return names;
  for (const object::ELFSymbolRef &symbol : elf->getDynamicSymbolIterators()) {
    Expected<StringRef> name = symbol.getName();
    Expected<uint32_t> flags = symbol.getFlags();
    if (name && flags && !(*flags & object::SymbolRef::SF_Undefined) && name->ends_with("_model"))
      names.push_back(name->str());
    consumeError(name.takeError());
    consumeError(flags.takeError());
  }
  return names;
}

template <class ELFT> static bool isCut(const object::ELFObjectFile<ELFT> &file) {
  uint64_t size = file.getMemoryBufferRef().getBufferSize();
  auto headers = file.getELFFile().program_headers();
  if (!headers) {
    consumeError(headers.takeError());
    return true;
  }
  return any_of(*headers,
                [&](const auto &header) { return header.p_offset > size || header.p_filesz > size - header.p_offset; });
}

/// What the loader would not say or not survive: it calls an artifact of another architecture "no such file", and maps
/// what is not there of a file that was cut short. Empty if it may try.
static std::string problemOf(StringRef path) {
  Expected<object::OwningBinary<object::ObjectFile>> file = object::ObjectFile::createObjectFile(path);
  if (!file)
    return toString(file.takeError());
  const object::ObjectFile &object = *file->getBinary();
  Triple::ArchType host = Triple(sys::getProcessTriple()).getArch();
  if (object.getArch() != host)
    return ("it is for " + Triple::getArchTypeName(object.getArch()) + ", and this machine is " +
            Triple::getArchTypeName(host))
        .str();
  auto *elf64 = dyn_cast<object::ELF64LEObjectFile>(&object);
  auto *elf32 = dyn_cast<object::ELF32LEObjectFile>(&object);
  return (elf64 && isCut(*elf64)) || (elf32 && isCut(*elf32)) ? "the file is cut short" : "";
}

Expected<Artifact> Artifact::open(StringRef path, StringRef name) {
  Artifact artifact;
  artifact.path = path.str();
  SmallString<256> absolute(path);
  if (std::error_code error = sys::fs::make_absolute(absolute))
    return fail(Exit::Io, path + ": " + error.message());
  if (std::error_code error = sys::fs::file_size(absolute, artifact.fileBytes))
    return fail(Exit::Io, path + ": " + error.message());
  std::string problem = problemOf(absolute);
  if (!problem.empty())
    return fail(Exit::Io, path + ": not an artifact that this machine can load: " + problem);
  auto start = std::chrono::steady_clock::now();
  void *library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fail(Exit::Io, path + ": not an artifact that this machine can load: " + dlerror());
  std::string symbol = name.empty() ? symbolOf(sys::path::filename(path).split(".so").first) : (name + "_model").str();
  void *function = dlsym(library, symbol.c_str());
  if (!function && name.empty()) {
    std::vector<std::string> names = exportedModels(absolute);
    if (names.size() > 1)
      return fail(Exit::Usage,
                  path + ": holds several models, choose one with --name (without _model): " + join(names, ", "));
    function = names.empty() ? nullptr : dlsym(library, names.front().c_str());
  }
  if (!function)
    return fail(Exit::Io, path + ": exports no " + symbol + ", so it is no artifact");
  artifact.model = reinterpret_cast<const tegula_model *(*)()>(function)();
  artifact.loadMs = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (artifact.model->abi_version != TEGULA_ABI_VERSION)
    return fail(Exit::Io, path + ": ABI version " + Twine(artifact.model->abi_version) + ", this tool reads " +
                              Twine(TEGULA_ABI_VERSION));
  return artifact;
}

ArrayRef<int64_t> tegula::shapeOf(const tegula_tensor_info &info) {
  return {info.shape, static_cast<size_t>(info.rank)};
}

Session::Session(const Artifact &artifact)
    : model(artifact.model), outputs(model->output_count), memory(model->output_count) {}

Session::~Session() { model->destroy(instance); }

Expected<std::unique_ptr<Session>> Session::create(const Artifact &artifact, int64_t threads, bool isProfiled) {
  std::unique_ptr<Session> session(new Session(artifact));
  tegula_options options = {};
  options.abi_version = TEGULA_ABI_VERSION;
  options.threads = static_cast<int32_t>(threads);
  options.profile = isProfiled;
  options.alloc_ctx = session.get();
  options.alloc_output = [](void *context, int32_t index, size_t bytes) -> void * {
    std::vector<char> &memory = static_cast<Session *>(context)->memory[index];
    memory.resize(bytes);
    return memory.data();
  };
  tegula_status status = artifact.model->create(artifact.model, &options, &session->instance);
  if (status != TEGULA_OK)
    return fail(status == TEGULA_OUT_OF_MEMORY ? Exit::Limit : Exit::Model,
                artifact.path + ": " + artifact.model->message(nullptr));
  for (auto [info, tensor, memory] : zip(artifact.outputs(), session->outputs, session->memory)) {
    int64_t count = elementCount(shapeOf(info));
    if (!elementBytes(info.dtype))
      return fail(Exit::Model, "output '" + Twine(info.name) + "': " + dtypeName(info.dtype) + " is not supported");
    if (count > 0)
      memory.resize(count * elementBytes(info.dtype));
    tensor = {};
    tensor.data = memory.data();
    tensor.bytes = memory.size();
  }
  return session;
}

Error Session::run(MutableArrayRef<HostTensor> given) {
  inputs.clear();
  for (HostTensor &tensor : given)
    inputs.push_back(tensor.view());
  tegula_status status = model->run(instance, inputs.data(), outputs.data());
  if (status == TEGULA_OK)
    return Error::success();
  return fail(status == TEGULA_OUT_OF_MEMORY ? Exit::Limit : Exit::Model, model->message(instance));
}

std::vector<HostTensor> Session::takeOutputs() {
  std::vector<HostTensor> results;
  for (const tegula_tensor &tensor : outputs) {
    HostTensor &result = results.emplace_back();
    result.dtype = tensor.dtype;
    result.shape.assign(tensor.shape, tensor.shape + tensor.rank);
    size_t bytes = elementCount(result.shape) * elementBytes(tensor.dtype);
    const char *data = static_cast<const char *>(tensor.data);
    result.data.assign(data, data + bytes);
  }
  return results;
}
