//===- ModelGraph.cpp - an ONNX model that is changed in memory -------------===//
#include "ModelGraph.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/import/ExternalData.h"
#include "tegula/tools/tegula/Command.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>

using namespace llvm;
using namespace tegula;

/// Messages inside messages, as the compiler allows them.
static constexpr int kMaxMessageDepth = 200;
/// What one file may hold: protobuf ends at 2 GiB.
static constexpr size_t kMaxFileBytes = size_t(3) << 29;
/// Smaller tensors stay in the file in any case.
static constexpr size_t kMinExternalBytes = 1024;

ModelGraph::ModelGraph(onnx::ModelProto given) : proto(std::move(given)) {
  onnx::GraphProto &graph = *proto.mutable_graph();
  for (const onnx::ValueInfoProto &input : graph.input())
    inputs.insert(input.name());
  for (onnx::TensorProto &tensor : *graph.mutable_initializer()) {
    names.insert(tensor.name());
    if (!inputs.contains(tensor.name()))
      constants[tensor.name()] = &tensor;
  }
  for (int index = 0; index < graph.node_size(); ++index) {
    onnx::NodeProto &node = *graph.mutable_node(index);
    names.insert(node.name());
    for (auto [operand, name] : enumerate(node.input()))
      if (!name.empty())
        uses[name].push_back({index, static_cast<int>(operand)});
    for (const std::string &name : node.output()) {
      names.insert(name);
      if (!name.empty())
        producers[name] = index;
    }
    for (onnx::AttributeProto &attribute : *node.mutable_attribute()) {
      if (isStandard(node) && node.op_type() == "Constant" && attribute.name() == "value" && node.output_size() == 1)
        constants[node.output(0)] = attribute.mutable_t();
      if (attribute.has_g())
        addUsesOfGraph(attribute.g());
      for (const onnx::GraphProto &inner : attribute.graphs())
        addUsesOfGraph(inner);
    }
  }
  for (const onnx::ValueInfoProto &output : graph.output())
    seen.insert(output.name());
  for (const auto &entry : inputs)
    names.insert(entry.getKey());
}

void ModelGraph::addUsesOfGraph(const onnx::GraphProto &inner) {
  for (const onnx::ValueInfoProto &output : inner.output())
    seen.insert(output.name());
  for (const onnx::NodeProto &node : inner.node()) {
    for (const std::string &name : node.input())
      seen.insert(name);
    for (const std::string &name : node.output())
      names.insert(name);
    for (const onnx::AttributeProto &attribute : node.attribute()) {
      if (attribute.has_g())
        addUsesOfGraph(attribute.g());
      for (const onnx::GraphProto &graph : attribute.graphs())
        addUsesOfGraph(graph);
    }
  }
}

std::string ModelGraph::nameOf(int index) const {
  const onnx::NodeProto &of = node(index);
  return of.name().empty() ? of.op_type() + "_" + std::to_string(index) : of.name();
}

int ModelGraph::producerOf(StringRef value) const {
  auto it = producers.find(value);
  return it == producers.end() ? -1 : it->second;
}

ArrayRef<Use> ModelGraph::usesOf(StringRef value) const {
  auto it = uses.find(value);
  return it == uses.end() ? ArrayRef<Use>() : ArrayRef<Use>(it->second);
}

const onnx::TensorProto *ModelGraph::constantOf(StringRef value) const { return constants.lookup(value); }
onnx::TensorProto *ModelGraph::constantOf(StringRef value) { return constants.lookup(value); }

std::string ModelGraph::freshName(StringRef base) {
  std::string name = base.str();
  for (int i = 1; !names.insert(name).second; ++i)
    name = (base + "_" + Twine(i)).str();
  return name;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static size_t bytesOf(int32_t type) {
  switch (type) {
  case onnx::TensorProto::FLOAT:
  case onnx::TensorProto::INT32:
  case onnx::TensorProto::UINT32:
    return 4;
  case onnx::TensorProto::DOUBLE:
  case onnx::TensorProto::INT64:
  case onnx::TensorProto::UINT64:
  case onnx::TensorProto::COMPLEX64:
    return 8;
  case onnx::TensorProto::COMPLEX128:
    return 16;
  case onnx::TensorProto::FLOAT16:
  case onnx::TensorProto::BFLOAT16:
  case onnx::TensorProto::INT16:
  case onnx::TensorProto::UINT16:
    return 2;
  default:
    return 1;
  }
}

int64_t tegula::elementCount(const onnx::TensorProto &tensor) {
  int64_t count = 1;
  for (int64_t extent : tensor.dims()) {
    if (extent < 0 || (extent > 0 && count > (int64_t(1) << 40) / extent))
      return -1;
    count *= extent;
  }
  return count;
}

/// Puts the data of one tensor into it.
static Error embed(onnx::TensorProto &tensor, ExternalFiles &files, StringRef path) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL)
    return Error::success();
  int64_t count = elementCount(tensor);
  bool isHalved = tensor.data_type() == onnx::TensorProto::INT4 || tensor.data_type() == onnx::TensorProto::UINT4;
  std::string why;
  std::optional<ExternalData> data;
  if (count < 0)
    why = "keeps its data outside, but its shape has a negative extent or too many elements";
  else
    data = files.find(tensor, isHalved ? (count + 1) / 2 : count * bytesOf(tensor.data_type()), why);
  if (!data)
    return fail(Exit::Io, path + ": tensor '" + tensor.name() + "' " + why);
  tensor.set_raw_data(data->bytes.data(), data->bytes.size());
  tensor.clear_external_data();
  tensor.clear_data_location();
  return Error::success();
}

