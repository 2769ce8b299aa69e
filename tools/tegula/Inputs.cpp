//===- Inputs.cpp - --in and --shape --------------------------------------===//
#include "Artifact.h"
#include "Command.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace tegula;

ArrayRef<OptionSpec> tegula::inputOptions() {
  static constexpr OptionSpec options[] = {
      {"in", "NAME=@FILE|random:SEED", "an input: a .npy or TensorProto (.pb) file, or random numbers; repeat"},
      {"shape", "NAME:1x3x224x224", "the shape of a random input with dynamic extents (default: 1 each); repeat"},
      {"name", "NAME", "the model, if the artifact holds several"},
      {"threads", "N", "threads of a run; 0, the default: one for each CPU"}};
  return options;
}

/// splitmix64: the same numbers on every machine.
static uint64_t nextRandom(uint64_t &state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// IEEE half of a float in [-1, 1), rounded towards zero.
static uint16_t toHalf(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  int exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
  return (bits >> 16 & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10 | (bits >> 13 & 0x3ff)));
}

/// Floating point: uniform in [-1, 1). bool and integers: 0 or 1, which even the table of a pair's two sentences has.
static void fillRandom(HostTensor &tensor, uint64_t seed) {
  size_t bytes = elementBytes(tensor.dtype);
  for (char *at = tensor.data.data(), *end = at + tensor.data.size(); at < end; at += bytes) {
    uint64_t random = nextRandom(seed);
    double real = static_cast<double>(random >> 11) * 0x1p-52 - 1;
    float single = static_cast<float>(real);
    uint64_t word = random >> 63;
    if (tensor.dtype == TEGULA_FLOAT || tensor.dtype == TEGULA_COMPLEX64)
      memcpy(&word, &single, 4);
    else if (tensor.dtype == TEGULA_DOUBLE || tensor.dtype == TEGULA_COMPLEX128)
      memcpy(&word, &real, 8);
    else if (tensor.dtype == TEGULA_FLOAT16)
      word = toHalf(single);
    else if (tensor.dtype == TEGULA_BFLOAT16)
      memcpy(&word, reinterpret_cast<char *>(&single) + 2, 2);
    memcpy(at, &word, std::min<size_t>(bytes, 8));
  }
}

static Expected<HostTensor> randomInput(const tegula_tensor_info &info, StringRef shapeText, uint64_t seed) {
  HostTensor tensor;
  tensor.dtype = info.dtype;
  for (int64_t extent : shapeOf(info))
    tensor.shape.push_back(extent < 0 ? 1 : extent);
  if (!shapeText.empty()) {
    SmallVector<StringRef> parts;
    shapeText.split(parts, 'x');
    tensor.shape.clear();
    for (StringRef part : parts)
      if (part.getAsInteger(10, tensor.shape.emplace_back()) || tensor.shape.back() < 0)
        return fail(Exit::Usage, "--shape: '" + shapeText + "' is not a shape such as 1x3x224x224");
  }
  int64_t count = elementCount(tensor.shape);
  if (count < 0 || !elementBytes(info.dtype))
    return fail(Exit::Usage, "input '" + Twine(info.name) + "': cannot make " + typeText(tensor.dtype, tensor.shape));
  tensor.data.resize(count * elementBytes(info.dtype));
  fillRandom(tensor, seed);
  return tensor;
}

static Expected<HostTensor> readInput(const tegula_tensor_info &info, StringRef value, StringRef shapeText) {
  uint64_t seed;
  if (value.consume_front("@"))
    return value.ends_with(".pb") ? readTensorProto(value) : readNpy(value, info.dtype);
  if (value.consume_front("random:") && !value.getAsInteger(10, seed))
    return randomInput(info, shapeText, seed);
  return fail(Exit::Usage, "--in " + Twine(info.name) + ": expected @FILE or random:SEED, got '" + value + "'");
}

/// NAME -> the rest of an option's values "NAME<separator>REST"; names may hold the separator, so the model's decide.
static Expected<StringMap<StringRef>> byInput(const Artifact &artifact, const Arguments &arguments, StringRef option,
                                              char separator) {
  StringMap<StringRef> result;
  for (StringRef text : arguments.all(option)) {
    const tegula_tensor_info *found = nullptr;
    for (const tegula_tensor_info &info : artifact.inputs()) {
      StringRef rest = text;
      if (rest.consume_front(info.name) && rest.starts_with(Twine(separator).str()) &&
          (!found || StringRef(found->name).size() < StringRef(info.name).size()))
        found = &info;
    }
    if (!found) {
      auto names = map_range(artifact.inputs(), [](const tegula_tensor_info &info) { return info.name; });
      return fail(Exit::Usage, "--" + option + " " + text + ": names no input; the model has " + join(names, ", "));
    }
    result[found->name] = text.drop_front(strlen(found->name) + 1);
  }
  return result;
}

Expected<std::vector<HostTensor>> tegula::readInputs(const Artifact &artifact, const Arguments &arguments,
                                                     bool areOptional) {
  Expected<StringMap<StringRef>> values = byInput(artifact, arguments, "in", '=');
  if (!values)
    return values.takeError();
  Expected<StringMap<StringRef>> shapes = byInput(artifact, arguments, "shape", ':');
  if (!shapes)
    return shapes.takeError();
  std::vector<HostTensor> inputs;
  for (const tegula_tensor_info &info : artifact.inputs()) {
    StringRef value = values->lookup(info.name);
    if (value.empty() && !areOptional)
      return fail(Exit::Usage,
                  "input '" + Twine(info.name) + "' is missing: --in " + info.name + "=@FILE or =random:1");
    Expected<HostTensor> tensor = readInput(info, value.empty() ? "random:1" : value, shapes->lookup(info.name));
    if (!tensor)
      return tensor.takeError();
    inputs.push_back(std::move(*tensor));
  }
  return inputs;
}
