//===- Flags.cpp - command line to CompileOptions ------------------------------------===//

#include "Flags.h"
#include "tegula/compiler/Stages.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tegula {

/// `NAME:1x3x224x224`; `?` is a dynamic extent, nothing after the colon a scalar.
static bool parseShape(StringRef text, CompileOptions &options) {
  auto [name, extents] = text.rsplit(':');
  if (name.empty() || !text.contains(':'))
    return false;
  SmallVector<int64_t> shape;
  SmallVector<StringRef> words;
  extents.split(words, 'x', -1, false);
  for (StringRef word : words) {
    int64_t extent;
    if (word == "?")
      extent = -1;
    else if (word.getAsInteger(10, extent) || extent < 0)
      return false;
    shape.push_back(extent);
  }
  options.shapes[name.str()] = shape;
  return true;
}

static bool parseDim(StringRef text, CompileOptions &options) {
  auto [name, value] = text.split('=');
  int64_t extent;
  if (name.empty() || value.getAsInteger(10, extent) || extent < 0)
    return false;
  options.dims[name.str()] = extent;
  return true;
}

static bool usage(int &exitCode, const Twine &text) {
  errs() << "tegulac: error: " << text << "\nhelp: tegulac --help\n";
  exitCode = 2;
  return false;
}

/// Takes every named option off the command line.
static SmallVector<cl::Option *> removeOptions() {
  SmallVector<cl::Option *> options;
  for (auto &entry : cl::getRegisteredOptions())
    options.push_back(entry.second);
  for (cl::Option *option : options)
    option->removeArgument();
  return options;
}

