//===- tegulac.cpp - the compiler driver -----------------------------------------------------===//

#include "Diagnostics.h"
#include "Flags.h"
#include "Quantize.h"

#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/import/Importer.h"
#include "tegula/tools/ProgressLine.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllPasses.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Signals.h"
#include <cstring>
#include <unistd.h>

using namespace tegula;

static void printSupportedOps() {
  llvm::json::Array rows;
  for (auto &[name, version] : supportedOperators())
    rows.push_back(llvm::json::Object{{"op", name}, {"since", version}});
  llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(rows))) << "\n";
}

/// The file that the handler below speaks of.
static const char *handledFile = "tegulac";

/// Memory ran out: nothing may be allocated here. Temporary files are removed.
static void outOfMemory(void *, const char *, bool) {
  llvm::sys::RunInterruptHandlers();
  for (const char *words :
       {handledFile, ": error[T0401]: out of memory; the model needs more than this process may have\n"})
    (void)!write(STDERR_FILENO, words, strlen(words));
  _exit(kLimitError);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::install_bad_alloc_error_handler(outOfMemory);
  Request request;
  int exitCode = kOk;
  if (!parseFlags(argc, argv, request, exitCode))
    return exitCode;
  if (request.isSupportedOps) {
    printSupportedOps();
    return kOk;
  }
  llvm::SmallString<128> quantized;
  llvm::scope_exit removeQuantized([&] {
    if (!quantized.empty())
      for (llvm::StringRef suffix : {"", ".data"})
        (void)llvm::sys::fs::remove(quantized + suffix);
  });
  if (!request.quantize.kind.empty()) {
    if (llvm::sys::fs::createTemporaryFile("tegula-quantized", "onnx", quantized)) {
      llvm::errs() << "tegulac: error: cannot make a temporary file\n";
      return kIoError;
    }
    llvm::sys::RemoveFileOnSignal(quantized);
    if (int code = quantizeInput(request, quantized))
      return code;
    request.options.input = quantized.str().str();
  }
  handledFile = request.options.input.c_str();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  if (!request.options.passes.empty()) {
    mlir::registerAllPasses();
    registerPasses();
  }
  for (auto &[kind, path] : request.plugins) {
    std::string why;
    if (!loadPlugin(path, kind, registry, why)) {
      llvm::errs() << "tegulac: error: cannot load plugin: " << why << "\n";
      return kIoError;
    }
  }
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  DiagnosticPrinter printer(context, request.options.input, request.options.diagnostics == "json");
  ProgressLine line("tegulac", request.progress);
  // Asked before the printer above: a message begins on a line of its own.
  mlir::ScopedDiagnosticHandler clearer(&context, [&](mlir::Diagnostic &) {
    line.clear();
    return mlir::failure();
  });
  if (line.isShown())
    request.options.onProgress = [&](const Progress &progress) {
      line.show(progress.number, progress.count, progress.name, progress.detail, progress.isDone);
    };
  // A signal in a pass is caught there, with a reproducer; this is for those outside of passes, where the model is one.
  llvm::CrashRecoveryContext::Enable();
  llvm::CrashRecoveryContext recovery;
  recovery.DumpStackAndCleanupOnFailure = true;
  if (recovery.RunSafely([&] { exitCode = compile(request.options, context); }))
    return exitCode;
  llvm::errs() << request.options.input << ": error[T9002]: the compiler crashed\n"
               << "help: please report it; '" << request.options.input << "' with these options reproduces it\n";
  llvm::errs().flush();
  _exit(kInternalError); // nothing can be destroyed safely
}
