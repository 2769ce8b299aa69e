//===- EmitFloat.cpp - arithmetic with a point --------------------------------===//
#include "EmitFloat.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

Rounding roundingOf(const Ptx &i) {
  return i.has("rz") || i.has("rzi")   ? Rounding::Zero
         : i.has("rm") || i.has("rmi") ? Rounding::Down
         : i.has("rp") || i.has("rpi") ? Rounding::Up
         : i.has("rna")                ? Rounding::NearestAway
                                       : Rounding::NearestEven;
}

static unsigned countOf(Value *lanes) { return cast<FixedVectorType>(lanes->getType())->getNumElements(); }
static llvm::Type *elementOf(Value *lanes) { return lanes->getType()->getScalarType(); }
static Value *bitsOf(Emitter &e, Value *lanes) {
  return e.b.CreateBitCast(lanes, e.vector(e.b.getIntNTy(lanes->getType()->getScalarSizeInBits()), countOf(lanes)));
}
static Value *number(Value *like, double value) { return ConstantFP::get(like->getType(), value); }

Value *isNan(Emitter &e, Value *lanes) { return e.b.CreateFCmpUNO(lanes, lanes); }

Value *bfloatToFloat(Emitter &e, Value *lanes) {
  auto *wide = e.vector(e.b.getInt32Ty(), countOf(lanes));
  Value *bits = e.b.CreateShl(e.b.CreateZExt(lanes, wide), ConstantInt::get(wide, 16));
  return e.b.CreateBitCast(bits, e.vector(e.b.getFloatTy(), countOf(lanes)));
}

Value *floatToBfloat(Emitter &e, Value *lanes) {
  Value *bits = bitsOf(e, lanes);
  auto constant = [&](uint64_t value) { return ConstantInt::get(bits->getType(), value); };
  Value *last = e.b.CreateAnd(e.b.CreateLShr(bits, constant(16)), constant(1));
  Value *rounded = e.b.CreateLShr(e.b.CreateAdd(bits, e.b.CreateAdd(last, constant(0x7fff))), constant(16));
  rounded = e.b.CreateSelect(isNan(e, lanes), constant(0x7fff), rounded);
  return e.b.CreateTrunc(rounded, e.vector(e.b.getInt16Ty(), countOf(lanes)));
}

Value *readFloat(Emitter &e, const Operand &operand, PtxType type) {
  Value *value = e.read(operand, type);
  if (!value)
    return nullptr;
  unsigned count = warpSize * type.lanes;
  if (type.kind == PtxType::BFloat)
    return bfloatToFloat(e, e.b.CreateBitCast(value, e.vector(e.b.getInt16Ty(), count)));
  if (type.lanes == 2)
    return e.b.CreateBitCast(value, e.vector(type.bits == 16 ? e.b.getHalfTy() : e.b.getFloatTy(), count));
  return value;
}

Value *packFloat(Emitter &e, Value *lanes, PtxType type) {
  if (type.kind == PtxType::BFloat)
    lanes = floatToBfloat(e, lanes);
  return e.b.CreateBitCast(lanes, e.vector(type.totalBits()));
}

Value *flushSubnormals(Emitter &e, Value *lanes) {
  llvm::Type *element = elementOf(lanes);
  if (element->isDoubleTy())
    return lanes;
  bool isHalf = element->isHalfTy();
  Value *bits = bitsOf(e, lanes);
  uint64_t exponent = isHalf ? 0x7c00 : 0x7f800000, sign = isHalf ? 0x8000 : 0x80000000;
  Value *isSmall = e.b.CreateIsNull(e.b.CreateAnd(bits, ConstantInt::get(bits->getType(), exponent)));
  Value *zero = e.b.CreateAnd(bits, ConstantInt::get(bits->getType(), sign));
  return e.b.CreateBitCast(e.b.CreateSelect(isSmall, zero, bits), lanes->getType());
}

Value *saturate(Emitter &e, Value *lanes) {
  Value *zero = number(lanes, 0), *one = number(lanes, 1);
  Value *above = e.b.CreateSelect(e.b.CreateFCmpOGT(lanes, zero), lanes, zero); // also for NaN
  return e.b.CreateSelect(e.b.CreateFCmpOLT(above, one), above, one);
}

