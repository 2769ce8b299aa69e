//===- LowerDots.cpp - sums of products of small numbers by the CPU's instructions ------------===//
//
//   %x = vector.broadcast %row : vector<4xi8> to vector<16x4xi8>
//   %p = arith.muli (arith.extui %x), (arith.extsi %w) : vector<16x4xi32>
//   %t = vector.multi_reduction <add>, %p, %s [1] : vector<16x4xi32> to vector<16xi32>
// becomes
//   %t = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%s, %bytesOfX, %bytesOfW)
// (on ARM usdot or sdot), and pairs of 16-bit integers (vpdpwssd, or vpmaddwd and an addition) and of bf16 alike
// (vdpbf16ps, bfdot; both take denormals for zeros).
//
// Needs: memrefs. Leaves: no such sum where the target says that it has an instruction. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/dialects/tgl/Tgl.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERDOTS
#include "tegula/targets/cpu/Passes.h.inc"

namespace {
struct LowerDot : OpRewritePattern<vector::MultiDimReductionOp> {
  LowerDot(MLIRContext *context, tgl::TargetAttr target)
      : OpRewritePattern(context), dot(target.getDot()), realDot(target.getRealDot()),
        isX86(llvm::Triple(target.getTriple()).isX86()), hasVnni(isX86 && dot == "u8s8") {}
  StringRef dot, realDot;
  bool isX86, hasVnni;

  LogicalResult matchAndRewrite(vector::MultiDimReductionOp op, PatternRewriter &b) const override {
    Operation *product = op.getSource().getDefiningOp();
    VectorType type = op.getSourceVectorType();
    if (!isa_and_present<arith::MulIOp, arith::MulFOp>(product) || op.getKind() != vector::CombiningKind::ADD ||
        type.getRank() != 2 || type.getElementTypeBitWidth() != 32 ||
        ArrayRef<bool>(op.getReductionMask()) != ArrayRef<bool>({false, true}))
      return b.notifyMatchFailure(op, "not a sum of products");
    Operation *left = product->getOperand(0).getDefiningOp(), *right = product->getOperand(1).getDefiningOp();
    bool isUnsigned = isa_and_present<arith::ExtUIOp>(left);
    bool isReal = isa_and_present<arith::ExtFOp>(left) && isa_and_present<arith::ExtFOp>(right);
    if (!isReal && ((!isUnsigned && !isa_and_present<arith::ExtSIOp>(left)) || !isa_and_present<arith::ExtSIOp>(right)))
      return b.notifyMatchFailure(op, "not of small numbers");
    auto x = left->getOperand(0).getDefiningOp<vector::BroadcastOp>(); // else each lane has numbers of its own
    Type element = getElementTypeOrSelf(left->getOperand(0).getType());
    int64_t lanes = type.getDimSize(0), count = type.getDimSize(1);
    bool isBytes = element.isInteger(8) && count == 4 && dot == (isUnsigned ? "u8s8" : "s8s8");
    bool isPairs = isX86 && element.isInteger(16) && count == 2 && !isUnsigned;
    bool areReals = element.isBF16() && count == 2 && realDot == "bf16";
    bool fits = lanes == 4 || (isX86 && (lanes == 8 || lanes == 16));
    if ((!isBytes && !isPairs && !areReals) || (x && !isa<VectorType>(x.getSourceType())) || !fits)
      return b.notifyMatchFailure(op, "no instruction for it");
    Location loc = op.getLoc();
    auto one = VectorType::get({1}, b.getI32Type()), sums = VectorType::get({lanes}, type.getElementType());
    auto flat = VectorType::get({lanes * count}, element);
    Value row;
    if (x) {
      // The row's numbers as one of 32 bits: the load spreads it over the lanes.
      Value number = vector::ExtractOp::create(b, loc, vector::BitCastOp::create(b, loc, one, x.getSource()), 0);
      auto numbers = VectorType::get({lanes}, b.getI32Type());
      row = vector::BitCastOp::create(b, loc, flat, vector::BroadcastOp::create(b, loc, numbers, number));
    } else {
      row = vector::ShapeCastOp::create(b, loc, flat, left->getOperand(0));
    }
    Value narrow = right->getOperand(0);
    Value weights = vector::ShapeCastOp::create(
        b, loc, VectorType::get({lanes * count}, getElementTypeOrSelf(narrow.getType())), narrow);
    if (weights.getType() != flat)
      weights = arith::ExtSIOp::create(b, loc, flat, weights);
    if (areReals) {
      std::string name =
          isX86 ? "llvm.x86.avx512bf16.dpbf16ps." + std::to_string(lanes * 32) : "llvm.aarch64.neon.bfdot.v4f32.v8bf16";
      b.replaceOp(op, call(b, loc, name, sums, {op.getAcc(), row, weights}));
      return success();
    }
    if (!isX86) {
      StringRef name = isUnsigned ? "llvm.aarch64.neon.usdot.v4i32.v16i8" : "llvm.aarch64.neon.sdot.v4i32.v16i8";
      b.replaceOp(op, call(b, loc, name, sums, {op.getAcc(), row, weights}));
      return success();
    }
    std::string bits = std::to_string(lanes * 32);
    if (hasVnni) {
      b.replaceOp(op, call(b, loc, (isBytes ? "llvm.x86.avx512.vpdpbusd." : "llvm.x86.avx512.vpdpwssd.") + bits, sums,
                           {op.getAcc(), row, weights}));
      return success();
    }
    StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.sse2.pmadd.wd";
    Value products = call(b, loc, name, sums, {row, weights});
    b.replaceOpWithNewOp<arith::AddIOp>(op, op.getAcc(), products);
    return success();
  }

  static Value call(OpBuilder &b, Location loc, const Twine &name, Type result, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), operands).getResult(0);
  }
};

struct LowerDots : impl::LowerDotsBase<LowerDots> {
  using LowerDotsBase::LowerDotsBase;
  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    if (!target || (target.getDot().empty() && target.getRealDot().empty()))
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerDot>(&getContext(), target);
    // Panels [.., 16, 4] are read as vectors of 64.
    vector::populateFlattenVectorTransferPatterns(patterns, target.getVectorBytes() * 8);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace tegula
