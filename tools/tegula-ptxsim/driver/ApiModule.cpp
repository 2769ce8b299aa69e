//===- ApiModule.cpp - modules, libraries, linking ----------------------------===//

#include "Driver.h"
#include "Image.h"
#include "llvm/Support/MemoryBuffer.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;

namespace {
/// The options of a JIT compilation that say where its logs go.
struct Logs {
  char *text[2] = {nullptr, nullptr}; ///< info, error
  size_t bytes[2] = {0, 0};
  void **used[2] = {nullptr, nullptr};

  Logs(unsigned count, const CUjit_option *options, void **values) {
    for (unsigned i = 0; i != count && options && values; ++i) {
      int which = options[i] >= JitErrorLog;
      if (options[i] == JitInfoLog || options[i] == JitErrorLog)
        text[which] = static_cast<char *>(values[i]);
      if (options[i] == JitInfoLogBytes || options[i] == JitErrorLogBytes) {
        bytes[which] = size_t(reinterpret_cast<uintptr_t>(values[i])) & 0xffffffff;
        used[which] = &values[i];
      }
    }
  }

  void write(int which, llvm::StringRef log) {
    if (!text[which] || !bytes[which])
      return;
    size_t size = std::min(log.size(), bytes[which] - 1);
    std::memcpy(text[which], log.data(), size);
    text[which][size] = 0;
    if (used[which])
      *used[which] = reinterpret_cast<void *>(uintptr_t(size));
  }
};
} // namespace

static CUresult loadModule(Call &call, const void *image, Logs logs, std::shared_ptr<ModuleObject> &module) {
  Driver &driver = *call.driver;
  std::string ptx, log;
  CUresult result = readImage(image, driver.settings.sm, ptx, log);
  if (result == CUDA_SUCCESS) {
    Status status = Status::Ok;
    module = std::make_shared<ModuleObject>();
    module->context = call.context;
    module->code = Module::load(ptx, driver.settings.sm, driver.memory, status, log);
    result = module->code ? CUDA_SUCCESS : status == Status::Ok ? CUDA_ERROR_INVALID_PTX : CUresult(int(status));
  }
  logs.write(0, result == CUDA_SUCCESS ? log : "");
  logs.write(1, result == CUDA_SUCCESS ? "" : log);
  if (result != CUDA_SUCCESS)
    printLine(driver, "a module cannot be loaded: " + log);
  return result;
}

static CUresult loadModule(CUmodule *handle, const void *image, Logs logs) {
  Call call;
  if (!call)
    return call.status;
  if (!handle || !image)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = refuseWhileCapturing(call))
    return status;
  std::shared_ptr<ModuleObject> module;
  CUresult status = loadModule(call, image, logs, module);
  if (status == CUDA_SUCCESS)
    *handle = reinterpret_cast<CUmodule>(call->modules.add(module));
  return status;
}

static CUresult readFile(const char *name, std::string &content) {
  auto buffer = llvm::MemoryBuffer::getFile(name);
  if (!buffer)
    return CUDA_ERROR_FILE_NOT_FOUND;
  content = (*buffer)->getBuffer().str();
  return CUDA_SUCCESS;
}

CUfunction ptxsim::functionOf(Call &call, const std::shared_ptr<ModuleObject> &module, llvm::StringRef name) {
  CUfunction &handle = module->functions[name.str()];
  if (handle)
    return handle;
  const KernelInfo *info = module->code->kernel(name);
  if (!info) {
    module->functions.erase(name.str());
    return nullptr;
  }
  auto function = std::make_shared<Function>();
  function->module = module;
  function->info = info;
  function->maxDynamicShared = info->staticSharedBytes < 49152 ? 49152 - info->staticSharedBytes : 0;
  return handle = reinterpret_cast<CUfunction>(call->functions.add(function));
}

static CUresult unload(Call &call, const void *handle, bool isLibrary) {
  std::shared_ptr<ModuleObject> module = call->modules.find(handle);
  if (!module || module->isLibrary != isLibrary)
    return CUDA_ERROR_INVALID_HANDLE;
  completeAll(call, call.context.get());
  for (const auto &[name, function] : module->functions)
    call->functions.erase(function);
  call->modules.erase(handle);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options,
                                     void **values) {
  return loadModule(module, image, Logs(count, options, values));
}

CUDA_API CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  return loadModule(module, image, Logs(0, nullptr, nullptr));
}

CUDA_API CUresult cuModuleLoadFatBinary(CUmodule *module, const void *image) {
  return loadModule(module, image, Logs(0, nullptr, nullptr));
}

CUDA_API CUresult cuModuleLoad(CUmodule *module, const char *name) {
  std::string content;
  if (!name)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = readFile(name, content))
    return status;
  return loadModule(module, content.c_str(), Logs(0, nullptr, nullptr));
}

CUDA_API CUresult cuModuleUnload(CUmodule module) {
  Call call;
  return call ? unload(call, module, false) : call.status;
}

