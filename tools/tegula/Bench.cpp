//===- Bench.cpp - tegula bench -------------------------------------------===//
#include "Artifact.h"
#include "Command.h"
#include "Peak.h"
#include "Report.h"
#include "tegula/tools/ProgressLine.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <sched.h>

using namespace llvm;
using namespace tegula;

using Clock = std::chrono::steady_clock;

namespace {

/// Time and work of all units that carry the same node name.
struct NodeTime {
  std::string node, op;
  double ms = 0, flops = 0, bytes = 0;
};

struct Results {
  unsigned threads = 1;
  double createMs = 0, firstMs = 0;
  std::vector<double> ms; // sorted
  double profiledMs = 0;  // sum over the nodes
  std::vector<NodeTime> nodes;
  std::vector<double> unitMs; // the least time of each unit
  Peak peak;
  uint64_t toolBytes = 0; // resident before the artifact was opened
  uint64_t peakBytes = 0;

  double percentile(double share) const {
    return ms[std::min(ms.size() - 1, static_cast<size_t>(share * static_cast<double>(ms.size())))];
  }
  double mean() const {
    double sum = 0;
    for (double value : ms)
      sum += value;
    return sum / static_cast<double>(ms.size());
  }
  /// Whether the work of every unit is known: no extent is dynamic.
  bool isWorkKnown() const {
    return !nodes.empty() && all_of(nodes, [](const NodeTime &node) { return node.bytes > 0; });
  }
  double flops() const {
    double sum = 0;
    for (const NodeTime &node : nodes)
      sum += node.flops;
    return sum;
  }
};

} // namespace

static double millisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Resident memory of this process by the kernel's name for it (VmRSS now, VmHWM at most); 0 where there is no /proc.
static uint64_t residentBytes(StringRef what) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFileAsStream("/proc/self/status");
  uint64_t kib;
  if (!file)
    return 0;
  StringRef text = (*file)->getBuffer().split(what).second.ltrim(": \t");
  return text.consumeInteger(10, kib) ? 0 : kib * 1024;
}

/// The CPUs that this process may use: what "0 threads" means to the runtime.
static unsigned cpuCount() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 1;
}

/// "3 of 10 runs", or "3 runs" where the end is not known.
static std::string countText(int64_t done, int64_t all) {
  return all ? formatv("{0} of {1} runs", done, all).str() : formatv("{0} runs", done).str();
}

/// Times runs: `repeat` of them, or if it is 0 as many as fit into one second, at least ten.
static Error measureLatency(Session &session, MutableArrayRef<HostTensor> inputs, int64_t warmup, int64_t repeat,
                            Results &results, ProgressLine &line) {
  line.show(1, 4, "warm up", "", false);
  auto start = Clock::now();
  if (Error error = session.run(inputs))
    return error;
  results.firstMs = millisecondsSince(start);
  for (int64_t i = 1; i < warmup; ++i) {
    line.show(1, 4, "warm up", countText(i, warmup), false);
    if (Error error = session.run(inputs))
      return error;
  }
  line.show(1, 4, "warm up", countText(std::max<int64_t>(warmup, 1), 0), true);
  start = Clock::now();
  for (int64_t i = 0; repeat ? i < repeat : i < 10 || (millisecondsSince(start) < 1000 && i < 1000000); ++i) {
    auto begin = Clock::now();
    if (Error error = session.run(inputs))
      return error;
    results.ms.push_back(millisecondsSince(begin));
    line.show(2, 4, "measure", countText(i + 1, repeat), false);
  }
  line.show(2, 4, "measure", countText(results.ms.size(), 0), true);
  llvm::sort(results.ms);
  return Error::success();
}

