//===- Attention.cpp - rows of com.microsoft's operators of attention ---------------------------===//
//
// Taken apart into what the standard calls them, as in Fused.cpp. Where the documentation is silent (masks), as ONNX
// Runtime's CPU kernels do.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/import/Fused.h"

using namespace mlir;

namespace tegula {

/// [B, S, N * H] as [B, N, S, H].
static Value splitHeads(Node &n, Value x, int64_t heads) {
  Value split = n.regroup(x, {{{0}}, {{1}}, {{}, heads}, {{2}, 1, heads}});
  return split ? n.transpose(split, {0, 2, 1, 3}) : split;
}

/// 0 .. extent of `axis` of x, in `shape`, one of whose extents is that.
static Value countAlong(Node &n, Value x, int64_t axis, ArrayRef<int64_t> shape) {
  Value extent = n.reshape(n.shape(x, axis, axis + 1), {});
  Value line = n.standard("Range", 11, {n.intScalar(0), extent, n.intScalar(1)});
  if (!line)
    return {};
  Ints wanted(shape);
  for (int64_t &each : wanted)
    if (each < 0)
      each = n.shapeOf(line)[0];
  Values extents;
  for (int64_t each : shape)
    extents.push_back(each < 0 ? n.shape(line) : n.ints({1}));
  return ShapedType::isDynamicShape(wanted) ? n.reshape(line, wanted, n.concat(extents, 0)) : n.reshape(line, wanted);
}

/// Scores [B, N, S, T] with those that `mask` hides: raw [B, T], or the number [B] of places that count. With `past` (a
/// number) rows come so many places later than columns.
static Value masked(Node &n, Value scores, Value mask, Value past = {}) {
  Type element = n.elementOf(scores);
  double filter = n.getFloat("mask_filter_value", -10000);
  if (mask) {
    Type i64 = n.b.getI64Type();
    int64_t rank = n.rankOf(mask);
    if (rank != 1 && rank != 2) {
      (void)n.refuse("T0102", "a mask of " + Twine(rank) + " axes is not supported", "give one of [batch, length]");
      return {};
    }
    Value wide = n.cast(mask, i64), shown;
    if (rank == 2) {
      shown = n.binary("greater", n.regroup(wide, {{{0}}, {}, {}, {{1}}}), n.number(i64, 0));
    } else {
      if (n.shapeOf(mask)[0] != n.shapeOf(scores)[0]) {
        (void)n.refuse("T0102", "a mask with one number for each row of the batch is expected");
        return {};
      }
      shown = n.binary("less", countAlong(n, scores, 3, {1, 1, 1, -1}), n.regroup(wide, {{{0}}, {}, {}, {}}));
    }
    scores = shown ? n.binary("add", scores, n.select(shown, n.number(element, 0), n.number(element, filter))) : shown;
  }
  if (scores && n.getInt("unidirectional", 0)) {
    Value row = countAlong(n, scores, 2, {1, 1, -1, 1}), column = countAlong(n, scores, 3, {1, 1, 1, -1});
    if (row && past)
      row = n.binary("add", row, past);
    Value shown = row && column ? n.binary("less_or_equal", column, row) : Value();
    double least = -std::numeric_limits<float>::max();
    scores = shown ? n.select(shown, scores, n.number(element, least)) : shown;
  }
  return scores;
}

/// [B, N, S, H] as [B, S, N * H].
static Value joinHeads(Node &n, Value x) {
  return x ? n.regroup(n.transpose(x, {0, 2, 1, 3}), {{{0}}, {{1}}, {{2, 3}}}) : x;
}

/// The shares of values that scores give, as [B, S, N * H].
static Value weighted(Node &n, Value scores, Value v) {
  if (!scores)
    return {};
  Value shares = n.standard("Softmax", 13, {scores});
  return joinHeads(n, n.standard("MatMul", 13, {shares, v}));
}

/// q k^T, scaled as the node says.
static Value scoresOf(Node &n, Value q, Value k) {
  double scale = n.getFloat("scale", 0);
  if (scale == 0)
    scale = 1 / std::sqrt(static_cast<double>(n.shapeOf(q)[3]));
  Value scores = n.standard("MatMul", 13, {q, n.transpose(k, {0, 1, 3, 2})});
  return scores ? n.binary("mul", scores, n.number(n.elementOf(scores), scale)) : scores;
}

/// Of x [B, S, D] by weights [D, Q + K + V], as real numbers.
static FailureOr<Values> attend(Node &n, Value x, Value weights, Value bias, Value mask) {
  int64_t heads = n.getInt("num_heads", 0);
  if (!x || !weights)
    return failure();
  int64_t columns = n.shapeOf(weights)[1];
  Ints sizes = n.getInts("qkv_hidden_sizes").value_or(Ints(3, columns / 3));
  if (ShapedType::isDynamic(columns) || heads < 1 || sizes.size() != 3 || sizes[0] != sizes[1] ||
      sizes[0] + sizes[1] + sizes[2] != columns || sizes[0] % heads || sizes[2] % heads || sizes[0] < heads ||
      sizes[2] < heads)
    return n.refuse("T0202", "num_heads and qkv_hidden_sizes do not fit weights of " + Twine(columns) + " columns");
  Value all = n.standard("MatMul", 13, {x, weights});
  if (all && bias)
    all = n.binary("add", all, bias);
  if (!all)
    return failure();
  auto part = [&](int64_t start, int64_t size) { return splitHeads(n, n.slice(all, 2, start, size), heads); };
  Value q = part(0, sizes[0]), k = part(sizes[0], sizes[1]), v = part(sizes[0] + sizes[1], sizes[2]);
  if (!q || !k || !v)
    return failure();
  Value scores = scoresOf(n, q, k);
  return one(scores ? weighted(n, masked(n, scores, mask), v) : scores);
}

static FailureOr<Values> attention(Node &n) {
  if (!expects(n, {{0, 3}, {1, 2}}) || !lacks(n, 4, "past, or a bias of the scores"))
    return failure();
  if (n.getInt("do_rotary", 0))
    return n.refuse("T0102", "do_rotary is not supported");
  return attend(n, n.in(0), n.in(1), n.in(2), n.in(3));
}

/// Inputs: input, weight, bias, their scales, mask, their zero points, past.
static FailureOr<Values> qAttention(Node &n) {
  if (!expects(n, {{0, 3}, {1, 2}, {2, 1}, {3, -1}, {4, -1}}) || !lacks(n, 8, "past"))
    return failure();
  auto real = [&](size_t i, size_t scale, size_t zero) {
    Values inputs{n.in(i), n.in(scale)};
    if (n.has(zero))
      inputs.push_back(n.in(zero));
    return n.standard("DequantizeLinear", 13, inputs);
  };
  return attend(n, real(0, 3, 6), real(1, 4, 7), n.in(2), n.in(5));
}

//===- rotary embedding ------------------------------------------------------------------------===//

/// Rows of a table [M, D / 2] at `positions` [S] or [B, S], as [1 or B, 1, S, D / 2].
static Value anglesAt(Node &n, Value table, Value positions) {
  Value rows = n.standard("Gather", 13, {table, positions});
  if (!rows)
    return {};
  return n.rankOf(positions) == 1 ? n.regroup(rows, {{}, {}, {{0}}, {{1}}})
                                  : n.regroup(rows, {{{0}}, {}, {{1}}, {{2}}});
}

/// The first D numbers of each row of x [B, N, S, H] turned by angles, in pairs of halves or of neighbours.
static Value rotated(Node &n, Value x, Value cosines, Value sines, bool isInterleaved) {
  if (!x || !cosines || !sines)
    return {};
  int64_t head = n.shapeOf(x)[3], half = n.shapeOf(cosines)[3];
  Value turned = n.slice(x, 3, 0, 2 * half), a, b;
  if (isInterleaved) {
    Value pairs = n.regroup(turned, {{{0}}, {{1}}, {{2}}, {{3}, 1, 2}, {{}, 2}});
    auto column = [&](int64_t i) { return n.regroup(n.slice(pairs, 4, i, 1), {{{0}}, {{1}}, {{2}}, {{3, 4}}}); };
    a = column(0);
    b = column(1);
  } else {
    a = n.slice(turned, 3, 0, half);
    b = n.slice(turned, 3, half, half);
  }
  Value first = n.binary("sub", n.binary("mul", a, cosines), n.binary("mul", b, sines));
  Value second = n.binary("add", n.binary("mul", b, cosines), n.binary("mul", a, sines));
  Value y;
  if (isInterleaved) {
    auto column = [&](Value part) { return n.regroup(part, {{{0}}, {{1}}, {{2}}, {{3}}, {}}); };
    y = n.regroup(n.concat({column(first), column(second)}, 4), {{{0}}, {{1}}, {{2}}, {{3, 4}}});
  } else {
    y = n.concat({first, second}, 3);
  }
  return head == 2 * half ? y : n.concat({y, n.slice(x, 3, 2 * half, head - 2 * half)}, 3);
}

/// Whether tables of angles fit heads of `head` numbers; reported where they do not.
static bool fitAngles(Node &n, size_t table, int64_t head) {
  ArrayRef<int64_t> cosines = n.shapeOf(n.in(table)), sines = n.shapeOf(n.in(table + 1));
  if (cosines == sines && !ShapedType::isDynamic(cosines[1]) && cosines[1] > 0 && 2 * cosines[1] <= head &&
      holds(n, table, /*floats=*/true) && n.elementOf(n.in(table)) == n.elementOf(n.in(table + 1)))
    return true;
  if (!n.failedBefore)
    (void)n.refuse("T0202", "the tables of cosines and sines do not fit heads of " + Twine(head));
  return false;
}

/// Numbers 0, 1, ... for the places of axis 2 of x [B, N, S, H], from `first` (a number) on: [S].
static Value placesOf(Node &n, Value x, Value first) {
  Value line = countAlong(n, x, 2, {-1});
  return line ? n.binary("add", line, n.cast(first, n.b.getI64Type())) : line;
}

static FailureOr<Values> rotaryEmbedding(Node &n) {
  if (!expects(n, {{0, -1}, {1, -1}, {2, 2}, {3, 2}}) || !holds(n, 0, /*floats=*/true) ||
      !holds(n, 1, /*floats=*/false))
    return failure();
  if (n.getInt("is_packed_batching", 0) || n.getFloat("scale", 1) != 1)
    return n.refuse("T0102", "is_packed_batching and scale are not supported");
  Value x = n.in(0);
  int64_t rank = n.rankOf(x), width = rank > 0 ? n.shapeOf(x)[rank - 1] : 0, heads = n.getInt("num_heads", 0);
  if ((rank != 3 && rank != 4) || ShapedType::isDynamic(width))
    return n.refuse("T0202", "input 0 expects [batch, length, width] or [batch, heads, length, width]");
  if (rank == 3) {
    // Without the number of heads the tables say how wide one is.
    int64_t head = heads > 0 ? width / heads : 2 * n.shapeOf(n.in(2))[1];
    if (head <= 0 || width % head)
      return n.refuse("T0202", "num_heads does not fit a width of " + Twine(width));
    heads = width / head;
    x = splitHeads(n, x, heads);
  }
  if (!x || !fitAngles(n, 2, n.shapeOf(x)[3]))
    return failure();
  Value positions = n.cast(n.in(1), n.b.getI64Type());
  if (n.rankOf(positions) == 1)
    positions = placesOf(n, x, n.reshape(positions, {}));
  else if (n.rankOf(positions) != 2)
    return n.refuse("T0202", "input 1 expects one position, or [batch, length] of them");
  Value y = positions ? rotated(n, x, anglesAt(n, n.in(2), positions), anglesAt(n, n.in(3), positions),
                                n.getInt("interleaved", 0) != 0)
                      : Value();
  return one(rank == 3 ? joinHeads(n, y) : y);
}

//===- several inputs --------------------------------------------------------------------------===//

/// The extent of an axis as a number.
static Value extentOf(Node &n, Value x, int64_t axis) {
  return n.cast(n.reshape(n.shape(x, axis, axis + 1), {}), n.b.getI64Type());
}

static FailureOr<Values> multiHeadAttention(Node &n) {
  if (!expects(n, {{0, 3}, {1, -1}, {2, -1}}) || !lacks(n, 8, "the length of a shared cache"))
    return failure();
  int64_t heads = n.getInt("num_heads", 0), columns[3], first = 0;
  Value parts[3];
  for (size_t i = 0; i < 3; ++i) {
    Value x = n.in(i);
    int64_t rank = n.rankOf(x), width = n.shapeOf(x).back();
    if (!holds(n, i, /*floats=*/true))
      return failure();
    columns[i] = rank == 4 && !ShapedType::isDynamic(width) ? width * heads : width;
    bool fits = heads > 0 && !ShapedType::isDynamic(columns[i]) && columns[i] > 0 && columns[i] % heads == 0 &&
                (rank == 3 || (rank == 4 && n.shapeOf(x)[1] == heads && !n.has(3)));
    if (!fits || (i == 1 && columns[1] != columns[0]))
      return n.refuse("T0202", "input " + Twine(i) + " does not fit " + Twine(heads) + " heads");
    if (n.has(3)) {
      if (n.rankOf(n.in(3)) != 1 || n.shapeOf(n.in(3))[0] < first + columns[i])
        return n.refuse("T0202", "the bias does not fit query, key and value");
      x = n.binary("add", x, n.slice(n.in(3), 0, first, columns[i]));
      first += columns[i];
    }
    parts[i] = rank == 4 ? x : splitHeads(n, x, heads);
  }
  Value past;
  if (n.has(6) != n.has(7))
    return n.refuse("T0201", "past keys and values come together");
  if (n.has(6)) {
    if (!expects(n, {{6, 4}, {7, 4}}))
      return failure();
    past = extentOf(n, n.in(6), 2);
    for (size_t i : {1, 2})
      parts[i] = n.concat({n.in(5 + i), parts[i]}, 2);
  }
  if (!parts[0] || !parts[1] || !parts[2] || n.failedBefore)
    return failure();
  Value scores = scoresOf(n, parts[0], parts[1]);
  if (scores && n.has(5))
    scores = n.rankOf(n.in(5)) == 4 ? n.binary("add", scores, n.in(5)) : Value();
  if (!scores)
    return n.failedBefore ? failure() : n.refuse("T0202", "input 5 expects a bias of 4 axes");
  Value y = weighted(n, masked(n, scores, n.has(4) ? n.in(4) : Value(), past), parts[2]);
  if (!y)
    return failure();
  return Values{y, parts[1], parts[2]};
}

/// Keys or values [B, K, T, H] for N heads, each of which serves N / K.
static Value repeated(Node &n, Value x, int64_t times) {
  if (times == 1 || !x)
    return x;
  Value single = n.regroup(x, {{{0}}, {{1}}, {}, {{2}}, {{3}}});
  Value expanded = n.standard("Expand", 13, {single, n.ints({1, 1, times, 1, 1})});
  return expanded ? n.regroup(expanded, {{{0}}, {{1, 2}}, {{3}}, {{4}}}) : expanded;
}

/// A cache [B, K, P, H] with `x` [B, K, S, H] at places `first` .. `first + S` (numbers): longer where those lie behind
/// it.
static Value written(Node &n, Value cache, Value x, Value first) {
  auto part = [&](Value from, Value to) {
    return n.standard("Slice", 13, {cache, n.reshape(from, {1}), n.reshape(to, {1}), n.ints({2})});
  };
  Value before = part(n.intScalar(0), first);
  Value after = part(n.binary("add", first, extentOf(n, x, 2)), extentOf(n, cache, 2));
  return before && after ? n.concat({before, x, after}, 2) : Value();
}

/// Inputs: query (or all three side by side), key, value, their caches, for each row of the batch the length with the
/// new places less one, the longest of these, cosines and sines.
static FailureOr<Values> groupQueryAttention(Node &n) {
  if (!expects(n, {{0, 3}, {5, -1}}) || !lacks(n, 9, "positions, a bias of the scores, or a sink"))
    return failure();
  int64_t heads = n.getInt("num_heads", 0), pairs = n.getInt("kv_num_heads", 0),
          window = n.getInt("local_window_size", -1);
  if (n.getInt("smooth_softmax", 0) > 0 || n.getInt("qk_output", 0) || n.getString("k_quant_type", "NONE") != "NONE")
    return n.refuse("T0102", "smooth_softmax, qk_output and quantized caches are not supported");
  bool isPacked = !n.has(1);
  int64_t width = n.shapeOf(n.in(0))[2], groups = isPacked ? heads + 2 * pairs : heads;
  if (heads < 1 || pairs < 1 || heads % pairs || isPacked != !n.has(2) || ShapedType::isDynamic(width) ||
      width % groups || width < groups)
    return n.refuse("T0202", "num_heads and kv_num_heads do not fit a query of width " + Twine(width));
  if (!holds(n, 0, /*floats=*/true) || !holds(n, 5, /*floats=*/false))
    return failure();
  int64_t head = width / groups;
  Value q, k, v;
  if (isPacked) {
    Value x = n.in(0);
    q = splitHeads(n, n.slice(x, 2, 0, heads * head), heads);
    k = splitHeads(n, n.slice(x, 2, heads * head, pairs * head), pairs);
    v = splitHeads(n, n.slice(x, 2, (heads + pairs) * head, pairs * head), pairs);
  } else {
    for (size_t i : {1, 2})
      if (n.rankOf(n.in(i)) != 3 || n.shapeOf(n.in(i))[2] != pairs * head || !holds(n, i, /*floats=*/true))
        return n.failedBefore ? failure() : n.refuse("T0202", "input " + Twine(i) + " does not fit kv_num_heads");
    q = splitHeads(n, n.in(0), heads);
    k = splitHeads(n, n.in(1), pairs);
    v = splitHeads(n, n.in(2), pairs);
  }
  if (!q || !k || !v)
    return failure();
  // How many places came before: one number for the batch.
  Type i64 = n.b.getI64Type();
  Value before = n.regroup(n.cast(n.in(5), i64), {{llvm::to_vector(llvm::seq<int64_t>(0, n.rankOf(n.in(5))))}});
  before = n.binary("max", n.binary("sub", n.binary("add", before, n.intScalar(1)), extentOf(n, q, 2)), n.intScalar(0));
  Value most = n.reduce("max", before, {0}, false), least = n.reduce("min", before, {0}, false);
  if (!most || !least)
    return failure();
  Value past = n.require(most, n.binary("equal", most, least),
                         "the rows of the batch have caches of several lengths, which is not supported");
  if (n.has(3) != n.has(4))
    return n.refuse("T0201", "past keys and values come together");
  if (n.has(3)) {
    if (!expects(n, {{3, 4}, {4, 4}}))
      return failure();
    for (size_t i : {3, 4})
      past = n.require(past, n.binary("less_or_equal", past, extentOf(n, n.in(i), 2)),
                       "the cache is shorter than the lengths say");
  }
  if (n.getInt("do_rotary", 0)) {
    if (!expects(n, {{7, 2}, {8, 2}}) || !fitAngles(n, 7, head))
      return failure();
    Value positions = placesOf(n, q, past);
    if (!positions)
      return failure();
    Value cosines = anglesAt(n, n.in(7), positions), sines = anglesAt(n, n.in(8), positions);
    bool isInterleaved = n.getInt("rotary_interleaved", 0) != 0;
    q = rotated(n, q, cosines, sines, isInterleaved);
    k = rotated(n, k, cosines, sines, isInterleaved);
  }
  if (n.has(3)) {
    k = k ? written(n, n.in(3), k, past) : k;
    v = written(n, n.in(4), v, past);
  }
  if (!q || !k || !v || n.failedBefore)
    return failure();
  Value scores = scoresOf(n, q, repeated(n, k, heads / pairs));
  if (!scores)
    return failure();
  Type element = n.elementOf(scores);
  if (double cap = n.getFloat("softcap", 0); cap > 0)
    scores = n.binary("mul", n.unary("tanh", n.binary("div", scores, n.number(element, cap))), n.number(element, cap));
  Value row = countAlong(n, scores, 2, {1, 1, -1, 1}), column = countAlong(n, scores, 3, {1, 1, 1, -1});
  if (!row || !column)
    return failure();
  row = n.binary("add", row, past);
  auto hide = [&](Value shown) {
    scores = n.select(shown, scores, n.number(element, -std::numeric_limits<float>::infinity()));
  };
  hide(n.binary("less_or_equal", column, row));
  if (window > 0)
    hide(n.binary("greater", column, n.binary("sub", row, n.intScalar(window))));
  Value y = weighted(n, scores, repeated(n, v, heads / pairs));
  if (!y)
    return failure();
  return Values{y, k, v};
}

ArrayRef<Row> attentionRows() {
  static const Row rows[] = {
      {"com.microsoft::Attention", 1, attention},
      {"com.microsoft::GroupQueryAttention", 1, groupQueryAttention},
      {"com.microsoft::MultiHeadAttention", 1, multiHeadAttention},
      {"com.microsoft::QAttention", 1, qAttention},
      {"com.microsoft::RotaryEmbedding", 1, rotaryEmbedding},
  };
  return rows;
}

} // namespace tegula