CUDA_API CUresult cuModuleGetLoadingMode(int *mode) {
  if (!mode)
    return CUDA_ERROR_INVALID_VALUE;
  *mode = 1; // eager
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuModuleGetFunction(CUfunction *function, CUmodule handle, const char *name) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<ModuleObject> module = call->modules.find(handle);
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!function || !name)
    return CUDA_ERROR_INVALID_VALUE;
  *function = functionOf(call, module, name);
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult countFunctions(const void *handle, unsigned *count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<ModuleObject> module = call->modules.find(handle);
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!count)
    return CUDA_ERROR_INVALID_VALUE;
  *count = unsigned(module->code->kernelNames().size());
  return CUDA_SUCCESS;
}

static CUresult listFunctions(const void *handle, CUfunction *functions, unsigned count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<ModuleObject> module = call->modules.find(handle);
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!functions)
    return CUDA_ERROR_INVALID_VALUE;
  for (const std::string &name : module->code->kernelNames())
    if (count-- > 0)
      *functions++ = functionOf(call, module, name);
    else
      break;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuModuleGetFunctionCount(unsigned *count, CUmodule module) { return countFunctions(module, count); }

CUDA_API CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned count, CUmodule module) {
  return listFunctions(module, functions, count);
}

static CUresult findGlobal(const void *handle, CUdeviceptr *address, size_t *bytes, const char *name) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<ModuleObject> module = call->modules.find(handle);
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!name || (!address && !bytes))
    return CUDA_ERROR_INVALID_VALUE;
  auto [start, size] = module->code->global(name);
  if (size == 0)
    return CUDA_ERROR_NOT_FOUND;
  if (address)
    *address = start;
  if (bytes)
    *bytes = size;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name) {
  return findGlobal(module, address, bytes, name);
}

CUDA_API CUresult cuLibraryGetGlobal(CUdeviceptr *address, size_t *bytes, CUlibrary library, const char *name) {
  return findGlobal(library, address, bytes, name);
}

/// A library is a module that needs no current context; its kernels are functions, as CUDA lets them be launched.
CUDA_API CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *options, void **values,
                                    unsigned count, int *, void **, unsigned) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!library || !code)
    return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<ModuleObject> module;
  CUresult status = loadModule(call, code, Logs(count, options, values), module);
  if (status != CUDA_SUCCESS)
    return status;
  module->isLibrary = true;
  *library = reinterpret_cast<CUlibrary>(call->modules.add(module));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *name, CUjit_option *options, void **values,
                                        unsigned count, int *libraryOptions, void **libraryValues,
                                        unsigned libraryCount) {
  std::string content;
  if (!name)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult status = readFile(name, content))
    return status;
  return cuLibraryLoadData(library, content.c_str(), options, values, count, libraryOptions, libraryValues,
                           libraryCount);
}

CUDA_API CUresult cuLibraryUnload(CUlibrary library) {
  Call call(Call::Initialised);
  return call ? unload(call, library, true) : call.status;
}

CUDA_API CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<ModuleObject> module = call->modules.find(library);
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!kernel || !name)
    return CUDA_ERROR_INVALID_VALUE;
  *kernel = reinterpret_cast<CUkernel>(functionOf(call, module, name));
  return *kernel ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUDA_API CUresult cuLibraryGetKernelCount(unsigned *count, CUlibrary library) { return countFunctions(library, count); }

CUDA_API CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned count, CUlibrary library) {
  return listFunctions(library, reinterpret_cast<CUfunction *>(kernels), count);
}

CUDA_API CUresult cuLibraryGetModule(CUmodule *module, CUlibrary library) {
  Call call;
  if (!call)
    return call.status;
  if (!module)
    return CUDA_ERROR_INVALID_VALUE;
  if (!call->modules.find(library))
    return CUDA_ERROR_INVALID_HANDLE;
  *module = reinterpret_cast<CUmodule>(library);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuLinkCreate_v2(unsigned count, CUjit_option *options, void **values, CUlinkState *state) {
  Call call;
  if (!call)
    return call.status;
  if (!state || (count && (!options || !values)))
    return CUDA_ERROR_INVALID_VALUE;
  *state = reinterpret_cast<CUlinkState>(call->links.add(std::make_shared<Link>()));
  return CUDA_SUCCESS;
}

/// One text only: what is put together from several would have to be renamed and merged.
CUDA_API CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t bytes, const char *,
                                   unsigned, CUjit_option *, void **) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Link> link = call->links.find(state);
  if (!link)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!data || !bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (type != JitPtx || !link->ptx.empty())
    return CUDA_ERROR_NOT_SUPPORTED;
  link->ptx.assign(static_cast<const char *>(data), strnlen(static_cast<const char *>(data), bytes));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuLinkComplete(CUlinkState state, void **image, size_t *bytes) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Link> link = call->links.find(state);
  if (!link)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!image || link->ptx.empty())
    return CUDA_ERROR_INVALID_VALUE;
  *image = link->ptx.data();
  if (bytes)
    *bytes = link->ptx.size() + 1;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuLinkDestroy(CUlinkState state) {
  Call call;
  if (!call)
    return call.status;
  return call->links.erase(state) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