Value *clampNegative(Emitter &e, Value *lanes) {
  Value *zero = number(lanes, 0);
  Value *result = e.b.CreateSelect(e.b.CreateFCmpOGT(lanes, zero), lanes, zero);
  return e.b.CreateSelect(isNan(e, lanes), ConstantFP::getNaN(lanes->getType()), result);
}

Value *doubleToFloatOdd(Emitter &e, Value *lanes) {
  auto *floats = e.vector(e.b.getFloatTy(), countOf(lanes));
  Value *nearest = e.b.CreateFPTrunc(lanes, floats);
  Value *back = e.b.CreateFPExt(nearest, lanes->getType());
  Value *isInexact = e.b.CreateFCmpONE(back, lanes);
  auto magnitude = [&](Value *v) { return e.b.CreateUnaryIntrinsic(Intrinsic::fabs, v); };
  Value *isTooLarge = e.b.CreateFCmpOGT(magnitude(back), magnitude(lanes));
  Value *bits = bitsOf(e, nearest);
  Value *toZero = e.b.CreateSub(bits, e.b.CreateZExt(isTooLarge, bits->getType()));
  Value *odd = e.b.CreateOr(toZero, ConstantInt::get(bits->getType(), 1));
  return e.b.CreateBitCast(e.b.CreateSelect(isInexact, odd, bits), floats);
}

bool writeFloat(Emitter &e, const Ptx &i, Value *lanes, PtxType type) {
  if (i.has("ftz"))
    lanes = flushSubnormals(e, lanes);
  if (i.has("sat"))
    lanes = saturate(e, lanes);
  if (i.has("relu"))
    lanes = clampNegative(e, lanes);
  return e.write(i.operands[0], packFloat(e, lanes, type));
}

Value *callRounded(Emitter &e, const Ptx &i, char operation, ArrayRef<Value *> operands) {
  Site *site = e.site(i);
  site->operation = operation;
  site->extra[0] = static_cast<uint8_t>(roundingOf(i));
  bool isDouble = elementOf(operands[0])->isDoubleTy();
  return e.callLanes(isDouble ? "ptxsim.round.f64" : "ptxsim.round.f32", site, operands, elementOf(operands[0]));
}

/// Reads operands 1 to `count` and flushes them if the instruction says so.
static bool readFloats(Emitter &e, const Ptx &i, unsigned count, SmallVectorImpl<Value *> &values) {
  if (!e.wants(i, count + 1, count + 1) || i.types.empty())
    return false;
  for (unsigned k = 1; k <= count; ++k) {
    Value *value = readFloat(e, i.operands[k], i.types[0]);
    if (!value)
      return false;
    values.push_back(i.has("ftz") ? flushSubnormals(e, value) : value);
  }
  return true;
}

bool emitFloatBinary(Emitter &e, const Ptx &i, char operation) {
  SmallVector<Value *, 2> v;
  if (!readFloats(e, i, 2, v))
    return false;
  Value *result;
  if (roundingOf(i) != Rounding::NearestEven && i.types[0].bits >= 32 && i.types[0].lanes == 1)
    result = callRounded(e, i, operation, v);
  else if (roundingOf(i) != Rounding::NearestEven)
    return false;
  else
    result = operation == '+'   ? e.b.CreateFAdd(v[0], v[1])
             : operation == '-' ? e.b.CreateFSub(v[0], v[1])
             : operation == '*' ? e.b.CreateFMul(v[0], v[1])
                                : e.b.CreateFDiv(v[0], v[1]);
  return writeFloat(e, i, result, i.types[0]);
}

