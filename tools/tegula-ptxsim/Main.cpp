//===- Main.cpp - ptxsim-run: run one kernel from the command line ------------===//
#include "Instructions.h"
#include "Machine.h"
#include "PtxModule.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cstring>

using namespace ptxsim;
using llvm::StringRef;

static const char usage[] =
    "usage: ptxsim-run FILE.ptx KERNEL [--grid X,Y,Z] [--block X,Y,Z] [--shared BYTES] [--json] [--time] ARG...\n"
    "       ptxsim-run FILE.ptx --check-only [--ir]      translate all kernels, run none\n"
    "       ptxsim-run --instructions                    the table of instructions, as markdown\n"
    "ARG: i8:N i16:N i32:N i64:N u8:N u16:N u32:N u64:N f32:X f64:X   a number\n"
    "     buffer:BYTES         device memory that nothing has written\n"
    "     in:FILE inout:FILE   device memory with the bytes of a file; inout writes it back\n"
    "     out:FILE:BYTES       device memory that is written to a file afterwards\n"
    "     bytes:HEX            a parameter given by its bytes\n"
    "Settings are read from PTXSIM_THREADS, PTXSIM_ORDER, PTXSIM_CHECK and PTXSIM_SM. Exit status 1: faults were "
    "found.\n";

namespace {
struct Output {
  std::string path;
  uint64_t address, bytes;
};

struct Options {
  std::string file, kernel;
  Launch launch{{1, 1, 1}, {1, 1, 1}, 0, {}};
  std::vector<std::string> arguments;
  bool isJson = false, isCheckOnly = false, printsIr = false, isTimed = false;
};
} // namespace

static int complain(const llvm::Twine &what) {
  llvm::errs() << "error: " << what << "\n";
  return 2;
}

static bool parseSizes(StringRef text, std::array<uint32_t, 3> &sizes) {
  sizes = {1, 1, 1};
  for (unsigned k = 0; k < 3 && !text.empty(); ++k) {
    auto [first, rest] = text.split(',');
    if (first.getAsInteger(10, sizes[k]))
      return false;
    text = rest;
  }
  return text.empty();
}

static bool parseOptions(int argc, char **argv, Options &options) {
  std::vector<StringRef> plain;
  for (int i = 1; i < argc; ++i) {
    StringRef word = argv[i];
    bool hasValue = word == "--grid" || word == "--block" || word == "--shared";
    if (hasValue && i + 1 >= argc)
      return false;
    if (word == "--grid" || word == "--block") {
      if (!parseSizes(argv[++i], word == "--grid" ? options.launch.grid : options.launch.block))
        return false;
    } else if (word == "--shared") {
      if (StringRef(argv[++i]).getAsInteger(10, options.launch.dynamicSharedBytes))
        return false;
    } else if (word == "--json") {
      options.isJson = true;
    } else if (word == "--time") {
      options.isTimed = true;
    } else if (word == "--check-only") {
      options.isCheckOnly = true;
    } else if (word == "--ir") {
      options.printsIr = true;
    } else if (word.starts_with("--")) {
      return false;
    } else {
      plain.push_back(word);
    }
  }
  if (plain.size() < (options.isCheckOnly ? 1u : 2u))
    return false;
  options.file = plain[0].str();
  if (options.isCheckOnly)
    return plain.size() == 1;
  options.kernel = plain[1].str();
  for (size_t i = 2; i < plain.size(); ++i)
    options.arguments.push_back(plain[i].str());
  return true;
}

/// The bytes of a number such as i32:5. Empty: it is none.
static std::string numberBytes(StringRef kind, StringRef value) {
  unsigned bits;
  StringRef digits = kind.drop_front();
  if (kind.size() < 2 || digits.getAsInteger(10, bits))
    return "";
  if (kind[0] == 'f') {
    double number;
    if (value.getAsDouble(number))
      return "";
    float single = static_cast<float>(number);
    return bits == 32 ? std::string(reinterpret_cast<char *>(&single), 4)
                      : std::string(reinterpret_cast<char *>(&number), 8);
  }
  int64_t number;
  uint64_t magnitude;
  if (value.getAsInteger(0, number)) {
    if (value.getAsInteger(0, magnitude))
      return "";
    number = static_cast<int64_t>(magnitude);
  }
  return std::string(reinterpret_cast<char *>(&number), bits / 8);
}

