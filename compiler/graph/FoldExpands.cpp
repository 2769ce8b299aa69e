//===- FoldExpands.cpp - broadcasts that repeat nothing, or need not --------------------===//
//
//   %s = nn.binary max (nn.shape %a), (nn.shape %b)     ->   nn.binary add %a, %b
//   nn.binary add (nn.expand %a shape %s), (nn.expand %b shape %s)
//
// where %a and %b have the same extents in every run, such as the two ends of a residual branch. In the importer their
// extents are just unknown. And where heads of attention share keys and values, so that these are repeated for each:
//
//   %r = nn.reshape (nn.expand (nn.reshape %k))      %q' = nn.reshape %q : [B, H * G, M, K] -> [B, H, G * M, K]
//   nn.matmul %q, %r                             ->  nn.reshape (nn.matmul %q', %k)
//
// with few rows M, as in decoding: with many, scores are fused with what is made of them.
//
// Needs: nn. Leaves: broadcasts that may repeat something. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/graph/Extents.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FOLDEXPANDS
#include "tegula/compiler/graph/Passes.h.inc"

/// Rows up to which heads are put together.
static constexpr int64_t kFewRows = 8;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// [B..., H, T, D], where `value` is that with each of H repeated to H * G; null where it is not.
static Value repeatedHeads(Value value, Extents &extents) {
  auto joined = value.getDefiningOp<nn::ReshapeOp>();
  auto expand = joined ? joined.getX().getDefiningOp<nn::ExpandOp>() : nn::ExpandOp();
  auto split = expand ? expand.getX().getDefiningOp<nn::ReshapeOp>() : nn::ReshapeOp();
  if (!split)
    return {};
  ArrayRef<int64_t> from = typeOf(split.getX()).getShape(), one = typeOf(split.getY()).getShape(),
                    many = typeOf(expand.getY()).getShape(), to = typeOf(joined.getY()).getShape();
  int64_t rank = from.size(), head = rank - 3;
  if (rank < 3 || (int64_t)one.size() != rank + 1 || many.size() != one.size() || (int64_t)to.size() != rank ||
      one[head + 1] != 1 || ShapedType::isDynamic(many[head]) || ShapedType::isDynamic(many[head + 1]) ||
      to[head] != many[head] * many[head + 1] || llvm::count(from, ShapedType::kDynamic) > 1)
    return {};
  for (int64_t axis = 0; axis < rank; ++axis) {
    int64_t after = axis + (axis > head ? 1 : 0);
    if (from[axis] != one[after] || (axis != head && from[axis] != to[axis]) ||
        extents.of(expand.getX(), after) != extents.of(expand.getY(), after))
      return {};
  }
  return split.getX();
}

/// What the heads of a product of few rows share; null where they do not.
static Value sharedByHeads(nn::MatMulOp op, Extents &extents) {
  auto transpose = op.getB().getDefiningOp<nn::TransposeOp>();
  ArrayRef<int64_t> a = typeOf(op.getA()).getShape(), b = typeOf(op.getB()).getShape();
  int64_t rank = a.size(), head = rank - 3;
  if (rank < 3 || rank != (int64_t)b.size() || a.take_front(head + 1) != b.take_front(head + 1) ||
      ShapedType::isDynamicShape(a.take_front(rank - 1)) || a[head + 1] > kFewRows)
    return {};
  SmallVector<int64_t> swapped = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(swapped[rank - 1], swapped[rank - 2]);
  if (transpose && transpose.getPerm() != ArrayRef<int64_t>(swapped))
    return {};
  return repeatedHeads(transpose ? transpose.getX() : op.getB(), extents);
}

/// The rows of heads that share `shared` as rows of one head.
static void joinHeads(nn::MatMulOp op, Value shared) {
  ArrayRef<int64_t> a = typeOf(op.getA()).getShape();
  int64_t head = a.size() - 3, heads = typeOf(shared).getDimSize(head);
  SmallVector<int64_t> rows(a);
  rows[head] = heads;
  rows[head + 1] = a[head] / heads * a[head + 1];
  OpBuilder b(op);
  auto type = RankedTensorType::get(rows, typeOf(op.getA()).getElementType());
  Value left = nn::ReshapeOp::create(b, op.getLoc(), type, op.getA(), Value());
  Value product;
  if (auto transpose = op.getB().getDefiningOp<nn::TransposeOp>()) {
    // The few rows are turned instead of all that they are multiplied with.
    auto turned = [&](Value x) -> Value {
      return nn::TransposeOp::create(b, transpose.getLoc(), x, transpose.getPermAttr());
    };
    product = turned(nn::MatMulOp::create(b, op.getLoc(), shared, turned(left)));
  } else {
    product = nn::MatMulOp::create(b, op.getLoc(), left, shared);
  }
  op.getY().replaceAllUsesWith(nn::ReshapeOp::create(b, op.getLoc(), op.getType(), product, Value()));
  op.erase();
}

namespace {
struct FoldExpands : impl::FoldExpandsBase<FoldExpands> {
  using FoldExpandsBase::FoldExpandsBase;

  void runOnOperation() override {
    Extents extents(getOperation());
    // All is found before anything changes: what is known of extents goes by values.
    SmallVector<std::pair<nn::MatMulOp, Value>> products;
    getOperation().walk([&](nn::MatMulOp product) {
      if (Value shared = sharedByHeads(product, extents))
        products.emplace_back(product, shared);
    });
    SmallVector<nn::ExpandOp> expands, needless;
    getOperation().walk([&](nn::ExpandOp expand) { expands.push_back(expand); });
    for (nn::ExpandOp expand : expands) {
      auto from = cast<RankedTensorType>(expand.getX().getType()), to = cast<RankedTensorType>(expand.getY().getType());
      if (from != to || !llvm::all_of(llvm::seq<int64_t>(0, to.getRank()), [&](int64_t axis) {
            return extents.of(expand.getX(), axis) == extents.of(expand.getY(), axis);
          }))
        continue;
      needless.push_back(expand);
    }
    for (nn::ExpandOp expand : needless) {
      expand.getY().replaceAllUsesWith(expand.getX());
      expand.erase();
      ++folded;
    }
    for (auto [product, shared] : products)
      joinHeads(product, shared);
    joined += products.size();
  }
};
} // namespace
} // namespace tegula
