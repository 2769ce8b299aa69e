//===- Main.cpp - tegula quantize ---------------------------------------------===//
#include "Quantizer.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/tools/ProgressLine.h"
#include "tegula/tools/tegula/Arguments.h"
#include "tegula/tools/tegula/Command.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Signals.h"
#include <new>
#include <unistd.h>

using namespace llvm;
using namespace tegula;

/// "rms<=0.02", "cosine>=0.999", "top1>=0.995"; a number alone is a bound of rms.
static Error parseBudget(StringRef text, QuantizeOptions &options) {
  StringRef number = text;
  options.budgetText = text.str();
  options.budgetMetric = "rms";
  for (StringRef metric : {"rms<=", "cosine>=", "top1>="})
    if (number.consume_front(metric))
      options.budgetMetric = metric.drop_back(2).str();
  if (number.getAsDouble(options.budget) || options.budget < 0)
    return fail(Exit::Usage, "--accuracy-budget: expected rms<=0.02, cosine>=0.999 or top1>=0.995, got '" + text + "'");
  return Error::success();
}

/// "int8", "int8w", "int4b32" and so on.
static Error parseKind(QuantizeOptions &options) {
  StringRef kind = options.kind;
  if (kind == "int8")
    return Error::success();
  options.isWeightOnly = true;
  if (kind == "int8w")
    return Error::success();
  bool isHalf = kind.consume_front("int4b");
  options.bits = isHalf ? 4 : 8;
  if ((isHalf || kind.consume_front("int8b")) && !kind.getAsInteger(10, options.block) && options.block >= 16 &&
      isPowerOf2_64(options.block))
    return Error::success();
  return fail(Exit::Usage,
              "--quant=" + options.kind + " is not int8, int8w, int4bN or int8bN with N = 16, 32, 64 and so on");
}

static Error parse(const Arguments &arguments, QuantizeOptions &options) {
  Expected<StringRef> model = arguments.only("model (.onnx)");
  if (!model)
    return model.takeError();
  options.model = model->str();
  options.output = arguments.get("o").str();
  options.calibration = arguments.get("calib").str();
  options.report = arguments.get("report").str();
  options.kind = arguments.get("quant", "int8").str();
  options.method = arguments.get("calib-method", "auto").str();
  if (options.output.empty())
    return fail(Exit::Usage, "-o: expected the model to write; see --help");
  if (options.calibration.empty())
    return fail(Exit::Usage, "--calib: expected inputs to run the model on, FILE.npz or a folder; see --help");
  if (Error error = parseKind(options))
    return error;
  options.isAsymmetric = arguments.has("asymmetric");
  StringRef methods[] = {"auto", "minmax", "percentile", "mse", "entropy"};
  if (!is_contained(methods, options.method))
    return fail(Exit::Usage, "--calib-method=" + options.method + " is not auto, minmax, percentile, mse or entropy");
  StringRef percentile = arguments.get("percentile", "99.99");
  if (percentile.getAsDouble(options.percentile) || options.percentile <= 50 || options.percentile > 100)
    return fail(Exit::Usage, "--percentile: expected a number above 50, up to 100, got '" + percentile + "'");
  Expected<int64_t> limit = arguments.number("samples", options.sampleLimit, 1);
  if (!limit)
    return limit.takeError();
  options.sampleLimit = *limit;
  Expected<int64_t> threads = arguments.number("threads", 0, 0);
  if (!threads)
    return threads.takeError();
  options.threads = *threads;
  options.isAll = arguments.has("all");
  options.isScaled = !arguments.has("no-scaling");
  options.isCorrected = !arguments.has("no-bias-correction");
  for (StringRef name : {"calib-method", "percentile", "all", "accuracy-budget", "no-scaling", "no-bias-correction"})
    if (options.isWeightOnly && arguments.has(name))
      return fail(Exit::Usage, "--" + name + " is for --quant=int8: --quant=" + options.kind + " rounds weights alone");
  for (StringRef pattern : arguments.all("keep-fp"))
    options.kept.push_back(pattern.str());
  for (StringRef name : {"shape", "dim"})
    for (StringRef value : arguments.all(name))
      options.compilerWords.push_back(("--" + name + "=" + value).str());
  if (arguments.has("accuracy-budget"))
    return parseBudget(arguments.get("accuracy-budget"), options);
  return Error::success();
}

