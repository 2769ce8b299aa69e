//===- LowerDots.cpp - sums of products of small numbers by the CPU's instructions ------------===//
//
//   %x = vector.broadcast %row : vector<4xi8> to vector<16x4xi8>
//   %p = arith.muli (arith.extui %x), (arith.extsi %w) : vector<16x4xi32>
//   %t = vector.multi_reduction <add>, %p, %s [1] : vector<16x4xi32> to vector<16xi32>
// becomes
//   %t = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%s, %bytesOfX, %bytesOfW)
// (on ARM usdot or sdot, or usmmla of two rows by two columns), and pairs of 16-bit integers (vpdpwssd, or vpmaddwd and
// an addition) and of bf16 alike (vdpbf16ps, bfdot; both take denormals for zeros). So do sums of the products of all
// four bytes of lanes of 32 bits.
//
// Needs: memrefs. Leaves: no such sum where the target says that it has an instruction. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/dialects/tgl/Tgl.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERDOTS
#include "tegula/targets/cpu/Passes.h.inc"

static Value call(OpBuilder &b, Location loc, const Twine &name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), operands).getResult(0);
}

/// What adds four products of bytes to each lane of 32 bits.
static std::string dotOfBytes(bool isX86, bool isUnsigned, int64_t lanes) {
  if (isX86)
    return "llvm.x86.avx512.vpdpbusd." + std::to_string(lanes * 32);
  return isUnsigned ? "llvm.aarch64.neon.usdot.v4i32.v16i8" : "llvm.aarch64.neon.sdot.v4i32.v16i8";
}

/// x86: sums of two products of 16-bit integers each.
static Value sumsOfPairs(OpBuilder &b, Location loc, Value x, Value w) {
  int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0) / 2;
  StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                   : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                : "llvm.x86.sse2.pmadd.wd";
  return call(b, loc, name, VectorType::get({lanes}, b.getI32Type()), {x, w});
}

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
    if (isBytes) {
      b.replaceOp(op, call(b, loc, dotOfBytes(isX86, isUnsigned, lanes), sums, {op.getAcc(), row, weights}));
      return success();
    }
    if (hasVnni) {
      std::string name = "llvm.x86.avx512.vpdpwssd." + std::to_string(lanes * 32);
      b.replaceOp(op, call(b, loc, name, sums, {op.getAcc(), row, weights}));
      return success();
    }
    b.replaceOpWithNewOp<arith::AddIOp>(op, op.getAcc(), sumsOfPairs(b, loc, row, weights));
    return success();
  }
};

/// Sums of two rows of eight bytes by two columns.
struct LowerMmla : OpRewritePattern<vector::ContractionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(vector::ContractionOp op, PatternRewriter &b) const override {
    Operation *left = op.getLhs().getDefiningOp(), *right = op.getRhs().getDefiningOp();
    bool isUnsigned = isa_and_present<arith::ExtUIOp>(left);
    if ((!isUnsigned && !isa_and_present<arith::ExtSIOp>(left)) || !isa_and_present<arith::ExtSIOp>(right))
      return b.notifyMatchFailure(op, "not of small numbers");
    auto type = cast<VectorType>(op.getResultType());
    auto pair = VectorType::get({2, 8}, b.getI8Type()), flat = VectorType::get({16}, b.getI8Type());
    if (left->getOperand(0).getType() != pair || right->getOperand(0).getType() != pair || type.getNumElements() != 4)
      return b.notifyMatchFailure(op, "not of two rows and two columns");
    Location loc = op.getLoc();
    auto four = VectorType::get({4}, b.getI32Type());
    Value operands[] = {vector::ShapeCastOp::create(b, loc, four, op.getAcc()),
                        vector::ShapeCastOp::create(b, loc, flat, left->getOperand(0)),
                        vector::ShapeCastOp::create(b, loc, flat, right->getOperand(0))};
    StringRef name = isUnsigned ? "llvm.aarch64.neon.usmmla.v4i32.v16i8" : "llvm.aarch64.neon.smmla.v4i32.v16i8";
    b.replaceOpWithNewOp<vector::ShapeCastOp>(op, type, call(b, loc, name, four, operands));
    return success();
  }
};

/// acc + the products of each unsigned byte of w and the signed one of x, in lanes of 32 bits.
struct LowerBytes : OpRewritePattern<arith::AddIOp> {
  LowerBytes(MLIRContext *context, tgl::TargetAttr target)
      : OpRewritePattern(context), dot(target.getDot()), isX86(llvm::Triple(target.getTriple()).isX86()) {}
  StringRef dot;
  bool isX86;

  /// A byte of the lanes of `whole`, 0 the lowest.
  struct Byte {
    Value whole;
    int64_t at;
  };

  static std::optional<int64_t> numberOf(Value value) {
    APInt number;
    return matchPattern(value, m_ConstantInt(&number)) ? std::optional(number.getSExtValue()) : std::nullopt;
  }

  /// What `value` is shifted from, and by how many bytes.
  template <typename Shift> static Byte shifted(Value value) {
    auto shift = value.getDefiningOp<Shift>();
    std::optional<int64_t> by = shift ? numberOf(shift.getRhs()) : std::nullopt;
    return by && *by % 8 == 0 ? Byte{shift.getLhs(), *by / 8} : Byte{value, 0};
  }

