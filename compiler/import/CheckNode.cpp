//===- CheckNode.cpp - a node against the standard, before its row reads it ----------------------===//
//
// ONNX's library checks names, counts and types of attributes and infers shapes; it does not know which words a string
// attribute takes nor which numbers make sense. Those rules stand here as tables, from the text of the operators.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/import/CheckNode.h"
#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Limits.h"
#include "tegula/compiler/import/OnnxLibrary.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace mlir;

namespace tegula {

namespace {
/// Words that a string attribute takes; an empty operator stands for every one.
struct Words {
  const char *op, *attribute, *words;
};
/// Smallest number of an integer attribute, for each element where it is a list.
struct Bound {
  const char *op, *attribute;
  int64_t least;
};
} // namespace

static constexpr Words kWords[] = {
    {"", "auto_pad", "NOTSET,SAME_UPPER,SAME_LOWER,VALID"},
    {"", "approximate", "none,tanh"},
    {"BitShift", "direction", "LEFT,RIGHT"},
    {"LSTM", "direction", "forward,reverse,bidirectional"},
    {"GRU", "direction", "forward,reverse,bidirectional"},
    {"RNN", "direction", "forward,reverse,bidirectional"},
    {"Pad", "mode", "constant,reflect,edge,wrap"},
    {"Resize", "mode", "nearest,linear,cubic"},
    {"Upsample", "mode", "nearest,linear,bilinear"},
    {"DepthToSpace", "mode", "DCR,CRD"},
    {"GridSample", "mode", "bilinear,nearest,bicubic,linear,cubic"},
    {"GridSample", "padding_mode", "zeros,border,reflection"},
    {"RoiAlign", "mode", "avg,max"},
    {"", "nearest_mode", "round_prefer_floor,round_prefer_ceil,floor,ceil"},
    {"", "keep_aspect_ratio_policy", "stretch,not_larger,not_smaller"},
    {"ScatterND", "reduction", "none,add,mul,max,min"},
    {"ScatterElements", "reduction", "none,add,mul,max,min"},
    {"NegativeLogLikelihoodLoss", "reduction", "none,sum,mean"},
    {"SoftmaxCrossEntropyLoss", "reduction", "none,sum,mean"},
};

static constexpr Bound kBounds[] = {
    {"", "strides", 1},          {"", "dilations", 1},   {"", "kernel_shape", 1},    {"", "group", 1},
    {"", "hidden_size", 1},      {"", "blocksize", 1},   {"LpPool", "p", 1},         {"LRN", "size", 1},
    {"Conv", "pads", 0},         {"MaxPool", "pads", 0}, {"AveragePool", "pads", 0}, {"LpPool", "pads", 0},
    {"Split", "num_outputs", 1},
};

static bool isFor(const char *op, const char *attribute, const Node &node, StringRef name) {
  return name == attribute && (!*op || node.proto.op_type() == op);
}

static LogicalResult checkWords(Node &node, const onnx::AttributeProto &attribute) {
  if (attribute.type() != onnx::AttributeProto::STRING)
    return success();
  for (const Words &rule : kWords) {
    SmallVector<StringRef> words;
    StringRef(rule.words).split(words, ',');
    if (isFor(rule.op, rule.attribute, node, attribute.name()) && !llvm::is_contained(words, attribute.s()))
      return node.refuse("T0201", "attribute " + attribute.name() + " is '" + attribute.s() +
                                      "'; expected one of: " + llvm::join(words, ", "));
  }
  return success();
}

static LogicalResult checkBounds(Node &node, const onnx::AttributeProto &attribute) {
  Ints values(attribute.ints().begin(), attribute.ints().end());
  if (attribute.type() == onnx::AttributeProto::INT)
    values.push_back(attribute.i());
  for (const Bound &rule : kBounds)
    for (int64_t value : values)
      if (isFor(rule.op, rule.attribute, node, attribute.name()) && (value < rule.least || value > INT32_MAX))
        return node.refuse("T0201", "attribute " + attribute.name() + " holds " + Twine(value) + "; expected " +
                                        Twine(rule.least) + " to " + Twine(INT32_MAX));
  return success();
}

/// Padding beside auto_pad contradicts it; a pool whose window may lie in the padding alone has no value there.
static LogicalResult checkPads(Node &node) {
  std::optional<Ints> pads = node.getInts("pads"), kernel = node.getInts("kernel_shape");
  if (!pads || !node.attribute("auto_pad"))
    pads = pads ? pads : Ints();
  else if (node.getString("auto_pad", "NOTSET") != "NOTSET" && llvm::any_of(*pads, [](int64_t p) { return p != 0; }))
    return node.refuse("T0201", "attribute pads is given beside auto_pad=" + node.getString("auto_pad", ""),
                       "leave one of the two out");
  if (!StringRef(node.proto.op_type()).ends_with("Pool") || !kernel || pads->size() != 2 * kernel->size())
    return success();
  Ints dilations = node.getInts("dilations").value_or(Ints(kernel->size(), 1));
  for (size_t i = 0; i < pads->size() && dilations.size() == kernel->size(); ++i) {
    int64_t axis = i % kernel->size(), window = ((*kernel)[axis] - 1) * dilations[axis] + 1;
    if ((*pads)[i] >= window)
      return node.refuse("T0201", "attribute pads holds " + Twine((*pads)[i]) + ", but the window is only " +
                                      Twine(window) + " wide: it must be wider than its padding");
  }
  return success();
}

static LogicalResult checkPermutation(Node &node) {
  std::optional<Ints> perm = node.proto.op_type() == "Transpose" ? node.getInts("perm") : std::nullopt;
  if (!perm || !node.has(0))
    return success();
  int64_t rank = Node::rankOf(node.in(0));
  Ints sorted = *perm;
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, rank)))
    return node.refuse("T0201", "attribute perm does not name each of the " + Twine(rank) + " axes once");
  return success();
}

