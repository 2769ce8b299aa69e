//===- EmitMove.cpp - mov, loads, stores and addresses ------------------------===//
#include "Emit.h"
#include <cstddef>

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

static PtxType bitsOf(unsigned bits) { return {PtxType::Bits, 1, static_cast<uint16_t>(bits)}; }

static bool unpack(Emitter &e, const Ptx &i, unsigned bits) {
  const std::vector<Operand> &parts = i.operands[0].elements;
  unsigned width = bits / parts.size();
  Value *whole = e.readBits(i.operands[1], bits);
  if (!whole)
    return false;
  for (size_t k = 0; k < parts.size(); ++k) {
    Value *shifted = k ? e.b.CreateLShr(whole, ConstantInt::get(whole->getType(), k * width)) : whole;
    if (!e.write(parts[k], e.b.CreateTrunc(shifted, e.vector(width))))
      return false;
  }
  return true;
}

static Value *pack(Emitter &e, const Operand &operand, unsigned bits) {
  unsigned width = bits / operand.elements.size();
  Value *whole = nullptr;
  for (size_t k = 0; k < operand.elements.size(); ++k) {
    Value *part = e.readBits(operand.elements[k], width);
    if (!part)
      return nullptr;
    part = e.b.CreateZExt(part, e.vector(bits));
    if (k)
      part = e.b.CreateShl(part, ConstantInt::get(part->getType(), k * width));
    whole = whole ? e.b.CreateOr(whole, part) : part;
  }
  return whole;
}

bool emitMove(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2) || i.types.size() != 1)
    return false;
  unsigned bits = i.types[0].totalBits();
  for (const Operand &operand : i.operands) {
    size_t count = operand.elements.size();
    if (operand.kind == Operand::Vector && (!count || count > 4 || bits % count))
      return false;
  }
  if (i.operands[0].kind == Operand::Vector)
    return unpack(e, i, bits);
  if (i.operands[1].kind == Operand::Vector)
    return e.write(i.operands[0], pack(e, i.operands[1], bits));
  Value *value = e.read(i.operands[1], i.types[0].kind == PtxType::Pred ? i.types[0] : bitsOf(bits));
  return value && e.write(i.operands[0], value);
}

//===----------------------------------------------------------------------===//
// Loads and stores
//===----------------------------------------------------------------------===//

static bool isStrong(const Ptx &i) {
  for (StringRef order : {"volatile", "relaxed", "acquire", "release", "acq_rel", "mmio"})
    if (i.has(order))
      return true;
  return false;
}

/// The value or values that a load or store moves.
static ArrayRef<Operand> elements(const Operand &operand) {
  return operand.kind == Operand::Vector ? ArrayRef<Operand>(operand.elements) : ArrayRef<Operand>(operand);
}

static Site *accessSite(Emitter &e, const Ptx &i, const Operand &address, size_t count) {
  Site *site = e.site(i);
  Space space = i.space;
  // The parameters of called functions are local variables here.
  if (const Symbol *symbol = address.symbol.empty() ? nullptr : e.findSymbol(address.symbol))
    space = symbol->space;
  site->space = static_cast<uint8_t>(space == Space::Const ? Space::Global : space);
  site->bytes = i.types[0].totalBits() / 8;
  site->count = count;
  site->isStrong = isStrong(i);
  site->extra[0] = i.has("acquire") || i.has("acq_rel");
  site->extra[1] = i.has("release") || i.has("acq_rel");
  return site;
}

static bool checkAccess(Emitter &e, const Ptx &i, const Operand &value, const Operand &address) {
  size_t count = elements(value).size();
  size_t wanted = i.has("v2") ? 2 : i.has("v4") ? 4 : i.has("v8") ? 8 : 1;
  if (i.types.size() != 1 || address.kind != Operand::Address)
    return e.fail(i, "bad type or address");
  if (count != wanted || count * i.types[0].totalBits() > 256)
    return e.fail(i, "wrong number of elements");
  return true;
}

