//===- Report.cpp - what becomes of each node ----------------------------------------------===//
//
// Nodes are known by their locations: whatever carries a node's name belongs to it.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/Report.h"
#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/compiler/tile/Passes.h"
#include "tegula/compiler/tile/Work.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/tgl/NodeName.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Pass/PassManager.h"

#include <mutex>

using namespace mlir;
using llvm::json::Array;
using llvm::json::Object;

namespace tegula {

static std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  auto tensor = dyn_cast<RankedTensorType>(type);
  stream << getElementTypeOrSelf(type);
  if (!tensor)
    return text;
  stream << "[";
  llvm::interleaveComma(tensor.getShape(), stream, [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      stream << "?";
    else
      stream << extent;
  });
  stream << "]";
  return text;
}

/// Bytes of a tensor; 0 where an extent is known at run time only.
static double bytesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() || !tensor.getElementType().isIntOrFloat())
    return 0;
  return static_cast<double>(tensor.getNumElements()) * ((tensor.getElementTypeBitWidth() + 7) / 8);
}

/// "nn.unary relu", "nn.conv".
static std::string wordOf(Operation *op) {
  auto kind = op->getAttrOfType<StringAttr>("kind");
  return op->getName().getStringRef().str() + (kind ? " " + kind.getValue().str() : "");
}

void Report::NodeEntry::addBytes(Type type) {
  isOpen |= !cast<ShapedType>(type).hasStaticShape();
  bytes += bytesOf(type);
}

Report::NodeEntry &Report::entryFor(StringRef name, StringRef op) {
  auto [known, isNew] = places.try_emplace((name + "\n" + op).str(), nodes.size());
  if (isNew) {
    nodes.emplace_back();
    nodes.back().name = name.str();
    nodes.back().op = op.str();
  }
  return nodes[known->second];
}

/// The node that an op was imported from; null for tensors and the graph itself.
Report::NodeEntry *Report::nodeOf(Location loc) {
  for (const NodeRef &node : nodesOf(loc))
    if (!node.op.empty())
      return &entryFor(node.name, node.op);
  return nullptr;
}

/// Adds an nn op to its node: what it is, the tensors that come from or go to other nodes, and constants.
void Report::addOperation(Operation *op) {
  if (isa<nn::ConstantOp>(op) || op->hasTrait<OpTrait::IsTerminator>())
    return;
  NodeEntry *node = nodeOf(op->getLoc());
  if (!node)
    return;
  node->becomes.push_back(wordOf(op));
  auto isOfNode = [&](Operation *other) { return other && nodesOf(other->getLoc()) == nodesOf(op->getLoc()); };
  for (Value operand : llvm::SetVector<Value>(op->operand_begin(), op->operand_end())) {
    Operation *source = operand.getDefiningOp();
    if (isa_and_nonnull<nn::ConstantOp>(source))
      node->parameters += cast<RankedTensorType>(operand.getType()).getNumElements();
    if (!isOfNode(source))
      node->addBytes(operand.getType());
  }
  for (Value result : op->getResults()) {
    if (llvm::all_of(result.getUsers(), isOfNode) && !result.use_empty())
      continue;
    node->outputs.push_back(typeText(result.getType()));
    node->addBytes(result.getType());
  }
}

static Array portsOf(Operation *entry, StringRef names, StringRef types, ArrayAttr dims) {
  Array ports;
  auto all = llvm::zip(entry->getAttrOfType<ArrayAttr>(names), entry->getAttrOfType<ArrayAttr>(types));
  for (auto [index, pair] : llvm::enumerate(all)) {
    auto type = cast<RankedTensorType>(cast<TypeAttr>(std::get<1>(pair)).getValue());
    auto symbols = dims && index < dims.size() ? cast<ArrayAttr>(dims[index]) : ArrayAttr();
    Array shape, free;
    for (auto [axis, extent] : llvm::enumerate(type.getShape())) {
      bool isDynamic = ShapedType::isDynamic(extent);
      shape.push_back(isDynamic ? llvm::json::Value(nullptr) : llvm::json::Value(extent));
      if (isDynamic && symbols && axis < symbols.size())
        free.push_back(llvm::json::fixUTF8(cast<StringAttr>(symbols[axis]).getValue()));
    }
    ports.push_back(Object{{"name", llvm::json::fixUTF8(cast<StringAttr>(std::get<0>(pair)).getValue())},
                           {"type", typeText(type)},
                           {"shape", std::move(shape)},
                           {"dynamic", std::move(free)}});
  }
  return ports;
}