static Error embed(onnx::GraphProto &graph, ExternalFiles &files, StringRef path) {
  for (onnx::TensorProto &tensor : *graph.mutable_initializer())
    if (Error error = embed(tensor, files, path))
      return error;
  for (onnx::NodeProto &node : *graph.mutable_node())
    for (onnx::AttributeProto &attribute : *node.mutable_attribute()) {
      if (attribute.has_t())
        if (Error error = embed(*attribute.mutable_t(), files, path))
          return error;
      if (attribute.has_g())
        if (Error error = embed(*attribute.mutable_g(), files, path))
          return error;
    }
  return Error::success();
}

Expected<onnx::ModelProto> ModelGraph::read(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path, false, false);
  if (!file)
    return fail(Exit::Io, path + ": " + file.getError().message());
  google::protobuf::LogSilencer silence; // the message below says it
  onnx::ModelProto proto;
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const uint8_t *>((*file)->getBufferStart()),
      static_cast<int>(std::min<size_t>((*file)->getBufferSize(), INT32_MAX)));
  stream.SetTotalBytesLimit(INT32_MAX);
  stream.SetRecursionLimit(kMaxMessageDepth);
  if ((*file)->getBufferSize() == 0 || (*file)->getBufferSize() > INT32_MAX || !proto.ParseFromCodedStream(&stream) ||
      !stream.ConsumedEntireMessage() || !proto.has_graph())
    return fail(Exit::Model, path + ": not an ONNX model: the file is truncated or of another kind");
  ExternalFiles files(path);
  if (Error error = embed(*proto.mutable_graph(), files, path))
    return error;
  return proto;
}

/// Moves the data of large tensors to a file beside the model.
static Error externalize(onnx::ModelProto &proto, StringRef path) {
  std::string file = (path + ".data").str(), why;
  bool ok = writeFile(file, why, [&](raw_pwrite_stream &stream) {
    uint64_t offset = 0;
    for (onnx::TensorProto &tensor : *proto.mutable_graph()->mutable_initializer()) {
      if (tensor.raw_data().size() < kMinExternalBytes)
        continue;
      stream << tensor.raw_data();
      auto add = [&](const char *key, const std::string &value) {
        onnx::StringStringEntryProto *entry = tensor.add_external_data();
        entry->set_key(key);
        entry->set_value(value);
      };
      add("location", sys::path::filename(file).str());
      add("offset", std::to_string(offset));
      add("length", std::to_string(tensor.raw_data().size()));
      offset += tensor.raw_data().size();
      tensor.clear_raw_data();
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    }
  });
  return ok ? Error::success() : fail(Exit::Io, why);
}

Error ModelGraph::write(onnx::ModelProto &proto, StringRef path) {
  if (proto.ByteSizeLong() > kMaxFileBytes)
    if (Error error = externalize(proto, path))
      return error;
  std::string why, bytes = proto.SerializeAsString();
  if (bytes.empty())
    return fail(Exit::Limit, path + ": the model is larger than a file of protobuf may be");
  bool ok = writeFile(path, why, [&](raw_ostream &stream) { stream << bytes; });
  return ok ? Error::success() : fail(Exit::Io, why);
}

//===----------------------------------------------------------------------===//
// Tensors and attributes
//===----------------------------------------------------------------------===//

bool tegula::readFloats(const onnx::TensorProto &tensor, std::vector<float> &values) {
  int64_t count = elementCount(tensor);
  if (tensor.data_type() != onnx::TensorProto::FLOAT || count < 0)
    return false;
  if (tensor.has_raw_data()) {
    if (tensor.raw_data().size() != count * sizeof(float))
      return false;
    values.resize(count);
    memcpy(values.data(), tensor.raw_data().data(), tensor.raw_data().size());
    return true;
  }
  values.assign(tensor.float_data().begin(), tensor.float_data().end());
  return static_cast<int64_t>(values.size()) == count;
}

void tegula::writeFloats(onnx::TensorProto &tensor, ArrayRef<float> values) {
  tensor.clear_float_data();
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
}

onnx::TensorProto tegula::makeTensor(StringRef name, int32_t type, ArrayRef<int64_t> shape, const void *data,
                                     size_t bytes) {
  onnx::TensorProto tensor;
  tensor.set_name(name.str());
  tensor.set_data_type(type);
  for (int64_t extent : shape)
    tensor.add_dims(extent);
  tensor.set_raw_data(data, bytes);
  return tensor;
}

static const onnx::AttributeProto *attributeOf(const onnx::NodeProto &node, StringRef name) {
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

int64_t tegula::intOf(const onnx::NodeProto &node, StringRef name, int64_t otherwise) {
  const onnx::AttributeProto *attribute = attributeOf(node, name);
  return attribute ? attribute->i() : otherwise;
}

float tegula::floatOf(const onnx::NodeProto &node, StringRef name, float otherwise) {
  const onnx::AttributeProto *attribute = attributeOf(node, name);
  return attribute ? attribute->f() : otherwise;
}

bool tegula::isStandard(const onnx::NodeProto &node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

int64_t tegula::opsetOf(const onnx::ModelProto &proto) {
  for (const onnx::OperatorSetIdProto &set : proto.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      return set.version();
  return 0;
}