/// Runs with profiling on, in an instance of its own so that the latencies stay undisturbed.
static Error measureNodes(const Artifact &artifact, MutableArrayRef<HostTensor> inputs, Results &results,
                          ProgressLine &line) {
  const tegula_model &model = *artifact.model;
  if (!model.unit_count)
    return Error::success();
  Expected<std::unique_ptr<Session>> session = Session::create(artifact, results.threads, /*isProfiled=*/true);
  if (!session)
    return session.takeError();
  std::vector<uint64_t> before(model.unit_count), last(model.unit_count), after(model.unit_count);
  uint64_t runsBefore = 0, runs = 0;
  results.unitMs.assign(model.unit_count, std::numeric_limits<double>::infinity());
  size_t repeat = std::clamp<size_t>(results.ms.size() / 4, 3, 1000);
  for (size_t i = 0; i < 2 + repeat; ++i) {
    if (i == 2)
      model.profile((*session)->handle(), before.data(), &runsBefore);
    if (i >= 2)
      model.profile((*session)->handle(), last.data(), &runs);
    if (Error error = (*session)->run(inputs))
      return error;
    model.profile((*session)->handle(), after.data(), &runs);
    for (uint32_t unit = 0; i >= 2 && unit < model.unit_count; ++unit)
      results.unitMs[unit] = std::min(results.unitMs[unit], static_cast<double>(after[unit] - last[unit]) / 1e6);
    line.show(4, 4, "profile", countText(i + 1, 2 + repeat), i + 1 == 2 + repeat);
  }
  MapVector<StringRef, NodeTime> nodes;
  for (uint32_t i = 0; i < model.unit_count; ++i) {
    const tegula_unit_info &unit = model.units[i];
    NodeTime &node = nodes[unit.node];
    double ms = static_cast<double>(after[i] - before[i]) / 1e6 / static_cast<double>(runs - runsBefore);
    node.node = unit.node;
    node.op = unit.op;
    node.ms += ms;
    node.flops += unit.flops;
    node.bytes += unit.bytes;
    results.profiledMs += ms;
  }
  for (auto &[name, node] : nodes)
    results.nodes.push_back(std::move(node));
  llvm::sort(results.nodes,
             [](const NodeTime &a, const NodeTime &b) { return a.ms != b.ms ? a.ms > b.ms : a.node < b.node; });
  return Error::success();
}

static double gflopsOf(double flops, double ms) { return ms > 0 ? flops / ms / 1e6 : 0; }

/// The least time of a node over its time, in percent: how near it is to the machine's roofline.
static double rooflinePercent(const NodeTime &node, const Results &results) {
  return node.ms > 0 ? 100 * results.peak.leastMs(node.flops, node.bytes, results.threads) / node.ms : 0;
}

/// Whether a node deserves a look: a twentieth of the time at less than a quarter of the roofline.
static bool isSlow(const NodeTime &node, const Results &results) {
  return node.bytes > 0 && node.ms > results.profiledMs / 20 && rooflinePercent(node, results) < 25;
}

static json::Object asJson(const Artifact &artifact, const Results &results) {
  json::Array nodes;
  for (const NodeTime &node : results.nodes) {
    double rate = gflopsOf(node.flops, node.ms);
    nodes.push_back(json::Object{{"node", json::fixUTF8(node.node)},
                                 {"op", json::fixUTF8(node.op)},
                                 {"ms", node.ms},
                                 {"flops", node.flops},
                                 {"bytes", node.bytes},
                                 {"gflops", rate},
                                 {"gbytes_per_s", gflopsOf(node.bytes, node.ms)},
                                 {"peak_percent", 100 * rate / results.peak.gflops},
                                 {"roofline_percent", rooflinePercent(node, results)},
                                 {"is_slow", isSlow(node, results)}});
  }
  double p50 = results.percentile(0.5), rate = gflopsOf(results.flops(), p50);
  auto knownOr = [&](double number) { return results.isWorkKnown() ? json::Value(number) : json::Value(nullptr); };
  json::Object root{{"artifact", json::fixUTF8(artifact.path)},
                    {"model", artifact.model->name},
                    {"target", artifact.model->target},
                    {"threads", results.threads},
                    {"load_ms", artifact.loadMs},
                    {"create_ms", results.createMs},
                    {"first_run_ms", results.firstMs},
                    {"runs", static_cast<int64_t>(results.ms.size())},
                    {"latency_ms", json::Object{{"min", results.ms.front()},
                                                {"p50", p50},
                                                {"p90", results.percentile(0.9)},
                                                {"p99", results.percentile(0.99)},
                                                {"max", results.ms.back()},
                                                {"mean", results.mean()}}},
                    {"gflops", knownOr(rate)},
                    {"peak_percent", knownOr(100 * rate / results.peak.gflops)},
                    {"machine_peak", json::Object{{"isa", results.peak.isa},
                                                  {"gflops", results.peak.gflops},
                                                  {"cache_gbytes_per_s", results.peak.cacheGbytes},
                                                  {"memory_gbytes_per_s", results.peak.memoryGbytes}}},
                    {"memory", json::Object{{"peak_resident_bytes", results.peakBytes},
                                            {"tool_resident_bytes", results.toolBytes},
                                            {"workspace_bytes", artifact.model->workspace_bytes},
                                            {"weight_bytes", artifact.model->weight_bytes},
                                            {"artifact_bytes", artifact.fileBytes}}},
                    {"unit_ms", results.unitMs},
                    {"nodes", std::move(nodes)}};
  return root;
}

