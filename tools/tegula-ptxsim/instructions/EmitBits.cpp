//===- EmitBits.cpp - logic, shifts and fields of bits ------------------------===//
#include "Emit.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

/// Operands from 1 on, each of `bits`.
static bool readAll(Emitter &e, const Ptx &i, ArrayRef<unsigned> bits, SmallVectorImpl<Value *> &values) {
  if (!e.wants(i, bits.size() + 1, bits.size() + 1) || i.types.empty())
    return false;
  for (size_t k = 0; k < bits.size(); ++k) {
    values.push_back(e.readBits(i.operands[k + 1], bits[k]));
    if (!values.back())
      return false;
  }
  return true;
}

static unsigned width(const Ptx &i) { return i.types.empty() ? 0 : i.types[0].bits; }

bool emitLogic(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readAll(e, i, {width(i), width(i)}, v))
    return false;
  StringRef name = i.info->name;
  return e.write(i.operands[0], name == "and"  ? e.b.CreateAnd(v[0], v[1])
                                : name == "or" ? e.b.CreateOr(v[0], v[1])
                                               : e.b.CreateXor(v[0], v[1]));
}

bool emitNot(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 1> v;
  if (!readAll(e, i, {width(i)}, v))
    return false;
  if (i.info->name == "cnot")
    return e.write(i.operands[0], e.b.CreateZExt(e.b.CreateIsNull(v[0]), v[0]->getType()));
  return e.write(i.operands[0], e.b.CreateNot(v[0]));
}

/// Shifts whose amounts may be as large as they like.
static Value *shiftLeft(Emitter &e, Value *a, Value *amount) {
  unsigned bits = a->getType()->getScalarSizeInBits();
  Value *isLarge = e.b.CreateICmpUGE(amount, e.splat(bits, bits));
  Value *safe = e.b.CreateAnd(amount, e.splat(bits, bits - 1));
  return e.b.CreateSelect(isLarge, e.splat(bits, 0), e.b.CreateShl(a, safe));
}

static Value *shiftRight(Emitter &e, Value *a, Value *amount, bool isSigned) {
  unsigned bits = a->getType()->getScalarSizeInBits();
  Value *last = e.splat(bits, bits - 1), *isLarge = e.b.CreateICmpUGT(amount, last);
  if (isSigned)
    return e.b.CreateAShr(a, e.b.CreateSelect(isLarge, last, amount));
  return e.b.CreateSelect(isLarge, e.splat(bits, 0), e.b.CreateLShr(a, e.b.CreateAnd(amount, last)));
}

bool emitShift(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readAll(e, i, {width(i), 32}, v))
    return false;
  Value *amount = v[1];
  if (width(i) == 16)
    amount = e.b.CreateTrunc(e.b.CreateBinaryIntrinsic(Intrinsic::umin, amount, e.splat(32, 16)), e.vector(16));
  else if (width(i) == 64)
    amount = e.b.CreateZExt(amount, e.vector(64));
  bool isSigned = i.types[0].isSigned();
  Value *result = i.info->name == "shl" ? shiftLeft(e, v[0], amount) : shiftRight(e, v[0], amount, isSigned);
  return e.write(i.operands[0], result, isSigned);
}

bool emitFunnelShift(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 3> v;
  if (!readAll(e, i, {32, 32, 32}, v))
    return false;
  Value *amount = i.has("clamp") ? e.b.CreateBinaryIntrinsic(Intrinsic::umin, v[2], e.splat(32, 32))
                                 : e.b.CreateAnd(v[2], e.splat(32, 31));
  auto wide = [&](Value *x) { return e.b.CreateZExt(x, e.vector(64)); };
  Value *both = e.b.CreateOr(wide(v[0]), e.b.CreateShl(wide(v[1]), e.splat(64, 32)));
  Value *result = i.has("l") ? e.b.CreateLShr(e.b.CreateShl(both, wide(amount)), e.splat(64, 32))
                             : e.b.CreateLShr(both, wide(amount));
  return e.write(i.operands[0], e.b.CreateTrunc(result, e.vector(32)));
}

static Value *logic3(Emitter &e, ArrayRef<Value *> v, unsigned table) {
  Value *result = e.splat(32, 0);
  for (unsigned k = 0; k < 8; ++k) {
    if (!(table >> k & 1))
      continue;
    Value *term = k & 4 ? v[0] : e.b.CreateNot(v[0]);
    term = e.b.CreateAnd(term, k & 2 ? v[1] : e.b.CreateNot(v[1]));
    term = e.b.CreateAnd(term, k & 1 ? v[2] : e.b.CreateNot(v[2]));
    result = e.b.CreateOr(result, term);
  }
  return result;
}

