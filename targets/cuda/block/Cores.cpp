//===- Cores.cpp - matrix instructions of GPUs --------------------------------------------===//

#include "tegula/targets/cuda/block/Cores.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tegula::cuda {

Cores coresOf(Chip chip, const Factors &factors) {
  Type left = factors.left, right = factors.right;
  bool areHalves = left == right && left.isF16() && factors.sum.isF32();
  bool areBrains = left == right && left.isBF16() && factors.sum.isF32();
  bool areSingles = left == right && left.isF32() && factors.sum.isF32() && factors.mayRound;
  bool areBytes = left.isInteger(8) && right.isInteger(8) && factors.sum.isInteger(32);
  if (chip >= 80)
    return areHalves || areBrains || areSingles || areBytes ? Cores::Ampere : Cores::None;
  if (chip >= 75)
    return areHalves || areBytes ? Cores::Turing : Cores::None;
  return areHalves ? Cores::Volta : Cores::None;
}

Chip firstChipOf(Cores cores) { return cores == Cores::Ampere ? 80 : cores == Cores::Turing ? 75 : 70; }

/// One instruction; a register of `operands` is of i32 or vector<2xf16>.
static SmallVector<Value> instruct(OpBuilder &b, Location loc, ArrayRef<int64_t> shape,
                                   std::optional<std::array<NVVM::MMATypes, 2>> types,
                                   std::array<NVVM::MMALayout, 2> layouts, ArrayRef<Value> left, ArrayRef<Value> right,
                                   ArrayRef<Value> sums) {
  SmallVector<Type> each(sums.size(), sums[0].getType());
  Type result = LLVM::LLVMStructType::getLiteral(b.getContext(), each);
  std::optional<NVVM::MMAIntOverflow> overflow;
  if (sums[0].getType().isInteger())
    overflow = NVVM::MMAIntOverflow::wrapped;
  Value made =
      NVVM::MmaOp::create(b, loc, result, left, right, sums, shape, /*b1Op=*/std::nullopt, overflow, types, layouts);
  SmallVector<Value> registers;
  for (size_t i = 0; i < sums.size(); ++i)
    registers.push_back(LLVM::ExtractValueOp::create(b, loc, made, i));
  return registers;
}

SmallVector<Value> multiplyAdd(OpBuilder &b, Location loc, Cores cores, const Factors &factors, ArrayRef<Value> left,
                               ArrayRef<Value> right, ArrayRef<Value> sums) {
  constexpr std::array<NVVM::MMALayout, 2> kLayouts{NVVM::MMALayout::row, NVVM::MMALayout::col};
  if (factors.left.isInteger()) {
    auto typeOf = [](bool isUnsigned) { return isUnsigned ? NVVM::MMATypes::u8 : NVVM::MMATypes::s8; };
    std::array<NVVM::MMATypes, 2> types{typeOf(factors.isLeftUnsigned), typeOf(factors.isRightUnsigned)};
    if (cores == Cores::Ampere)
      return instruct(b, loc, {16, 8, 32}, types, kLayouts, left, right, sums);
    // Eight rows at a time, 16 bytes of the depth.
    SmallVector<Value> all;
    for (unsigned half : {0, 1}) {
      SmallVector<Value> some(sums.slice(2 * half, 2));
      for (unsigned step : {0, 1})
        some = instruct(b, loc, {8, 8, 16}, types, kLayouts, {left[half + 2 * step]}, {right[step]}, some);
      all.append(some);
    }
    return all;
  }
  if (factors.left.isBF16())
    return instruct(b, loc, {16, 8, 16}, std::array{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16}, kLayouts, left, right,
                    sums);
  if (factors.left.isF32()) {
    auto rounded = [&](ArrayRef<Value> registers) {
      return llvm::map_to_vector(registers, [&](Value value) -> Value {
        Value single = arith::BitcastOp::create(b, loc, b.getF32Type(), value);
        return NVVM::ConvertFloatToTF32Op::create(b, loc, b.getI32Type(), single, NVVM::FPRoundingMode::RNA,
                                                  NVVM::SaturationMode::NONE, /*relu=*/false);
      });
    };
    return instruct(b, loc, {16, 8, 8}, std::array{NVVM::MMATypes::tf32, NVVM::MMATypes::tf32}, kLayouts, rounded(left),
                    rounded(right), sums);
  }
  auto asHalves = [&](ArrayRef<Value> registers) {
    Type type = VectorType::get({2}, b.getF16Type());
    return llvm::map_to_vector(registers,
                               [&](Value value) { return LLVM::BitcastOp::create(b, loc, type, value).getResult(); });
  };
  SmallVector<Value> a = asHalves(left), w = asHalves(right);
  if (cores == Cores::Ampere)
    return instruct(b, loc, {16, 8, 16}, std::nullopt, kLayouts, a, w, sums);
  SmallVector<Value> now(sums);
  for (unsigned step : {0, 1})
    now = instruct(b, loc, {16, 8, 8}, std::nullopt, kLayouts, ArrayRef(a).slice(2 * step, 2), {w[step]}, now);
  return now;
}

SmallVector<Value> multiplyAddQuads(OpBuilder &b, Location loc, bool leftByDepth, bool rightByDepth,
                                    ArrayRef<Value> left, ArrayRef<Value> right, ArrayRef<Value> sums) {
  using L = NVVM::MMALayout;
  return instruct(b, loc, {8, 8, 4}, std::nullopt, {leftByDepth ? L::row : L::col, rightByDepth ? L::col : L::row},
                  left, right, sums);
}

} // namespace tegula::cuda
