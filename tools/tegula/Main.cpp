//===- Main.cpp - tegula, the companion of the compiler -------------------===//
#include "Command.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

namespace {
struct Command {
  StringRef name, summary;
  Error (*function)(ArrayRef<StringRef>);
};
} // namespace

static constexpr Command commands[] = {
    {"run", "run an artifact on .npy, .pb or random inputs and write its outputs", runCommand},
    {"bench", "measure an artifact: latency, time per node, share of the machine's peak, memory", benchCommand},
    {"inspect", "say what an artifact or a model holds", inspectCommand},
    {"quantize", "make a model of integers from one of real numbers: standard ONNX with QuantizeLinear",
     quantizeCommand},
    {"report", "one page: time per node, roofline, memory over time, what was fused and why not", reportCommand},
};

static void printUsage(raw_ostream &stream) {
  stream << "usage: tegula COMMAND [options]; tegula COMMAND --help\n";
  for (const Command &command : commands)
    stream << "  " << left_justify(command.name, 10) << command.summary << "\n";
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  SmallVector<StringRef> words(argv + 1, argv + argc);
  if (words.empty()) {
    printUsage(errs());
    return static_cast<int>(Exit::Usage);
  }
  if (words.front() == "--help" || words.front() == "-h") {
    printUsage(outs());
    return 0;
  }
  if (words.front() == "--version") {
    outs() << "tegula 0.1.0\n";
    return 0;
  }
  for (const Command &command : commands)
    if (command.name == words.front())
      return exitCode(command.function(ArrayRef(words).drop_front()));
  return exitCode(fail(Exit::Usage, "unknown command '" + words.front() + "'; see --help"));
}
