//===- Pool.cpp - rows of pools -------------------------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Windows.h"

using namespace mlir;

namespace tegula {

static Value makePool(Node &n, StringRef kind, Value x, const Windows &w, bool countPad) {
  return n.make<nn::PoolOp>(x, {n.word("kind", kind), n.word("layout", "channels_first"), n.attr("kernel", w.kernel),
                                n.attr("strides", w.strides), n.attr("dilations", w.dilations), n.attr("low", w.low),
                                n.attr("high", w.high), n.flag("ceil", n.getInt("ceil_mode", 0)),
                                n.flag("count_include_pad", countPad)});
}

static FailureOr<Windows> windowsOf(Node &n, Value &x, std::optional<double> padding = std::nullopt) {
  auto kernel = n.getInts("kernel_shape");
  if (!kernel)
    return n.refuse("T0201", "kernel_shape is missing");
  return readWindows(n, *kernel, x, padding);
}

static FailureOr<Values> maxPool(Node &n) {
  // Padding never wins; with indices it would have to be told from elements.
  Value x = n.in(0);
  bool mayPad = isa<FloatType>(n.elementOf(x)) && !n.wantsOutput(1);
  FailureOr<Windows> w = windowsOf(n, x, mayPad ? std::optional(-INFINITY) : std::nullopt);
  if (failed(w))
    return failure();
  Values results{makePool(n, "max", x, *w, false)};
  if (n.wantsOutput(1))
    results.push_back(n.make<nn::MaxPoolIndicesOp>(
        n.in(0), {n.attr("kernel", w->kernel), n.attr("strides", w->strides), n.attr("dilations", w->dilations),
                  n.attr("low", w->low), n.attr("high", w->high), n.flag("ceil", n.getInt("ceil_mode", 0)),
                  n.flag("column_major", n.getInt("storage_order", 0))}));
  if (llvm::is_contained(results, Value()))
    return failure();
  return results;
}

static FailureOr<Values> averagePool(Node &n) {
  Value x = n.in(0);
  FailureOr<Windows> w = windowsOf(n, x);
  if (failed(w))
    return failure();
  return one(makePool(n, "average", n.in(0), *w, n.getInt("count_include_pad", 0)));
}

/// (sum |x|^p)^(1/p)
static Value powerMean(Node &n, int64_t p, Value x, llvm::function_ref<Value(Value)> sum) {
  Type element = n.elementOf(x);
  if (p == 1)
    return sum(n.unary("abs", x));
  if (p == 2)
    return n.unary("sqrt", sum(n.binary("mul", x, x)));
  Value powered = n.binary("pow", n.unary("abs", x), n.number(element, p));
  return n.binary("pow", sum(powered), n.number(element, 1.0 / p));
}

static FailureOr<Values> lpPool(Node &n) {
  Value x = n.in(0);
  FailureOr<Windows> w = windowsOf(n, x);
  if (failed(w))
    return failure();
  return one(powerMean(n, n.getInt("p", 2), n.in(0), [&](Value v) { return v ? makePool(n, "sum", v, *w, true) : v; }));
}

static Ints spatialAxes(Node &n) {
  return llvm::to_vector(llvm::seq<int64_t>(2, std::max<int64_t>(2, n.rankOf(n.in(0)))));
}

static FailureOr<Values> globalPool(Node &n, StringRef kind) {
  return one(n.reduce(kind, n.in(0), spatialAxes(n), true));
}

static FailureOr<Values> globalLpPool(Node &n) {
  return one(
      powerMean(n, n.getInt("p", 2), n.in(0), [&](Value v) { return n.reduce("sum", v, spatialAxes(n), true); }));
}

ArrayRef<Row> poolRows() {
  static const Row rows[] = {
      {"MaxPool", 1, maxPool},
      {"AveragePool", 1, averagePool},
      {"LpPool", 2, lpPool},
      {"GlobalMaxPool", 1, [](Node &n) { return globalPool(n, "max"); }},
      {"GlobalAveragePool", 1, [](Node &n) { return globalPool(n, "mean"); }},
      {"GlobalLpPool", 2, globalLpPool},
  };
  return rows;
}

} // namespace tegula
