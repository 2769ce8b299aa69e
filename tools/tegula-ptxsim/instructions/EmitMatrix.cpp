//===- EmitMatrix.cpp - mma, wmma and the matrices they take ------------------===//
#include "Emit.h"
#include "Matrix.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

/// "m16n8k16" among the modifiers.
static bool parseShape(const Ptx &i, MatrixShape &shape) {
  for (StringRef text : i.modifiers)
    if (text.consume_front("m") && !text.consumeInteger(10, shape.m) && text.consume_front("n") &&
        !text.consumeInteger(10, shape.n) && text.consume_front("k") && !text.consumeInteger(10, shape.k))
      return true;
  return false;
}

/// The registers of a fragment that hold `elements` numbers of a type.
static unsigned registersFor(unsigned elements, PtxType type) {
  return type.bits == 64 ? elements : (elements * type.bits + 31) / 32;
}

static bool storeFragment(Emitter &e, const Operand &operand, unsigned place, unsigned count, PtxType type) {
  ArrayRef<Operand> registers =
      operand.kind == Operand::Vector ? ArrayRef<Operand>(operand.elements) : ArrayRef<Operand>(operand);
  unsigned bits = type.bits == 64 ? 64 : 32;
  // wmma fragments of f16 have more registers than they need.
  if (registers.size() < count || registers.size() > 8)
    return false;
  for (unsigned r = 0; r < count; ++r) {
    Value *value = e.readBits(registers[r], bits);
    if (!value)
      return false;
    e.storeValue(place + r * warpSize * bits / 8, value);
  }
  return true;
}

static bool writeFragment(Emitter &e, const Operand &operand, unsigned count, PtxType type) {
  ArrayRef<Operand> registers =
      operand.kind == Operand::Vector ? ArrayRef<Operand>(operand.elements) : ArrayRef<Operand>(operand);
  unsigned bits = type.bits == 64 ? 64 : 32;
  if (registers.size() < count)
    return false;
  for (unsigned r = 0; r < registers.size(); ++r) {
    unsigned from = r < count ? r : r % count;
    if (!e.write(registers[r], e.loadValue(from * warpSize * bits / 8, e.b.getIntNTy(bits))))
      return false;
  }
  return true;
}

static bool emitProduct(Emitter &e, const Ptx &i, const MatrixShape &s) {
  unsigned lanes = s.isQuadPair ? 8 : 32;
  if (!e.wants(i, 4, 4) || !storeFragment(e, i.operands[1], placeA, registersFor(s.m * s.k / lanes, s.a), s.a) ||
      !storeFragment(e, i.operands[2], placeB, registersFor(s.k * s.n / lanes, s.b), s.b) ||
      !storeFragment(e, i.operands[3], placeC, registersFor(s.m * s.n / lanes, s.c), s.c))
    return false;
  MatrixShape *kept = e.keep(s);
  kept->line = i.line;
  e.callHelper("ptxsim.multiply", reinterpret_cast<const Site *>(kept), {e.mask()});
  return writeFragment(e, i.operands[0], registersFor(s.m * s.n / lanes, s.d), s.d);
}

/// Whether the shape is there for inputs of the type.
static bool isShape(const MatrixShape &s) {
  unsigned shape = s.m * 10000 + s.n * 100 + s.k;
  switch (s.a.kind) {
  case PtxType::Float:
    return s.a.bits == 64 ? shape == 80804 || shape == 160804 || shape == 160808 || shape == 160816
                          : shape == 80804 || shape == 160808 || shape == 160816;
  case PtxType::BFloat:
    return shape == 160808 || shape == 160816;
  case PtxType::TFloat:
    return shape == 160804 || shape == 160808;
  case PtxType::E4M3:
  case PtxType::E5M2:
    return shape == 160832 || shape == 160816;
  default:
    return s.a.bits == 8 ? shape == 80816 || shape == 160816 || shape == 160832
                         : shape == 80832 || shape == 160832 || shape == 160864;
  }
}