/// a * b + c of half or bf16 numbers in float, such that rounding it gives the result rounded once.
static Value *fmaNarrow(Emitter &e, ArrayRef<Value *> v) {
  auto *doubles = e.vector(e.b.getDoubleTy(), countOf(v[0]));
  auto widen = [&](Value *value) { return e.b.CreateFPExt(value, doubles); };
  Value *product = e.b.CreateFMul(widen(v[0]), widen(v[1])), *addend = widen(v[2]);
  Value *sum = e.b.CreateFAdd(product, addend);
  // What the sum lost (exact, by Knuth), as a last bit that is set: a tie of the next rounding stays none.
  Value *part = e.b.CreateFSub(sum, product);
  Value *lost = e.b.CreateFAdd(e.b.CreateFSub(product, e.b.CreateFSub(sum, part)), e.b.CreateFSub(addend, part));
  Value *isLost = e.b.CreateFCmpONE(lost, ConstantFP::get(doubles, 0.0));
  Value *bits = bitsOf(e, sum);
  Value *hasOpposite = e.b.CreateICmpSLT(e.b.CreateXor(bits, bitsOf(e, lost)), ConstantInt::get(bits->getType(), 0));
  Value *toZero = e.b.CreateSub(bits, e.b.CreateZExt(hasOpposite, bits->getType()));
  Value *odd = e.b.CreateOr(toZero, ConstantInt::get(bits->getType(), 1));
  sum = e.b.CreateBitCast(e.b.CreateSelect(isLost, odd, bits), doubles);
  return doubleToFloatOdd(e, sum);
}

static Value *intrinsic3(Emitter &e, Intrinsic::ID id, ArrayRef<Value *> v) {
  return e.b.CreateIntrinsic(id, {v[0]->getType()}, v);
}

bool emitFma(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 3> v;
  if (!readFloats(e, i, 3, v))
    return false;
  PtxType type = i.types[0];
  Value *result;
  if (type.bits == 16) {
    result = fmaNarrow(e, v);
    if (type.kind == PtxType::Float)
      result = e.b.CreateFPTrunc(result, v[0]->getType());
  } else if (roundingOf(i) != Rounding::NearestEven) {
    if (type.lanes != 1)
      return false;
    result = callRounded(e, i, 'f', v);
  } else {
    result = intrinsic3(e, Intrinsic::fma, v);
  }
  return writeFloat(e, i, result, type);
}

static Value *halfToFloat(Emitter &e, Value *v) {
  return elementOf(v)->isHalfTy() ? e.b.CreateFPExt(v, e.vector(e.b.getFloatTy(), countOf(v))) : v;
}

bool emitFloatMinMax(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readFloats(e, i, 2, v))
    return false;
  bool isMin = i.info->name == "min";
  llvm::Type *original = v[0]->getType();
  Value *a = halfToFloat(e, v[0]), *c = halfToFloat(e, v[1]), *sign = nullptr;
  if (i.has("xorsign")) {
    sign = e.b.CreateXor(bitsOf(e, a), bitsOf(e, c));
    a = e.b.CreateUnaryIntrinsic(Intrinsic::fabs, a);
    c = e.b.CreateUnaryIntrinsic(Intrinsic::fabs, c);
  }
  Intrinsic::ID id = i.has("NaN") ? (isMin ? Intrinsic::minimum : Intrinsic::maximum)
                                  : (isMin ? Intrinsic::minimumnum : Intrinsic::maximumnum);
  Value *result = e.b.CreateBinaryIntrinsic(id, a, c);
  // NaN results are canonical: all bits but the sign.
  Value *bits = bitsOf(e, result);
  Value *canonical = ConstantInt::get(bits->getType(), APInt::getSignedMaxValue(elementOf(bits)->getIntegerBitWidth()));
  result = e.b.CreateBitCast(e.b.CreateSelect(isNan(e, result), canonical, bits), result->getType());
  if (sign)
    result = e.b.CreateBinaryIntrinsic(Intrinsic::copysign, result, e.b.CreateBitCast(sign, result->getType()));
  if (original != result->getType()) {
    Value *halves = e.b.CreateFPTrunc(result, original);
    Value *nan = ConstantInt::get(bitsOf(e, halves)->getType(), 0x7fff);
    result = e.b.CreateBitCast(e.b.CreateSelect(isNan(e, halves), nan, bitsOf(e, halves)), original);
  }
  return writeFloat(e, i, result, i.types[0]);
}