/// Makes memory for an argument. False after a message.
static bool bufferArgument(StringRef kind, StringRef value, Memory &memory, std::string &bytes,
                           std::vector<Output> &outputs) {
  uint64_t size = 0;
  std::unique_ptr<llvm::MemoryBuffer> contents;
  StringRef path = value;
  if (kind == "in" || kind == "inout") {
    auto file = llvm::MemoryBuffer::getFile(value, false, false);
    if (!file)
      return complain("cannot read '" + value + "'") == 0;
    contents = std::move(*file);
    size = contents->getBufferSize();
  } else if (kind == "out") {
    auto [name, count] = value.rsplit(':');
    path = name;
    if (count.getAsInteger(10, size))
      return complain("out: needs FILE:BYTES") == 0;
  } else if (value.getAsInteger(10, size)) {
    return complain("buffer: needs BYTES") == 0;
  }
  uint64_t address = memory.allocate(std::max<uint64_t>(size, 1));
  if (!address)
    return complain("out of memory") == 0;
  if (contents)
    memory.write(address, contents->getBufferStart(), size);
  if (kind == "inout" || kind == "out")
    outputs.push_back({path.str(), address, size});
  bytes = std::string(reinterpret_cast<char *>(&address), 8);
  return true;
}

static bool placeArguments(const Options &options, const KernelInfo &info, Memory &memory, Launch &launch,
                           std::vector<Output> &outputs) {
  if (options.arguments.size() != info.parameters.size())
    return complain("the kernel has " + llvm::Twine(info.parameters.size()) + " parameters, " +
                    llvm::Twine(options.arguments.size()) + " were given") == 0;
  launch.parameters.assign(info.parameterBytes, 0);
  for (size_t i = 0; i < info.parameters.size(); ++i) {
    auto [kind, value] = StringRef(options.arguments[i]).split(':');
    std::string bytes;
    if (kind == "buffer" || kind == "in" || kind == "inout" || kind == "out") {
      if (!bufferArgument(kind, value, memory, bytes, outputs))
        return false;
    } else if (kind == "bytes") {
      for (size_t k = 0; k + 1 < value.size(); k += 2) {
        uint8_t byte = 0;
        value.substr(k, 2).getAsInteger(16, byte);
        bytes.push_back(static_cast<char>(byte));
      }
    } else {
      bytes = numberBytes(kind, value);
    }
    if (bytes.size() != info.parameters[i].bytes)
      return complain("argument '" + options.arguments[i] + "' does not fit a parameter of " +
                      llvm::Twine(info.parameters[i].bytes) + " bytes") == 0;
    memcpy(launch.parameters.data() + info.parameters[i].offset, bytes.data(), bytes.size());
  }
  return true;
}

static const char *kindName(FaultKind kind) {
  static const char *const names[] = {"race", "barrier", "bounds", "alignment", "uninitialised", "async-wait", "other"};
  return names[static_cast<unsigned>(kind)];
}

static void printJson(const Report &report, Status status, StringRef why) {
  llvm::json::Array faults;
  for (const Fault &f : report.faults)
    faults.push_back(llvm::json::Object{{"kind", kindName(f.kind)},
                                        {"kernel", f.kernel},
                                        {"line", f.line},
                                        {"block", llvm::json::Array{f.block[0], f.block[1], f.block[2]}},
                                        {"thread", llvm::json::Array{f.thread[0], f.thread[1], f.thread[2]}},
                                        {"text", f.text},
                                        {"count", static_cast<int64_t>(f.count)}});
  llvm::json::Object kernels;
  for (auto &[name, c] : report.kernels)
    kernels[name] = llvm::json::Object{{"launches", static_cast<int64_t>(c.launches)},
                                       {"instructions", static_cast<int64_t>(c.instructions)},
                                       {"globalLoadBytes", static_cast<int64_t>(c.globalLoadBytes)},
                                       {"globalStoreBytes", static_cast<int64_t>(c.globalStoreBytes)},
                                       {"sharedLoadBytes", static_cast<int64_t>(c.sharedLoadBytes)},
                                       {"sharedStoreBytes", static_cast<int64_t>(c.sharedStoreBytes)},
                                       {"sectorsRead", static_cast<int64_t>(c.sectorsRead)},
                                       {"sectorsWritten", static_cast<int64_t>(c.sectorsWritten)},
                                       {"sharedConflicts", static_cast<int64_t>(c.sharedConflicts)},
                                       {"tensorInstructions", static_cast<int64_t>(c.tensorInstructions)}};
  llvm::json::Object all{{"status", static_cast<int>(status)},
                         {"why", why},
                         {"faults", std::move(faults)},
                         {"kernels", std::move(kernels)}};
  llvm::outs() << llvm::json::Value(std::move(all)) << "\n";
}

