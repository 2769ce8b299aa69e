//===- EmitConvert.cpp - cvt --------------------------------------------------===//
//
// The conversions that kernels are full of are LLVM IR; all others go through one helper that knows every pair of
// formats and every rounding (MathHelpers.cpp).
//
//===----------------------------------------------------------------------===//
#include "EmitFloat.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

static bool isNumber(PtxType type) { return type.kind >= PtxType::Float; }

/// One lane of a vector of two of narrow types, or the operand itself.
static Value *viaHelper(Emitter &e, const Ptx &i, PtxType to, PtxType from, Value *value) {
  Site *site = e.site(i);
  site->type = to.kind;
  site->bytes = to.bits / 8;
  site->operation = static_cast<uint8_t>(roundingOf(i));
  site->extra[0] = from.kind;
  site->extra[1] = from.bits / 8;
  site->extra[2] = i.has("sat") || i.has("satfinite");
  site->extra[3] = i.has("relu");
  site->extra[4] = i.has("ftz");
  site->extra[5] = i.has("rni") || i.has("rzi") || i.has("rmi") || i.has("rpi");
  value = e.b.CreateBitCast(value, e.vector(from.bits));
  return e.callLanes("ptxsim.convert", site, {value}, e.b.getIntNTy(to.bits));
}

static Value *integerToInteger(Emitter &e, const Ptx &i, PtxType to, PtxType from, Value *value) {
  auto cast = [&](Value *v) {
    return from.isSigned() ? e.b.CreateSExtOrTrunc(v, e.vector(to.bits)) : e.b.CreateZExtOrTrunc(v, e.vector(to.bits));
  };
  if (!i.has("sat"))
    return cast(value);
  // In 128 bits nothing is lost.
  auto *wide = e.vector(128);
  Value *exact = from.isSigned() ? e.b.CreateSExt(value, wide) : e.b.CreateZExt(value, wide);
  APInt least = to.isSigned() ? APInt::getSignedMinValue(to.bits).sext(128) : APInt(128, 0);
  APInt most = to.isSigned() ? APInt::getSignedMaxValue(to.bits).sext(128) : APInt::getMaxValue(to.bits).zext(128);
  exact = e.b.CreateBinaryIntrinsic(Intrinsic::smax, exact, ConstantInt::get(wide, least));
  exact = e.b.CreateBinaryIntrinsic(Intrinsic::smin, exact, ConstantInt::get(wide, most));
  return e.b.CreateTrunc(exact, e.vector(to.bits));
}

static Value *floatToInteger(Emitter &e, const Ptx &i, PtxType to, Value *value) {
  if (i.has("ftz"))
    value = flushSubnormals(e, value);
  Intrinsic::ID id = i.has("rni") || i.has("rn") ? Intrinsic::roundeven
                     : i.has("rmi")              ? Intrinsic::floor
                     : i.has("rpi")              ? Intrinsic::ceil
                                                 : Intrinsic::trunc;
  bool isDouble = value->getType()->getScalarType()->isDoubleTy();
  Value *isNan = ptxsim::isNan(e, value);
  value = e.b.CreateUnaryIntrinsic(id, value);
  auto *result = e.vector(to.bits);
  value = e.b.CreateIntrinsic(to.isSigned() ? Intrinsic::fptosi_sat : Intrinsic::fptoui_sat, {result, value->getType()},
                              {value});
  // NaN is 0 among 32 bits, and 1 << 63 where one side has 64.
  if (!isDouble && to.bits != 64)
    return value;
  uint64_t ofNan = to.bits == 64 ? uint64_t(1) << 63 : to.bits == 32 ? 0x80000000 : 0;
  return e.b.CreateSelect(isNan, e.splat(to.bits, ofNan), value);
}

static bool isPlainFloat(PtxType type) { return type.kind == PtxType::Float && type.bits >= 32; }

/// Float formats to each other. Null: for the helper.
static Value *floatToFloat(Emitter &e, const Ptx &i, PtxType to, PtxType from, Value *value) {
  bool isExact = (from.kind == PtxType::Float && to.kind == PtxType::Float && from.bits < to.bits) ||
                 (from.kind == PtxType::BFloat && to == PtxType{PtxType::Float, 1, 32});
  if (i.has("rni") || i.has("rzi") || i.has("rmi") || i.has("rpi") || i.has("satfinite"))
    return nullptr;
  if (!isExact && (roundingOf(i) != Rounding::NearestEven || i.has("ftz")))
    return nullptr;
  if (from.kind == PtxType::BFloat)
    value = bfloatToFloat(e, e.b.CreateBitCast(value, e.vector(16)));
  if (i.has("ftz"))
    value = flushSubnormals(e, value);
  auto *single = e.vector(e.b.getFloatTy());
  if (to.kind == PtxType::BFloat && value->getType() == single)
    value = floatToBfloat(e, i.has("relu") ? clampNegative(e, value) : value);
  else if (to.kind == PtxType::Float && to.bits == 16 && value->getType() == single)
    value = e.b.CreateFPTrunc(i.has("relu") ? clampNegative(e, value) : value, e.vector(e.b.getHalfTy()));
  else if (isPlainFloat(to))
    value = e.b.CreateFPCast(value, e.vector(to.bits == 32 ? e.b.getFloatTy() : e.b.getDoubleTy()));
  else
    return nullptr;
  if (i.has("sat"))
    return isPlainFloat(to) ? saturate(e, value) : nullptr;
  return value;
}

