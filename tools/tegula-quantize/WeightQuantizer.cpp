//===- WeightQuantizer.cpp - integers for weights alone ------------------------===//
//
// The inputs stay real: where a layer reads few rows, as a language model does for each token, reading the weights is
// what takes the time. The samples give the products of inputs with which rounding errors are compensated.
//
//===----------------------------------------------------------------------===//
#include "Quantizer.h"
#include "tegula/tools/tegula/Command.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

/// Of products that are summed in one pass over the samples.
static constexpr int64_t kMaxProductBytes = int64_t(1) << 30;
/// Samples that the result is compared on.
static constexpr size_t kComparedSamples = 4;

namespace {
class WeightQuantizer {
public:
  explicit WeightQuantizer(const QuantizeOptions &options) : options(options) {}

  Expected<json::Object> run() {
    if (Error error = read())
      return error;
    // As many sites at once as there is memory for.
    std::vector<size_t> together;
    int64_t bytes = 0;
    for (size_t site = 0; site < list.sites.size(); ++site) {
      int64_t own = list.sites[site].channels * list.sites[site].channels * sizeof(float);
      if (!together.empty() && bytes + own > kMaxProductBytes) {
        if (Error error = round(together))
          return error;
        together.clear();
        bytes = 0;
      }
      together.push_back(site);
      bytes += own;
    }
    if (Error error = round(together))
      return error;
    onnx::ModelProto proto = makeWeightsOnly(*model, list, weights, options.isAsymmetric);
    if (options.block && proto.ir_version() < kIrOfBlocks)
      proto.set_ir_version(kIrOfBlocks);
    if (Error error = compare(proto))
      return error;
    if (Error error = ModelGraph::write(proto, options.output))
      return error;
    tell(7, "write", "", true);
    return report();
  }

private:
  /// The version of the format that has 4-bit integers, and the first for the opset that has blocks.
  static constexpr int64_t kIrOfBlocks = 10;

  void tell(int step, StringRef name, std::string detail, bool isDone) {
    if (options.onProgress)
      options.onProgress(step, name, std::move(detail), isDone);
  }

  Error read() {
    Expected<std::unique_ptr<ModelGraph>> opened = readForQuantization(options, options.block ? 21 : 13);
    if (!opened)
      return opened.takeError();
    model = std::move(*opened);
    list = findLayers(*model, options.kept, options.isAll);
    LayerList products;
    products.refusals = list.refusals;
    for (Site &site : list.sites)
      site.layers.clear();
    for (Layer &layer : list.layers) {
      bool isConv = model->node(layer.node).op_type() == "Conv";
      if (isConv || (options.block && layer.depth % options.block)) {
        std::string why =
            isConv ? "a convolution reads its weights many times: integers for them alone save nothing"
                   : formatv("its {0} inputs are no multiple of the block of {1}", layer.depth, options.block).str();
        products.refusals.push_back({layer.node, why});
        continue;
      }
      list.sites[layer.site].layers.push_back(products.layers.size());
      products.layers.push_back(std::move(layer));
    }
    for (Site &site : list.sites) {
      for (int layer : site.layers)
        products.layers[layer].site = products.sites.size();
      if (!site.layers.empty())
        products.sites.push_back(std::move(site));
    }
    list = std::move(products);
    weights.resize(list.layers.size());
    if (list.layers.empty())
      return refuse(*model, list, options);
    tell(1, "read", formatv("{0} layers", list.layers.size()), true);
    return Error::success();
  }

  /// Sums the products of some sites' inputs and rounds the weights of their layers.
  Error round(ArrayRef<size_t> sites) {
    tell(2, "observe", "compiling", false);
    onnx::ModelProto proto = makeProducts(*model, list, sites);
    Expected<std::unique_ptr<CompiledModel>> compiled = CompiledModel::compile(proto, "observed", options);
    if (!compiled)
      return compiled.takeError();
    Expected<Samples> samples = openSamples(options, *model, (*compiled)->getArtifact());
    if (!samples)
      return samples.takeError();
    std::vector<std::vector<float>> sums(sites.size());
    std::vector<double> rows(sites.size());
    Error error = samples->forEach([&](int64_t index, std::vector<HostTensor> sample) -> Error {
      Expected<std::vector<HostTensor>> outputs = (*compiled)->run(sample);
      if (!outputs)
        return outputs.takeError();
      for (size_t i = 0; i < sites.size(); ++i) {
        const HostTensor *pair = &(*outputs)[outputs->size() - 2 * sites.size() + 2 * i];
        const HostTensor &tensor = pair[0];
        const float *values = reinterpret_cast<const float *>(tensor.data.data());
        rows[i] += reinterpret_cast<const int64_t *>(pair[1].data.data())[0];
        sums[i].resize(tensor.data.size() / sizeof(float));
        for (size_t k = 0; k < sums[i].size(); ++k)
          sums[i][k] += values[k];
      }
      if (references.size() < kComparedSamples && sites.front() == 0) {
        outputs->resize(outputs->size() - 2 * sites.size());
        references.push_back({std::move(sample), std::move(*outputs)});
      }
      sampleCount = std::max(sampleCount, index + 1);
      tell(2, "observe", formatv("sample {0}", index + 1), false);
      return Error::success();
    });
    if (error)
      return error;
    for (auto [site, sum, count] : zip(sites, sums, rows)) {
      Compensation compensation = compensationOf(std::move(sum), list.sites[site].channels, count);
      for (int index : list.sites[site].layers)
        weights[index] =
            roundBlocks(list.layers[index], options.block, options.bits, options.isAsymmetric, compensation);
      tell(3, "round", formatv("tensor {0} of {1}", site + 1, list.sites.size()), site + 1 == list.sites.size());
    }
    return Error::success();
  }

  Error compare(onnx::ModelProto &proto) {
    tell(5, "compare", "compiling", false);
    Expected<std::unique_ptr<CompiledModel>> compiled = CompiledModel::compile(proto, "quantized", options);
    if (!compiled)
      return compiled.takeError();
    std::vector<std::vector<HostTensor>> found, expected;
    for (auto &[sample, outputs] : references) {
      Expected<std::vector<HostTensor>> run = (*compiled)->run(sample);
      if (!run)
        return run.takeError();
      found.push_back(std::move(*run));
      expected.push_back(std::move(outputs));
    }
    distance = distanceOf(expected, found, {});
    tell(5, "compare", formatv("error {0:f4}", distance.rms), true);
    return Error::success();
  }

  json::Object report() const {
    std::map<int, json::Object> byNode;
    for (auto [layer, of] : zip(list.layers, weights))
      byNode[layer.node] = json::Object{{"decision", options.kind},
                                        {"reason", "its weights are read once a row"},
                                        {"tensor", layer.weight},
                                        {"weight_snr_db", weightDecibels(layer, of)}};
    return reportOf(*model, list, options, std::move(byNode), distance, sampleCount);
  }

  const QuantizeOptions &options;
  std::unique_ptr<ModelGraph> model;
  LayerList list;
  std::vector<IntegerWeights> weights;
  std::vector<std::pair<std::vector<HostTensor>, std::vector<HostTensor>>> references;
  Distance distance;
  int64_t sampleCount = 0;
};
} // namespace

Expected<json::Object> tegula::quantizeWeights(const QuantizeOptions &options) {
  return WeightQuantizer(options).run();
}