/// Inputs that the standard wants as vectors; axes among them must not repeat.
static LogicalResult checkVectors(Node &node) {
  StringRef op = node.proto.op_type();
  if (op == "Slice" && node.has(1) && !Node::typeOf(node.in(1)).hasStaticShape())
    return node.refuse("T0102", "starts of unknown number are not supported");
  bool hasAxes = op.starts_with("Reduce") || op == "Squeeze" || op == "Unsqueeze";
  bool isVector = hasAxes || op == "Reshape" || op == "Expand" || op == "Tile";
  if (!isVector || !node.has(1) || !node.has(0))
    return success();
  if (Node::rankOf(node.in(1)) > 1)
    return node.refuse("T0202", "input 1 must be a vector, but has " + Twine(Node::rankOf(node.in(1))) + " axes");
  std::optional<Ints> axes = hasAxes ? node.constInts(node.in(1)) : std::nullopt;
  int64_t rank = Node::rankOf(node.in(0)) + (axes && op == "Unsqueeze" ? axes->size() : 0);
  llvm::SmallDenseSet<int64_t> seen;
  if (axes)
    for (int64_t axis : *axes)
      if (!seen.insert(axis < 0 ? axis + rank : axis).second)
        return node.refuse("T0201", "axis " + Twine(axis) + " is named twice");
  return success();
}

/// A reflection has no more to show than what it reflects.
static LogicalResult checkReflection(Node &node) {
  if (node.proto.op_type() != "Pad" || node.getString("mode", "constant") != "reflect" || !node.has(0) || node.has(3))
    return success();
  std::optional<Ints> pads = node.has(1) ? node.constInts(node.in(1)) : node.getInts("pads");
  ArrayRef<int64_t> shape = Node::shapeOf(node.in(0));
  if (!pads || pads->size() != 2 * shape.size())
    return success();
  for (size_t i = 0; i < pads->size(); ++i) {
    int64_t extent = shape[i % shape.size()];
    if (!ShapedType::isDynamic(extent) && (*pads)[i] > 0 && (*pads)[i] >= extent)
      return node.refuse("T0202",
                         "reflection by " + Twine((*pads)[i]) + " needs a larger extent than " + Twine(extent));
  }
  return success();
}

/// A constant range ends.
static LogicalResult checkRange(Node &node) {
  if (node.proto.op_type() != "Range")
    return success();
  for (size_t i = 0; i < 3; ++i) {
    auto numbers = node.constFloats(node.in(i));
    if (numbers && numbers->size() == 1 && !std::isfinite((*numbers)[0]))
      return node.refuse("T0201", "input " + Twine(i) + " is not finite");
    auto whole = node.constInts(node.in(i));
    bool isZero =
        (numbers && numbers->size() == 1 && (*numbers)[0] == 0) || (whole && whole->size() == 1 && !(*whole)[0]);
    if (i == 2 && isZero)
      return node.refuse("T0201", "input 2, the step, is 0");
  }
  return success();
}

