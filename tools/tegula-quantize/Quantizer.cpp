//===- Quantizer.cpp - from a model of real numbers to one of integers -------===//
//
//   1 read       the model, brought to opset 13 (21 for 4 bits); the layers that integers can compute
//   2 observe    the model, compiled to return the layers' inputs, runs on the samples: extremes, mean squares
//   3 scale      channels of one tensor get equal ranges, where constants around it allow
//   4 histogram  again on the samples
//   5 choose     the model with its grids and weights as inputs runs with ranges by each method; the best stays
//   6 decide     each tensor alone: what its rounding costs at the outputs; with a budget, the worst stay real
//   7 write      standard ONNX
//
// The same model, samples and options give the same bytes: all is computed in one order, the counts of samples are
// fixed, and the compiled models do not depend on the machine (the default CPU of their triple) or the threads.
//
//===----------------------------------------------------------------------===//
#include "Quantizer.h"
#include "Scaling.h"
#include "tegula/tools/tegula/Command.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

/// Samples that plans are compared on, and those that each tensor alone is.
static constexpr size_t kComparedSamples = 16, kSingleSamples = 4, kRefinedSamples = 8;

/// The tensors whose rounding costs most have their range chosen each by itself, where that takes more than a little.
static constexpr size_t kRefinedSites = 16;
static constexpr double kLeastRefinement = 0.002;

/// Of means, for them to correct anything (see Statistics::trust).
static constexpr double kLeastTrust = 0.5;

/// By other orders of sums and scaled channels.
static constexpr double kMaxTrialError = 1e-2;

Expected<std::unique_ptr<ModelGraph>> tegula::readForQuantization(const QuantizeOptions &options, int opset) {
  Expected<onnx::ModelProto> proto = ModelGraph::read(options.model);
  if (!proto)
    return proto.takeError();
  std::string why;
  if (opsetOf(*proto) < opset && !convertVersion(*proto, opset, why))
    return fail(Exit::Model, options.model + ": opset " + Twine(opsetOf(*proto)) +
                                 " cannot say what is needed, and ONNX's converter cannot bring the model to " +
                                 Twine(opset) + ": " + why);
  return std::make_unique<ModelGraph>(std::move(*proto));
}

Error tegula::refuse(const ModelGraph &model, const LayerList &list, const QuantizeOptions &options) {
  std::string text = options.model + ": nothing can be quantized";
  for (const Refusal &refusal : list.refusals)
    text += "\nnote: node '" + model.nameOf(refusal.node) + "': " + refusal.reason;
  return fail(Exit::Model, text);
}

Expected<Samples> tegula::openSamples(const QuantizeOptions &options, const ModelGraph &model,
                                      const Artifact &artifact) {
  std::vector<Port> ports;
  for (const tegula_tensor_info &info : artifact.inputs()) {
    Port port{info.name, info.dtype, SmallVector<int64_t>(shapeOf(info)), false};
    for (const onnx::ValueInfoProto &input : model.proto.graph().input())
      if (input.name() == port.name && !port.shape.empty() && port.shape.front() < 0) {
        StringRef first = input.type().tensor_type().shape().dim(0).dim_param();
        port.isBatch = first.contains_insensitive("batch") || first.equals_insensitive("n") ||
                       (first.empty() && port.shape.size() == 4);
      }
    ports.push_back(std::move(port));
  }
  return Samples::open(options.calibration, std::move(ports), options.sampleLimit);
}

static json::Value decibels(double part, double whole) {
  return part > 0 && whole > 0 ? json::Value(std::round(1000 * std::log10(whole / part)) / 100) : json::Value(nullptr);
}

json::Value tegula::weightDecibels(const Layer &layer, const IntegerWeights &weights) {
  double off = 0, square = 0;
  for (auto [a, b] : zip(layer.weights, weights.dequantized(layer))) {
    off += static_cast<double>(a - b) * (a - b);
    square += static_cast<double>(a) * a;
  }
  return decibels(off, square);
}

