//===- Linear.cpp - rows of products and convolutions ------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Products.h"
#include "tegula/compiler/import/Windows.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tegula {

/// Pads x as auto_pad asks for, by what its extents are at run time.
static Value padToWindows(Node &n, Value x, const Windows &w, bool isUpper, double value) {
  Ints reach;
  for (auto [kernel, dilation] : llvm::zip(w.kernel, w.dilations))
    reach.push_back((kernel - 1) * dilation + 1);
  Value extents = n.shape(x, 2), strides = n.ints(w.strides), one = n.ints(Ints(reach.size(), 1));
  Value steps = n.binary("div", n.binary("sub", extents, one), strides); // ceil(extent / stride) - 1
  Value needed = n.binary("add", n.binary("mul", steps, strides), n.ints(reach));
  Value total = n.binary("max", n.binary("sub", needed, extents), n.ints(Ints(reach.size(), 0)));
  Value less = n.binary("div", total, n.ints(Ints(reach.size(), 2))), more = n.binary("sub", total, less);
  Value none = n.ints({0, 0}), pads = n.concat({none, isUpper ? less : more, none, isUpper ? more : less}, 0);
  Ints shape(n.shapeOf(x));
  std::fill(shape.begin() + 2, shape.end(), ShapedType::kDynamic);
  return nn::PadOp::create(n.b, n.loc, RankedTensorType::get(shape, n.elementOf(x)), x, pads,
                           n.number(n.elementOf(x), value), n.b.getStringAttr("constant"),
                           n.b.getDenseI64ArrayAttr(Ints(shape.size(), 0)),
                           n.b.getDenseI64ArrayAttr(Ints(shape.size(), 0)));
}