bool emitLogic3(Emitter &e, const Ptx &i) {
  bool hasPredicate = i.has("and") || i.has("or");
  if (!e.wants(i, hasPredicate ? 6 : 5, hasPredicate ? 6 : 5) || i.operands[4].kind != Operand::Integer)
    return false;
  SmallVector<Value *, 3> v;
  for (unsigned k = 1; k <= 3; ++k) {
    v.push_back(e.readBits(i.operands[k], 32));
    if (!v.back())
      return false;
  }
  Value *result = logic3(e, v, i.operands[4].value);
  if (hasPredicate) {
    Value *isSet = e.b.CreateIsNotNull(result), *other = e.readBits(i.operands[5], 1);
    if (!other || i.operands[0].pair < 0)
      return false;
    if (!e.writeRegister(i.operands[0].pair, i.has("and") ? e.b.CreateAnd(isSet, other) : e.b.CreateOr(isSet, other)))
      return false;
  }
  return e.write(i.operands[0], result);
}

bool emitExtract(Emitter &e, const Ptx &i) {
  unsigned bits = width(i);
  SmallVector<Value *, 3> v;
  if (!readAll(e, i, {bits, 32, 32}, v))
    return false;
  auto byte = [&](Value *x) { return e.b.CreateZExtOrTrunc(e.b.CreateAnd(x, e.splat(32, 255)), e.vector(bits)); };
  Value *place = byte(v[1]), *length = byte(v[2]);
  if (!i.types[0].isSigned()) {
    Value *ones = e.b.CreateNot(shiftLeft(e, e.splat(bits, ~uint64_t(0)), length));
    return e.write(i.operands[0], e.b.CreateAnd(shiftRight(e, v[0], place, false), ones));
  }
  // The field ends at the highest bit; further bits are copies of the last one.
  Value *limit = e.splat(bits, bits);
  Value *shifted = shiftRight(e, v[0], place, true);
  Value *up = e.b.CreateSelect(e.b.CreateICmpULT(length, limit), e.b.CreateSub(limit, length), e.splat(bits, 0));
  Value *result = shiftRight(e, shiftLeft(e, shifted, up), up, true);
  result = e.b.CreateSelect(e.b.CreateIsNull(length), e.splat(bits, 0), result);
  return e.write(i.operands[0], result, true);
}

bool emitInsert(Emitter &e, const Ptx &i) {
  unsigned bits = width(i);
  SmallVector<Value *, 4> v;
  if (!readAll(e, i, {bits, bits, 32, 32}, v))
    return false;
  auto byte = [&](Value *x) { return e.b.CreateZExtOrTrunc(e.b.CreateAnd(x, e.splat(32, 255)), e.vector(bits)); };
  Value *place = byte(v[2]), *length = byte(v[3]);
  Value *ones = e.b.CreateNot(shiftLeft(e, e.splat(bits, ~uint64_t(0)), length));
  Value *field = shiftLeft(e, ones, place);
  Value *inserted = e.b.CreateAnd(shiftLeft(e, v[0], place), field);
  return e.write(i.operands[0], e.b.CreateOr(inserted, e.b.CreateAnd(v[1], e.b.CreateNot(field))));
}

bool emitFindBit(Emitter &e, const Ptx &i) {
  unsigned bits = width(i);
  SmallVector<Value *, 1> v;
  if (!readAll(e, i, {bits}, v))
    return false;
  Value *a = v[0];
  if (i.types[0].isSigned())
    a = e.b.CreateXor(a, e.b.CreateAShr(a, e.splat(bits, bits - 1)));
  Value *zeros = e.b.CreateIntrinsic(Intrinsic::ctlz, {a->getType()}, {a, e.b.getFalse()});
  Value *result = i.has("shiftamt") ? zeros : e.b.CreateSub(e.splat(bits, bits - 1), zeros);
  result = e.b.CreateSelect(e.b.CreateIsNull(a), e.splat(bits, ~uint64_t(0)), result);
  return e.write(i.operands[0], e.b.CreateTrunc(result, e.vector(32)));
}