json::Object tegula::reportOf(const ModelGraph &model, const LayerList &list, const QuantizeOptions &options,
                              std::map<int, json::Object> byNode, const Distance &distance, int64_t sampleCount) {
  for (const Refusal &refusal : list.refusals)
    byNode[refusal.node] = json::Object{{"decision", "float"}, {"reason", refusal.reason}};
  json::Array nodes;
  for (int index = 0; index < model.nodeCount(); ++index) {
    auto it = byNode.find(index);
    json::Object object = it != byNode.end() ? std::move(it->second)
                                             : json::Object{{"decision", "float"},
                                                            {"reason", "no sum of products with constant weights"}};
    object["node"] = model.nameOf(index);
    object["op"] = model.node(index).op_type();
    nodes.push_back(std::move(object));
  }
  json::Object error{{"rms", distance.rms}, {"cosine", distance.cosine}, {"top1", distance.top1}};
  return json::Object{{"model", options.model},
                      {"kind", options.kind},
                      {"samples", sampleCount},
                      {"error", std::move(error)},
                      {"nodes", std::move(nodes)}};
}

namespace {
class Quantizer {
public:
  explicit Quantizer(const QuantizeOptions &options) : options(options) {}

  Expected<json::Object> run() {
    if (Error error = read())
      return error;
    if (Error error = observe())
      return error;
    if (Error error = scale())
      return error;
    if (Error error = choose())
      return error;
    if (Error error = measureAlone())
      return error;
    if (Error error = refine())
      return error;
    if (Error error = correct())
      return error;
    if (Error error = keepBudget())
      return error;
    onnx::ModelProto proto = makeQuantized(*model, list, plans, numbers);
    if (Error error = ModelGraph::write(proto, options.output))
      return error;
    tell(7, "write", "", true);
    return report();
  }

private:
  void tell(int step, StringRef name, std::string detail, bool isDone) {
    if (options.onProgress)
      options.onProgress(step, name, std::move(detail), isDone);
  }

  Error read() {
    Expected<std::unique_ptr<ModelGraph>> opened = readForQuantization(options, 13);
    if (!opened)
      return opened.takeError();
    model = std::move(*opened);
    list = findLayers(*model, options.kept, options.isAll);
    if (list.layers.empty())
      return refuse(*model, list, options);
    tell(1, "read", formatv("{0} layers, {1} tensors", list.layers.size(), list.sites.size()), true);
    return Error::success();
  }

  /// Runs the observing model on all samples; `take` gets each sample with all outputs, those of the sites last.
  Error forEach(int step, StringRef name,
                function_ref<Error(std::vector<HostTensor> &, std::vector<HostTensor> &)> take) {
    sampleCount = 0;
    Error error = samples->forEach([&](int64_t index, std::vector<HostTensor> sample) -> Error {
      Expected<std::vector<HostTensor>> outputs = observed->run(sample);
      if (!outputs)
        return outputs.takeError();
      tell(step, name, formatv("sample {0}", index + 1), false);
      sampleCount = index + 1;
      return take(sample, *outputs);
    });
    if (!error)
      tell(step, name, formatv("{0} samples", sampleCount), true);
    return error;
  }

  /// The tensor of a site among the outputs.
  const HostTensor &tensorOf(ArrayRef<HostTensor> outputs, size_t site) const {
    return outputs[outputs.size() - list.sites.size() + site];
  }

  Error observe() {
    tell(2, "observe", "compiling", false);
    onnx::ModelProto proto = makeObserved(*model, list);
    Expected<std::unique_ptr<CompiledModel>> compiled = CompiledModel::compile(proto, "observed", options);
    if (!compiled)
      return compiled.takeError();
    observed = std::move(*compiled);
    Expected<Samples> opened = openSamples(options, *model, observed->getArtifact());
    if (!opened)
      return opened.takeError();
    samples = std::make_unique<Samples>(std::move(*opened));
    statistics.resize(list.sites.size());
    return forEach(2, "observe", [&](std::vector<HostTensor> &sample, std::vector<HostTensor> &outputs) -> Error {
      for (auto [index, site] : enumerate(list.sites))
        if (!addMoments(statistics[index], site, tensorOf(outputs, index)))
          return fail(Exit::Model, "tensor '" + site.value + "' is not a finite tensor of float with " +
                                       Twine(site.channels) + " channels on a sample; --keep-fp=" +
                                       list.layers[site.layers.front()].name + " leaves it alone");
      if (references.size() < kComparedSamples) {
        outputs.resize(outputs.size() - list.sites.size());
        references.push_back({std::move(sample), std::move(outputs)});
      }
      return Error::success();
    });
  }

