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
static constexpr size_t kComparedSamples = 16, kSingleSamples = 4;

/// By other orders of sums and scaled channels.
static constexpr double kMaxTrialError = 1e-2;

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
    if (Error error = correct())
      return error;
    if (Error error = decide())
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
    Expected<onnx::ModelProto> proto = ModelGraph::read(options.model);
    if (!proto)
      return proto.takeError();
    std::string why;
    if (opsetOf(*proto) < 13 && !convertVersion(*proto, 13, why))
      return fail(Exit::Model, options.model + ": opset " + Twine(opsetOf(*proto)) +
                                   " has no scales by channel, and ONNX's converter cannot bring the model to 13: " + why);
    model = std::make_unique<ModelGraph>(std::move(*proto));
    list = findLayers(*model, options.kept);
    if (list.layers.empty()) {
      std::string text = options.model + ": nothing can be quantized";
      for (const Refusal &refusal : list.refusals)
        text += "\nnote: node '" + model->nameOf(refusal.node) + "': " + refusal.reason;
      return fail(Exit::Model, text);
    }
    tell(1, "read", formatv("{0} layers, {1} tensors", list.layers.size(), list.sites.size()), true);
    return Error::success();
  }

  /// The inputs as they were compiled, with the names of the model's free extents.
  std::vector<Port> ports(ArrayRef<tegula_tensor_info> infos) const {
    std::vector<Port> result;
    for (const tegula_tensor_info &info : infos) {
      Port port{info.name, info.dtype, SmallVector<int64_t>(shapeOf(info)), false};
      for (const onnx::ValueInfoProto &input : model->proto.graph().input())
        if (input.name() == port.name && !port.shape.empty() && port.shape.front() < 0) {
          std::string first = input.type().tensor_type().shape().dim(0).dim_param();
          port.isBatch = StringRef(first).contains_insensitive("batch") || StringRef(first).equals_insensitive("n") ||
                         (first.empty() && port.shape.size() == 4);
        }
      result.push_back(std::move(port));
    }
    return result;
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
    std::vector<std::string> names;
    onnx::ModelProto proto = makeObserved(*model, list, names);
    Expected<std::unique_ptr<CompiledModel>> compiled =
        CompiledModel::compile(proto, "observed", options.compilerWords, options.threads);
    if (!compiled)
      return compiled.takeError();
    observed = std::move(*compiled);
    Expected<Samples> opened =
        Samples::open(options.calibration, ports(observed->getArtifact().inputs()), options.sampleLimit);
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
    Expected<std::unique_ptr<Trial>> created = Trial::create(*model, list, options.compilerWords, options.threads);
    if (!created)
      return created.takeError();
    trial = std::move(*created);
    for (auto &[sample, outputs] : references)
      trial->addReference(std::move(sample), std::move(outputs));
    for (auto [index, layer] : enumerate(list.layers)) {
      numbers.push_back({roundWeights(layer, meanSquares(layer.site)), layer.biases});
      trial->setNumbers(index, numbers.back());
    }
    if (Error error = checkTrial())
      return error;
    SmallVector<RangeMethod> methods;
    for (RangeMethod method :
         {RangeMethod::Mse, RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Entropy})
      if (options.method == "auto" || options.method == nameOf(method))
        methods.push_back(method);
    double least = HUGE_VAL;
    for (RangeMethod candidate : methods) {
      std::vector<SitePlan> attempt;
      for (auto [index, site] : enumerate(list.sites)) {
        attempt.push_back({true, chooseGrid(statistics[index].histogram, candidate, options.percentile)});
        trial->setPlan(index, attempt.back());
      }
      Expected<Distance> found = trial->measure(kComparedSamples);
      if (!found)
        return found.takeError();
      tried[nameOf(candidate)] = found->rms;
      tell(5, "choose", formatv("{0}: {1:f4}", nameOf(candidate), found->rms), false);
      if (found->rms < least || plans.empty()) {
        least = found->rms;
        plans = attempt;
        method = candidate;
        distance = *found;
      }
    }
    for (size_t site = 0; site < plans.size(); ++site)
      trial->setPlan(site, plans[site]);
    tell(5, "choose", formatv("{0}, error {1:f4}", nameOf(method), distance.rms), true);
    return Error::success();
  }

  /// Takes what rounding adds to the mean of each output off its bias, where that helps (Nagel et al., 2019; here with
  /// the means that the samples have, of the rounded inputs as well).
  Error correct() {
    if (!options.isCorrected)
      return Error::success();
    Error error = forEach(5, "correct", [&](std::vector<HostTensor> &, std::vector<HostTensor> &outputs) -> Error {
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
      numbers[index].biases.resize(layer.outputs);
      for (int64_t o = 0; o < layer.outputs; ++o) {
        double shift = 0;
        for (int64_t k = 0; k < layer.depth; ++k) {
          int64_t c = layer.channelOf(o, k), at = o * layer.depth + k;
          shift += (rounded[at] * of.roundedMean(c) - layer.weights[at] * of.mean(c)) / divisors[layer.site][c];
        }
        numbers[index].biases[o] -= static_cast<float>(shift);
      }
      trial->setNumbers(index, numbers[index]);
    }
    Expected<Distance> found = trial->measure(kComparedSamples);
    if (!found)
      return found.takeError();
    isCorrected = found->rms < distance.rms;
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

  /// What each tensor alone costs; then the worst stay real until the budget holds.
  Error decide() {
    std::vector<SitePlan> all = plans;
    for (size_t site = 0; site < plans.size(); ++site)
      trial->setPlan(site, SitePlan());
    for (size_t site = 0; site < plans.size(); ++site) {
      trial->setPlan(site, all[site]);
      Expected<Distance> found = trial->measure(kSingleSamples);
      if (!found)
        return found.takeError();
      alone.push_back(found->rms);
      trial->setPlan(site, SitePlan());
      tell(6, "decide", formatv("tensor {0} of {1}", site + 1, plans.size()), false);
    }
    for (size_t site = 0; site < plans.size(); ++site)
      trial->setPlan(site, all[site]);
    if (options.budgetMetric.empty() || isWithin(distance)) {
      tell(6, "decide", "all quantized", true);
      return Error::success();
    }
    std::vector<size_t> order;
    for (size_t site = 0; site < plans.size(); ++site)
      order.push_back(site);
    sort(order, [&](size_t a, size_t b) { return std::pair(-alone[a], a) < std::pair(-alone[b], b); });
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
      tell(6, "decide", formatv("{0} tensors real: error {1:f4}", middle, found->rms), false);
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
    std::vector<float> rounded = of.weights.dequantized(layer);
    double off = 0, square = 0;
    for (auto [a, b] : zip(layer.weights, rounded)) {
      off += (a - b) * (a - b);
      square += a * a;
    }
    GridError error = errorOf(statistics[layer.site].histogram, plan.grid);
    auto decibels = [](double part, double whole) {
      return part > 0 && whole > 0 ? json::Value(std::round(100 * 10 * std::log10(whole / part)) / 100) : json::Value(nullptr);
    };
    std::string reason = plan.isQuantized ? "the samples' error allows it"
                                          : formatv("alone it costs an error of {0:f4}, the budget is {1} {2}",
                                                    alone[layer.site], options.budgetMetric, options.budget)
                                                .str();
    json::Object object{{"node", layer.name},
                        {"op", model->node(layer.node).op_type()},
                        {"decision", plan.isQuantized ? "int8" : "float"},
                        {"reason", reason},
                        {"tensor", list.sites[layer.site].value},
                        {"error_alone", alone[layer.site]},
                        {"weight_snr_db", decibels(off, square)},
                        {"channels_scaled", isScaled(divisors[layer.site])}};
    if (plan.isQuantized) {
      object["input_snr_db"] = decibels(error.error, error.square);
      object["range"] = json::Array{plan.grid.low(), plan.grid.high()};
      object["seen"] = json::Array{statistics[layer.site].histogram.low, statistics[layer.site].histogram.high};
      object["scale"] = plan.grid.scale;
      object["zero_point"] = plan.grid.zero;
    }
    return object;
  }

  json::Object report() const {
    json::Array nodes;
    std::map<int, json::Object> byNode;
    for (auto [layer, of] : zip(list.layers, numbers))
      byNode[layer.node] = layerReport(layer, of);
    for (const Refusal &refusal : list.refusals)
      byNode[refusal.node] = json::Object{{"decision", "float"}, {"reason", refusal.reason}};
    for (const Site &site : list.sites)
      for (Use use : site.others)
        byNode.insert({use.node, json::Object{{"decision", "follows"},
                                              {"reason", "reads the integers that '" +
                                                             list.layers[site.layers.front()].name + "' reads"}}});
    for (int index = 0; index < model->nodeCount(); ++index) {
      auto it = byNode.find(index);
      json::Object object = it != byNode.end() ? std::move(it->second)
                                               : json::Object{{"decision", "float"},
                                                              {"reason", "no sum of products with constant weights"}};
      object["node"] = model->nameOf(index);
      object["op"] = model->node(index).op_type();
      nodes.push_back(std::move(object));
    }
    json::Object methods;
    for (const auto &[name, error] : tried)
      methods[name] = error;
    return json::Object{{"model", options.model},
                        {"kind", options.kind},
                        {"samples", sampleCount},
                        {"method", nameOf(method)},
                        {"errors_of_methods", std::move(methods)},
                        {"bias_corrected", isCorrected},
                        {"error", json::Object{{"rms", distance.rms}, {"cosine", distance.cosine}, {"top1", distance.top1}}},
                        {"nodes", std::move(nodes)}};
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
};
} // namespace

Expected<json::Object> tegula::quantize(const QuantizeOptions &options) { return Quantizer(options).run(); }
