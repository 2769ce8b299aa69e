//===- Emit.cpp - the artifact of the CPU target ---------------------------------------------------===//

#include "tegula/compiler/emit/DataObject.h"
#include "tegula/compiler/emit/Descriptor.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/Link.h"
#include "tegula/compiler/emit/Machine.h"
#include "tegula/compiler/emit/ModuleText.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/emit/Passes.h"
#include "tegula/compiler/emit/Weights.h"

#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <mutex>
#include <thread>

using namespace mlir;

namespace tegula {

namespace {
/// One LLVM module with its own context, so that several can be compiled at once.
struct Part {
  std::unique_ptr<llvm::LLVMContext> context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> module;
  std::string object; // path
  bool isOptimized = false;
  std::string why;
};
} // namespace

/// Modules that are compiled at once; not the number of cores, which would show in the artifact's bytes.
static constexpr unsigned kParts = 4;

std::string kindOf(const CompileOptions &options) {
  if (!options.emit.empty())
    return options.emit;
  StringRef suffix = llvm::sys::path::extension(options.output);
  return llvm::StringSwitch<std::string>(suffix)
      .Case(".so", "shared")
      .Case(".o", "obj")
      .Case(".a", "lib")
      .Case(".h", "header")
      .Case(".ll", "llvm")
      .Case(".s", "asm")
      .Case(".mlir", "mlir")
      .Case(".ptx", "ptx")
      .Case(".cubin", "cubin")
      .Case(".fatbin", "fatbin")
      .Default("");
}

/// Copies the entry (part 0) or every `count`-th unit with its thunk into a module of its own; other functions become
/// declarations.
static OwningOpRef<ModuleOp> extractPart(ModuleOp module, unsigned part, unsigned count) {
  OwningOpRef<ModuleOp> copy = ModuleOp::create(module.getLoc());
  OpBuilder b = OpBuilder::atBlockEnd(copy->getBody());
  llvm::StringMap<unsigned> owner;
  unsigned next = 0;
  auto ownerOf = [&](LLVM::LLVMFuncOp function) -> unsigned {
    if (!function->hasAttr(kKernel))
      return 0;
    StringRef base = function.getName().split('.').first; // a thunk goes with its unit
    auto [known, isNew] = owner.try_emplace(base, next % count);
    next += isNew;
    return known->second;
  };
  for (Operation &op : module.getBody()->getOperations()) {
    auto function = dyn_cast<LLVM::LLVMFuncOp>(op);
    if (!function || function.isExternal()) {
      b.clone(op);
      continue;
    }
    if (ownerOf(function) == part) {
      auto clone = cast<LLVM::LLVMFuncOp>(b.clone(op));
      clone.setLinkage(LLVM::Linkage::External);
      continue;
    }
    auto declared = LLVM::LLVMFuncOp::create(b, function.getLoc(), function.getName(), function.getFunctionType());
    (void)declared;
  }
  return copy;
}

/// Gives what the artifact defines the model's prefix and hides it.
static void prefixSymbols(llvm::Module &module, StringRef symbol, StringRef entry) {
  auto isOurs = [&](StringRef name) {
    return name.starts_with("unit_") || name.starts_with("__constant") || name == entry;
  };
  auto rename = [&](llvm::GlobalValue &value) {
    if (!isOurs(value.getName()))
      return;
    std::string plain = value.getName() == entry ? "main" : value.getName().str();
    value.setName(symbol + "__" + plain);
    value.setLinkage(llvm::GlobalValue::ExternalLinkage);
    value.setVisibility(llvm::GlobalValue::HiddenVisibility);
    value.setDSOLocal(true);
  };
  for (llvm::Function &function : module)
    rename(function);
  for (llvm::GlobalVariable &global : module.globals())
    rename(global);
}

static bool writeObject(Part &part, llvm::TargetMachine &machine, llvm::CodeGenFileType type,
                        llvm::raw_pwrite_stream &stream) {
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type)) {
    part.why = "the target cannot write this kind of file";
    return false;
  }
  passes.run(*part.module);
  return true;
}