bool emitCountBits(Emitter &e, const Ptx &i) {
  unsigned bits = width(i);
  SmallVector<Value *, 1> v;
  if (!readAll(e, i, {bits}, v))
    return false;
  StringRef name = i.info->name;
  if (name == "brev")
    return e.write(i.operands[0], e.b.CreateUnaryIntrinsic(Intrinsic::bitreverse, v[0]));
  Value *count = name == "popc" ? e.b.CreateUnaryIntrinsic(Intrinsic::ctpop, v[0])
                                : e.b.CreateIntrinsic(Intrinsic::ctlz, {v[0]->getType()}, {v[0], e.b.getFalse()});
  return e.write(i.operands[0], e.b.CreateTrunc(count, e.vector(32)));
}

bool emitFindNth(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 3> v;
  return readAll(e, i, {32, 32, 32}, v) &&
         e.write(i.operands[0], e.callLanes("ptxsim.fns", e.site(i), v, e.b.getInt32Ty()));
}

/// The four selectors of prmt's modes, from the two low bits of the operand.
static Value *permuteSelectors(Emitter &e, const Ptx &i, Value *selector) {
  struct Mode {
    const char *name;
    uint32_t of[4];
  };
  static const Mode modes[] = {{"f4e", {0x3210, 0x4321, 0x5432, 0x6543}}, {"b4e", {0x5670, 0x6701, 0x7012, 0x0123}},
                               {"rc8", {0x0000, 0x1111, 0x2222, 0x3333}}, {"ecl", {0x3210, 0x3211, 0x3222, 0x3333}},
                               {"ecr", {0x0000, 0x1110, 0x2210, 0x3210}}, {"rc16", {0x1010, 0x3232, 0x1010, 0x3232}}};
  for (const Mode &mode : modes) {
    if (!i.has(mode.name))
      continue;
    Value *low = e.b.CreateAnd(selector, e.splat(32, 3)), *result = e.splat(32, mode.of[0]);
    for (unsigned k = 1; k < 4; ++k)
      result = e.b.CreateSelect(e.b.CreateICmpEQ(low, e.splat(32, k)), e.splat(32, mode.of[k]), result);
    return result;
  }
  return selector;
}

bool emitPermute(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 3> v;
  if (!readAll(e, i, {32, 32, 32}, v))
    return false;
  auto wide = [&](Value *x) { return e.b.CreateZExt(x, e.vector(64)); };
  Value *bytes = e.b.CreateOr(wide(v[0]), e.b.CreateShl(wide(v[1]), e.splat(64, 32)));
  Value *selectors = wide(permuteSelectors(e, i, v[2])), *result = e.splat(64, 0);
  for (unsigned k = 0; k < 4; ++k) {
    Value *selector = e.b.CreateLShr(selectors, e.splat(64, 4 * k));
    Value *place = e.b.CreateShl(e.b.CreateAnd(selector, e.splat(64, 7)), e.splat(64, 3));
    Value *byte = e.b.CreateAnd(e.b.CreateLShr(bytes, place), e.splat(64, 255));
    Value *isSign = e.b.CreateIsNotNull(e.b.CreateAnd(selector, e.splat(64, 8)));
    Value *sign = e.b.CreateSelect(e.b.CreateICmpUGE(byte, e.splat(64, 128)), e.splat(64, 255), e.splat(64, 0));
    byte = e.b.CreateSelect(isSign, sign, byte);
    result = e.b.CreateOr(result, e.b.CreateShl(byte, e.splat(64, 8 * k)));
  }
  return e.write(i.operands[0], e.b.CreateTrunc(result, e.vector(32)));
}

bool emitMask(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readAll(e, i, {32, 32}, v))
    return false;
  Value *place = v[0], *length = v[1];
  if (i.has("wrap")) {
    place = e.b.CreateAnd(place, e.splat(32, 31));
    length = e.b.CreateAnd(length, e.splat(32, 31));
  }
  Value *ones = e.b.CreateNot(shiftLeft(e, e.splat(32, 0xffffffff), length));
  return e.write(i.operands[0], shiftLeft(e, ones, place));
}

bool emitExtend(Emitter &e, const Ptx &i) {
  SmallVector<Value *, 2> v;
  if (!readAll(e, i, {32, 32}, v))
    return false;
  Value *limit = e.splat(32, 32), *bits = i.has("wrap") ? e.b.CreateAnd(v[1], e.splat(32, 31)) : v[1];
  Value *up = e.b.CreateSelect(e.b.CreateICmpULT(bits, limit), e.b.CreateSub(limit, bits), e.splat(32, 0));
  bool isSigned = i.types[0].isSigned();
  Value *result = shiftRight(e, shiftLeft(e, v[0], up), up, isSigned);
  return e.write(i.operands[0], e.b.CreateSelect(e.b.CreateIsNull(bits), e.splat(32, 0), result));
}

} // namespace ptxsim
