//===- LowerDots.cpp - sums of four products of bytes by the CPU's instructions -----------===//
//
//   %x = vector.broadcast %row : vector<4xi8> to vector<16x4xi8>
//   %p = arith.muli (arith.extui %x), (arith.extsi %w) : vector<16x4xi32>
//   %t = vector.multi_reduction <add>, %p, %s [1] : vector<16x4xi32> to vector<16xi32>
// becomes
//   %t = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%s, %bytesOfX, %bytesOfW)
//
// AVX2 has sums of two products of an unsigned and a signed byte, which saturate at 16 bits. |x| and w with the sign of
// x give the same product, and two of those are at most 2 * 128 * 127: exact, since weights are at least -127.
//
// Needs: memrefs. Leaves: no sum of products of bytes, where the target says that it has an instruction. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/dialects/tgl/Tgl.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERDOTS
#include "tegula/targets/cpu/Passes.h.inc"

/// Of AVX2's instructions.
static constexpr int64_t kAvx2Lanes = 8;

namespace {
struct LowerDot : OpRewritePattern<vector::MultiDimReductionOp> {
  LowerDot(MLIRContext *context, StringRef dot) : OpRewritePattern(context), dot(dot) {}
  StringRef dot;

  LogicalResult matchAndRewrite(vector::MultiDimReductionOp op, PatternRewriter &b) const override {
    auto product = op.getSource().getDefiningOp<arith::MulIOp>();
    VectorType type = op.getSourceVectorType();
    if (!product || op.getKind() != vector::CombiningKind::ADD || type.getRank() != 2 || type.getDimSize(1) != 4 ||
        !type.getElementType().isInteger(32) || ArrayRef<bool>(op.getReductionMask()) != ArrayRef<bool>({false, true}))
      return b.notifyMatchFailure(op, "not the sum of four products");
    Operation *left = product.getLhs().getDefiningOp(), *right = product.getRhs().getDefiningOp();
    bool isUnsigned = isa_and_present<arith::ExtUIOp>(left);
    if ((!isUnsigned && !isa_and_present<arith::ExtSIOp>(left)) || !isa_and_present<arith::ExtSIOp>(right) ||
        isUnsigned != (dot == "u8s8"))
      return b.notifyMatchFailure(op, "not of bytes of the right signs");
    auto x = left->getOperand(0).getDefiningOp<vector::BroadcastOp>();
    int64_t lanes = type.getDimSize(0);
    if (!x || !x.getSourceType().isInteger(8) == !isa<VectorType>(x.getSourceType()) || (dot == "s8s8" && lanes < 4))
      return b.notifyMatchFailure(op, "not of one row");
    Location loc = op.getLoc();
    // Four bytes as one number: the load spreads it over the lanes.
    auto one = VectorType::get({1}, b.getI32Type()), sums = VectorType::get({lanes}, b.getI32Type()),
         flat = VectorType::get({lanes * 4}, b.getI8Type());
    Value number = vector::BitCastOp::create(b, loc, one, x.getSource());
    Value row = vector::BitCastOp::create(
        b, loc, flat, vector::BroadcastOp::create(b, loc, sums, vector::ExtractOp::create(b, loc, number, 0)));
    Value weights = vector::ShapeCastOp::create(b, loc, flat, right->getOperand(0));
    b.replaceOp(op, isUnsigned ? vnni(b, loc, op.getAcc(), row, weights) : avx2(b, loc, op.getAcc(), row, weights));
    return success();
  }

  static Value call(OpBuilder &b, Location loc, StringRef name, Type result, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), operands).getResult(0);
  }

  static Value vnni(OpBuilder &b, Location loc, Value sum, Value x, Value w) {
    int64_t bits = cast<VectorType>(sum.getType()).getNumElements() * 32;
    return call(b, loc, ("llvm.x86.avx512.vpdpbusd." + Twine(bits)).str(), sum.getType(), {sum, x, w});
  }

  static Value avx2(OpBuilder &b, Location loc, Value sum, Value x, Value w) {
    int64_t lanes = cast<VectorType>(sum.getType()).getNumElements(), step = std::min(lanes, kAvx2Lanes);
    auto part = [&](Value value, int64_t at, int64_t count) -> Value {
      if (lanes == step)
        return value;
      return vector::ExtractStridedSliceOp::create(b, loc, value, ArrayRef<int64_t>{at}, ArrayRef<int64_t>{count},
                                                   ArrayRef<int64_t>{1});
    };
    Type i16 = b.getIntegerType(16);
    auto bytes = VectorType::get({step * 4}, b.getI8Type()), words = VectorType::get({step * 2}, i16),
         numbers = VectorType::get({step}, b.getI32Type());
    Value ones = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(words, b.getIntegerAttr(i16, 1)));
    bool isShort = step < kAvx2Lanes;
    StringRef sign = isShort ? "llvm.x86.ssse3.psign.b.128" : "llvm.x86.avx2.psign.b";
    StringRef bytesOf = isShort ? "llvm.x86.ssse3.pmadd.ub.sw.128" : "llvm.x86.avx2.pmadd.ub.sw";
    StringRef wordsOf = isShort ? "llvm.x86.sse2.pmadd.wd" : "llvm.x86.avx2.pmadd.wd";
    Value result = sum;
    for (int64_t at = 0; at < lanes; at += step) {
      Value left = part(x, at * 4, step * 4), right = part(w, at * 4, step * 4);
      Value magnitude = LLVM::AbsOp::create(b, loc, bytes, left, b.getBoolAttr(false));
      Value signedRight = call(b, loc, sign, bytes, {right, left});
      Value pairs = call(b, loc, bytesOf, words, {magnitude, signedRight});
      Value fours = call(b, loc, wordsOf, numbers, {pairs, ones});
      Value added = arith::AddIOp::create(b, loc, part(sum, at, step), fours);
      result = lanes == step ? added
                             : Value(vector::InsertStridedSliceOp::create(b, loc, added, result, ArrayRef<int64_t>{at},
                                                                          ArrayRef<int64_t>{1}));
    }
    return result;
  }
};

struct LowerDots : impl::LowerDotsBase<LowerDots> {
  using LowerDotsBase::LowerDotsBase;
  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    if (!target || target.getDot().empty())
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerDot>(&getContext(), target.getDot());
    // Panels [.., 16, 4] are read as vectors of 64.
    vector::populateFlattenVectorTransferPatterns(patterns, target.getVectorBytes() * 8);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace tegula
