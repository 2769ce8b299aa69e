//===- EmitInteger.cpp - integer arithmetic, and which numbers an operation is of ---===//
#include "EmitFloat.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

bool emitFma(Emitter &e, const Ptx &i);
bool emitFloatBinary(Emitter &e, const Ptx &i, char operation);
bool emitFloatMinMax(Emitter &e, const Ptx &i);
bool emitFloatSign(Emitter &e, const Ptx &i);

static bool isFloat(const Ptx &i) { return !i.types.empty() && i.types[0].isFloat(); }

/// Operands 1 to `count` as integers of the first type.
static bool readIntegers(Emitter &e, const Ptx &i, unsigned count, SmallVectorImpl<Value *> &values) {
  if (!e.wants(i, count + 1, count + 1) || i.types.empty())
    return false;
  for (unsigned k = 1; k <= count; ++k) {
    values.push_back(e.read(i.operands[k], i.types[0]));
    if (!values.back())
      return false;
  }
  return true;
}

static bool writeInteger(Emitter &e, const Ptx &i, Value *value) {
  return e.write(i.operands[0], value, i.types[0].isSigned());
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

static bool emitSum(Emitter &e, const Ptx &i, bool isDifference) {
  if (isFloat(i))
    return emitFloatBinary(e, i, isDifference ? '-' : '+');
  SmallVector<Value *, 2> v;
  if (!readIntegers(e, i, 2, v))
    return false;
  PtxType type = i.types[0];
  if (type.lanes == 2) {
    auto *halves = e.vector(e.b.getInt16Ty(), 2 * warpSize);
    Value *a = e.b.CreateBitCast(v[0], halves), *c = e.b.CreateBitCast(v[1], halves);
    return e.write(i.operands[0], e.b.CreateBitCast(e.b.CreateAdd(a, c), e.vector(32)));
  }
  if (i.has("sat"))
    return writeInteger(
        e, i, e.b.CreateBinaryIntrinsic(isDifference ? Intrinsic::ssub_sat : Intrinsic::sadd_sat, v[0], v[1]));
  Value *result = isDifference ? e.b.CreateSub(v[0], v[1]) : e.b.CreateAdd(v[0], v[1]);
  // The carry of a difference is the borrow.
  if (i.has("cc") && !e.writeRegister(e.carryRegister(),
                                      isDifference ? e.b.CreateICmpULT(v[0], v[1]) : e.b.CreateICmpULT(result, v[0])))
    return false;
  return writeInteger(e, i, result);
}

bool emitAdd(Emitter &e, const Ptx &i) { return emitSum(e, i, false); }
bool emitSubtract(Emitter &e, const Ptx &i) { return emitSum(e, i, true); }

static bool emitSumWithCarry(Emitter &e, const Ptx &i, bool isDifference) {
  SmallVector<Value *, 2> v;
  if (!readIntegers(e, i, 2, v))
    return false;
  Value *carry = e.b.CreateZExt(e.readRegister(e.carryRegister()), v[0]->getType());
  Value *first = isDifference ? e.b.CreateSub(v[0], v[1]) : e.b.CreateAdd(v[0], v[1]);
  Value *result = isDifference ? e.b.CreateSub(first, carry) : e.b.CreateAdd(first, carry);
  if (i.has("cc")) {
    Value *out = isDifference ? e.b.CreateOr(e.b.CreateICmpULT(v[0], v[1]), e.b.CreateICmpULT(first, carry))
                              : e.b.CreateOr(e.b.CreateICmpULT(first, v[0]), e.b.CreateICmpULT(result, first));
    if (!e.writeRegister(e.carryRegister(), out))
      return false;
  }
  return writeInteger(e, i, result);
}

bool emitAddCarry(Emitter &e, const Ptx &i) { return emitSumWithCarry(e, i, false); }
bool emitSubtractCarry(Emitter &e, const Ptx &i) { return emitSumWithCarry(e, i, true); }

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static Value *widen(Emitter &e, Value *v, unsigned bits, bool isSigned) {
  return isSigned ? e.b.CreateSExt(v, e.vector(bits)) : e.b.CreateZExt(v, e.vector(bits));
}

static Value *product(Emitter &e, const Ptx &i, Value *a, Value *c) {
  unsigned bits = i.types[0].bits;
  if (i.has("lo"))
    return e.b.CreateMul(a, c);
  bool isSigned = i.types[0].isSigned();
  Value *wide = e.b.CreateMul(widen(e, a, 2 * bits, isSigned), widen(e, c, 2 * bits, isSigned));
  if (i.has("wide"))
    return wide;
  return e.b.CreateTrunc(e.b.CreateLShr(wide, e.splat(2 * bits, bits)), e.vector(bits));
}

bool emitMultiply(Emitter &e, const Ptx &i) {
  if (isFloat(i))
    return emitFloatBinary(e, i, '*');
  SmallVector<Value *, 2> v;
  if (!(i.has("lo") || i.has("hi") || i.has("wide")) || !readIntegers(e, i, 2, v))
    return false;
  return writeInteger(e, i, product(e, i, v[0], v[1]));
}

/// Operands 1 and 2 times each other, and operand 3 in the width of the product.
static bool readMad(Emitter &e, const Ptx &i, Value *&factor, Value *&addend) {
  if (!e.wants(i, 4, 4) || !(i.has("lo") || i.has("hi") || i.has("wide")))
    return false;
  PtxType type = i.types[0];
  Value *a = e.read(i.operands[1], type), *c = e.read(i.operands[2], type);
  if (i.has("wide"))
    type.bits *= 2;
  addend = e.read(i.operands[3], type);
  if (!a || !c || !addend)
    return false;
  factor = product(e, i, a, c);
  return true;
}

bool emitMultiplyAdd(Emitter &e, const Ptx &i) {
  if (isFloat(i))
    return emitFma(e, i);
  Value *factor, *addend;
  if (!readMad(e, i, factor, addend))
    return false;
  if (i.has("sat"))
    return writeInteger(e, i, e.b.CreateBinaryIntrinsic(Intrinsic::sadd_sat, factor, addend));
  Value *result = e.b.CreateAdd(factor, addend);
  if (i.has("cc") && !e.writeRegister(e.carryRegister(), e.b.CreateICmpULT(result, factor)))
    return false;
  return writeInteger(e, i, result);
}

bool emitMultiplyAddCarry(Emitter &e, const Ptx &i) {
  Value *factor, *addend;
  if (!readMad(e, i, factor, addend))
    return false;
  Value *carry = e.b.CreateZExt(e.readRegister(e.carryRegister()), factor->getType());
  Value *first = e.b.CreateAdd(factor, addend), *result = e.b.CreateAdd(first, carry);
  Value *out = e.b.CreateOr(e.b.CreateICmpULT(first, factor), e.b.CreateICmpULT(result, first));
  if (i.has("cc") && !e.writeRegister(e.carryRegister(), out))
    return false;
  return writeInteger(e, i, result);
}

/// The 48 bits of a product of the low 24 bits, in 64.
static Value *product24(Emitter &e, const Ptx &i, Value *a, Value *c) {
  auto low = [&](Value *v) {
    Value *high = e.b.CreateShl(v, e.splat(32, 8));
    v = i.types[0].isSigned() ? e.b.CreateAShr(high, e.splat(32, 8)) : e.b.CreateLShr(high, e.splat(32, 8));
    return widen(e, v, 64, i.types[0].isSigned());
  };
  Value *wide = e.b.CreateMul(low(a), low(c));
  if (i.has("hi"))
    wide = e.b.CreateLShr(wide, e.splat(64, 16));
  return e.b.CreateTrunc(wide, e.vector(32));
}

bool emitMultiply24(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  return readIntegers(e, i, 2, v) && writeInteger(e, i, product24(e, i, v[0], v[1]));
}

bool emitMultiplyAdd24(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 3> v;
  if (!readIntegers(e, i, 3, v))
    return false;
  Value *factor = product24(e, i, v[0], v[1]);
  return writeInteger(
      e, i, i.has("sat") ? e.b.CreateBinaryIntrinsic(Intrinsic::sadd_sat, factor, v[2]) : e.b.CreateAdd(factor, v[2]));
}

//===----------------------------------------------------------------------===//
// Quotients
//===----------------------------------------------------------------------===//

/// The quotient without traps: all ones for a division by zero. Up to 32 bits it is one of doubles, which is exact.
static Value *quotient(Emitter &e, PtxType type, Value *a, Value *c) {
  bool isSigned = type.isSigned();
  Value *isZero = e.b.CreateIsNull(c), *one = e.splat(type.bits, 1), *ones = e.splat(type.bits, ~uint64_t(0));
  Value *result;
  if (type.bits <= 32) {
    Value *safe = e.b.CreateSelect(isZero, one, c);
    auto *doubles = e.vector(e.b.getDoubleTy());
    auto *wide = e.vector(64);
    Value *x = isSigned ? e.b.CreateSIToFP(a, doubles) : e.b.CreateUIToFP(a, doubles);
    Value *y = isSigned ? e.b.CreateSIToFP(safe, doubles) : e.b.CreateUIToFP(safe, doubles);
    result = e.b.CreateTrunc(e.b.CreateFPToSI(e.b.CreateFDiv(x, y), wide), a->getType());
  } else {
    Value *isMinusOne = isSigned ? e.b.CreateICmpEQ(c, ones) : e.splat(1, 0);
    Value *safe = e.b.CreateSelect(e.b.CreateOr(isZero, isMinusOne), one, c);
    result = isSigned ? e.b.CreateSDiv(a, safe) : e.b.CreateUDiv(a, safe);
    result = e.b.CreateSelect(isMinusOne, e.b.CreateNeg(a), result);
  }
  return e.b.CreateSelect(isZero, ones, result);
}

bool emitDivide(Emitter &e, const Ptx &i) {
  if (isFloat(i))
    return emitFloatBinary(e, i, '/');
  SmallVector<Value *, 2> v;
  return readIntegers(e, i, 2, v) && writeInteger(e, i, quotient(e, i.types[0], v[0], v[1]));
}

bool emitRemainder(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readIntegers(e, i, 2, v))
    return false;
  Value *whole = quotient(e, i.types[0], v[0], v[1]);
  Value *rest = e.b.CreateSub(v[0], e.b.CreateMul(whole, v[1]));
  return writeInteger(e, i, rest);
}

