//===- InspectModel.cpp - tegula inspect MODEL ----------------------------===//
//
// The compiler's report (tegulac --emit=report), as a table. README.md of this folder says why that is a process.
//
//===----------------------------------------------------------------------===//
#include "Arguments.h"
#include "Command.h"
#include "tegula/compiler/emit/Tools.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

namespace {
/// What the driver said.
struct Answer {
  int code = 0;
  std::string report;
  json::Array diagnostics;
  std::string rest; // lines that are no diagnostics
};
} // namespace

static Expected<Answer> runDriver(StringRef path, const Arguments &arguments) {
  std::optional<std::string> driver = findTool("tegulac");
  if (!driver)
    return fail(Exit::Io, "inspecting a model needs tegulac, which is neither beside this tool nor in $PATH");
  SmallString<128> report, messages;
  if (sys::fs::createTemporaryFile("tegula", "json", report) || sys::fs::createTemporaryFile("tegula", "txt", messages))
    return fail(Exit::Io, "cannot make a temporary file");
  scope_exit remove([&] {
    (void)sys::fs::remove(report);
    (void)sys::fs::remove(messages);
  });
  std::vector<std::string> words{
      *driver, path.str(), "-o", report.c_str(), "--emit=report", "--diagnostics=json", "--progress=none"};
  for (const OptionSpec &spec : modelOptions())
    for (StringRef value : arguments.all(spec.name))
      words.push_back(("-" + spec.name + "=" + value).str());
  std::string why;
  Answer answer;
  answer.code = runTool(words, std::nullopt, messages, why);
  if (answer.code < 0)
    return fail(Exit::Internal, path + ": the compiler ended early: " + why);
  answer.report = textOf(report);
  std::string text = textOf(messages);
  SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n', -1, false);
  for (StringRef line : lines) {
    Expected<json::Value> record = json::parse(line);
    if (record && record->getAsObject())
      answer.diagnostics.push_back(std::move(*record));
    else
      answer.rest += (line + "\n").str();
    consumeError(record.takeError());
  }
  return answer;
}

/// One diagnostic as tegulac prints it.
static void printDiagnostic(const json::Object &record) {
  auto word = [&](StringRef key) { return record.getString(key).value_or(""); };
  errs() << word("file") << ": ";
  if (!word("node").empty()) {
    errs() << "node '" << word("node") << "'";
    if (auto index = record.getInteger("index"))
      errs() << " (#" << *index << (word("op").empty() ? "" : ", ") << word("op") << ")";
    errs() << ": ";
  }
  errs() << word("severity") << (word("code").empty() ? "" : ("[" + word("code") + "]").str()) << ": "
         << word("message") << "\n";
  for (StringRef kind : {"notes", "help"})
    if (const json::Array *lines = record.getArray(kind))
      for (const json::Value &line : *lines)
        errs() << (kind == "notes" ? "note: " : "help: ") << line.getAsString().value_or("") << "\n";
}

static std::string joined(const json::Array *array) {
  std::string text;
  for (const json::Value &value : array ? *array : json::Array())
    text +=
        (text.empty() ? "" : ", ") + (value.getAsString() ? value.getAsString()->str() : formatv("{0}", value).str());
  return text;
}

static double numberOf(const json::Object &object, StringRef key) { return object.getNumber(key).value_or(0); }

static void printPorts(const json::Object &report, StringRef key, StringRef title) {
  const json::Array *ports = report.getArray(key);
  for (const json::Value &value : ports ? *ports : json::Array()) {
    const json::Object &port = *value.getAsObject();
    std::string dynamic = joined(port.getArray("dynamic"));
    outs() << formatv("{0,-10} {1}: {2}{3}{4}\n", title, port.getString("name").value_or(""),
                      port.getString("type").value_or(""), dynamic.empty() ? "" : "  dynamic: ", dynamic);
  }
}

/// A sum, or "?" where an extent that is known at run time only leaves it open.
static std::string amount(double value, double unit, bool isOpen) {
  return isOpen && value == 0 ? "?" : formatv("{0:f3}", value / unit).str();
}

static void printNodes(const json::Object &report) {
  outs() << "\n     MFLOP         MB  parameters  units  node (operator): output <- ops\n";
  for (const json::Value &value : *report.getArray("nodes")) {
    const json::Object &node = *value.getAsObject();
    std::string outputs = joined(node.getArray("outputs"));
    bool isOpen = outputs.find('?') != std::string::npos;
    outs() << formatv("{0,10} {1,10} {2,11}  {3,5}  {4} ({5}): {6} <- {7}\n",
                      amount(numberOf(node, "flops"), 1e6, isOpen), amount(numberOf(node, "bytes"), 1e6, isOpen),
                      static_cast<int64_t>(numberOf(node, "parameters")), joined(node.getArray("units")),
                      node.getString("node").value_or(""), node.getString("op").value_or(""), outputs,
                      joined(node.getArray("becomes")));
  }
}