FailureOr<Windows> readWindows(Node &n, ArrayRef<int64_t> kernel, Value &input, std::optional<double> value) {
  size_t spatial = kernel.size();
  ArrayRef<int64_t> x = n.shapeOf(input);
  Windows w;
  w.kernel = Ints(kernel);
  w.strides = n.getInts("strides").value_or(Ints(spatial, 1));
  w.dilations = n.getInts("dilations").value_or(Ints(spatial, 1));
  Ints pads = n.getInts("pads").value_or(Ints(2 * spatial, 0));
  if (x.size() != spatial + 2)
    return n.refuse("T0202", "the kernel has " + Twine(spatial) + " axes, but the input has " +
                                 Twine((int64_t)x.size() - 2) + " spatial axes");
  if (w.strides.size() != spatial || w.dilations.size() != spatial || pads.size() != 2 * spatial)
    return n.refuse("T0201",
                    "strides, dilations or pads do not have one entry per spatial axis (" + Twine(spatial) + ")");
  auto isPositive = [](int64_t v) { return v > 0 && v < (1 << 24); };
  if (!llvm::all_of(w.strides, isPositive) || !llvm::all_of(w.dilations, isPositive) ||
      !llvm::all_of(w.kernel, isPositive))
    return n.refuse("T0201", "kernel, strides and dilations must be positive");
  if (llvm::any_of(pads, [](int64_t v) { return v < 0 || v > (1 << 24); }))
    return n.refuse("T0102", "negative pads are not supported");
  w.low = Ints(pads.begin(), pads.begin() + spatial);
  w.high = Ints(pads.begin() + spatial, pads.end());
  std::string mode = n.getString("auto_pad", "NOTSET");
  if (mode == "VALID") {
    w.low.assign(spatial, 0);
    w.high.assign(spatial, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    auto isOpen = [&](size_t axis) { return ShapedType::isDynamic(x[axis + 2]) && w.strides[axis] != 1; };
    if (llvm::any_of(llvm::seq<size_t>(0, spatial), isOpen)) {
      if (!value)
        return n.refuse("T0102", "auto_pad needs static spatial extents", "--shape NAME:1x3x224x224");
      input = padToWindows(n, input, w, mode == "SAME_UPPER", *value);
      w.low = w.high = Ints(spatial, 0);
      return w;
    }
    for (size_t axis = 0; axis < spatial; ++axis) {
      int64_t extent = x[axis + 2], reach = (w.kernel[axis] - 1) * w.dilations[axis] + 1, stride = w.strides[axis];
      int64_t total = ShapedType::isDynamic(extent)
                          ? reach - 1
                          : std::max<int64_t>(0, ((extent + stride - 1) / stride - 1) * stride + reach - extent);
      w.low[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.high[axis] = total - w.low[axis];
    }
  }
  return w;
}

FailureOr<Values> product(Node &n, Value a, Value b) {
  int64_t ra = n.rankOf(a), rb = n.rankOf(b);
  if (ra == 0 || rb == 0)
    return n.refuse("T0202", "a scalar cannot be multiplied as a matrix");
  if (ra == 1)
    a = n.reshape(a, {1, n.shapeOf(a)[0]},
                  ShapedType::isDynamic(n.shapeOf(a)[0]) ? n.concat({n.ints({1}), n.shape(a)}, 0) : Value());
  if (rb == 1)
    b = n.reshape(b, {n.shapeOf(b)[0], 1},
                  ShapedType::isDynamic(n.shapeOf(b)[0]) ? n.concat({n.shape(b), n.ints({1})}, 0) : Value());
  Value y = n.make<nn::MatMulOp>({a, b});
  if (!y || (ra > 1 && rb > 1))
    return one(y);
  Ints shape, kept;
  for (auto [axis, extent] : llvm::enumerate(n.shapeOf(y))) {
    bool isRow = (int64_t)axis == n.rankOf(y) - 2, isColumn = (int64_t)axis == n.rankOf(y) - 1;
    if ((isRow && ra == 1) || (isColumn && rb == 1))
      continue;
    shape.push_back(extent);
    kept.push_back(axis);
  }
  Value runtime = ShapedType::isDynamicShape(shape)
                      ? n.make<nn::GatherOp>({n.shape(y), n.ints(kept)}, n.attr("axis", (int64_t)0))
                      : Value();
  return one(n.reshape(y, shape, runtime));
}

static FailureOr<Values> matmul(Node &n) { return product(n, n.in(0), n.in(1)); }

static FailureOr<Values> gemm(Node &n) {
  Value a = n.in(0), b = n.in(1), c = n.in(2);
  if (n.rankOf(a) != 2 || n.rankOf(b) != 2)
    return n.refuse("T0202", "Gemm expects matrices");
  if (n.getInt("transA", 0))
    a = n.transpose(a, {1, 0});
  if (n.getInt("transB", 0))
    b = n.transpose(b, {1, 0});
  Value y = n.make<nn::MatMulOp>({a, b});
  if (!y)
    return failure();
  Type element = n.elementOf(y);
  double alpha = n.getFloat("alpha", 1), beta = n.getFloat("beta", 1);
  if (alpha != 1)
    y = n.binary("mul", y, n.number(element, alpha));
  if (c && beta != 0)
    y = n.binary("add", y, beta == 1 ? c : n.binary("mul", c, n.number(element, beta)));
  return one(y);
}

/// Bias [M] as [M, 1, ...] so that it meets axis 1.
static Value addBias(Node &n, Value y, Value bias) {
  if (!y || !bias)
    return y;
  Ints shape(n.rankOf(y) - 1, 1);
  shape[0] = n.shapeOf(bias)[0];
  return n.binary("add", y, n.reshape(bias, shape));
}

FailureOr<Values> convolution(Node &n, Value x, Value w, Value bias) {
  if (n.rankOf(w) < 3 || ShapedType::isDynamicShape(n.shapeOf(w).drop_front(2)))
    return n.refuse("T0202", "the weight needs the shape [M, C/group, kernel...]");
  if (auto kernel = n.getInts("kernel_shape"); kernel && ArrayRef<int64_t>(*kernel) != n.shapeOf(w).drop_front(2))
    return n.refuse("T0202", "kernel_shape differs from the weight's shape");
  FailureOr<Windows> windows = readWindows(n, n.shapeOf(w).drop_front(2), x, 0.0);
  if (failed(windows))
    return failure();
  int64_t group = n.getInt("group", 1), channels = n.shapeOf(x)[1], filters = n.shapeOf(w)[0];
  if (group < 1 || filters % group || (!ShapedType::isDynamic(channels) && channels != group * n.shapeOf(w)[1]))
    return n.refuse("T0202", "the weight expects " + Twine(group * n.shapeOf(w)[1]) +
                                 " input channels, but the input has " + Twine(channels));
  if (bias && (n.rankOf(bias) != 1 || (n.shapeOf(bias)[0] != filters && !ShapedType::isDynamic(n.shapeOf(bias)[0]))))
    return n.refuse("T0202", "the bias needs the shape [" + Twine(filters) + "]");
  Value y = n.make<nn::ConvOp>({x, w}, {n.word("layout", "channels_first"), n.attr("group", group),
                                        n.attr("strides", windows->strides), n.attr("dilations", windows->dilations),
                                        n.attr("low", windows->low), n.attr("high", windows->high)});
  return one(addBias(n, y, bias));
}

static FailureOr<Values> conv(Node &n) { return convolution(n, n.in(0), n.in(1), n.in(2)); }

static FailureOr<Values> convTranspose(Node &n) {
  Value x = n.in(0), w = n.in(1);
  if (n.rankOf(w) < 3)
    return n.refuse("T0202", "the weight needs the shape [C, M/group, kernel...]");
  ArrayRef<int64_t> kernel = n.shapeOf(w).drop_front(2);
  size_t spatial = kernel.size();
  Ints strides = n.getInts("strides").value_or(Ints(spatial, 1)),
       dilations = n.getInts("dilations").value_or(Ints(spatial, 1));
  Ints pads = n.getInts("pads").value_or(Ints(2 * spatial, 0)),
       extra = n.getInts("output_padding").value_or(Ints(spatial, 0));
  if (n.rankOf(x) != (int64_t)spatial + 2 || strides.size() != spatial || dilations.size() != spatial ||
      pads.size() != 2 * spatial || extra.size() != spatial)
    return n.refuse("T0201", "strides, dilations, pads or output_padding do not fit the input");
  Ints low(pads.begin(), pads.begin() + spatial), high(pads.begin() + spatial, pads.end());
  std::optional<Ints> wanted = n.getInts("output_shape");
  std::string mode = n.getString("auto_pad", "NOTSET");
  if (wanted && wanted->size() > spatial)
    wanted->erase(wanted->begin(), wanted->begin() + (wanted->size() - spatial));
  for (size_t axis = 0; axis < spatial; ++axis) {
    int64_t extent = n.shapeOf(x)[axis + 2];
    bool isSame = mode == "SAME_UPPER" || mode == "SAME_LOWER";
    if (!wanted && !isSame)
      continue;
    if (ShapedType::isDynamic(extent))
      return n.refuse("T0102", "output_shape and auto_pad need static extents");
    int64_t target = wanted ? (*wanted)[axis] : extent * strides[axis];
    int64_t total = strides[axis] * (extent - 1) + extra[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - target;
    if (total < 0) {
      extra[axis] -= total;
      total = 0;
    }
    low[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    high[axis] = total - low[axis];
  }
  Value y = n.make<nn::ConvTransposeOp>({x, w}, {n.attr("group", n.getInt("group", 1)), n.attr("strides", strides),
                                                 n.attr("dilations", dilations), n.attr("low", low),
                                                 n.attr("high", high), n.attr("output_padding", extra)});
  return one(addBias(n, y, n.in(2)));
}

/// Writes the ellipsis out as letters and makes the result explicit.
static FailureOr<Values> einsum(Node &n) {
  std::string text = n.getString("equation", "");
  llvm::erase(text, ' ');
  auto [left, right] = StringRef(text).split("->");
  bool isExplicit = StringRef(text).contains("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != n.inputs.size())
    return n.refuse("T0201",
                    "the equation has " + Twine(terms.size()) + " terms for " + Twine(n.inputs.size()) + " inputs");
  std::string spare;
  for (char c = 'A'; c <= 'Z'; ++c)
    if (!StringRef(text).contains(c))
      spare += c;
  int64_t widest = 0;
  for (auto [term, value] : llvm::zip(terms, n.inputs))
    if (term.contains("..."))
      widest = std::max<int64_t>(widest, n.rankOf(value) - (int64_t)(term.size() - 3));
  if (widest > (int64_t)spare.size())
    return n.refuse("T0102", "too many axes");
  std::string ellipsis = spare.substr(0, widest), equation, result = right.str();
  auto write = [&](StringRef term, int64_t rank) {
    auto [head, tail] = term.split("...");
    if (!term.contains("..."))
      return term.str();
    int64_t count = rank - (int64_t)head.size() - (int64_t)tail.size();
    return head.str() + ellipsis.substr(ellipsis.size() - std::max<int64_t>(count, 0)) + tail.str();
  };
  for (auto [i, term] : llvm::enumerate(terms))
    equation += (i ? "," : "") + write(term, n.rankOf(n.inputs[i]));
  if (isExplicit) {
    result = write(right, (int64_t)right.size() - 3 + widest);
  } else {
    result = ellipsis;
    std::string letters;
    for (char c = 'A'; c <= 'z'; ++c)
      if (llvm::isAlpha(c) && StringRef(equation).count(c) == 1 && ellipsis.find(c) == std::string::npos)
        letters += c;
    result += letters;
  }
  return one(n.make<nn::EinsumOp>(n.inputs, n.word("equation", equation + "->" + result)));
}

ArrayRef<Row> linearRows() {
  static const Row rows[] = {
      {"MatMul", 1, matmul},  {"Gemm", 1, gemm}, {"Conv", 1, conv}, {"ConvTranspose", 1, convTranspose},
      {"Einsum", 12, einsum},
  };
  return rows;
}

} // namespace tegula