/// mma.sync.aligned.shape.alayout.blayout.dtype.atype.btype.ctype d, a, b, c
bool emitMma(Emitter &e, const Ptx &i) {
  MatrixShape s;
  if (i.types.size() != 4 || !parseShape(i, s))
    return false;
  s.d = i.types[0];
  s.a = i.types[1];
  s.b = i.types[2];
  s.c = i.types[3];
  if (s.a.bits != s.b.bits || !isShape(s) || s.a.kind == PtxType::Bits)
    return e.fail(i, "this shape is not there for these types");
  s.isSaturated = i.has("satfinite");
  s.isQuadPair = s.m == 8 && s.k == 4 && s.a.bits == 16;
  SmallVector<StringRef, 2> layouts;
  for (StringRef modifier : i.modifiers)
    if (modifier == "row" || modifier == "col")
      layouts.push_back(modifier);
  if (layouts.size() != 2)
    return false;
  s.isColumnA = layouts[0] == "col";
  s.isColumnB = layouts[1] == "col";
  if (!s.isQuadPair && (s.isColumnA || !s.isColumnB))
    return e.fail(i, "only .row.col is there for this shape");
  return emitProduct(e, i, s);
}

//===----------------------------------------------------------------------===//
// 8 x 8 matrices
//===----------------------------------------------------------------------===//

static Site *matrixSite(Emitter &e, const Ptx &i) {
  Site *site = e.site(i);
  site->count = i.has("x4") ? 4 : i.has("x2") ? 2 : 1;
  site->extra[0] = i.has("trans");
  return site;
}

bool emitLoadMatrix(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2) || i.operands[1].kind != Operand::Address)
    return false;
  Site *site = matrixSite(e, i);
  Value *address = e.address(i.operands[1]);
  if (!address)
    return false;
  e.storeAddresses(address);
  e.callHelper("ptxsim.loadMatrices", site, {e.mask()});
  return writeFragment(e, i.operands[0], site->count, {PtxType::Bits, 1, 32});
}

bool emitStoreMatrix(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2) || i.operands[0].kind != Operand::Address)
    return false;
  Site *site = matrixSite(e, i);
  Value *address = e.address(i.operands[0]);
  if (!address || !storeFragment(e, i.operands[1], 0, site->count, {PtxType::Bits, 1, 32}))
    return false;
  e.storeAddresses(address);
  e.callHelper("ptxsim.storeMatrices", site, {e.mask()});
  return true;
}

bool emitMoveMatrix(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2))
    return false;
  Value *value = e.readBits(i.operands[1], 32);
  return value && e.write(i.operands[0], e.callLanes("ptxsim.transpose", e.site(i), {value}, e.b.getInt32Ty()));
}

//===----------------------------------------------------------------------===//
// wmma: a lane holds elements of a row one after the other
//===----------------------------------------------------------------------===//

/// The addresses of element `index` of each lane, of a matrix with `columns` columns.
static Value *elementAddresses(Emitter &e, const Ptx &i, Value *base, Value *stride, unsigned each, unsigned index,
                               unsigned columns, unsigned bytes) {
  uint32_t rows[warpSize], places[warpSize];
  bool isColumn = i.has("col");
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    unsigned linear = lane * each + index;
    rows[lane] = isColumn ? linear % columns : linear / columns;
    places[lane] = isColumn ? linear / columns : linear % columns;
  }
  Value *offset = e.b.CreateAdd(e.b.CreateMul(e.lanesOf32(rows), stride), e.lanesOf32(places));
  offset = e.b.CreateMul(e.b.CreateZExt(offset, e.vector(64)), e.splat(64, bytes));
  return e.b.CreateAdd(base, offset);
}

namespace {
struct Fragment {
  MatrixShape shape;
  unsigned rows, columns, each;
  PtxType type;
  Value *base, *stride;
  Site *site;
};
} // namespace