  static std::optional<Byte> unsignedByte(Value value) {
    auto mask = value.getDefiningOp<arith::AndIOp>();
    return mask && numberOf(mask.getRhs()) == 255 ? std::optional(shifted<arith::ShRUIOp>(mask.getLhs()))
                                                  : std::nullopt;
  }

  static std::optional<Byte> signedByte(Value value) {
    auto right = value.getDefiningOp<arith::ShRSIOp>();
    if (!right || numberOf(right.getRhs()) != 24)
      return std::nullopt;
    Byte left = shifted<arith::ShLIOp>(right.getLhs());
    return Byte{left.whole, 3 - left.at};
  }

  /// Adds the products that `value` is a sum of to `products`.
  static void collect(Value value, SmallVectorImpl<arith::MulIOp> &products) {
    if (auto sum = value.getDefiningOp<arith::AddIOp>(); sum && products.size() <= 4)
      for (Value operand : sum->getOperands())
        collect(operand, products);
    else
      products.push_back(value.getDefiningOp<arith::MulIOp>());
  }

  /// Whether the bytes are less than 128, of which products with two signed ones fit into 16 bits.
  static bool areSmall(Value whole) {
    auto mask = whole.getDefiningOp<arith::AndIOp>();
    std::optional<int64_t> bits = mask ? numberOf(mask.getRhs()) : std::nullopt;
    return bits && (*bits & 0x80808080) == 0;
  }

  LogicalResult matchAndRewrite(arith::AddIOp op, PatternRewriter &b) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    bool fits = type && type.getRank() == 1 && type.getElementType().isInteger(32) &&
                llvm::is_contained(isX86 ? ArrayRef<int64_t>({4, 8, 16}) : ArrayRef<int64_t>({4}), type.getDimSize(0));
    SmallVector<arith::MulIOp> products;
    if (fits)
      collect(op, products);
    if (products.size() != 4 || !llvm::all_of(products, [](arith::MulIOp product) { return bool(product); }))
      return b.notifyMatchFailure(op, "not four products");
    Value w, x;
    unsigned seen = 0;
    for (arith::MulIOp product : products) {
      std::optional<Byte> left = unsignedByte(product.getLhs()), right = signedByte(product.getRhs());
      if (!left || !right || left->at != right->at || (w && (left->whole != w || right->whole != x)))
        return b.notifyMatchFailure(op, "not of the bytes of two vectors");
      w = left->whole;
      x = right->whole;
      seen |= 1 << left->at;
    }
    bool isSmall = areSmall(w), hasDot = dot == "u8s8" || (dot == "s8s8" && isSmall);
    if (seen != 15 || !(hasDot || (isX86 && isSmall)))
      return b.notifyMatchFailure(op, "no instruction for it");
    // The sum that they are added to, if nothing else reads them.
    Operation *user = op->hasOneUse() ? *op->user_begin() : nullptr;
    auto outer = dyn_cast_if_present<arith::AddIOp>(user);
    Operation *replaced = outer ? outer : op;
    Location loc = op.getLoc();
    b.setInsertionPoint(replaced);
    Value sums = outer ? outer->getOperand(outer.getLhs() == op ? 1 : 0)
                       : arith::ConstantOp::create(b, loc, b.getZeroAttr(type)).getResult();
    auto bytes = VectorType::get({4 * type.getDimSize(0)}, b.getI8Type());
    w = vector::BitCastOp::create(b, loc, bytes, w);
    x = vector::BitCastOp::create(b, loc, bytes, x);
    Value result;
    if (hasDot) {
      // Both factors of sdot are signed, and so are small bytes.
      bool isUnsigned = dot == "u8s8";
      result = call(b, loc, dotOfBytes(isX86, isUnsigned, type.getDimSize(0)), type, {sums, w, x});
    } else {
      auto halves = VectorType::get({2 * type.getDimSize(0)}, b.getI16Type());
      StringRef name = type.getDimSize(0) == 16  ? "llvm.x86.avx512.pmaddubs.w.512"
                       : type.getDimSize(0) == 8 ? "llvm.x86.avx2.pmadd.ub.sw"
                                                 : "llvm.x86.ssse3.pmadd.ub.sw.128";
      Value pairs = call(b, loc, name, halves, {w, x});
      Value ones = arith::ConstantOp::create(b, loc, b.getOneAttr(halves));
      result = arith::AddIOp::create(b, loc, sums, sumsOfPairs(b, loc, pairs, ones));
    }
    b.replaceOp(replaced, result);
    return success();
  }
};

struct LowerDots : impl::LowerDotsBase<LowerDots> {
  using LowerDotsBase::LowerDotsBase;
  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    if (!target || (target.getDot().empty() && target.getRealDot().empty()))
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerDot, LowerBytes>(&getContext(), target);
    if (target.getMmla())
      patterns.add<LowerMmla>(&getContext());
    // Panels [.., 16, 4] are read as vectors of 64.
    vector::populateFlattenVectorTransferPatterns(patterns, target.getVectorBytes() * 8);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace tegula