static void printText(const Report &report, Status status, StringRef why) {
  for (const Fault &f : report.faults) {
    llvm::outs() << f.kernel << ": line " << f.line << ": " << kindName(f.kind) << ": block (" << f.block[0] << ","
                 << f.block[1] << "," << f.block[2] << ") thread (" << f.thread[0] << "," << f.thread[1] << ","
                 << f.thread[2] << "): " << f.text;
    if (f.count > 1)
      llvm::outs() << " (" << f.count << " times)";
    llvm::outs() << "\n";
  }
  for (auto &[name, c] : report.kernels)
    llvm::outs() << name << ": " << c.instructions << " instructions, global " << c.globalLoadBytes
                 << " bytes loaded and " << c.globalStoreBytes << " stored, shared " << c.sharedLoadBytes << " and "
                 << c.sharedStoreBytes << ", sectors " << c.sectorsRead << " and " << c.sectorsWritten << ", "
                 << c.sharedConflicts << " conflicts, " << c.tensorInstructions << " tensor instructions\n";
  if (status != Status::Ok)
    llvm::outs() << "status " << static_cast<int>(status) << ": " << why << "\n";
}

static bool writeOutputs(const Memory &memory, const std::vector<Output> &outputs) {
  for (const Output &output : outputs) {
    std::vector<char> bytes(output.bytes);
    memory.read(bytes.data(), output.address, output.bytes);
    std::error_code failed;
    llvm::raw_fd_ostream file(output.path, failed);
    if (failed)
      return complain("cannot write '" + output.path + "'") == 0;
    file.write(bytes.data(), bytes.size());
  }
  return true;
}

static int checkOnly(const Options &options, const PtxModule &module) {
  if (options.printsIr)
    module.print(llvm::outs());
  for (const std::string &name : module.kernelNames()) {
    std::string log;
    auto start = std::chrono::steady_clock::now();
    if (!module.compile(name, log))
      return complain(log);
    std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    if (options.isTimed)
      llvm::errs() << name << ": translated in " << static_cast<int>(time.count()) << " ms\n";
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && StringRef(argv[1]) == "--instructions") {
    llvm::outs() << instructionTable();
    return 0;
  }
  Options options;
  if (!parseOptions(argc, argv, options)) {
    llvm::errs() << usage;
    return 2;
  }
  auto file = llvm::MemoryBuffer::getFile(options.file);
  if (!file)
    return complain("cannot read '" + options.file + "'");
  Settings settings = Settings::read();
  Memory memory;
  Status status;
  std::string log;
  std::unique_ptr<Module> module = Module::load((*file)->getBuffer(), settings.sm, memory, status, log);
  if (!module)
    return complain(options.file + ": " + log);
  if (options.isCheckOnly)
    return checkOnly(options, static_cast<const PtxModule &>(*module));
  const KernelInfo *info = module->kernel(options.kernel);
  if (!info)
    return complain("there is no kernel '" + options.kernel + "'");
  std::vector<Output> outputs;
  if (!placeArguments(options, *info, memory, options.launch, outputs))
    return 2;
  Machine machine(settings, memory);
  auto start = std::chrono::steady_clock::now();
  status = machine.run(*module, options.kernel, options.launch, log);
  std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  if (options.isTimed)
    llvm::errs() << "translated and run in " << static_cast<int>(time.count()) << " ms\n";
  Report report = machine.report();
  options.isJson ? printJson(report, status, log) : printText(report, status, log);
  if (!writeOutputs(memory, outputs))
    return 2;
  return report.faults.empty() && status == Status::Ok ? 0 : 1;
}