static bool readFragmentOperands(Emitter &e, const Ptx &i, const Operand &address, const Operand *stride, Fragment &f) {
  if (i.types.size() != 1 || !parseShape(i, f.shape) || address.kind != Operand::Address ||
      (i.has("row") == i.has("col")))
    return false;
  f.type = i.types[0];
  f.rows = i.has("b") ? f.shape.k : f.shape.m;
  f.columns = i.has("a") ? f.shape.k : f.shape.n;
  f.each = perLane(f.rows * f.columns);
  f.base = e.address(address);
  f.stride = stride ? e.readBits(*stride, 32) : e.splat(32, i.has("col") ? f.rows : f.columns);
  f.site = e.site(i);
  f.site->bytes = f.type.bits / 8;
  if (const Symbol *symbol = address.symbol.empty() ? nullptr : e.findSymbol(address.symbol))
    f.site->space = static_cast<uint8_t>(symbol->space);
  if (f.site->space == static_cast<uint8_t>(Space::Const))
    f.site->space = static_cast<uint8_t>(Space::Global);
  return f.base && f.stride;
}

bool emitWmmaLoad(Emitter &e, const Ptx &i) {
  Fragment f;
  if (!e.wants(i, 2, 3) ||
      !readFragmentOperands(e, i, i.operands[1], i.operands.size() == 3 ? &i.operands[2] : nullptr, f))
    return false;
  unsigned per = 32 / f.type.bits;
  std::vector<Value *> registers(registersFor(f.each, f.type), e.splat(32, 0));
  for (unsigned index = 0; index < f.each; ++index) {
    e.storeAddresses(elementAddresses(e, i, f.base, f.stride, f.each, index, f.columns, f.site->bytes));
    e.callHelper("ptxsim.load." + std::to_string(f.site->bytes), f.site, {e.mask()});
    Value *value = e.b.CreateZExt(e.loadValue(0, e.b.getIntNTy(f.type.bits)), e.vector(32));
    value = e.b.CreateShl(value, e.splat(32, index % per * f.type.bits));
    registers[index / per] = e.b.CreateOr(registers[index / per], value);
  }
  const Operand &to = i.operands[0];
  ArrayRef<Operand> names = to.kind == Operand::Vector ? ArrayRef<Operand>(to.elements) : ArrayRef<Operand>(to);
  if (names.size() < registers.size())
    return false;
  for (size_t r = 0; r < names.size(); ++r)
    if (!e.write(names[r], registers[r % registers.size()]))
      return false;
  return true;
}

bool emitWmmaStore(Emitter &e, const Ptx &i) {
  Fragment f;
  if (!e.wants(i, 2, 3) ||
      !readFragmentOperands(e, i, i.operands[0], i.operands.size() == 3 ? &i.operands[2] : nullptr, f))
    return false;
  unsigned per = 32 / f.type.bits;
  const std::vector<Operand> &names = i.operands[1].elements;
  if (names.size() != registersFor(f.each, f.type))
    return false;
  for (unsigned index = 0; index < f.each; ++index) {
    Value *value = e.readBits(names[index / per], 32);
    if (!value)
      return false;
    value = e.b.CreateLShr(value, e.splat(32, index % per * f.type.bits));
    e.storeValue(0, e.b.CreateTrunc(value, e.vector(f.type.bits)));
    e.storeAddresses(elementAddresses(e, i, f.base, f.stride, f.each, index, f.columns, f.site->bytes));
    e.callHelper("ptxsim.store." + std::to_string(f.site->bytes), f.site, {e.mask()});
  }
  return true;
}

/// wmma.mma.sync.aligned.alayout.blayout.shape.d.c for f16, .d.a.b.c for others. Fragments know their layouts no more.
bool emitWmmaMma(Emitter &e, const Ptx &i) {
  MatrixShape s;
  if (!parseShape(i, s) || (i.types.size() != 2 && i.types.size() != 4))
    return false;
  s.isWmma = true;
  s.isSaturated = i.has("satfinite");
  s.d = i.types.front();
  s.c = i.types.back();
  s.a = i.types.size() == 2 ? PtxType{PtxType::Float, 1, 16} : i.types[1];
  s.b = i.types.size() == 2 ? s.a : i.types[2];
  return emitProduct(e, i, s);
}

} // namespace ptxsim