/// Whether some extent is known at run time only, so that sums are lower bounds.
static bool isOpen(const json::Object &report) {
  return any_of(*report.getArray("nodes"), [](const json::Value &node) {
    return joined(node.getAsObject()->getArray("outputs")).find('?') != std::string::npos;
  });
}

static void printReport(StringRef path, const json::Object &report) {
  StringRef bound = isOpen(report) ? "at least " : "";
  std::string sets;
  if (const json::Object *opsets = report.getObject("opsets"))
    for (const auto &[domain, version] : *opsets)
      sets += formatv(", {0} {1}", StringRef(domain), version).str();
  outs() << formatv("model      {0}\nproducer   {1} (IR {2}{3})\n", path, report.getString("producer").value_or(""),
                    static_cast<int64_t>(numberOf(report, "ir_version")), sets);
  printPorts(report, "inputs", "input");
  printPorts(report, "outputs", "output");
  outs() << formatv("parameters {0:f3} M, {1:f3} MB\n", numberOf(report, "parameters") / 1e6,
                    numberOf(report, "parameter_bytes") / 1e6)
         << formatv("memory     workspace {0:f3} MB\n", numberOf(report, "workspace_bytes") / 1e6)
         << formatv("nodes      {0} in the file, {1} compute something, {2}{3:f3} GFLOP\n",
                    static_cast<int64_t>(numberOf(report, "nodes_in_file")), report.getArray("nodes")->size(), bound,
                    numberOf(report, "flops") / 1e9)
         << formatv("units      {0}, {1}{2:f3} GFLOP, {1}{3:f3} MB\n", report.getArray("units")->size(), bound,
                    numberOf(report, "unit_flops") / 1e9, numberOf(report, "unit_bytes") / 1e6);
  printNodes(report);
}

/// Says why the model cannot be compiled, all reasons.
static Error refuse(StringRef path, Answer &answer, bool isJson) {
  size_t errors = count_if(answer.diagnostics, [](const json::Value &record) {
    return record.getAsObject()->getString("severity").value_or("error") == "error";
  });
  if (!isJson)
    for (const json::Value &record : answer.diagnostics)
      printDiagnostic(*record.getAsObject());
  else
    outs() << formatv("{0:2}\n",
                      json::Value(json::Object{
                          {"model", path}, {"compiles", false}, {"diagnostics", std::move(answer.diagnostics)}}));
  errs() << answer.rest;
  // The driver's words for usage and files stand; whatever else stops a compilation is "no" to the question asked.
  bool isUsage = answer.code == static_cast<int>(Exit::Usage) || answer.code == static_cast<int>(Exit::Io);
  return fail(isUsage ? static_cast<Exit>(answer.code) : Exit::Model,
              path + " cannot be compiled: " + Twine(errors) + (errors == 1 ? " problem" : " problems"));
}

ArrayRef<OptionSpec> tegula::modelOptions() {
  static constexpr OptionSpec options[] = {{"shape", "NAME:1x3x224x224", "of a model: an input's shape; repeat"},
                                           {"dim", "NAME=VALUE", "of a model: a dimension's extent; repeat"},
                                           {"device", "NAME", "of a model: what it would be compiled for"},
                                           {"mcpu", "NAME", "of a model: the CPU it would be compiled for"},
                                           {"O", "LEVEL", "of a model: 0 to 3"}};
  return options;
}

Error tegula::inspectModel(StringRef path, const Arguments &arguments) {
  bool isCheck = arguments.has("check"), isJson = arguments.has("json");
  Expected<Answer> answer = runDriver(path, arguments);
  if (!answer)
    return answer.takeError();
  if (answer->code)
    return refuse(path, *answer, isJson);
  Expected<json::Value> report = json::parse(answer->report);
  if (!report)
    return report.takeError();
  if (isCheck && isJson)
    outs() << formatv("{0:2}\n",
                      json::Value(json::Object{
                          {"model", path}, {"compiles", true}, {"diagnostics", std::move(answer->diagnostics)}}));
  else if (isCheck)
    outs() << path << ": can be compiled\n";
  else if (isJson)
    outs() << answer->report;
  else
    printReport(path, *report->getAsObject());
  return Error::success();
}
