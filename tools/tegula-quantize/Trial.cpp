//===- Trial.cpp - running the models that are made --------------------------===//
#include "Trial.h"
#include "tegula/compiler/emit/Tools.h"
#include "tegula/tools/tegula/Command.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

//===----------------------------------------------------------------------===//
// CompiledModel
//===----------------------------------------------------------------------===//

CompiledModel::~CompiledModel() {
  session.reset();
  if (!folder.empty())
    (void)sys::fs::remove_directories(folder);
}

Expected<std::unique_ptr<CompiledModel>> CompiledModel::compile(onnx::ModelProto &proto, StringRef name,
                                                                const QuantizeOptions &options) {
  std::optional<std::string> driver = findTool("tegulac");
  if (!driver)
    return fail(Exit::Io, "quantizing needs tegulac, which is neither beside this tool nor in $PATH");
  auto result = std::make_unique<CompiledModel>();
  if (sys::fs::createUniqueDirectory("tegula-quantize", result->folder))
    return fail(Exit::Io, "cannot make a temporary folder");
  std::string stem = (result->folder + "/" + name).str(), object = stem + ".so", messages = stem + ".txt", why;
  auto compileFile = [&](const std::string &model, const std::string &output) {
    std::vector<std::string> words{*driver, model, "-o", output, "--progress=none"};
    words.insert(words.end(), options.compilerWords.begin(), options.compilerWords.end());
    return runTool(words, std::nullopt, messages, why);
  };
  if (Error error = ModelGraph::write(proto, stem + ".onnx"))
    return error;
  int code = compileFile(stem + ".onnx", object);
  for (StringRef suffix : {".onnx", ".onnx.data"})
    (void)sys::fs::remove(stem + suffix);
  if (code) {
    // What is wrong with the model is said of the user's file; else it is the change to it.
    std::string text = code < 0 ? why : textOf(messages);
    if (int own = code < 0 ? 0 : compileFile(options.model, stem + ".json"); own > 0) {
      code = own;
      text = textOf(messages);
    }
    return fail(code < 0 ? Exit::Internal : static_cast<Exit>(code),
                options.model + " cannot be compiled\n" + StringRef(text).rtrim());
  }
  Expected<Artifact> artifact = Artifact::open(object, "");
  if (!artifact)
    return artifact.takeError();
  result->artifact = *artifact;
  Expected<std::unique_ptr<Session>> session = Session::create(result->artifact, options.threads, /*isProfiled=*/false);
  if (!session)
    return session.takeError();
  result->session = std::move(*session);
  return result;
}

Expected<std::vector<HostTensor>> CompiledModel::run(MutableArrayRef<HostTensor> inputs) {
  if (Error error = session->run(inputs))
    return error;
  return session->takeOutputs();
}

//===----------------------------------------------------------------------===//
// Trial
//===----------------------------------------------------------------------===//

template <typename T> static void setNumber(HostTensor &tensor, T value) {
  tensor.data.resize(sizeof(T));
  memcpy(tensor.data.data(), &value, sizeof(T));
}

static void setFloats(HostTensor &tensor, ArrayRef<float> values) {
  tensor.data.resize(values.size() * sizeof(float));
  memcpy(tensor.data.data(), values.data(), tensor.data.size());
}

Expected<std::unique_ptr<Trial>> Trial::create(ModelGraph &model, const LayerList &list,
                                               const QuantizeOptions &options) {
  std::unique_ptr<Trial> trial(new Trial(list));
  onnx::ModelProto proto = makeTrial(model, list, trial->names);
  Expected<std::unique_ptr<CompiledModel>> compiled = CompiledModel::compile(proto, "trial", options);
  if (!compiled)
    return compiled.takeError();
  trial->compiled = std::move(*compiled);
  for (const tegula_tensor_info &info : trial->compiled->getArtifact().inputs()) {
    if (!StringRef(info.name).starts_with("tegula_"))
      trial->sampleIndex.push_back(trial->inputs.size());
    trial->inputIndex[info.name] = trial->inputs.size();
    HostTensor &tensor = trial->inputs.emplace_back();
    tensor.dtype = info.dtype;
    tensor.shape.assign(shapeOf(info).begin(), shapeOf(info).end());
  }
  trial->compared = comparedOutputs(model);
  trial->plans.resize(list.sites.size());
  trial->numbers.resize(list.layers.size());
  for (size_t site = 0; site < list.sites.size(); ++site)
    trial->setPlan(site, SitePlan());
  return trial;
}

void Trial::addReference(std::vector<HostTensor> sample, std::vector<HostTensor> outputs) {
  samples.push_back(std::move(sample));
  references.push_back(std::move(outputs));
}

void Trial::setNumbers(int index, const LayerNumbers &given) {
  numbers[index] = given;
  const SitePlan &plan = plans[list.layers[index].site];
  if (plan.isQuantized)
    setLayer(index, plan.grid);
}