  Error scale() {
    tell(3, "scale", "", false);
    if (options.isScaled)
      divisors = scaleChannels(*model, list, statistics);
    else
      for (const Site &site : list.sites)
        divisors.emplace_back(site.channels, 1.0f);
    size_t scaled = count_if(divisors, isScaled);
    tell(3, "scale", formatv("{0} of {1} tensors", scaled, list.sites.size()), true);
    // How much an error of a channel moves the layers' outputs.
    std::vector<std::vector<double>> weights;
    for (const Site &site : list.sites) {
      std::vector<double> &squares = weights.emplace_back(site.channels);
      for (int index : site.layers) {
        const Layer &layer = list.layers[index];
        for (int64_t o = 0; o < layer.outputs; ++o)
          for (int64_t k = 0; k < layer.depth; ++k) {
            double w = layer.weights[o * layer.depth + k];
            squares[layer.channelOf(o, k)] += w * w;
          }
      }
    }
    return forEach(4, "histogram", [&](std::vector<HostTensor> &, std::vector<HostTensor> &outputs) -> Error {
      for (auto [index, site] : enumerate(list.sites))
        (void)addHistogram(statistics[index], site, tensorOf(outputs, index), divisors[index], weights[index]);
      return Error::success();
    });
  }

  /// The grid of a site by a method; wider where its channels were scaled to equal ranges.
  Grid gridOf(size_t site, RangeMethod method, double percentile) const {
    Grid grid = chooseGrid(statistics[site].histogram, method, percentile);
    double headroom = isScaled(divisors[site]) ? statistics[site].headroom() : 1;
    return headroom > 1 ? Grid::of(grid.low() * headroom, grid.high() * headroom) : grid;
  }

  static bool isScaled(ArrayRef<float> divisor) {
    return any_of(divisor, [](float value) { return value != 1; });
  }

  /// The mean squares of a site's channels, as the layers see them.
  std::vector<double> meanSquares(int site) const {
    std::vector<double> result;
    for (int64_t c = 0; c < list.sites[site].channels; ++c)
      result.push_back(statistics[site].meanSquare(c) / (divisors[site][c] * divisors[site][c]));
    return result;
  }

  /// With nothing quantized the trial must be the model: else what it measures says nothing.
  Error checkTrial() {
    Expected<Distance> found = trial->measure(1);
    if (!found)
      return found.takeError();
    if (found->rms < kMaxTrialError)
      return Error::success();
    return fail(Exit::Internal, options.model + ": the model with its weights as inputs differs from the model by " +
                                    formatv("{0:e}", found->rms).str());
  }

  Error choose() {
    tell(5, "choose", "compiling", false);
    Expected<std::unique_ptr<Trial>> created = Trial::create(*model, list, options);
    if (!created)
      return created.takeError();
    trial = std::move(*created);
    for (auto &[sample, outputs] : references)
      trial->addReference(std::move(sample), std::move(outputs));
    for (auto [index, layer] : enumerate(list.layers)) {
      numbers.push_back({roundWeights(layer, meanSquares(layer.site), options.isAsymmetric), layer.biases});
      trial->setNumbers(index, numbers.back());
    }
    if (Error error = checkTrial())
      return error;
    SmallVector<RangeMethod> methods;
    for (RangeMethod method : {RangeMethod::Mse, RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Entropy})
      if (options.method == "auto" || options.method == nameOf(method))
        methods.push_back(method);
    double least = HUGE_VAL;
    for (RangeMethod candidate : methods) {
      std::vector<SitePlan> attempt;
      for (size_t index = 0; index < list.sites.size(); ++index) {
        attempt.push_back({true, gridOf(index, candidate, options.percentile)});
        trial->setPlan(index, attempt.back());
      }
      Expected<Distance> found = trial->measure(kComparedSamples);
      if (!found)
        return found.takeError();
      tried[nameOf(candidate)] = found->smooth;
      tell(5, "choose", formatv("{0}: {1:f4}", nameOf(candidate), found->smooth), false);
      if (found->smooth < least || plans.empty()) {
        least = found->smooth;
        plans = attempt;
        method = candidate;
        distance = *found;
      }
    }
    for (size_t site = 0; site < plans.size(); ++site)
      trial->setPlan(site, plans[site]);
    tell(5, "choose", formatv("{0}, error {1:f4}", nameOf(method), distance.smooth), true);
    return Error::success();
  }