/// Recurrence weights are [directions, gates * hidden_size, hidden_size].
static LogicalResult checkHiddenSize(Node &node) {
  const onnx::AttributeProto *hidden = node.attribute("hidden_size");
  if (!hidden || !node.has(2) || Node::rankOf(node.in(2)) != 3)
    return success();
  int64_t extent = Node::shapeOf(node.in(2))[2];
  if (!ShapedType::isDynamic(extent) && extent != hidden->i())
    return node.refuse("T0202", "attribute hidden_size is " + Twine(hidden->i()) +
                                    ", but the recurrence weights have " + Twine(extent) + " columns");
  return success();
}

/// Constant indices into an input of known extents.
static LogicalResult checkIndices(Node &node) {
  StringRef op = node.proto.op_type();
  bool isAlongAxis = op == "Gather" || op == "GatherElements" || op == "ScatterElements" || op == "Scatter";
  if ((!isAlongAxis && op != "GatherND" && op != "ScatterND") || !node.has(0) || !node.has(1))
    return success();
  std::optional<Ints> indices = node.constInts(node.in(1));
  ArrayRef<int64_t> shape = Node::shapeOf(node.in(0));
  if (!indices || indices->empty())
    return success();
  int64_t first = isAlongAxis ? node.getInt("axis", 0) : node.getInt("batch_dims", 0), tuple = 1;
  first += first < 0 ? shape.size() : 0;
  if (!isAlongAxis)
    tuple = Node::rankOf(node.in(1)) ? Node::shapeOf(node.in(1)).back() : 0;
  if (first < 0 || tuple < 1 || tuple > (int64_t)shape.size() - first)
    return node.refuse("T0202", "the indices reach beyond the " + Twine(shape.size()) + " axes of the data");
  for (auto [i, index] : llvm::enumerate(*indices)) {
    int64_t extent = shape[first + i % tuple];
    if (!ShapedType::isDynamic(extent) && (index < -extent || index >= extent))
      return node.refuse("T0202", "index " + Twine(index) + " is out of range for extent " + Twine(extent));
  }
  return success();
}

LogicalResult checkStandardNode(Node &node) {
  std::string why;
  if (findRow(node.proto.op_type(), node.opset) && !hasSchema(node.proto, node.opset))
    return node.refuse("T0101", "opset " + Twine(node.opset) + " of ai.onnx has no operator " + node.proto.op_type(),
                       "convert the model to a newer opset, or correct opset_import");
  if (!checkNode(node.proto, node.opset, why))
    return node.refuse("T0201", why);
  for (const onnx::AttributeProto &attribute : node.proto.attribute())
    if (failed(checkWords(node, attribute)) || failed(checkBounds(node, attribute)))
      return failure();
  return success(succeeded(checkPads(node)) && succeeded(checkPermutation(node)) && succeeded(checkVectors(node)) &&
                 succeeded(checkReflection(node)) && succeeded(checkRange(node)) && succeeded(checkHiddenSize(node)) &&
                 succeeded(checkIndices(node)));
}

LogicalResult checkResults(Node &node, const Values &results) {
  for (auto [index, value] : llvm::enumerate(results)) {
    if (!value)
      continue;
    ArrayRef<int64_t> shape = Node::shapeOf(value);
    if ((int64_t)shape.size() > kMaxRank)
      return node.refuse("T0401", "output " + Twine(index) + " has " + Twine(shape.size()) + " axes; at most " +
                                      Twine(kMaxRank) + " are supported");
    if (node.proto.op_type() == "Resize" && llvm::is_contained(shape, 0) &&
        !llvm::is_contained(Node::shapeOf(node.in(0)), 0))
      return node.refuse("T0202", "the sizes or scales leave no elements");
    if (!elementsWithin(shape))
      return node.refuse("T0401",
                         "output " + Twine(index) + " has more than 2^" + Twine(kMaxElementsLog2) + " elements");
  }
  return success();
}

} // namespace tegula