void Report::addSource(ModuleOp module) {
  Operation *entry = entryOf(module);
  auto source = module->getAttrOfType<DictionaryAttr>(tgl::kSource);
  if (source) {
    Object opsets;
    for (NamedAttribute set : source.getAs<DictionaryAttr>("opsets"))
      opsets[set.getName().getValue()] = cast<IntegerAttr>(set.getValue()).getInt();
    root["producer"] = llvm::json::fixUTF8(source.getAs<StringAttr>("producer").getValue());
    root["ir_version"] = source.getAs<IntegerAttr>("ir_version").getInt();
    root["opsets"] = std::move(opsets);
    root["nodes_in_file"] = source.getAs<IntegerAttr>("nodes").getInt();
  }
  root["inputs"] =
      portsOf(entry, tgl::kInputs, tgl::kInputTypes, source ? source.getAs<ArrayAttr>("dims") : ArrayAttr());
  root["outputs"] = portsOf(entry, tgl::kOutputs, tgl::kOutputTypes, {});
  int64_t parameters = 0;
  double bytes = 0;
  module.walk([&](nn::ConstantOp constant) {
    parameters += cast<ElementsAttr>(constant.getValue()).getNumElements();
    bytes += bytesOf(constant.getType());
  });
  root["parameters"] = parameters;
  root["parameter_bytes"] = bytes;
}

/// Arithmetic of each node, before anything is folded or fused.
LogicalResult Report::countArithmetic(ModuleOp module) {
  OwningOpRef<ModuleOp> copy = module.clone();
  PassManager pm(module.getContext());
  pm.nest<func::FuncOp>().addPass(createLowerToLinalg());
  pm.nest<func::FuncOp>().addPass(createLinalgGeneralizeNamedOpsPass());
  if (failed(pm.run(*copy)))
    return failure();
  copy->walk([&](linalg::GenericOp op) {
    if (NodeEntry *node = nodeOf(op.getLoc()))
      node->flops += flopsOf(op);
  });
  return success();
}

LogicalResult Report::addModel(ModuleOp module) {
  addSource(module);
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<nn::NnDialect>(op->getDialect()))
      addOperation(op);
  });
  return countArithmetic(module);
}

/// Takes the remarks of passes, which run on several functions at a time. Owned by the context.
class Report::Listener : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Listener(std::shared_ptr<Heard> heard) : heard(std::move(heard)) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    std::lock_guard<std::mutex> lock(mutex);
    if (remark.getCategoryName() == kFuseRemarks)
      heard->reasons[remark.getLocation()].push_back(llvm::json::fixUTF8(remark.getArgs().front().val));
    else if (remark.getCategoryName() == kIntegerRemarks)
      heard->real.emplace_back(remark.getLocation(), remark.getArgs().front().val);
    else
      (remark.getRemarkName() == "buffer" ? heard->buffers : heard->steps).push_back(momentOf(remark));
  }

private:
  static Moment momentOf(const remark::detail::Remark &remark) {
    auto number = [&](StringRef key) {
      int64_t value = 0;
      for (const remark::detail::Remark::Arg &part : remark.getArgs())
        if (part.key == key)
          (void)StringRef(part.val).getAsInteger(10, value);
      return value;
    };
    return {number("first"), number("last"), number("offset"), number("bytes"), remark.getLocation()};
  }

  std::shared_ptr<Heard> heard;
  std::mutex mutex;
};

void Report::listen(MLIRContext &context, Stage next) {
  remark::RemarkCategories categories;
  categories.missed = next == Stage::Graph ? kIntegerRemarks.str() : kFuseRemarks.str();
  if (next != Stage::Graph)
    categories.analysis = kMemoryRemarks.str();
  // Cannot fail: it opens no file.
  (void)remark::enableOptimizationRemarks(context, std::make_unique<Listener>(heard),
                                          std::make_unique<remark::RemarkEmittingPolicyAll>(), categories);
}