static bool loadParameter(Emitter &e, const Ptx &i, const Symbol &symbol) {
  const Operand &address = i.operands[1];
  uint64_t offset = symbol.address + address.value;
  unsigned bytes = i.types[0].totalBits() / 8;
  ArrayRef<Operand> to = elements(i.operands[0]);
  if (address.value < 0 || address.value + bytes * to.size() > symbol.bytes)
    return e.fail(i, "outside the parameter");
  if (offset % (bytes * to.size()))
    return e.fail(i, "misaligned parameter access");
  Value *block = e.loadField(offsetof(WarpFields, parameters), e.b.getPtrTy());
  for (size_t k = 0; k < to.size(); ++k) {
    Value *place = e.b.CreateConstInBoundsGEP1_64(e.b.getInt8Ty(), block, offset + k * bytes);
    Value *scalar = e.b.CreateAlignedLoad(e.b.getIntNTy(bytes * 8), place, Align(1));
    if (!e.write(to[k], e.b.CreateVectorSplat(warpSize, scalar), i.types[0].isSigned()))
      return false;
  }
  return true;
}

bool emitLoad(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 3) || !checkAccess(e, i, i.operands[0], i.operands[1]))
    return false;
  const Operand &from = i.operands[1];
  const Symbol *symbol = from.symbol.empty() ? nullptr : e.findSymbol(from.symbol);
  if (symbol && symbol->space == Space::Param)
    return loadParameter(e, i, *symbol);
  ArrayRef<Operand> to = elements(i.operands[0]);
  Value *address = e.address(from);
  if (!address)
    return false;
  Site *site = accessSite(e, i, from, to.size());
  e.storeAddresses(address);
  e.callHelper("ptxsim.load." + std::to_string(site->bytes), site, {e.mask()});
  for (size_t k = 0; k < to.size(); ++k)
    if (!e.write(to[k], e.loadValue(k * warpSize * site->bytes, e.b.getIntNTy(site->bytes * 8)), i.types[0].isSigned()))
      return false;
  return true;
}

bool emitStore(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 3) || !checkAccess(e, i, i.operands[1], i.operands[0]))
    return false;
  ArrayRef<Operand> from = elements(i.operands[1]);
  Value *address = e.address(i.operands[0]);
  if (!address)
    return false;
  Site *site = accessSite(e, i, i.operands[0], from.size());
  if (site->space == static_cast<uint8_t>(Space::Param))
    return e.fail(i, "parameters of a kernel cannot be written");
  for (size_t k = 0; k < from.size(); ++k) {
    Value *value = e.readBits(from[k], site->bytes * 8);
    if (!value)
      return false;
    e.storeValue(k * warpSize * site->bytes, value);
  }
  e.storeAddresses(address);
  e.callHelper("ptxsim.store." + std::to_string(site->bytes), site, {e.mask()});
  return true;
}

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

static uint64_t windowOf(Space space) {
  return space == Space::Shared  ? sharedWindow
         : space == Space::Local ? localWindow
         : space == Space::Param ? paramWindow
                                 : 0;
}

bool emitConvertAddress(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2) || i.types.size() != 1 || i.space == Space::Generic)
    return false;
  Value *value = e.readBits(i.operands[1], 64);
  if (!value)
    return false;
  Value *window = e.splat(64, windowOf(i.space));
  value = i.has("to") ? e.b.CreateSub(value, window) : e.b.CreateAdd(value, window);
  if (i.types[0].bits == 32)
    value = e.b.CreateTrunc(value, e.vector(32));
  return e.write(i.operands[0], value);
}

bool emitIsSpace(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2) || i.space == Space::Generic)
    return false;
  Value *address = e.readBits(i.operands[1], 64);
  if (!address)
    return false;
  Value *high = e.b.CreateLShr(address, e.splat(64, 32));
  auto isWindow = [&](uint64_t window) { return e.b.CreateICmpEQ(high, e.splat(64, window >> 32)); };
  Value *result;
  if (uint64_t window = windowOf(i.space))
    result = isWindow(window);
  else
    result =
        e.b.CreateNot(e.b.CreateOr(e.b.CreateOr(isWindow(sharedWindow), isWindow(localWindow)), isWindow(paramWindow)));
  return e.write(i.operands[0], result);
}

bool emitMapAddress(Emitter &e, const Ptx &i) {
  // Clusters have one block, so each address is that of the own block.
  if (!e.wants(i, 3, 3) || i.types.size() != 1)
    return false;
  Value *value = e.readBits(i.operands[1], i.types[0].bits);
  return value && e.write(i.operands[0], value);
}

bool emitPolicy(Emitter &e, const Ptx &i) { return e.wants(i, 1, 4) && e.write(i.operands[0], e.splat(64, 1)); }

bool emitNothing(Emitter &, const Ptx &) { return true; }

} // namespace ptxsim