static void compilePart(Part &part, tgl::TargetAttr target, int optLevel) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, optLevel, part.why);
  if (!machine)
    return;
  if (!part.isOptimized)
    optimize(*part.module, *machine, target, optLevel);
  std::error_code error;
  llvm::raw_fd_ostream stream(part.object, error);
  if (error) {
    part.why = "cannot write '" + part.object + "': " + error.message();
    return;
  }
  writeObject(part, *machine, llvm::CodeGenFileType::ObjectFile, stream);
}

/// Compiles the parts on all cores.
static void compileParts(std::vector<Part> &parts, tgl::TargetAttr target, const CompileOptions &options) {
  std::vector<std::thread> workers;
  std::atomic<size_t> nextPart{0};
  std::mutex reporting;
  size_t done = 0;
  auto work = [&] {
    for (size_t index = nextPart++; index < parts.size(); index = nextPart++) {
      compilePart(parts[index], target, options.optLevel);
      std::lock_guard<std::mutex> lock(reporting);
      ++done;
      if (options.onProgress)
        options.onProgress({0, 0, "", std::to_string(done) + " of " + std::to_string(parts.size()) + " parts", false});
    }
  };
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < threads; ++i)
    workers.emplace_back(work);
  for (std::thread &worker : workers)
    worker.join();
}

/// Adds the runtime as the last part. Objects for a machine whose runtime is not built in go without it, with a
/// warning.
static bool addRuntime(ModuleOp module, StringRef kind, const DeviceImage *device, const llvm::TargetMachine &machine,
                       std::vector<Part> &parts, std::string &why) {
  const llvm::Triple &triple = machine.getTargetTriple();
  if (!triple.isOSBinFormatELF() || !triple.isArch64Bit() || !triple.isLittleEndian()) {
    why = "objects are written for 64-bit little-endian ELF machines only, not for " + triple.str() +
          "; .s and .ll can be had for it";
    return false;
  }
  Part runtime;
  runtime.module = loadRuntime(*runtime.context, triple, device ? device->runtime : "", why);
  if (!runtime.module && kind == "shared") {
    why += "; .o, .a, .s and .ll can be had for it";
    return false;
  }
  if (!runtime.module) {
    emitWarning(module.getLoc()) << why << ": compile runtime/core/*.c and runtime/cpu/*.c for it and link them";
    runtime.module = std::make_unique<llvm::Module>("runtime", *runtime.context);
  }
  runtime.module->setDataLayout(machine.createDataLayout());
  runtime.module->setTargetTriple(triple);
  parts.push_back(std::move(runtime));
  return true;
}

static bool buildParts(ModuleOp module, const CompileOptions &options, StringRef symbol, tgl::TargetAttr target,
                       unsigned count, const DeviceImage *device, std::vector<Part> &parts, std::string &why) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, options.optLevel, why);
  if (!machine)
    return false;
  std::string entry = SymbolTable::getSymbolName(entryOf(module)).str();
  for (unsigned index = 0; index < count; ++index) {
    OwningOpRef<ModuleOp> piece = extractPart(module, index, count);
    Part part;
    part.module = translateModuleToLLVMIR(*piece, *part.context, symbol);
    if (!part.module) {
      why = "translation to LLVM IR failed";
      return false;
    }
    part.module->setDataLayout(machine->createDataLayout());
    part.module->setTargetTriple(machine->getTargetTriple());
    prefixSymbols(*part.module, symbol, entry);
    if (index == 0)
      addDescriptor(*part.module, module, symbol, machine->getTargetTriple(), device);
    parts.push_back(std::move(part));
  }
  return true;
}

static int writeTextForm(std::vector<Part> &parts, StringRef kind, const CompileOptions &options,
                         tgl::TargetAttr target, std::string &why) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, options.optLevel, why);
  if (!machine)
    return kind.empty() ? 70 : 2;
  for (Part &part : parts)
    if (!part.isOptimized)
      optimize(*part.module, *machine, target, options.optLevel);
  bool ok = writeFile(options.output, why, [&](llvm::raw_pwrite_stream &stream) {
    if (kind == "llvm")
      parts.front().module->print(stream, nullptr);
    else
      writeObject(parts.front(), *machine, llvm::CodeGenFileType::AssemblyFile, stream);
  });
  return ok ? 0 : 3;
}