/// Why the unit, the `number`-th at its place, ends where it does. Where units were dropped since the passes spoke, all
/// that they said of the place.
Array Report::reasonsFor(Location loc, size_t number, size_t count) {
  std::vector<std::string> said = heard->reasons.lookup(loc);
  if (said.size() == count)
    return Array{said[number]};
  Array texts;
  for (std::string &text : said)
    if (!llvm::is_contained(texts, llvm::json::Value(text)))
      texts.push_back(std::move(text));
  return texts;
}

void Report::addUnits(ModuleOp module) {
  llvm::DenseMap<Location, size_t> counts, numbers;
  module.walk<WalkOrder::PreOrder>([&](scf::ForallOp forall) {
    ++counts[forall.getLoc()];
    return WalkResult::skip();
  });
  module.walk<WalkOrder::PreOrder>([&](scf::ForallOp forall) {
    Array names;
    Location loc = forall.getLoc();
    for (const NodeRef &node : nodesOf(loc)) {
      names.push_back(llvm::json::fixUTF8(node.name));
      if (!node.op.empty())
        entryFor(node.name, node.op).units.push_back(units.size());
    }
    auto amount = [&](StringRef key) {
      auto value = forall->getAttrOfType<FloatAttr>(key);
      return value ? value.getValueAsDouble() : 0.0;
    };
    unitFlops += amount(tgl::kFlops);
    unitBytes += amount(tgl::kBytes);
    units.push_back(Object{{"nodes", std::move(names)},
                           {"flops", amount(tgl::kFlops)},
                           {"bytes", amount(tgl::kBytes)},
                           {"ends_because", reasonsFor(loc, numbers[loc]++, counts[loc])}});
    return WalkResult::skip();
  });
}

void Report::addMemory(ModuleOp module) {
  auto number = [&](StringRef key, StringRef attribute) {
    if (auto bytes = entryOf(module)->getAttrOfType<IntegerAttr>(attribute))
      root[key] = bytes.getInt();
  };
  number("workspace_bytes", kWorkspaceBytes);
  number("live_bytes", kLiveBytes);
  Array steps, buffers;
  for (const Moment &step : heard->steps) {
    Array names;
    for (const NodeRef &node : nodesOf(step.loc))
      names.push_back(llvm::json::fixUTF8(node.name));
    steps.push_back(std::move(names));
  }
  // A buffer's moments as steps.
  for (const Moment &buffer : heard->buffers) {
    auto isBefore = [&](const Moment &step) { return step.last < buffer.first; };
    auto isNotAfter = [&](const Moment &step) { return step.first <= buffer.last; };
    int64_t first = llvm::partition_point(heard->steps, isBefore) - heard->steps.begin();
    int64_t last = llvm::partition_point(heard->steps, isNotAfter) - heard->steps.begin() - 1;
    if (first <= last)
      buffers.push_back(Object{{"offset", buffer.offset}, {"bytes", buffer.bytes}, {"first", first}, {"last", last}});
  }
  root["steps"] = std::move(steps);
  root["buffers"] = std::move(buffers);
}

llvm::json::Value Report::take() {
  for (const auto &[loc, reason] : heard->real)
    if (NodeEntry *node = nodeOf(loc); node && !llvm::is_contained(node->realBecause, reason))
      node->realBecause.push_back(reason);
  double flops = 0;
  Array list;
  for (NodeEntry &node : nodes) {
    flops += node.flops;
    list.push_back(Object{{"node", llvm::json::fixUTF8(node.name)},
                          {"op", llvm::json::fixUTF8(node.op)},
                          {"becomes", Array(node.becomes)},
                          {"outputs", Array(node.outputs)},
                          {"parameters", node.parameters},
                          {"flops", node.flops},
                          {"bytes", node.isOpen ? 0 : node.bytes},
                          {"units", Array(node.units)},
                          {"real_because", Array(node.realBecause)}});
  }
  root["flops"] = flops;
  root["nodes"] = std::move(list);
  root["units"] = std::move(units);
  root["unit_flops"] = unitFlops;
  root["unit_bytes"] = unitBytes;
  return std::move(root);
}

} // namespace tegula