static Error writeReport(const QuantizeOptions &options, const json::Object &report) {
  if (options.report.empty())
    return Error::success();
  if (!StringRef(options.report).ends_with(".json"))
    return writeQuantizePage(options.report, report);
  std::string why;
  bool ok = writeFile(options.report, why,
                      [&](raw_ostream &out) { out << formatv("{0:2}\n", json::Value(json::Object(report))); });
  return ok ? Error::success() : fail(Exit::Io, why);
}

static Error run(ArrayRef<StringRef> words) {
  OptionSpec specs[] = {
      {"o", "Q.onnx", "the quantized model"},
      {"calib", "PATH", "inputs to run the model on: FILE.npz with an array for each input, or a folder of such files"},
      {"quant", "KIND",
       "int8 (default): inputs and weights; weights of products alone: int8w, int4b32, int8b64 and so on (a "
       "scale for each block of 32 or 64)"},
      {"asymmetric", "",
       "weights with zero points: closer where they lean to one side; with --quant=int8 slower on most CPUs"},
      {"calib-method", "NAME", "how ranges are chosen: minmax, percentile, mse, entropy; auto: the best of them here"},
      {"percentile", "P", "of numbers within the range, for percentile (default 99.99)"},
      {"samples", "N", "use at most N samples (default 128)"},
      {"keep-fp", "PATTERN", "nodes that stay real, by name or operator, with * and ?; repeat"},
      {"all", "", "also layers that integers do not make faster, as hardware without float needs"},
      {"accuracy-budget", "EXPR", "rms<=0.02, cosine>=0.999 or top1>=0.995: nodes stay real until the samples keep it"},
      {"report", "PATH", "ranges, errors, decisions and reasons of each node: a page, or JSON by the suffix .json"},
      {"no-scaling", "", "leave the channels' ranges as they are"},
      {"no-bias-correction", "", "leave biases as they are"},
      {"shape", "NAME:1x3x224x224", "an input's shape; repeat"},
      {"dim", "NAME=VALUE", "a dimension's extent; repeat"},
      {"threads", "N", "threads of a run; 0, the default: one for each CPU"},
      {"progress", "MODE", "auto, plain, none"}};
  Expected<Arguments> arguments = Arguments::parse("quantize MODEL.onnx -o Q.onnx --calib PATH", specs, words);
  if (!arguments || arguments->isHelp)
    return arguments.takeError();
  QuantizeOptions options;
  if (Error error = parse(*arguments, options))
    return error;
  ProgressLine line("tegula quantize", arguments->get("progress", "auto"));
  options.onProgress = [&](int step, StringRef name, std::string detail, bool isDone) {
    line.show(step, kQuantizeSteps, name, detail, isDone);
  };
  Expected<json::Object> report = options.isWeightOnly ? quantizeWeights(options) : quantize(options);
  line.clear();
  if (!report)
    return report.takeError();
  if (Error error = writeReport(options, *report))
    return error;
  const json::Object &distance = *report->getObject("error");
  size_t quantized = 0;
  for (const json::Value &node : *report->getArray("nodes"))
    quantized += node.getAsObject()->getString("decision").value_or("") == options.kind;
  outs() << formatv("{0}: {1} layers in {2}, {3} samples\n", options.output, quantized, options.kind,
                    report->getInteger("samples").value_or(0))
         << formatv("error of the outputs: {0:f2} % of their deviation (rms), cosine {1:f6}, same largest {2:f2} %\n",
                    100 * distance.getNumber("rms").value_or(0), distance.getNumber("cosine").value_or(0),
                    100 * distance.getNumber("top1").value_or(0));
  return Error::success();
}

/// Memory ran out: nothing may be allocated here. Files that are not finished are removed.
static void outOfMemory() {
  sys::RunInterruptHandlers();
  constexpr StringRef kWords = "tegula quantize: error: out of memory; fewer or smaller samples may fit\n";
  (void)!write(STDERR_FILENO, kWords.data(), kWords.size());
  _exit(static_cast<int>(Exit::Limit));
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  std::set_new_handler(outOfMemory);
  SmallVector<StringRef> words(argv + 1, argv + argc);
  return exitCode(run(words), "tegula quantize");
}
