//===- PtxModule.cpp - load a text, compile its kernels -----------------------===//
#include "PtxModule.h"
#include "Jit.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <set>

using llvm::StringRef;

namespace ptxsim {

std::unique_ptr<Module> Module::load(StringRef ptx, unsigned sm, Memory &memory, Status &status, std::string &log) {
  auto module = std::make_unique<PtxModule>(memory);
  status = module->build(ptx, sm, log);
  if (status != Status::Ok)
    return nullptr;
  return module;
}

PtxModule::~PtxModule() {
  for (uint64_t address : allocations)
    memory.release(address);
}

Status PtxModule::build(StringRef ptx, unsigned sm, std::string &log) {
  // The text may end with the zero byte of a C string.
  source = ptx.take_until([](char c) { return c == 0; }).str();
  if (!parse(source, text, log))
    return Status::InvalidPtx;
  if (text.sm > sm) {
    log = "the text is for sm_" + std::to_string(text.sm) + ", the device is sm_" + std::to_string(sm);
    return Status::InvalidPtx;
  }
  if (!placeVariables(log))
    return log.find("memory") == std::string::npos ? Status::InvalidPtx : Status::OutOfMemory;
  for (const Function &function : text.functions)
    if (function.isEntry && function.hasBody && !buildKernel(function, log))
      return Status::InvalidPtx;
  return Status::Ok;
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

bool PtxModule::placeVariables(std::string &log) {
  auto isInMemory = [](const Variable &v) { return v.space == Space::Global || v.space == Space::Const; };
  for (const Variable &variable : text.variables) {
    if (!isInMemory(variable) || globals.count(variable.name))
      continue;
    uint64_t address = memory.allocate(std::max<uint64_t>(variable.bytes, 1));
    if (!address) {
      log = "out of memory for the variable '" + variable.name + "'";
      return false;
    }
    allocations.push_back(address);
    globals[variable.name] = {Space::Global, address, variable.bytes};
  }
  for (const Variable &variable : text.variables)
    if (isInMemory(variable) && !writeVariable(variable, log))
      return false;
  return true;
}

bool PtxModule::writeVariable(const Variable &variable, std::string &log) {
  std::vector<char> bytes = variable.initialiser;
  bytes.resize(variable.bytes);
  for (const Relocation &relocation : variable.relocations) {
    auto found = globals.find(relocation.symbol);
    if (found == globals.end()) {
      log = "line " + std::to_string(variable.line) + ": '" + variable.name + "' has the address of '" +
            relocation.symbol + "', which is no variable in memory";
      return false;
    }
    uint64_t value = (found->second.address + relocation.addend) >> (relocation.bytes >> 8) * 8;
    memcpy(bytes.data() + relocation.offset, &value, std::min(relocation.bytes & 255, 8u));
  }
  if (!bytes.empty() && (!variable.isExtern || !variable.initialiser.empty()))
    memory.write(globals[variable.name].address, bytes.data(), bytes.size());
  return true;
}

/// Names that the instructions use.
static void collectNames(const Operand &operand, std::set<std::string> &names) {
  if (!operand.symbol.empty())
    names.insert(operand.symbol);
  for (const Operand &element : operand.elements)
    collectNames(element, names);
}

bool PtxModule::placeKernelVariables(Kernel &kernel, std::string &log) {
  std::set<std::string> used;
  for (const Instruction &instruction : kernel.expanded.instructions)
    for (const Operand &operand : instruction.operands)
      collectNames(operand, used);
  uint64_t shared = 0, local = 0, parameters = 0, dynamicAlign = 16;
  std::vector<const Variable *> dynamic;
  auto place = [&](const Variable &variable, uint64_t &end, Space space) {
    end = llvm::alignTo(end, std::max<uint64_t>(variable.align, 1));
    kernel.symbols[variable.name] = {space, end, variable.bytes};
    end += variable.bytes;
  };
  kernel.symbols = globals;
  for (const Variable &parameter : kernel.expanded.parameters) {
    place(parameter, parameters, Space::Param);
    const Symbol &symbol = kernel.symbols[parameter.name];
    kernel.info.parameters.push_back({static_cast<uint32_t>(symbol.address), static_cast<uint32_t>(symbol.bytes)});
  }
  for (const auto *list : {&text.variables, &kernel.expanded.variables})
    for (const Variable &variable : *list) {
      if (variable.space == Space::Shared && used.count(variable.name) && !kernel.symbols.count(variable.name)) {
        if (variable.isExtern) {
          dynamic.push_back(&variable);
          dynamicAlign = std::max(dynamicAlign, variable.align);
        } else {
          place(variable, shared, Space::Shared);
        }
      } else if (variable.space == Space::Local || variable.space == Space::Param) {
        place(variable, local, Space::Local);
      }
    }
  kernel.info.staticSharedBytes = shared;
  kernel.dynamicOffset = dynamic.empty() ? shared : llvm::alignTo(shared, dynamicAlign);
  for (const Variable *variable : dynamic)
    kernel.symbols[variable->name] = {Space::Shared, kernel.dynamicOffset, 0};
  kernel.info.localBytes = llvm::alignTo(local, 16);
  kernel.info.parameterBytes = parameters;
  if (parameters > 32764 || shared > 227 * 1024 || local > (512 << 10)) {
    log = "line " + std::to_string(kernel.expanded.line) + ": too many bytes of parameters, shared or local memory";
    return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

bool PtxModule::buildKernel(const Function &function, std::string &log) {
  auto kernel = std::make_unique<Kernel>();
  kernel->info.name = function.name;
  if (function.maxThreads)
    kernel->info.maxThreads = function.maxThreads;
  if (!expandCalls(text, function, kernel->expanded, log) || !placeKernelVariables(*kernel, log))
    return false;
  kernel->context = std::make_unique<llvm::LLVMContext>();
  kernel->code = std::make_unique<llvm::Module>(function.name, *kernel->context);
  Emitter emitter(kernel->expanded, kernel->symbols, *kernel->code, kernel->constants, Settings::read().isAdversarial,
                  log);
  if (!emitter.run("ptxsim.kernel." + function.name))
    return false;
  kernel->frameBytes = emitter.frameBytes();
  kernel->info.registers = std::min(255u, emitter.liveWords() + 8);
  kernels[function.name] = std::move(kernel);
  return true;
}

const Kernel *PtxModule::compile(StringRef name, std::string &log) const {
  auto found = kernels.find(name.str());
  if (found == kernels.end())
    return nullptr;
  Kernel &kernel = *found->second;
  if (kernel.entry)
    return &kernel;
  if (!jit)
    jit = makeJit(log);
  if (!jit)
    return nullptr;
  std::string symbol = "ptxsim.kernel." + kernel.info.name;
  kernel.entry =
      reinterpret_cast<KernelCode>(addToJit(*jit, std::move(kernel.code), std::move(kernel.context), symbol, log));
  return kernel.entry ? &kernel : nullptr;
}

const KernelInfo *PtxModule::kernel(StringRef name) const {
  auto found = kernels.find(name.str());
  return found == kernels.end() ? nullptr : &found->second->info;
}

std::vector<std::string> PtxModule::kernelNames() const {
  std::vector<std::string> names;
  for (auto &[name, kernel] : kernels)
    names.push_back(name);
  return names;
}

std::pair<uint64_t, uint64_t> PtxModule::global(StringRef name) const {
  auto found = globals.find(name.str());
  if (found == globals.end())
    return {0, 0};
  return {found->second.address, found->second.bytes};
}

void PtxModule::print(llvm::raw_ostream &out) const {
  for (auto &[name, kernel] : kernels)
    if (kernel->code)
      kernel->code->print(out, nullptr);
}

} // namespace ptxsim