  /// Takes what rounding adds to the mean of each output off its bias, where that helps (Nagel et al., 2019; here with
  /// the means that the samples have, of the rounded inputs as well).
  Error correct() {
    if (!options.isCorrected)
      return Error::success();
    Error error = forEach(6, "correct", [&](std::vector<HostTensor> &, std::vector<HostTensor> &outputs) -> Error {
      for (auto [index, site] : enumerate(list.sites))
        (void)addRounded(statistics[index], site, tensorOf(outputs, index), divisors[index], plans[index].grid);
      return Error::success();
    });
    if (error)
      return error;
    std::vector<LayerNumbers> plain = numbers;
    for (auto [index, layer] : enumerate(list.layers)) {
      if (layer.biasOperand < 0 && layer.bias.empty())
        continue;
      std::vector<float> rounded = numbers[index].weights.dequantized(layer);
      const Statistics &of = statistics[layer.site];
      if (of.trust() < kLeastTrust)
        continue;
      numbers[index].biases.resize(layer.outputs);
      for (int64_t o = 0; o < layer.outputs; ++o) {
        double shift = 0;
        for (int64_t k = 0; k < layer.depth; ++k) {
          int64_t c = layer.channelOf(o, k), at = o * layer.depth + k;
          shift += (rounded[at] * of.roundedMean(c) - layer.weights[at] * of.mean(c)) / divisors[layer.site][c];
        }
        numbers[index].biases[o] -= static_cast<float>(of.trust() * shift);
      }
      trial->setNumbers(index, numbers[index]);
    }
    Expected<Distance> found = trial->measure(kComparedSamples);
    if (!found)
      return found.takeError();
    isCorrected = found->smooth < distance.smooth;
    if (isCorrected) {
      distance = *found;
      return Error::success();
    }
    numbers = std::move(plain);
    for (size_t index = 0; index < numbers.size(); ++index)
      trial->setNumbers(index, numbers[index]);
    return Error::success();
  }

  bool isWithin(const Distance &found) const {
    if (options.budgetMetric == "cosine")
      return found.cosine >= options.budget;
    if (options.budgetMetric == "top1")
      return found.top1 >= options.budget;
    return found.rms <= options.budget;
  }

  /// What each tensor alone costs.
  Error measureAlone() {
    for (size_t site = 0; site < plans.size(); ++site)
      trial->setPlan(site, SitePlan());
    for (size_t site = 0; site < plans.size(); ++site) {
      trial->setPlan(site, plans[site]);
      Expected<Distance> found = trial->measure(kSingleSamples);
      if (!found)
        return found.takeError();
      alone.push_back(found->smooth);
      order.push_back(site);
      trial->setPlan(site, SitePlan());
      tell(6, "decide", formatv("tensor {0} of {1}", site + 1, plans.size()), false);
    }
    for (size_t site = 0; site < plans.size(); ++site)
      trial->setPlan(site, plans[site]);
    sort(order, [&](size_t a, size_t b) { return std::pair(-alone[a], a) < std::pair(-alone[b], b); });
    return Error::success();
  }

  /// Tries the ranges of all methods on one tensor after the other, all else as it is by then.
  Error refine() {
    if (options.method != "auto")
      return Error::success();
    Expected<Distance> start = trial->measure(kRefinedSamples);
    if (!start)
      return start.takeError();
    double least = start->smooth;
    for (size_t rank = 0; rank < std::min(order.size(), kRefinedSites); ++rank) {
      size_t site = order[rank];
      for (Grid grid : {gridOf(site, RangeMethod::MinMax, 0), gridOf(site, RangeMethod::Mse, 0),
                        gridOf(site, RangeMethod::Percentile, 99.999), gridOf(site, RangeMethod::Percentile, 99.99),
                        gridOf(site, RangeMethod::Percentile, 99.9)}) {
        SitePlan attempt{true, grid};
        if (grid.scale == plans[site].grid.scale && grid.zero == plans[site].grid.zero)
          continue;
        trial->setPlan(site, attempt);
        Expected<Distance> found = trial->measure(kRefinedSamples);
        if (!found)
          return found.takeError();
        if (found->smooth < least * (1 - kLeastRefinement)) {
          least = found->smooth;
          plans[site] = attempt;
        }
      }
      trial->setPlan(site, plans[site]);
      tell(6, "decide", formatv("ranges: error {0:f4}", least), false);
    }
    Expected<Distance> end = trial->measure(kComparedSamples);
    if (!end)
      return end.takeError();
    distance = *end;
    return Error::success();
  }