static void printNodes(const Results &results, size_t limit) {
  if (results.nodes.empty())
    return;
  outs() << "\n        ms   share  GFLOP/s  % peak    GB/s  % roofline  node (operator)\n";
  for (const NodeTime &node : ArrayRef(results.nodes).take_front(limit)) {
    double rate = gflopsOf(node.flops, node.ms);
    // Unknown work (dynamic extents) shows as such, not as zero.
    auto known = [](double work, const auto &text) { return work > 0 ? text.str() : std::string("?"); };
    outs() << formatv("{0,10:f4} {1,6:f1}% {2,8} {3,7} {4,7}  {5,10}  {6} ({7})\n", node.ms,
                      100 * node.ms / std::max(results.profiledMs, 1e-9), known(node.bytes, formatv("{0:f2}", rate)),
                      known(node.bytes, formatv("{0:f1}%", 100 * rate / results.peak.gflops)),
                      known(node.bytes, formatv("{0:f2}", gflopsOf(node.bytes, node.ms))),
                      known(node.bytes, formatv("{0:f1}%", rooflinePercent(node, results))), node.node, node.op);
  }
  if (results.nodes.size() > limit) {
    double rest = 0;
    for (const NodeTime &node : ArrayRef(results.nodes).drop_front(limit))
      rest += node.ms;
    outs() << formatv("{0,10:f4} {1,6:f1}% in {2} more nodes (--json lists all)\n", rest,
                      100 * rest / std::max(results.profiledMs, 1e-9), results.nodes.size() - limit);
  }
  for (const NodeTime &node : results.nodes)
    if (isSlow(node, results))
      outs() << formatv("warning: node '{0}' runs at {1:f0} % of the roofline and takes {2:f0} % of the time\n",
                        node.node, rooflinePercent(node, results), 100 * node.ms / results.profiledMs);
}

/// "triple cpu" of a target's "triple cpu features": the features of -mcpu=native fill a screen.
static std::string cpuOf(StringRef target) {
  auto [triple, rest] = target.split(' ');
  return (triple + " " + rest.split(' ').first).str();
}

static void printText(const Artifact &artifact, const Results &results) {
  double p50 = results.percentile(0.5), rate = gflopsOf(results.flops(), p50);
  outs()
      << formatv("{0}: {1}, {2} thread{3}\n", artifact.model->name, cpuOf(artifact.model->target), results.threads,
                 results.threads == 1 ? "" : "s")
      << formatv("latency  min {0:f4}  p50 {1:f4}  p90 {2:f4}  p99 {3:f4}  max {4:f4}  mean {5:f4} ms  ({6} runs)\n",
                 results.ms.front(), p50, results.percentile(0.9), results.percentile(0.99), results.ms.back(),
                 results.mean(), results.ms.size())
      << (results.isWorkKnown()
              ? formatv("rate     {0:f2} GFLOP/s at p50, {1:f1} % of ", rate, 100 * rate / results.peak.gflops).str()
              : std::string("rate     unknown (dynamic shapes); peak "))
      << formatv("{0:f1} GFLOP/s measured here with {1} on {2} thread{3}; {4:f0} GB/s in caches, {5:f0} in memory\n",
                 results.peak.gflops, results.peak.isa, results.threads, results.threads == 1 ? "" : "s",
                 results.peak.cacheGbytes, results.peak.memoryGbytes)
      << formatv("start    load {0:f3}  create {1:f3}  first run {2:f3} ms\n", artifact.loadMs, results.createMs,
                 results.firstMs)
      << formatv(
             "memory   peak {0:f2} MB beyond the tool's own {1:f2}, workspace {2:f2}, weights {3:f2}, file {4:f2} MB\n",
             (results.peakBytes - std::min(results.peakBytes, results.toolBytes)) / 1e6, results.toolBytes / 1e6,
             artifact.model->workspace_bytes / 1e6, artifact.model->weight_bytes / 1e6, artifact.fileBytes / 1e6);
  printNodes(results, 30);
}