/// cvt.e4m3x2.f32 and the like: two operands into one, or one vector of two into another.
static bool convertPair(Emitter &e, const Ptx &i, PtxType to, PtxType from) {
  Value *parts[2];
  PtxType one = from;
  one.lanes = 1;
  PtxType target = to;
  target.lanes = 1;
  if (from.lanes == 2) {
    Value *both = e.wants(i, 2, 2) ? e.readBits(i.operands[1], from.totalBits()) : nullptr;
    if (!both)
      return false;
    parts[0] = e.b.CreateTrunc(both, e.vector(from.bits));
    parts[1] = e.b.CreateTrunc(e.b.CreateLShr(both, e.splat(from.totalBits(), from.bits)), e.vector(from.bits));
  } else {
    if (!e.wants(i, 3, 3))
      return false;
    parts[0] = e.read(i.operands[2], one);
    parts[1] = e.read(i.operands[1], one);
  }
  unsigned bits = to.totalBits();
  Value *result = nullptr;
  for (unsigned k = 0; k < 2; ++k) {
    if (!parts[k])
      return false;
    Value *part = from.lanes == 1 ? floatToFloat(e, i, target, one, parts[k]) : nullptr;
    if (!part)
      part = viaHelper(e, i, target, one, parts[k]);
    part = e.b.CreateZExt(e.b.CreateBitCast(part, e.vector(to.bits)), e.vector(bits));
    result = k ? e.b.CreateOr(result, e.b.CreateShl(part, e.splat(bits, to.bits))) : part;
  }
  return e.write(i.operands[0], result);
}

bool emitConvert(Emitter &e, const Ptx &i) {
  if (i.types.size() != 2)
    return false;
  PtxType to = i.types[0], from = i.types[1];
  if (to.lanes == 2)
    return convertPair(e, i, to, from);
  if (!e.wants(i, 2, 2) || from.lanes == 2)
    return false;
  Value *value = e.read(i.operands[1], from);
  if (!value)
    return false;
  bool isRounded = roundingOf(i) != Rounding::NearestEven;
  Value *result = nullptr;
  if (!isNumber(from) && !isNumber(to))
    result = integerToInteger(e, i, to, from, value);
  else if (!isNumber(to) && isPlainFloat(from))
    result = floatToInteger(e, i, to, value);
  else if (!isNumber(from) && isPlainFloat(to) && !isRounded && !i.has("sat"))
    result = from.isSigned() ? e.b.CreateSIToFP(value, e.vector(e.laneType(to)))
                             : e.b.CreateUIToFP(value, e.vector(e.laneType(to)));
  else if (isNumber(from) && isNumber(to))
    result = floatToFloat(e, i, to, from, value);
  if (!result)
    result = viaHelper(e, i, to, from, value);
  return e.write(i.operands[0], result, to.isSigned());
}

/// cvt.pack.sat.u8.s32.b32 d, a, b, c: a and b, narrowed, before the halfword of c that stays.
bool emitConvertPack(Emitter &e, const Ptx &i) {
  if (i.types.size() < 2 || !e.wants(i, i.types.size() == 3 ? 4 : 3, i.types.size() == 3 ? 4 : 3))
    return false;
  PtxType to = i.types[0], from = i.types[1];
  Value *a = e.read(i.operands[1], from), *c = e.read(i.operands[2], from);
  if (!a || !c || to.bits > 16)
    return false;
  auto narrow = [&](Value *v) { return e.b.CreateZExt(integerToInteger(e, i, to, from, v), e.vector(32)); };
  Value *result = e.b.CreateOr(e.b.CreateShl(narrow(a), e.splat(32, to.bits)), narrow(c));
  if (i.types.size() == 3) {
    Value *kept = e.readBits(i.operands[3], 32);
    if (!kept)
      return false;
    result = e.b.CreateOr(result, e.b.CreateShl(kept, e.splat(32, 2 * to.bits)));
  }
  return e.write(i.operands[0], result);
}

} // namespace ptxsim