/// Whether the units call functions of libm (all other outside functions are the runtime's or libc's).
static bool needsLibm(llvm::ArrayRef<Part> code) {
  for (const Part &part : code)
    for (const llvm::Function &function : *part.module) {
      llvm::StringRef name = function.getName();
      if (function.isDeclaration() && !function.isIntrinsic() && !name.contains("__unit_") &&
          !name.starts_with("tegula_") && !name.starts_with("mem"))
        return true;
    }
  return false;
}

/// Compiles the parts and writes the weights to `objects`, in this order: code, weights, runtime.
static bool writeObjects(ModuleOp module, StringRef symbol, std::vector<Part> &parts, tgl::TargetAttr target,
                         const CompileOptions &options, const DeviceImage *device, ArrayRef<std::string> objects,
                         std::string &why) {
  size_t weights = parts.size() - 1;
  for (auto [index, part] : llvm::enumerate(parts))
    part.object = objects[index < weights ? index : index + 1];
  compileParts(parts, target, options);
  for (Part &part : parts)
    if (!part.why.empty()) {
      why = part.why;
      return false;
    }
  std::list<std::string> storage;
  std::vector<NamedData> data = constantsOf(module, symbol, storage);
  if (device)
    data.push_back({(symbol + kDeviceImage).str(), device->bytes});
  if (!writeDataObject(data, parts.front().object, objects[weights], why))
    return false;
  if (!options.keepWeights) { // the linker needs room for the same bytes
    module->removeAttr(kConstants);
    releaseUnusedWeights(module);
  }
  return true;
}

std::string symbolOf(const CompileOptions &options) {
  return sanitizeSymbol(options.name.empty() ? llvm::sys::path::stem(options.output).str() : options.name);
}

int emitArtifact(ModuleOp module, const CompileOptions &options, const DeviceImage *device, std::string &why) {
  std::string kind = kindOf(options), symbol = symbolOf(options);
  if (kind == "mlir")
    return writeText(module, options.output, why) ? 0 : 3;
  if (kind == "header")
    return writeFile(options.output, why, [&](llvm::raw_pwrite_stream &os) { os << headerText(module, symbol); }) ? 0
                                                                                                                  : 3;
  if (!llvm::is_contained({"shared", "obj", "lib", "llvm", "asm"}, kind)) {
    why = "cannot tell what to write from '" + options.output +
          "'; use --emit=shared, obj, lib, header, llvm, asm or mlir";
    return 2;
  }
  auto target = module->getAttrOfType<tgl::TargetAttr>(tgl::kTarget);
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  bool isText = kind == "llvm" || kind == "asm";
  unsigned count = isText ? 1 : kParts;
  std::vector<Part> parts;
  if (!buildParts(module, options, symbol, target, count, device, parts, why))
    return 70;
  if (isText)
    return writeTextForm(parts, kind, options, target, why);
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target, options.optLevel, why);
  if (!machine || !addRuntime(module, kind, device, *machine, parts, why))
    return 1;

  std::string output = temporaryBeside(options.output, why);
  if (output.empty())
    return 3;
  std::vector<std::string> objects, needed;
  if (kind == "shared" && needsLibm(llvm::ArrayRef<Part>(parts).take_front(count)))
    needed.push_back("libm.so.6");
  for (size_t index = 0; index <= parts.size(); ++index)
    objects.push_back(output + "." + std::to_string(index) + ".o");
  bool ok = writeObjects(module, symbol, parts, target, options, device, objects, why);
  int code = ok ? 0 : 3;
  if (ok) {
    ok = kind == "lib" ? writeArchiveFile(objects, symbol, output, why)
                       : linkObjects(objects, objects[count], output, kind == "obj", needed, why);
    code = ok ? 0 : 6;
  }
  for (const std::string &object : objects)
    (void)llvm::sys::fs::remove(object);
  if (!ok) {
    (void)llvm::sys::fs::remove(output);
    return code;
  }
  (void)llvm::sys::fs::setPermissions(
      output, llvm::sys::fs::perms::all_read | llvm::sys::fs::perms::owner_write |
                  (kind == "shared" ? llvm::sys::fs::perms::all_exe : llvm::sys::fs::perms::no_perms));
  return moveFile(output, options.output, why) ? 0 : 3;
}

} // namespace tegula