bool parseFlags(int argc, char **argv, Request &request, int &exitCode) {
  CompileOptions &o = request.options;
  cl::OptionCategory category("tegulac options");
  // LLVM's own options, some with the names of ours, are off the command line while it is parsed; afterwards ours are.
  SmallVector<cl::Option *> foreign = removeOptions();
  cl::opt<std::string> input(cl::Positional, cl::desc("MODEL.onnx"), cl::cat(category));
  cl::opt<std::string> output("o", cl::desc("Output; its suffix picks the kind (.so .o .a .h .ll .s .mlir)"),
                              cl::value_desc("file"), cl::cat(category));
  cl::opt<std::string> emit("emit", cl::desc("Form: obj, lib, shared, header, llvm, asm, mlir, report"),
                            cl::cat(category));
  cl::opt<std::string> stopAfter("stop-after", cl::desc("Print the text of a stage: import, graph, tile, buffer, emit"),
                                 cl::cat(category));
  cl::opt<std::string> startAfter("start-after", cl::desc("Read the text of a stage instead of ONNX"),
                                  cl::cat(category));
  cl::opt<std::string> name("name", cl::desc("Symbol prefix (default: the output's stem)"), cl::cat(category));
  cl::opt<std::string> device("device", cl::desc("Target: a folder under targets/"), cl::init(o.device),
                              cl::cat(category));
  cl::opt<std::string> target("target", cl::desc("LLVM triple (default: the host's)"), cl::cat(category));
  cl::opt<std::string> cpu("mcpu", cl::desc("CPU name, or native"), cl::cat(category));
  cl::opt<std::string> attr("mattr", cl::desc("Features: +a,-b"), cl::cat(category));
  cl::list<std::string> shapes("shape", cl::desc("NAME:1x3x224x224 fixes an input's shape"), cl::cat(category));
  cl::list<std::string> dims("dim", cl::desc("NAME=VALUE fixes a dimension"), cl::cat(category));
  cl::opt<int> threads("threads", cl::desc("Threads that plans reckon with (default: 4; all cores with -mcpu=native)"),
                       cl::init(0), cl::cat(category));
  cl::opt<char> level("O", cl::desc("Optimisation level 0 to 3 (default 2)"), cl::Prefix, cl::init('2'),
                      cl::cat(category));
  cl::opt<std::string> tune("tune", cl::desc("Measure other plans on this machine for some seconds (default 60)"),
                            cl::ValueOptional, cl::value_desc("seconds"), cl::cat(category));
  cl::opt<std::string> tuneDb("tune-db",
                              cl::desc("File of measured plans: read, and written with --tune (then by "
                                       "default the output with .plans.json)"),
                              cl::value_desc("file"), cl::cat(category));
  cl::opt<std::string> quant("quant",
                             cl::desc("Quantize first: int8, or weights alone: int8w, int4b32 (see tegula quantize)"),
                             cl::value_desc("kind"), cl::cat(category));
  cl::opt<std::string> calib("calib", cl::desc("Inputs to quantize with: FILE.npz, or a folder of such files"),
                             cl::value_desc("path"), cl::cat(category));
  cl::opt<std::string> calibMethod("calib-method", cl::desc("How ranges are chosen (default: the best of all)"),
                                   cl::value_desc("name"), cl::cat(category));
  cl::list<std::string> keepFp("keep-fp", cl::desc("Nodes that are not quantized, by name or operator, with * and ?"),
                               cl::value_desc("pattern"), cl::cat(category));
  cl::opt<std::string> budget("accuracy-budget", cl::desc("rms<=0.02, cosine>=0.999 or top1>=0.995 on these inputs"),
                              cl::value_desc("bound"), cl::cat(category));
  cl::opt<std::string> quantReport("quant-report", cl::desc("What was quantized, what it costs and why (.html, .json)"),
                                   cl::value_desc("file"), cl::cat(category));
  cl::opt<std::string> precision("precision",
                                 cl::desc("Of products with weights: f32 (default); f16, bf16: weights of half the "
                                          "size, bf16 also twice as fast on CPUs that multiply such pairs"),
                                 cl::value_desc("type"), cl::init("f32"), cl::cat(category));
  cl::opt<std::string> fp("fp",
                          cl::desc("contract (default): products and sums may be one operation; fast: f32 products may "
                                   "also be of factors rounded to 11 bits, as GPUs from sm_80 on do fast (tf32)"),
                          cl::value_desc("mode"), cl::init("contract"), cl::cat(category));
  cl::opt<bool> compress("compress",
                         cl::desc("Compress code for GPUs (zstd), which NVIDIA's drivers read from 550 on; that for "
                                  "sm_100 and newer always is"),
                         cl::cat(category));
  cl::opt<bool> timePasses("time-passes", cl::desc("Time of every pass"), cl::cat(category));
  cl::opt<bool> printIr("print-ir-after-all", cl::desc("IR after every pass"), cl::cat(category));
  cl::opt<std::string> saveTemps("save-temps", cl::desc("Keep the text of every stage in a folder"), cl::ValueOptional,
                                 cl::value_desc("dir"), cl::cat(category));
  cl::opt<std::string> progress("progress", cl::desc("auto, plain, none"), cl::init("auto"), cl::cat(category));
  cl::opt<std::string> diagnostics("diagnostics", cl::desc("text, json"), cl::init("text"), cl::cat(category));
  cl::opt<std::string> supported("supported-ops", cl::desc("List the operators and stop (=json)"), cl::ValueOptional,
                                 cl::cat(category));
  cl::list<std::string> passes("pass-pipeline",
                               cl::desc("STAGE:PIPELINE runs passes at the end of a stage, e.g. of plugins"),
                               cl::cat(category));
  cl::list<std::string> plugins("load-plugin", cl::desc("Shared object with passes, dialects or both"),
                                cl::value_desc("file"), cl::cat(category));
  cl::list<std::string> passPlugins("load-pass-plugin", cl::desc("Shared object with passes, as of mlir-opt"),
                                    cl::value_desc("file"), cl::cat(category));
  cl::list<std::string> dialectPlugins("load-dialect-plugin", cl::desc("Shared object with dialects, as of mlir-opt"),
                                       cl::value_desc("file"), cl::cat(category));
  cl::opt<bool> version("version", cl::desc("Print the version and stop"), cl::cat(category));
  cl::opt<bool> help("help", cl::desc("Print this and stop"), cl::cat(category));

  scope_exit restore([&] {
    removeOptions();
    input.removeArgument();
    for (cl::Option *option : foreign)
      option->addArgument();
  });
  std::string errors;
  raw_string_ostream stream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, "Tegula: ONNX models to native artifacts\n", &stream)) {
    StringRef first = StringRef(errors).split('\n').first;
    return usage(exitCode, first.substr(first.find(": ") == StringRef::npos ? 0 : first.find(": ") + 2));
  }
  if (version || help) {
    if (version)
      outs() << "tegulac 0.1.0 (LLVM 22)\n";
    else
      cl::PrintHelpMessage();
    exitCode = 0;
    return false;
  }
  request.isSupportedOps = supported.getNumOccurrences() > 0;
  if (request.isSupportedOps)
    return true;
  if (input.empty())
    return usage(exitCode, "no model given");
  o.input = input;
  o.output = output;
  o.emit = emit;
  o.stopAfter = stopAfter;
  o.startAfter = startAfter;
  o.name = name;
  o.device = device;
  o.triple = target;
  o.cpu = cpu;
  o.features = attr;
  o.threads = threads;
  if (tune.getNumOccurrences() && tune.empty())
    o.tuneSeconds = 60;
  else if (tune.getNumOccurrences() && (StringRef(tune).getAsDouble(o.tuneSeconds) || !(o.tuneSeconds > 0)))
    return usage(exitCode, "--tune=" + tune + " is not a number of seconds");
  request.quantize = {quant, calib, calibMethod, budget, quantReport, {keepFp.begin(), keepFp.end()}};
  if (quant.empty() &&
      (!calib.empty() || !calibMethod.empty() || !budget.empty() || !quantReport.empty() || !keepFp.empty()))
    return usage(exitCode,
                 "--calib, --calib-method, --keep-fp, --accuracy-budget and --quant-report go with --quant=int8");
  if (!quant.empty() && calib.empty())
    return usage(exitCode, "--quant=" + quant + " needs inputs to run the model on: --calib=FILE.npz or a folder");
  if (!quant.empty() && (!startAfter.empty() || input == "-"))
    return usage(exitCode, "--quant needs the model as an ONNX file");
  o.tuneDb = tuneDb;
  o.timePasses = timePasses;
  o.printIrAfterAll = printIr;
  o.saveTemps = saveTemps.getNumOccurrences() && saveTemps.empty() ? "." : saveTemps.getValue();
  for (const std::string &pipeline : passes) {
    if (!parseStage(StringRef(pipeline).split(':').first))
      return usage(exitCode, "--pass-pipeline=" + pipeline + " is not STAGE:PIPELINE, e.g. graph:func.func(cse)");
    o.passes.push_back(pipeline);
  }
  for (auto [kind, list] :
       {std::pair(PluginKind::Any, &plugins), {PluginKind::Pass, &passPlugins}, {PluginKind::Dialect, &dialectPlugins}})
    for (const std::string &path : *list)
      request.plugins.push_back({kind, path});
  request.progress = progress;
  if (progress != "auto" && progress != "plain" && progress != "none")
    return usage(exitCode, "--progress=" + progress + " is not auto, plain or none");
  o.diagnostics = diagnostics;
  if (level < '0' || level > '3')
    return usage(exitCode, Twine("-O") + Twine(level.getValue()) + " is not a level; use -O0 to -O3");
  o.optLevel = level - '0';
  o.precision = precision;
  if (o.precision != "f32" && o.precision != "f16" && o.precision != "bf16")
    return usage(exitCode, "--precision expects f32, f16 or bf16, but got '" + o.precision +
                               "'; integers are --quant's (int8, int8w, int4b32)");
  o.compress = compress;
  o.fp = fp;
  if (o.fp != "contract" && o.fp != "fast")
    return usage(exitCode, "--fp expects contract or fast, but got '" + o.fp + "'");
  for (const std::string &shape : shapes)
    if (!parseShape(shape, o))
      return usage(exitCode, "--shape=" + shape + " is not NAME:1x3x224x224");
  for (const std::string &dim : dims)
    if (!parseDim(dim, o))
      return usage(exitCode, "--dim=" + dim + " is not NAME=VALUE");
  if (diagnostics != "text" && diagnostics != "json")
    return usage(exitCode, "--diagnostics=" + diagnostics + " is not text or json");
  if (o.output.empty() && o.stopAfter.empty())
    return usage(exitCode, "no output given; use -o model.so");
  if (o.output.empty())
    o.output = "-";
  if (o.tuneSeconds > 0 && o.tuneDb.empty()) {
    if (o.output == "-")
      return usage(exitCode, "--tune needs --tune-db=FILE where the output is not a file");
    SmallString<128> path(o.output);
    sys::path::replace_extension(path, "plans.json");
    o.tuneDb = path.str();
  }
  return true;
}

} // namespace tegula