//===----------------------------------------------------------------------===//
// Sign and order
//===----------------------------------------------------------------------===//

bool emitAbsolute(Emitter &e, const Ptx &i) {
  if (isFloat(i))
    return emitFloatSign(e, i);
  SmallVector<Value *, 1> v;
  if (!readIntegers(e, i, 1, v))
    return false;
  return writeInteger(e, i, e.b.CreateBinaryIntrinsic(Intrinsic::abs, v[0], e.b.getFalse()));
}

bool emitNegate(Emitter &e, const Ptx &i) {
  if (isFloat(i))
    return emitFloatSign(e, i);
  SmallVector<Value *, 1> v;
  return readIntegers(e, i, 1, v) && writeInteger(e, i, e.b.CreateNeg(v[0]));
}

bool emitMinMax(Emitter &e, const Ptx &i) {
  if (isFloat(i))
    return emitFloatMinMax(e, i);
  SmallVector<Value *, 2> v;
  if (!readIntegers(e, i, 2, v))
    return false;
  PtxType type = i.types[0];
  auto *parts = e.vector(e.b.getIntNTy(type.bits), warpSize * type.lanes);
  Value *a = e.b.CreateBitCast(v[0], parts), *c = e.b.CreateBitCast(v[1], parts);
  bool isMin = i.info->name == "min", isSigned = type.isSigned();
  Intrinsic::ID id =
      isMin ? (isSigned ? Intrinsic::smin : Intrinsic::umin) : (isSigned ? Intrinsic::smax : Intrinsic::umax);
  Value *result = e.b.CreateBinaryIntrinsic(id, a, c);
  if (i.has("relu"))
    result = e.b.CreateBinaryIntrinsic(Intrinsic::smax, result, ConstantInt::get(parts, 0));
  return writeInteger(e, i, e.b.CreateBitCast(result, e.vector(type.totalBits())));
}