void Trial::setPlan(int site, SitePlan plan) {
  plans[site] = plan;
  setNumber(inputs[inputIndex[names.sites[site].gate]], static_cast<uint8_t>(plan.isQuantized));
  setNumber(inputs[inputIndex[names.sites[site].scale]], plan.grid.scale);
  setNumber(inputs[inputIndex[names.sites[site].zero]], plan.grid.zero);
  for (int index : list.sites[site].layers) {
    const Layer &layer = list.layers[index];
    if (plan.isQuantized) {
      setLayer(index, plan.grid);
      continue;
    }
    setFloats(inputs[inputIndex[names.layers[index].weight]], layer.toModel<float>(layer.weights));
    std::vector<float> none(layer.outputs);
    if (!names.layers[index].bias.empty())
      setFloats(inputs[inputIndex[names.layers[index].bias]], layer.biases.empty() ? none : layer.biases);
  }
}

void Trial::setLayer(int index, Grid grid) {
  const Layer &layer = list.layers[index];
  LayerNumbers rounded = numbers[index];
  std::vector<int32_t> integers = roundBiases(grid.scale, rounded);
  setFloats(inputs[inputIndex[names.layers[index].weight]], layer.toModel<float>(rounded.weights.dequantized(layer)));
  if (names.layers[index].bias.empty())
    return;
  std::vector<float> biases(layer.outputs);
  for (size_t o = 0; o < rounded.biases.size(); ++o)
    biases[o] = layer.biasOperand < 0 ? rounded.biases[o] : integers[o] * grid.scale * rounded.weights.scales[o];
  setFloats(inputs[inputIndex[names.layers[index].bias]], biases);
}

namespace {
/// Sums over all samples, of one output.
struct Comparison {
  double off = 0, sum = 0, squares = 0, product = 0, otherSquares = 0, count = 0;
  double rows = 0, same = 0;

  void add(double x, double y) {
    off += (x - y) * (x - y);
    sum += x;
    squares += x * x;
    otherSquares += y * y;
    product += x * y;
    ++count;
  }
};
} // namespace

static void compare(const HostTensor &x, const HostTensor &y, Comparison &comparison) {
  if (x.data.size() != y.data.size())
    return;
  if (x.dtype != TEGULA_FLOAT) {
    size_t bytes = std::max<size_t>(elementBytes(x.dtype), 1);
    for (size_t at = 0; at < x.data.size(); at += bytes)
      comparison.add(1, memcmp(x.data.data() + at, y.data.data() + at, bytes) == 0);
    comparison.sum = 0; // the share of those that differ
    return;
  }
  ArrayRef<float> left(reinterpret_cast<const float *>(x.data.data()), x.data.size() / sizeof(float));
  ArrayRef<float> right(reinterpret_cast<const float *>(y.data.data()), left.size());
  for (auto [a, b] : zip(left, right))
    comparison.add(a, b);
  size_t row = x.shape.empty() ? 1 : x.shape.back();
  for (size_t at = 0; row > 1 && at < left.size(); at += row) {
    auto largest = [&](ArrayRef<float> values) {
      return std::max_element(values.begin() + at, values.begin() + at + row) - values.begin();
    };
    ++comparison.rows;
    comparison.same += largest(left) == largest(right);
  }
}

Distance tegula::distanceOf(ArrayRef<std::vector<HostTensor>> references, ArrayRef<std::vector<HostTensor>> found,
                            ArrayRef<int> compared) {
  std::vector<Comparison> comparisons;
  for (auto [expected, got] : zip(references, found)) {
    comparisons.resize(expected.size());
    for (auto [reference, output, comparison] : zip(expected, got, comparisons))
      compare(reference, output, comparison);
  }
  std::vector<int> themselves(comparisons.size(), -1);
  if (compared.empty())
    compared = themselves;
  auto relative = [](const Comparison &c) {
    double deviation = c.count ? c.squares - c.sum * c.sum / c.count : 0;
    return deviation > 0 ? c.off / deviation : c.off > 0;
  };
  Distance distance;
  double rows = 0, same = 0;
  for (size_t i = 0; i < compared.size() && i < comparisons.size(); ++i) {
    const Comparison &c = comparisons[i];
    distance.rms += relative(c);
    distance.smooth += relative(compared[i] < 0 ? c : comparisons[compared.size() + compared[i]]);
    if (c.squares > 0 && c.otherSquares > 0)
      distance.cosine = std::min(distance.cosine, c.product / std::sqrt(c.squares * c.otherSquares));
    rows += c.rows;
    same += c.same;
  }
  distance.rms = std::sqrt(distance.rms / std::max<size_t>(compared.size(), 1));
  distance.smooth = std::sqrt(distance.smooth / std::max<size_t>(compared.size(), 1));
  distance.top1 = rows ? same / rows : 1;
  return distance;
}

Expected<Distance> Trial::measure(size_t count) {
  std::vector<std::vector<HostTensor>> found;
  count = std::min(count, samples.size());
  for (size_t i = 0; i < count; ++i) {
    for (auto [index, tensor] : zip(sampleIndex, samples[i]))
      inputs[index] = tensor;
    Expected<std::vector<HostTensor>> outputs = compiled->run(inputs);
    if (!outputs)
      return outputs.takeError();
    found.push_back(std::move(*outputs));
  }
  return distanceOf(ArrayRef(references).take_front(count), found, compared);
}
