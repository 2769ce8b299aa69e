//===- Compile.cpp - from options to an artifact -------------------------------------------===//

#include "tegula/compiler/Passes.h"
#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/import/Importer.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

namespace tegula {

static int fail(MLIRContext &context, int code, const Twine &text) {
  emitError(UnknownLoc::get(&context)) << text;
  return code;
}

static std::string symbolOf(const CompileOptions &options) {
  StringRef name = options.name.empty() ? llvm::sys::path::stem(options.output) : StringRef(options.name);
  if (name.empty() || name == "-")
    name = llvm::sys::path::stem(options.input);
  return sanitizeSymbol(name);
}

static OwningOpRef<ModuleOp> readModel(const CompileOptions &options, MLIRContext &context, int &code) {
  ImportOptions import;
  for (auto &[name, shape] : options.shapes)
    import.shapes[name] = shape;
  for (auto &[name, extent] : options.dims)
    import.dims[name] = extent;
  import.symbol = symbolOf(options);
  return importOnnx(options.input, import, context, code);
}

/// Reads the text of a stage. What is not legal after the stage is refused here: further on it would look like a bug.
static OwningOpRef<ModuleOp> readStage(const CompileOptions &options, Stage stage, MLIRContext &context, int &code) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(options.input, /*IsText=*/true);
  if (!buffer) {
    code = fail(context, kIoError, "[T0001] cannot read '" + options.input + "': " + buffer.getError().message());
    return {};
  }
  code = kModelError;
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*buffer), llvm::SMLoc());
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  PassManager pm(&context);
  pm.addPass(createVerifyStage(stage));
  if (!module || failed(pm.run(*module)))
    return {};
  code = kOk;
  return module;
}

static const Target *targetFor(ArrayRef<std::unique_ptr<Target>> targets, StringRef device) {
  for (const std::unique_ptr<Target> &target : targets)
    if (target->accepts(device))
      return target.get();
  return nullptr;
}

/// Runs one stage; with --save-temps its text is kept.
static LogicalResult runStage(Stage stage, const Target &target, const CompileOptions &options, ModuleOp module) {
  PassManager pm(module.getContext());
  addStage(stage, target, options, pm);
  if (options.timePasses)
    pm.enableTiming();
  if (options.printIrAfterAll) {
    module.getContext()->disableMultithreading();
    pm.enableIRPrinting([](Pass *, Operation *) { return false; }, [](Pass *, Operation *) { return true; });
  }
  if (failed(pm.run(module)))
    return failure();
  if (!options.saveTemps.empty()) {
    SmallString<128> path(options.saveTemps);
    (void)llvm::sys::fs::create_directories(path);
    llvm::sys::path::append(path, symbolOf(options) + "." + infoOf(stage).word + ".mlir");
    std::error_code error;
    llvm::raw_fd_ostream stream(path, error);
    if (!error)
      module.print(stream, OpPrintingFlags().enableDebugInfo(true));
  }
  return success();
}

int compile(const CompileOptions &options, MLIRContext &context) {
  std::vector<std::unique_ptr<Target>> targets = createTargets();
  const Target *target = targetFor(targets, options.device);
  if (!target)
    return fail(context, kUsageError, "no target for --device=" + options.device);
  std::optional<Stage> first, last;
  if (!options.startAfter.empty() && !(first = parseStage(options.startAfter)))
    return fail(context, kUsageError, "--start-after=" + options.startAfter + " is not a stage");
  if (!options.stopAfter.empty() && !(last = parseStage(options.stopAfter)))
    return fail(context, kUsageError, "--stop-after=" + options.stopAfter + " is not a stage");
  if (first && last && *last < *first)
    return fail(context, kUsageError, "--stop-after=" + options.stopAfter + " comes before the stage to start after");
  std::string why;
  FailureOr<tgl::TargetAttr> attr = target->parse(options, &context, why);
  if (failed(attr))
    return fail(context, kUsageError, why);

  int code = kOk;
  OwningOpRef<ModuleOp> module = first ? readStage(options, *first, context, code) : readModel(options, context, code);
  if (!module)
    return code ? code : (int)kModelError;
  if (!(*module)->hasAttr(tgl::kTarget))
    (*module)->setAttr(tgl::kTarget, *attr);
  for (const StageInfo &info : stages()) {
    bool isDone = first && info.stage <= *first;
    if (!isDone && failed(runStage(info.stage, *target, options, *module)))
      return kInternalError;
    if (last && info.stage == *last)
      return writeText(*module, options.output, why) ? (int)kOk : fail(context, kIoError, why);
  }
  if (!entryOf(*module))
    return fail(context, kModelError, "[T0201] no function has tgl.inputs: nothing to emit");
  code = target->emit(*module, options, why);
  return code == kOk ? code : fail(context, code, why);
}

} // namespace tegula
