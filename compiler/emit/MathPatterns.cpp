//===- MathPatterns.cpp - math functions as arithmetic -------------------------------===//
//
// Coefficients are minimax fits of the functions, made for these intervals; products and sums become fused
// multiply-adds where the CPU has them.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/MathPatterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tegula {

namespace {
constexpr arith::FastMathFlags kContract = arith::FastMathFlags::contract;

/// Arithmetic on values of one shape.
class Arithmetic {
public:
  Arithmetic(PatternRewriter &builder, Location loc, Type type) : b(builder), loc(loc), type(type) {}

  Value constant(double value) {
    auto element = b.getF32FloatAttr(static_cast<float>(value));
    auto shaped = dyn_cast<ShapedType>(type);
    return arith::ConstantOp::create(b, loc, shaped ? TypedAttr(DenseElementsAttr::get(shaped, element)) : element);
  }
  Value integer(int64_t value) {
    auto element = b.getI32IntegerAttr(static_cast<int32_t>(value));
    auto shaped = dyn_cast<ShapedType>(bits());
    return arith::ConstantOp::create(b, loc,
                                     shaped ? TypedAttr(DenseElementsAttr::get(shaped, Attribute(element))) : element);
  }
  Value add(Value lhs, Value rhs) { return arith::AddFOp::create(b, loc, lhs, rhs, kContract); }
  Value sub(Value lhs, Value rhs) { return arith::SubFOp::create(b, loc, lhs, rhs, kContract); }
  Value mul(Value lhs, Value rhs) { return arith::MulFOp::create(b, loc, lhs, rhs, kContract); }
  Value isLess(Value lhs, Value rhs) { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, lhs, rhs); }
  Value select(Value condition, Value yes, Value no) { return arith::SelectOp::create(b, loc, condition, yes, no); }
  /// c[0] + c[1] x + c[2] x^2 + ...
  Value polynomial(Value x, ArrayRef<double> c) {
    Value sum = constant(c.back());
    for (double next : llvm::reverse(c.drop_back()))
      sum = add(mul(sum, x), constant(next));
    return sum;
  }
  Value asBits(Value value) { return arith::BitcastOp::create(b, loc, bits(), value); }
  Value asFloat(Value value) { return arith::BitcastOp::create(b, loc, type, value); }

  PatternRewriter &b;
  Location loc;

private:
  Type bits() {
    auto shaped = dyn_cast<ShapedType>(type);
    return shaped ? Type(shaped.clone(b.getI32Type())) : Type(b.getI32Type());
  }
  Type type;
};

/// erf x = x + x P(x^2) below 1; from there on 1 - Q(|x|)^4, where the fourth root of erfc is smooth enough for a
/// polynomial. It rounds to 1 from 3.92 on.
struct ExpandErf : OpRewritePattern<math::ErfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ErfOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Arithmetic a(rewriter, op.getLoc(), op.getType());
    Value size = math::AbsFOp::create(rewriter, op.getLoc(), op.getOperand()), end = a.constant(3.92);
    size = a.select(a.isLess(end, size), end, size); // a NaN stays one
    Value small = a.polynomial(a.mul(size, size), {0.128379166, -0.37612626, 0.112835854, -0.0268538129, 0.00518832961,
                                                   -0.000801020826, 7.85390657e-05});
    small = a.add(a.mul(size, small), size);
    Value root = a.polynomial(a.sub(size, a.constant(2.46)),
                              {0.149785221, -0.19761546, 0.0950397328, -0.0111947414, -0.00694884267, 0.00275143445,
                               6.63029568e-05, -0.000260524335, -2.23080133e-05});
    Value square = a.mul(root, root), one = a.constant(1);
    Value large = a.sub(one, a.mul(square, square));
    Value result = a.select(a.isLess(size, one), small, large);
    rewriter.replaceOpWithNewOp<math::CopySignOp>(op, result, op.getOperand());
    return success();
  }
};

/// With k the integer next to x/pi (for the cosine x/pi - 1/2) and r = x - k pi (x - (k + 1/2) pi): the sine is
/// (-1)^k sin r, the cosine -(-1)^k sin r. pi is subtracted in parts of eight bits, whose products with k are exact.
template <typename Op, bool isCosine> struct ExpandSine : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Arithmetic a(rewriter, op.getLoc(), op.getType());
    Value x = op.getOperand(), turns = a.mul(x, a.constant(0.318309886));
    if (isCosine)
      turns = a.sub(turns, a.constant(0.5));
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    Value magic = a.constant(12582912), shifted = a.add(turns, magic), k = a.sub(shifted, magic);
    if (isCosine)
      k = a.add(k, a.constant(0.5));
    Value r = x;
    for (double part :
         {3.140625, 0.000965118408203125, 2.5331974029541016e-06, 1.9790604710578918e-09, 5.1266881365141792e-12})
      r = a.sub(r, a.mul(k, a.constant(part)));
    Value square = a.mul(r, r);
    Value rest = a.mul(square, a.polynomial(square, {-0.166666597, 0.00833306648, -0.000198095906, 2.60575075e-06}));
    Value sine = a.add(a.mul(r, rest), r);
    Value sign = arith::ShLIOp::create(rewriter, op.getLoc(), a.asBits(shifted), a.integer(31));
    if (isCosine)
      sign = arith::XOrIOp::create(rewriter, op.getLoc(), sign, a.integer(int64_t(1) << 31));
    Value result = arith::XOrIOp::create(rewriter, op.getLoc(), a.asBits(sine), sign);
    rewriter.replaceOp(op, a.asFloat(result));
    return success();
  }
};
} // namespace

void populateMathPatterns(RewritePatternSet &patterns) {
  // Before upstream's of the same ops.
  patterns.add<ExpandErf, ExpandSine<math::SinOp, false>, ExpandSine<math::CosOp, true>>(patterns.getContext(),
                                                                                         PatternBenefit(2));
}

} // namespace tegula
