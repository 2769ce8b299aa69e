//===- Compile.cpp - from options to an artifact -------------------------------------------===//

#include "tegula/compiler/Passes.h"
#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/Plans.h"
#include "tegula/compiler/Report.h"
#include "tegula/compiler/Tune.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/ModuleText.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/emit/Weights.h"
#include "tegula/compiler/import/Importer.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include <mutex>

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

static bool isReport(const CompileOptions &options) {
  return options.emit == "report" || (options.emit.empty() && StringRef(options.output).ends_with(".json"));
}

/// Tells how far the compilation has come: stages by their number, the target's code last.
static void reportProgress(const CompileOptions &options, int number, StringRef name, std::string detail, bool isDone) {
  if (options.onProgress)
    options.onProgress({number, static_cast<int>(stages().size()) + 1, name, std::move(detail), isDone});
}

/// Hands the module to the target, which knows nothing of the steps before.
static int emit(const Target &target, const CompileOptions &options, ModuleOp module, std::string &why) {
  int number = static_cast<int>(stages().size()) + 1;
  CompileOptions forTarget = options;
  if (options.onProgress)
    forTarget.onProgress = [&](const Progress &progress) {
      reportProgress(options, number, "code", progress.detail, false);
    };
  reportProgress(options, number, "code", "", false);
  int code = target.emit(module, forTarget, why);
  reportProgress(options, number, "code", code ? "failed" : "", true);
  return code;
}

/// What is counted after a stage: ops while there is a graph, then units.
static std::string sizeOf(ModuleOp module, Stage stage) {
  size_t count = 0;
  if (stage == Stage::Import || stage == Stage::Graph) {
    module.walk([&](Operation *op) { count += op->getName().getDialectNamespace() == "nn"; });
    return std::to_string(count) + " ops";
  }
  module.walk<WalkOrder::PreOrder>([&](scf::ForallOp) {
    ++count;
    return WalkResult::skip();
  });
  return count ? std::to_string(count) + " units" : "";
}

namespace {
/// Names the pass that runs, for whoever watches.
struct PassWatcher : PassInstrumentation {
  PassWatcher(const CompileOptions &options, int number, StringRef stage)
      : options(options), number(number), stage(stage) {}
  void runBeforePass(Pass *pass, Operation *) override {
    std::lock_guard<std::mutex> lock(reporting);
    reportProgress(options, number, stage, pass->getArgument().str(), false);
  }
  const CompileOptions &options;
  int number;
  StringRef stage;
  std::mutex reporting; // functions are compiled in parallel
};
} // namespace

/// Adds what --pass-pipeline=STAGE:PIPELINE asks for at the end of this stage.
static LogicalResult addPasses(const CompileOptions &options, Stage stage, PassManager &pm) {
  for (const std::string &text : options.passes) {
    auto [where, pipeline] = StringRef(text).split(':');
    if (where != infoOf(stage).word)
      continue;
    if (failed(parsePassPipeline(pipeline, pm, llvm::errs())))
      return emitError(UnknownLoc::get(pm.getContext())) << "--pass-pipeline=" << text << " is not a pipeline";
    pm.addPass(createVerifyStage(stage));
  }
  return success();
}

static void saveText(ModuleOp module, StringRef stage, const CompileOptions &options) {
  SmallString<128> path(options.saveTemps);
  (void)llvm::sys::fs::create_directories(path);
  llvm::sys::path::append(path, symbolOf(options) + "." + stage + ".mlir");
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error)
    module.print(stream, OpPrintingFlags().enableDebugInfo(true));
}

static constexpr StringRef kReproducer = "tegula-crash.mlir";

/// Of a constant, by --print-ir-after-all.
static constexpr int64_t kPrintedElements = 64;

/// Runs one stage; with --save-temps its text is kept. The weights of `kept`, another module, stay.
static int runStage(Stage stage, const Target &target, const CompileOptions &options, ModuleOp module,
                    ModuleOp kept = {}) {
  PassManager pm(module.getContext());
  StringRef word = infoOf(stage).word;
  int number = static_cast<int>(stage) + 1;
  if (options.onProgress)
    pm.addInstrumentation(std::make_unique<PassWatcher>(options, number, word));
  addStage(stage, target, options, pm);
  if (failed(addPasses(options, stage, pm)))
    return kUsageError;
  // On a failed pass or a crash in one: the module as it was before, with the pipeline.
  pm.enableCrashReproducerGeneration(kReproducer);
  if (options.timePasses)
    pm.enableTiming();
  if (options.printIrAfterAll) {
    module.getContext()->disableMultithreading();
    // What the pass worked on, without the weights: else tens of gigabytes for a model of 100 MB.
    OpPrintingFlags flags;
    flags.elideLargeElementsAttrs(kPrintedElements).elideLargeResourceString(kPrintedElements);
    pm.enableIRPrinting([](Pass *, Operation *) { return false; }, [](Pass *, Operation *) { return true; },
                        /*printModuleScope=*/false, /*printAfterOnlyOnChange=*/true, /*printAfterOnlyOnFailure=*/false,
                        llvm::errs(), flags);
  }
  if (failed(pm.run(module)))
    return kInternalError;
  releaseUnusedWeights(kept ? ArrayRef<ModuleOp>{module, kept} : ArrayRef<ModuleOp>(module));
  if (!options.saveTemps.empty())
    saveText(module, word, options);
  if (options.onProgress)
    reportProgress(options, number, word, sizeOf(module, stage), true);
  return kOk;
}

