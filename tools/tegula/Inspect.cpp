//===- Inspect.cpp - tegula inspect ---------------------------------------===//
#include "Artifact.h"
#include "Command.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

static json::Array portsAsJson(ArrayRef<tegula_tensor_info> infos) {
  json::Array ports;
  for (const tegula_tensor_info &info : infos) {
    json::Array shape;
    for (int64_t extent : shapeOf(info))
      shape.push_back(extent < 0 ? json::Value(nullptr) : json::Value(extent));
    ports.push_back(json::Object{
        {"name", json::fixUTF8(info.name)}, {"dtype", dtypeName(info.dtype)}, {"shape", std::move(shape)}});
  }
  return ports;
}

static void printJson(const Artifact &artifact) {
  const tegula_model &model = *artifact.model;
  json::Array units;
  for (const tegula_unit_info &unit : ArrayRef(model.units, model.unit_count))
    units.push_back(json::Object{{"node", json::fixUTF8(unit.node)},
                                 {"op", json::fixUTF8(unit.op)},
                                 {"flops", unit.flops},
                                 {"bytes", unit.bytes}});
  json::Object root{{"artifact", json::fixUTF8(artifact.path)},
                    {"name", model.name},
                    {"target", model.target},
                    {"required", model.required},
                    {"producer", model.producer},
                    {"abi_version", model.abi_version},
                    {"inputs", portsAsJson(artifact.inputs())},
                    {"outputs", portsAsJson(artifact.outputs())},
                    {"workspace_bytes", model.workspace_bytes},
                    {"weight_bytes", model.weight_bytes},
                    {"artifact_bytes", artifact.fileBytes},
                    {"units", std::move(units)}};
  outs() << formatv("{0:2}\n", json::Value(std::move(root)));
}

static void printText(const Artifact &artifact) {
  const tegula_model &model = *artifact.model;
  outs() << "model      " << model.name << "  (" << artifact.path << ", ABI " << model.abi_version << ")\n"
         << "producer   " << model.producer << "\n"
         << "target     " << model.target << "\n"
         << "required   " << (*model.required ? model.required : "nothing beyond the baseline") << "\n";
  for (const tegula_tensor_info &info : artifact.inputs())
    outs() << "input      " << info.name << ": " << typeText(info.dtype, shapeOf(info)) << "\n";
  for (const tegula_tensor_info &info : artifact.outputs())
    outs() << "output     " << info.name << ": " << typeText(info.dtype, shapeOf(info)) << "\n";
  outs() << formatv("memory     file {0:f2} MB, weights {1:f2} MB, workspace {2:f2} MB\n", artifact.fileBytes / 1e6,
                    model.weight_bytes / 1e6, model.workspace_bytes / 1e6);
  double flops = 0;
  for (const tegula_unit_info &unit : ArrayRef(model.units, model.unit_count))
    flops += unit.flops;
  outs() << formatv("units      {0}, {1:f3} GFLOP in a run\n", model.unit_count, flops / 1e9);
  for (const tegula_unit_info &unit : ArrayRef(model.units, model.unit_count))
    outs() << formatv("  {0,10:f2} MFLOP {1,10:f2} MB  {2} ({3})\n", unit.flops / 1e6, unit.bytes / 1e6, unit.node,
                      unit.op);
}

Error tegula::inspectCommand(ArrayRef<StringRef> words) {
  SmallVector<OptionSpec> specs{{"check", "", "of a model: all reasons why it cannot be compiled; writes nothing"},
                                {"json", "", "machine-readable"},
                                {"name", "NAME", "the model, if the artifact holds several"}};
  append_range(specs, modelOptions());
  Expected<Arguments> arguments = Arguments::parse("inspect ARTIFACT|MODEL", specs, words);
  if (!arguments || arguments->isHelp)
    return arguments.takeError();
  Expected<StringRef> path = arguments->only("artifact (.so) or model (.onnx)");
  if (!path)
    return path.takeError();
  if (path->ends_with(".onnx") || arguments->has("check"))
    return inspectModel(*path, *arguments);
  Expected<Artifact> artifact = Artifact::open(*path, arguments->get("name"));
  if (!artifact)
    return artifact.takeError();
  if (arguments->has("json"))
    printJson(*artifact);
  else
    printText(*artifact);
  return Error::success();
}