bool emitSad(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 3> v;
  if (!readIntegers(e, i, 3, v))
    return false;
  bool isSigned = i.types[0].isSigned();
  Value *less = isSigned ? e.b.CreateICmpSLT(v[0], v[1]) : e.b.CreateICmpULT(v[0], v[1]);
  Value *difference = e.b.CreateSelect(less, e.b.CreateSub(v[1], v[0]), e.b.CreateSub(v[0], v[1]));
  return writeInteger(e, i, e.b.CreateAdd(difference, v[2]));
}

/// dp4a and dp2a: bytes of operand 2 times bytes or halfwords of operand 1.
bool emitDot(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 4, 4) || i.types.size() != 2)
    return false;
  Value *a = e.readBits(i.operands[1], 32), *c = e.readBits(i.operands[2], 32), *sum = e.readBits(i.operands[3], 32);
  if (!a || !c || !sum)
    return false;
  bool isFour = i.info->name == "dp4a";
  auto part = [&](Value *v, unsigned at, unsigned bits, bool isSigned) {
    v = e.b.CreateShl(v, e.splat(32, 32 - at - bits));
    return isSigned ? e.b.CreateAShr(v, e.splat(32, 32 - bits)) : e.b.CreateLShr(v, e.splat(32, 32 - bits));
  };
  unsigned first = i.has("hi") ? 2 : 0, width = isFour ? 8 : 16;
  for (unsigned k = 0; k < (isFour ? 4u : 2u); ++k)
    sum = e.b.CreateAdd(sum, e.b.CreateMul(part(a, k * width, width, i.types[0].isSigned()),
                                           part(c, (first + k) * 8, 8, i.types[1].isSigned())));
  return e.write(i.operands[0], sum);
}

} // namespace ptxsim