/// Measures plans with the graph that `module` holds, and leaves the best of them on it and in the file of plans.
static int tune(const Target &target, const CompileOptions &options, ModuleOp module) {
  auto build = [&](ModuleOp copy, const CompileOptions &how) -> int {
    for (Stage stage : {Stage::Tile, Stage::Buffer, Stage::Emit})
      if (int code = runStage(stage, target, how, copy, module))
        return code;
    std::string why;
    int code = target.emit(copy, how, why);
    return code ? fail(*copy.getContext(), code, why) : (int)kOk;
  };
  auto tell = [&](std::string detail, bool isDone) {
    reportProgress(options, static_cast<int>(Stage::Tile) + 1, "tuning", std::move(detail), isDone);
  };
  std::string why;
  int code = tunePlans(module, options, build, tell, why);
  if (code == kOk &&
      !writePlans(options.tuneDb, tgl::targetOf(module), module->getAttrOfType<DictionaryAttr>(tgl::kPlans), why))
    code = kIoError;
  return code && !why.empty() ? fail(*module.getContext(), code, why) : code;
}

/// Runs the stages between `first` and `last` (both may be absent); `report`, if any, looks at what they leave.
static int runStages(std::optional<Stage> first, std::optional<Stage> last, const Target &target,
                     const CompileOptions &options, ModuleOp module, Report *report) {
  for (const StageInfo &info : stages()) {
    bool isDone = first && info.stage <= *first;
    if (info.stage == Stage::Tile && !isDone && options.tuneSeconds > 0)
      if (int code = tune(target, options, module))
        return code;
    if (report && (info.stage == Stage::Graph || info.stage == Stage::Tile))
      report->listen(*module.getContext(), info.stage);
    if (int code = isDone ? (int)kOk : runStage(info.stage, target, options, module))
      return code;
    if (report && info.stage == Stage::Import && failed(report->addModel(module)))
      return kModelError;
    if (report && info.stage == Stage::Tile)
      report->addUnits(module);
    if (report && info.stage == Stage::Buffer)
      report->addMemory(module);
    if (last && info.stage == *last)
      break;
  }
  return kOk;
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
  reportProgress(options, 1, "import", "", false);
  OwningOpRef<ModuleOp> module = first ? readStage(options, *first, context, code) : readModel(options, context, code);
  if (!module)
    return code ? code : (int)kModelError;
  bool isChosen = !options.triple.empty() || !options.cpu.empty() || !options.features.empty();
  if (!(*module)->hasAttr(tgl::kTarget))
    (*module)->setAttr(tgl::kTarget, *attr);
  else if (isChosen && (*module)->getAttr(tgl::kTarget) != *attr)
    return fail(context, kUsageError,
                "the text was made for another target, which --target, -mcpu and -mattr do not change");
  if (!options.tuneDb.empty()) {
    FailureOr<DictionaryAttr> plans = readPlans(options.tuneDb, tgl::targetOf(*module), options.tuneSeconds > 0, why);
    if (failed(plans))
      return fail(context, kIoError, "[T0003] " + why);
    (*module)->setAttr(tgl::kPlans, *plans);
  }
  Report report;
  if (isReport(options) && first)
    return fail(context, kUsageError, "a report begins with the model: --start-after does not go with it");
  code = runStages(first, last, *target, options, *module, isReport(options) ? &report : nullptr);
  if (code)
    return code;
  if (isReport(options)) {
    auto write = [&](llvm::raw_pwrite_stream &stream) { stream << llvm::formatv("{0:2}\n", report.take()); };
    return writeFile(options.output, why, write) ? (int)kOk : fail(context, kIoError, why);
  }
  if (last)
    return writeText(*module, options.output, why) ? (int)kOk : fail(context, kIoError, why);
  if (!entryOf(*module))
    return fail(context, kModelError, "[T0201] no function has tgl.inputs: nothing to emit");
  code = emit(*target, options, *module, why);
  return code == kOk ? code : fail(context, code, why);
}

} // namespace tegula
