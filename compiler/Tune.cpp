//===- Tune.cpp - plans chosen by measuring -------------------------------------------------===//

#include "tegula/compiler/Tune.h"
#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/emit/Tools.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include <chrono>

using namespace mlir;

namespace tegula {

/// A plan has to be this much faster to count: times of one kernel differ between runs.
static constexpr double kLeastGain = 1.02;
/// What a round spends on running the model, beyond a few runs.
static constexpr double kRunSeconds = 0.4;

/// Times of the units, in order, and of the whole.
struct Measurement {
  std::vector<double> unitMs;
  double wholeMs = 0;
};

/// Runs `tegula bench`: a process of its own, so that what goes wrong stays there.
static bool measure(StringRef artifact, int64_t threads, double runMs, Measurement &found, std::string &why) {
  std::optional<std::string> tool = findTool("tegula");
  if (!tool) {
    why = "tuning needs the tool tegula, which is neither beside this one nor in $PATH";
    return false;
  }
  std::string output = (artifact + ".json").str(), errors = (artifact + ".txt").str();
  std::vector<std::string> words{*tool,    "bench",           artifact.str(),
                                 "--json", "--progress=none", "--threads=" + std::to_string(threads)};
  if (runMs > 0) // a quarter of the runs is profiled
    words.push_back("--repeat=" + std::to_string(std::clamp<int64_t>(4000 * kRunSeconds / runMs, 12, 2000)));
  int code = runTool(words, output, errors, why);
  if (code) {
    why = ("cannot run the model here to tune it: " + StringRef(code < 0 ? why : textOf(errors)).trim()).str();
    return false;
  }
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(textOf(output));
  if (!value) {
    why = *tool + " bench: " + llvm::toString(value.takeError());
    return false;
  }
  llvm::json::Object *root = value->getAsObject();
  llvm::json::Array *units = root ? root->getArray("unit_ms") : nullptr;
  llvm::json::Object *latency = root ? root->getObject("latency_ms") : nullptr;
  if (!units || !latency) {
    why = *tool + " is of another version: its measurements have no unit_ms";
    return false;
  }
  for (const llvm::json::Value &ms : *units)
    found.unitMs.push_back(ms.getAsNumber().value_or(0));
  found.wholeMs = latency->getNumber("p50").value_or(0);
  return true;
}

namespace {
struct Kernel {
  tgl::PlanAttr first, best;
  double firstMs = 0, bestMs = 0;
};

/// What one round measured of a kernel, in all units that it serves.
struct Trial {
  tgl::PlanAttr plan;
  double ms = 0;
};

class Tuner {
public:
  Tuner(ModuleOp module, const CompileOptions &options, BuildFunction build, std::string &why)
      : module(module), options(options), build(build), why(why) {}

  int run(llvm::function_ref<void(std::string, bool)> tell) {
    llvm::SmallString<128> folder;
    if (llvm::sys::fs::createUniqueDirectory("tegula-tune", folder)) {
      why = "cannot make a temporary folder";
      return kIoError;
    }
    llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(folder); });
    llvm::sys::path::append(folder, "model.so");
    artifact = folder.str();
    for (int64_t round = 0;; ++round) {
      std::map<std::string, Trial> trials;
      if (int code = runRound(round, trials))
        return code;
      if (trials.empty())
        break;
      for (auto &[name, trial] : trials)
        take(name, trial, round);
      tell(llvm::formatv("round {0}, {1} of {2} kernels faster", round + 1, countFaster(), kernels.size()), false);
      // There must be time for one more, and for the last.
      if (seconds() + 2 * seconds() / (round + 1) > options.tuneSeconds)
        break;
    }
    std::map<std::string, Trial> last;
    if (int code = runRound(-1, last))
      return code;
    for (auto &[name, kernel] : kernels)
      if (auto trial = last.find(name); trial != last.end() && trial->second.ms > kernel.firstMs)
        kernel.best = kernel.first;
    tell(llvm::formatv("{0} of {1} kernels faster", countFaster(), kernels.size()), true);
    module->setAttr(tgl::kPlans, bestPlans());
    return kOk;
  }

private:
  /// Builds and runs the model with candidate `round` of each kernel.
  int runRound(int64_t round, std::map<std::string, Trial> &trials) {
    OwningOpRef<ModuleOp> copy = module.clone();
    (*copy)->setAttr(tgl::kPlans, bestPlans());
    (*copy)->setAttr(tgl::kCandidate, Builder(module.getContext()).getI64IntegerAttr(round));
    CompileOptions how = options;
    how.output = artifact;
    how.emit = "shared";
    how.saveTemps.clear();
    how.onProgress = nullptr;
    how.keepWeights = true;
    how.timePasses = how.printIrAfterAll = false;
    if (int code = build(*copy, how))
      return code;
    std::vector<ArrayAttr> measured;
    auto units = (*copy)->getAttrOfType<ArrayAttr>(tgl::kUnits);
    for (Attribute unit : units ? units.getValue() : ArrayRef<Attribute>()) {
      Attribute of = cast<DictionaryAttr>(unit).get(tgl::kMeasured);
      auto list = dyn_cast_or_null<ArrayAttr>(of);
      measured.push_back(list || !of ? list : ArrayAttr::get(module.getContext(), of));
    }
    if (llvm::none_of(measured, [](ArrayAttr list) { return list && !list.empty(); }))
      return kOk;
    Measurement found;
    if (!measure(artifact, tgl::targetOf(module).getThreads(), wholeMs, found, why))
      return kToolError;
    wholeMs = found.wholeMs;
    for (auto [list, ms] : llvm::zip(measured, found.unitMs))
      for (Attribute entry : list ? list.getValue() : ArrayRef<Attribute>()) {
        auto of = cast<DictionaryAttr>(entry);
        Trial &trial = trials[of.getAs<StringAttr>("kernel").str()];
        trial.plan = of.getAs<tgl::PlanAttr>("plan");
        trial.ms += ms;
      }
    return kOk;
  }

  void take(const std::string &name, const Trial &trial, int64_t round) {
    Kernel &kernel = kernels[name];
    if (round == 0)
      kernel = {trial.plan, trial.plan, trial.ms, trial.ms};
    else if (trial.ms * kLeastGain < kernel.bestMs) {
      kernel.best = trial.plan;
      kernel.bestMs = trial.ms;
    }
  }

  /// What the file held before, and what was found.
  DictionaryAttr bestPlans() {
    NamedAttrList plans(module->getAttrOfType<DictionaryAttr>(tgl::kPlans));
    for (auto &[name, kernel] : kernels)
      plans.set(name, kernel.best);
    return plans.getDictionary(module.getContext());
  }

  size_t countFaster() {
    return llvm::count_if(kernels, [](const auto &entry) { return entry.second.best != entry.second.first; });
  }

  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }

  ModuleOp module;
  const CompileOptions &options;
  BuildFunction build;
  std::string &why;
  std::string artifact;
  std::map<std::string, Kernel> kernels;
  double wholeMs = 0;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};
} // namespace

int tunePlans(ModuleOp module, const CompileOptions &options, BuildFunction build,
              llvm::function_ref<void(std::string, bool)> tell, std::string &why) {
  return Tuner(module, options, build, why).run(tell);
}

} // namespace tegula
