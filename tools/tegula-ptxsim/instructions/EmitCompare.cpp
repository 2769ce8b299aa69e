//===- EmitCompare.cpp - comparisons and choices ------------------------------===//
#include "EmitFloat.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

static CmpInst::Predicate floatPredicate(StringRef name) {
  return StringSwitch<CmpInst::Predicate>(name)
      .Case("eq", CmpInst::FCMP_OEQ)
      .Case("ne", CmpInst::FCMP_ONE)
      .Case("lt", CmpInst::FCMP_OLT)
      .Case("le", CmpInst::FCMP_OLE)
      .Case("gt", CmpInst::FCMP_OGT)
      .Case("ge", CmpInst::FCMP_OGE)
      .Case("equ", CmpInst::FCMP_UEQ)
      .Case("neu", CmpInst::FCMP_UNE)
      .Case("ltu", CmpInst::FCMP_ULT)
      .Case("leu", CmpInst::FCMP_ULE)
      .Case("gtu", CmpInst::FCMP_UGT)
      .Case("geu", CmpInst::FCMP_UGE)
      .Case("num", CmpInst::FCMP_ORD)
      .Case("nan", CmpInst::FCMP_UNO)
      .Default(CmpInst::BAD_FCMP_PREDICATE);
}

static CmpInst::Predicate integerPredicate(StringRef name, bool isSigned) {
  auto by = [&](CmpInst::Predicate s, CmpInst::Predicate u) { return isSigned ? s : u; };
  return StringSwitch<CmpInst::Predicate>(name)
      .Case("eq", CmpInst::ICMP_EQ)
      .Case("ne", CmpInst::ICMP_NE)
      .Case("lt", by(CmpInst::ICMP_SLT, CmpInst::ICMP_ULT))
      .Case("le", by(CmpInst::ICMP_SLE, CmpInst::ICMP_ULE))
      .Case("gt", by(CmpInst::ICMP_SGT, CmpInst::ICMP_UGT))
      .Case("ge", by(CmpInst::ICMP_SGE, CmpInst::ICMP_UGE))
      .Case("lo", CmpInst::ICMP_ULT)
      .Case("ls", CmpInst::ICMP_ULE)
      .Case("hi", CmpInst::ICMP_UGT)
      .Case("hs", CmpInst::ICMP_UGE)
      .Default(CmpInst::BAD_ICMP_PREDICATE);
}

/// The comparison of operands `first` and `first + 1`; lanes of i1, twice as many for a vector of two.
static Value *compare(Emitter &e, const Ptx &i, PtxType type, unsigned first) {
  if (i.modifiers.empty())
    return nullptr;
  if (type.isFloat()) {
    CmpInst::Predicate predicate = floatPredicate(i.modifiers[0]);
    Value *a = readFloat(e, i.operands[first], type), *c = readFloat(e, i.operands[first + 1], type);
    if (predicate == CmpInst::BAD_FCMP_PREDICATE || !a || !c)
      return nullptr;
    if (i.has("ftz")) {
      a = flushSubnormals(e, a);
      c = flushSubnormals(e, c);
    }
    return e.b.CreateFCmp(predicate, a, c);
  }
  CmpInst::Predicate predicate = integerPredicate(i.modifiers[0], type.isSigned());
  Value *a = e.read(i.operands[first], type), *c = e.read(i.operands[first + 1], type);
  if (predicate == CmpInst::BAD_ICMP_PREDICATE || !a || !c)
    return nullptr;
  return e.b.CreateICmp(predicate, a, c);
}

static Value *combine(Emitter &e, const Ptx &i, Value *result, Value *other) {
  return i.has("and")  ? e.b.CreateAnd(result, other)
         : i.has("or") ? e.b.CreateOr(result, other)
                       : e.b.CreateXor(result, other);
}

static bool isCombined(const Ptx &i) { return i.modifiers.size() > 1 && (i.has("and") || i.has("or") || i.has("xor")); }

static Value *everySecond(Emitter &e, Value *lanes, int start) {
  SmallVector<int, 32> places;
  for (int k = 0; k < static_cast<int>(warpSize); ++k)
    places.push_back(2 * k + start);
  return e.b.CreateShuffleVector(lanes, places);
}

bool emitSetPredicate(Emitter &e, const Ptx &i) {
  bool hasThird = isCombined(i);
  if (!e.wants(i, hasThird ? 4 : 3, hasThird ? 4 : 3) || i.types.size() != 1)
    return false;
  Value *result = compare(e, i, i.types[0], 1), *other = nullptr;
  if (!result)
    return false;
  if (hasThird && !(other = e.readBits(i.operands[3], 1)))
    return false;
  auto finish = [&](Value *lanes) { return other ? combine(e, i, lanes, other) : lanes; };
  int pair = i.operands[0].pair;
  if (i.types[0].lanes == 2)
    return e.write(i.operands[0], finish(everySecond(e, result, 0))) &&
           (pair < 0 || e.writeRegister(pair, finish(everySecond(e, result, 1))));
  return e.write(i.operands[0], finish(result)) && (pair < 0 || e.writeRegister(pair, finish(e.b.CreateNot(result))));
}

bool emitSet(Emitter &e, const Ptx &i) {
  bool hasThird = isCombined(i);
  if (!e.wants(i, hasThird ? 4 : 3, hasThird ? 4 : 3) || i.types.size() != 2)
    return false;
  PtxType to = i.types[0], from = i.types[1];
  Value *result = compare(e, i, from, 1);
  if (!result)
    return false;
  if (hasThird) {
    Value *other = e.readBits(i.operands[3], 1);
    if (!other || from.lanes == 2)
      return false;
    result = combine(e, i, result, other);
  }
  unsigned count = warpSize * from.lanes, bits = to.totalBits() / from.lanes;
  uint64_t one = to.kind == PtxType::BFloat ? 0x3f80 : !to.isFloat() ? ~uint64_t(0) : bits == 16 ? 0x3c00 : 0x3f800000;
  auto *element = e.b.getIntNTy(bits);
  Value *numbers = e.b.CreateSelect(result, e.splat(element, one, count), e.splat(element, 0, count));
  return e.write(i.operands[0], e.b.CreateBitCast(numbers, e.vector(to.totalBits())), to.isSigned());
}

bool emitSelect(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 4, 4) || i.types.size() != 1)
    return false;
  unsigned bits = i.types[0].totalBits();
  Value *a = e.readBits(i.operands[1], bits), *c = e.readBits(i.operands[2], bits), *p = e.readBits(i.operands[3], 1);
  return a && c && p && e.write(i.operands[0], e.b.CreateSelect(p, a, c));
}

bool emitSelectSign(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 4, 4) || i.types.size() != 2)
    return false;
  unsigned bits = i.types[0].totalBits();
  Value *a = e.readBits(i.operands[1], bits), *c = e.readBits(i.operands[2], bits),
        *sign = e.read(i.operands[3], i.types[1]);
  if (!a || !c || !sign)
    return false;
  Value *isPositive = i.types[1].isFloat() ? e.b.CreateFCmpOGE(i.has("ftz") ? flushSubnormals(e, sign) : sign,
                                                               ConstantFP::get(sign->getType(), 0.0))
                                           : e.b.CreateICmpSGE(sign, ConstantInt::get(sign->getType(), 0));
  return e.write(i.operands[0], e.b.CreateSelect(isPositive, a, c));
}

} // namespace ptxsim