bool emitFloatSign(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2))
    return false;
  PtxType type = i.types[0];
  Value *value = e.readBits(i.operands[1], type.totalBits());
  if (!value)
    return false;
  auto *parts = e.vector(e.b.getIntNTy(type.bits), warpSize * type.lanes);
  value = e.b.CreateBitCast(value, parts);
  Constant *sign = ConstantInt::get(parts, APInt::getSignMask(type.bits));
  value = i.info->name == "neg" ? e.b.CreateXor(value, sign) : e.b.CreateAnd(value, ConstantExpr::getNot(sign));
  if (i.has("ftz")) {
    llvm::Type *element = type.bits == 16 ? e.b.getHalfTy() : e.b.getFloatTy();
    if (type.bits < 64)
      value = e.b.CreateBitCast(flushSubnormals(e, e.b.CreateBitCast(value, e.vector(element, warpSize * type.lanes))),
                                parts);
  }
  return e.write(i.operands[0], e.b.CreateBitCast(value, e.vector(type.totalBits())));
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

bool emitReciprocal(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 1> v;
  if (!readFloats(e, i, 1, v))
    return false;
  Value *one = number(v[0], 1);
  bool isRounded = roundingOf(i) != Rounding::NearestEven;
  Value *result = isRounded ? callRounded(e, i, '/', {one, v[0]}) : e.b.CreateFDiv(one, v[0]);
  if (i.types[0].bits == 64 && i.has("approx"))
    result = e.b.CreateBitCast(e.b.CreateAnd(bitsOf(e, result), e.splat(64, 0xffffffff00000000)), result->getType());
  return writeFloat(e, i, result, i.types[0]);
}

bool emitSquareRoot(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 1> v;
  if (!readFloats(e, i, 1, v))
    return false;
  bool isRounded = roundingOf(i) != Rounding::NearestEven;
  Value *result = isRounded ? callRounded(e, i, 's', v) : e.b.CreateUnaryIntrinsic(Intrinsic::sqrt, v[0]);
  return writeFloat(e, i, result, i.types[0]);
}

bool emitReciprocalRoot(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 1> v;
  if (!readFloats(e, i, 1, v))
    return false;
  Value *wide = i.types[0].bits == 32 ? e.b.CreateFPExt(v[0], e.vector(e.b.getDoubleTy())) : v[0];
  Value *root = e.b.CreateUnaryIntrinsic(Intrinsic::sqrt, wide);
  Value *result = e.b.CreateFDiv(number(root, 1), root);
  if (i.types[0].bits == 32)
    result = e.b.CreateFPTrunc(result, v[0]->getType());
  return writeFloat(e, i, result, i.types[0]);
}

bool emitApproximate(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 1> v;
  if (!readFloats(e, i, 1, v))
    return false;
  Site *site = e.site(i);
  site->operation = i.info->name[0]; // e, l, s, c, t
  Value *argument = halfToFloat(e, v[0]), *result;
  if (i.types[0].lanes == 2) {
    SmallVector<int, 64> even, odd, both;
    for (int k = 0; k < static_cast<int>(warpSize); ++k) {
      even.push_back(2 * k);
      odd.push_back(2 * k + 1);
      both.append({k, static_cast<int>(warpSize) + k});
    }
    Value *low = e.callLanes("ptxsim.function", site, {e.b.CreateShuffleVector(argument, even)}, e.b.getFloatTy());
    Value *high = e.callLanes("ptxsim.function", site, {e.b.CreateShuffleVector(argument, odd)}, e.b.getFloatTy());
    result = e.b.CreateShuffleVector(low, high, both);
  } else {
    result = e.callLanes("ptxsim.function", site, {argument}, e.b.getFloatTy());
  }
  if (elementOf(v[0])->isHalfTy())
    result = e.b.CreateFPTrunc(result, v[0]->getType());
  return writeFloat(e, i, result, i.types[0]);
}

bool emitCopySign(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readFloats(e, i, 2, v))
    return false;
  return writeFloat(e, i, e.b.CreateBinaryIntrinsic(Intrinsic::copysign, v[1], v[0]), i.types[0]);
}

bool emitTest(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 1> v;
  if (i.modifiers.size() != 1 || !readFloats(e, i, 1, v))
    return false;
  unsigned tests = i.has("finite")       ? fcFinite
                   : i.has("infinite")   ? fcInf
                   : i.has("number")     ? fcFinite | fcInf
                   : i.has("notanumber") ? fcNan
                   : i.has("normal")     ? fcNormal
                                         : fcSubnormal;
  return e.write(i.operands[0], e.b.createIsFPClass(v[0], tests));
}

} // namespace ptxsim