/// The numbers that the command line gives.
struct Counts {
  int64_t threads = 0, warmup = 3, repeat = 0;
};

static Error parseCounts(const Arguments &arguments, Counts &counts) {
  struct {
    StringRef name;
    int64_t &number;
    int64_t minimum;
  } rows[] = {{"threads", counts.threads, 0}, {"warmup", counts.warmup, 0}, {"repeat", counts.repeat, 1}};
  for (auto &row : rows) {
    Expected<int64_t> value = arguments.number(row.name, row.number, row.minimum);
    if (!value)
      return value.takeError();
    row.number = *value;
  }
  StringRef progress = arguments.get("progress", "auto");
  if (progress != "auto" && progress != "plain" && progress != "none")
    return fail(Exit::Usage, "--progress: expected auto, plain or none, got '" + progress + "'");
  return Error::success();
}

static Error measure(const Artifact &artifact, MutableArrayRef<HostTensor> inputs, const Counts &counts,
                     StringRef progress, Results &results) {
  ProgressLine line("tegula", progress);
  results.threads = counts.threads ? static_cast<unsigned>(counts.threads) : cpuCount();
  auto start = Clock::now();
  {
    Expected<std::unique_ptr<Session>> session = Session::create(artifact, results.threads, /*isProfiled=*/false);
    if (!session)
      return session.takeError();
    results.createMs = millisecondsSince(start);
    if (Error error = measureLatency(**session, inputs, counts.warmup, counts.repeat, results, line))
      return error;
  }
  results.peakBytes = residentBytes("VmHWM"); // before the peak is measured, which needs memory of its own
  line.show(3, 4, "peak of the machine", "", false);
  results.peak = measurePeak(artifact.model->required, results.threads);
  line.show(3, 4, "peak of the machine", formatv("{0:f1} GFLOP/s", results.peak.gflops).str(), true);
  return measureNodes(artifact, inputs, results, line);
}

Error tegula::benchCommand(ArrayRef<StringRef> words) {
  SmallVector<OptionSpec> specs(inputOptions());
  specs.append({{"warmup", "W", "runs before measuring (default 3)"},
                {"repeat", "R", "measured runs (default: one second's worth, at least 10)"},
                {"json", "", "machine-readable"},
                {"report", "FILE.html", "also draws it: time per node, roofline"},
                {"progress", "HOW", "auto (default: one line, on a terminal only), plain, none"}});
  Expected<Arguments> arguments = Arguments::parse("bench ARTIFACT [--in x=@x.npy]", specs, words);
  if (!arguments || arguments->isHelp)
    return arguments.takeError();
  Expected<StringRef> path = arguments->only("artifact (.so)");
  if (!path)
    return path.takeError();
  Counts counts;
  if (Error error = parseCounts(*arguments, counts))
    return error;
  Results results;
  results.toolBytes = residentBytes("VmRSS");
  Expected<Artifact> artifact = Artifact::open(*path, arguments->get("name"));
  if (!artifact)
    return artifact.takeError();
  Expected<std::vector<HostTensor>> inputs = readInputs(*artifact, *arguments, /*areOptional=*/true);
  if (!inputs)
    return inputs.takeError();
  if (Error error = measure(*artifact, *inputs, counts, arguments->get("progress", "auto"), results))
    return error;
  json::Object measured = asJson(*artifact, results);
  Error error = arguments->has("report") ? writeReport(arguments->get("report"), nullptr, &measured) : Error::success();
  if (arguments->has("json"))
    outs() << formatv("{0:2}\n", json::Value(std::move(measured)));
  else
    printText(*artifact, results);
  return error;
}