  /// With a budget, the tensors that cost most stay real until it holds.
  Error keepBudget() {
    std::vector<SitePlan> all = plans;
    if (options.budgetMetric.empty() || isWithin(distance)) {
      tell(6, "decide", "all quantized", true);
      return Error::success();
    }
    // The fewest of the worst; errors fall as more stay real.
    size_t low = 0, high = order.size();
    Distance atHigh;
    while (low + 1 < high) {
      size_t middle = (low + high) / 2;
      for (auto [rank, site] : enumerate(order))
        trial->setPlan(site, rank < middle ? SitePlan() : all[site]);
      Expected<Distance> found = trial->measure(kComparedSamples);
      if (!found)
        return found.takeError();
      tell(6, "decide", formatv("{0} tensors real: error {1:f4}", middle, found->smooth), false);
      if (isWithin(*found)) {
        high = middle;
        atHigh = *found;
      } else
        low = middle;
    }
    for (size_t rank = 0; rank < high; ++rank)
      plans[order[rank]] = SitePlan();
    distance = atHigh;
    tell(6, "decide", formatv("{0} of {1} tensors stay real", high, order.size()), true);
    return Error::success();
  }

  json::Object layerReport(const Layer &layer, const LayerNumbers &of) const {
    const SitePlan &plan = plans[layer.site];
    const Histogram &histogram = statistics[layer.site].histogram;
    json::Object object{{"decision", plan.isQuantized ? "int8" : "float"},
                        {"tensor", list.sites[layer.site].value},
                        {"error_alone", alone[layer.site]},
                        {"seen", json::Array{histogram.low, histogram.high}},
                        {"weight_snr_db", weightDecibels(layer, of.weights)},
                        {"channels_scaled", isScaled(divisors[layer.site])}};
    if (!plan.isQuantized) {
      object["reason"] = formatv("rounding it alone costs an error of {0:f4} at the outputs, more than {1} allows",
                                 alone[layer.site], options.budgetText)
                             .str();
      return object;
    }
    object["reason"] = "a sum of products with constant weights; the error is within what was asked for";
    GridError error = errorOf(histogram, plan.grid);
    object["input_snr_db"] = decibels(error.error, error.square);
    object["range"] = json::Array{plan.grid.low(), plan.grid.high()};
    object["scale"] = plan.grid.scale;
    object["zero_point"] = plan.grid.zero;
    return object;
  }

  json::Object report() const {
    std::map<int, json::Object> byNode;
    for (auto [layer, of] : zip(list.layers, numbers))
      byNode[layer.node] = layerReport(layer, of);
    for (auto [site, plan] : zip(list.sites, plans))
      for (Use use : site.others)
        if (plan.isQuantized)
          byNode.insert({use.node, json::Object{{"decision", "follows"},
                                                {"reason", "reads the integers that '" +
                                                               list.layers[site.layers.front()].name + "' reads"}}});
    json::Object result = reportOf(*model, list, options, std::move(byNode), distance, sampleCount);
    json::Object methods;
    for (const auto &[name, error] : tried)
      methods[name] = error;
    result["method"] = nameOf(method);
    result["errors_of_methods"] = std::move(methods);
    result["bias_corrected"] = isCorrected;
    return result;
  }

  const QuantizeOptions &options;
  std::unique_ptr<ModelGraph> model;
  LayerList list;
  std::unique_ptr<CompiledModel> observed;
  std::unique_ptr<Samples> samples;
  std::unique_ptr<Trial> trial;
  int64_t sampleCount = 0;
  std::vector<Statistics> statistics;
  std::vector<std::vector<float>> divisors;
  std::vector<std::pair<std::vector<HostTensor>, std::vector<HostTensor>>> references;
  std::vector<LayerNumbers> numbers;
  std::vector<SitePlan> plans;
  std::map<StringRef, double> tried;
  RangeMethod method = RangeMethod::Mse;
  bool isCorrected = false;
  Distance distance;
  std::vector<double> alone; ///< of each site: the error when only it is quantized
  std::vector<size_t> order; ///< of the sites, the most costly first
};
} // namespace

Expected<json::Object> tegula::quantize(const QuantizeOptions &options) { return Quantizer(options).run(); }
