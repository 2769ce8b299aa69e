//===- EmitValues.cpp - operands, the frame and calls of helpers --------------===//
#include "Emit.h"
#include "Flow.h"
#include "llvm/ADT/StringSwitch.h"
#include <cstddef>
#include <cstring>

using namespace llvm;

namespace ptxsim {

llvm::Type *Emitter::laneType(ptxsim::Type type) {
  if (type.kind == ptxsim::Type::Float && type.lanes == 1)
    return type.bits == 16 ? b.getHalfTy() : type.bits == 32 ? b.getFloatTy() : b.getDoubleTy();
  return b.getIntNTy(type.totalBits());
}

FixedVectorType *Emitter::vector(llvm::Type *element, unsigned count) { return FixedVectorType::get(element, count); }

Value *Emitter::splat(llvm::Type *element, uint64_t value, unsigned count) {
  Constant *constant =
      element->isIntegerTy()
          ? static_cast<Constant *>(
                ConstantInt::get(b.getContext(), APInt(element->getIntegerBitWidth(), value, false, true)))
          : ConstantFP::get(b.getContext(), APFloat(element->getFltSemantics(),
                                                    APInt(element->getScalarSizeInBits(), value, false, true)));
  return ConstantVector::getSplat(ElementCount::getFixed(count), constant);
}

//===----------------------------------------------------------------------===//
// The warp's fields and helpers
//===----------------------------------------------------------------------===//

Value *Emitter::field(size_t offset) { return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), warp, offset); }

Value *Emitter::loadField(size_t offset, llvm::Type *type) { return b.CreateLoad(type, field(offset)); }

void Emitter::storeAddresses(Value *lanes) {
  b.CreateAlignedStore(lanes, field(offsetof(WarpFields, addresses)), Align(64));
}

void Emitter::storeValue(size_t offset, Value *lanes) {
  if (lanes->getType()->getScalarSizeInBits() == 1)
    lanes = b.CreateZExt(lanes, vector(8));
  b.CreateAlignedStore(lanes, field(offsetof(WarpFields, values) + offset), Align(32));
}

Value *Emitter::loadValue(size_t offset, llvm::Type *type) {
  return b.CreateAlignedLoad(vector(type), field(offsetof(WarpFields, values) + offset), Align(32));
}

Value *Emitter::pointerTo(const void *host) {
  return b.CreateIntToPtr(b.getInt64(reinterpret_cast<uint64_t>(host)), b.getPtrTy());
}

Value *Emitter::callHelper(StringRef name, const Site *site, ArrayRef<Value *> arguments, bool hasResult) {
  SmallVector<llvm::Type *, 6> types = {b.getPtrTy(), b.getPtrTy()};
  SmallVector<Value *, 6> operands = {warp, pointerTo(site)};
  for (Value *argument : arguments) {
    types.push_back(argument->getType());
    operands.push_back(argument);
  }
  llvm::Type *result = hasResult ? static_cast<llvm::Type *>(b.getInt32Ty()) : b.getVoidTy();
  FunctionCallee callee = module.getOrInsertFunction(name, FunctionType::get(result, types, false));
  cast<llvm::Function>(callee.getCallee())->addFnAttr(Attribute::NoUnwind);
  return b.CreateCall(callee, operands);
}

Value *Emitter::callLanes(StringRef name, const Site *site, ArrayRef<Value *> operands, llvm::Type *result) {
  for (size_t i = 0; i < operands.size(); ++i)
    storeValue(i * 512, operands[i]);
  callHelper(name, site, {mask()});
  return loadValue(0, result);
}

void Emitter::synchronise(const ptxsim::Instruction &instruction, Value *members) {
  storeValue(0, members);
  callHelper("ptxsim.met", site(instruction), {mask()});
}

Site *Emitter::site(const ptxsim::Instruction &instruction) {
  Site &result = constants.sites.emplace_back();
  result = Site{};
  result.line = instruction.line;
  result.space = static_cast<uint8_t>(instruction.space);
  if (!instruction.types.empty())
    result.type = instruction.types[0].kind;
  return &result;
}

Value *Emitter::lanesOf32(ArrayRef<uint32_t> values) { return ConstantDataVector::get(b.getContext(), values); }

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Value *Emitter::frameSlot(int reg) { return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), frame, frameOffset[reg]); }

Value *Emitter::readRegister(int reg) {
  Value *&value = values[reg];
  if (value)
    return value;
  unsigned bits = registerBits(reg);
  if (bits == 1)
    return value = toLanes(b.CreateLoad(b.getInt32Ty(), frameSlot(reg)));
  return value = b.CreateAlignedLoad(vector(bits), frameSlot(reg), Align(64));
}

bool Emitter::writeRegister(int reg, Value *value, bool isSigned) {
  unsigned bits = registerBits(reg), have = value->getType()->getScalarSizeInBits();
  if (!value->getType()->isIntOrIntVectorTy())
    value = b.CreateBitCast(value, vector(have));
  if (have > bits || (bits == 1 && have != 1)) {
    failure = "the destination register is too narrow";
    return false;
  }
  if (have < bits)
    value = isSigned ? b.CreateSExt(value, vector(bits)) : b.CreateZExt(value, vector(bits));
  if (guard)
    value = b.CreateSelect(guard, value, readRegister(reg));
  values[reg] = value;
  dirty.set(reg);
  return true;
}

bool Emitter::write(const Operand &operand, Value *value, bool isSigned) {
  if (operand.kind == Operand::Sink)
    return true;
  if (operand.kind != Operand::Register) {
    failure = "the destination is no register";
    return false;
  }
  return value && writeRegister(operand.reg, value, isSigned);
}

Value *Emitter::mask() { return guard ? b.CreateAnd(toBits(guard), active) : active; }
Value *Emitter::maskLanes() { return toLanes(mask()); }

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

const Symbol *Emitter::findSymbol(StringRef name) const {
  auto found = symbols.find(name.str());
  return found == symbols.end() ? nullptr : &found->second;
}

static uint64_t floatBits(const Operand &operand, unsigned bits) {
  if (operand.isSingle && bits == 32)
    return static_cast<uint32_t>(operand.value);
  double value;
  if (operand.isSingle) {
    float single;
    uint32_t low = static_cast<uint32_t>(operand.value);
    memcpy(&single, &low, 4);
    value = single;
  } else {
    memcpy(&value, &operand.value, 8);
  }
  if (bits == 64)
    return llvm::bit_cast<uint64_t>(value);
  return bits == 32 ? llvm::bit_cast<uint32_t>(static_cast<float>(value)) : 0;
}

Value *Emitter::read(const Operand &operand, ptxsim::Type type) {
  llvm::Type *lane = laneType(type);
  unsigned bits = type.totalBits();
  Value *value = nullptr;
  switch (operand.kind) {
  case Operand::Register:
    value = readRegister(operand.reg);
    break;
  case Operand::Integer:
    value = bits == 1 ? splat(1, operand.value != 0) : splat(bits, operand.value);
    break;
  case Operand::Float:
    value = splat(bits, floatBits(operand, bits));
    break;
  case Operand::Special:
    value = special(operand.symbol, bits < 32 ? 32 : bits);
    break;
  case Operand::Symbol:
    if (const Symbol *symbol = findSymbol(operand.symbol))
      value = splat(bits, symbol->address + operand.value);
    else
      failure = "unknown name '" + operand.symbol + "'";
    break;
  default:
    break;
  }
  if (!value) {
    if (failure.empty())
      failure = "bad operand";
    return nullptr;
  }
  unsigned have = value->getType()->getScalarSizeInBits();
  if ((bits == 1) != (have == 1)) {
    failure = "an operand is a predicate or should be one";
    return nullptr;
  }
  if (have > bits)
    value = b.CreateTrunc(value, vector(bits));
  else if (have < bits)
    value = type.isSigned() ? b.CreateSExt(value, vector(bits)) : b.CreateZExt(value, vector(bits));
  if (operand.isNegated)
    value = b.CreateNot(value);
  return lane->isIntegerTy() ? value : b.CreateBitCast(value, vector(lane));
}

Value *Emitter::address(const Operand &operand) {
  if (operand.reg >= 0) {
    Value *base = b.CreateZExt(readRegister(operand.reg), vector(64));
    return operand.value ? b.CreateAdd(base, splat(64, operand.value)) : base;
  }
  if (operand.symbol.empty())
    return splat(64, operand.value);
  const Symbol *symbol = findSymbol(operand.symbol);
  if (!symbol) {
    failure = "unknown name '" + operand.symbol + "'";
    return nullptr;
  }
  return splat(64, symbol->address + operand.value);
}

/// The register's place in the warp, for those that all lanes share.
static int uniformOffset(StringRef name) {
  auto component = [&](size_t offset) { return static_cast<int>(offset + 4 * (name.back() - 'x')); };
  StringRef base = name.split('.').first;
  if (base.size() != name.size() && (name.back() < 'x' || name.back() > 'z'))
    return -1;
  return StringSwitch<int>(base)
      .Cases({"%ctaid", "%clusterid"}, component(offsetof(WarpFields, ctaid)))
      .Case("%ntid", component(offsetof(WarpFields, ntid)))
      .Cases({"%nctaid", "%nclusterid"}, component(offsetof(WarpFields, nctaid)))
      .Case("%warpid", offsetof(WarpFields, warpId))
      .Case("%nwarpid", offsetof(WarpFields, warpCount))
      .Case("%dynamic_smem_size", offsetof(WarpFields, dynamicShared))
      .Cases({"%total_smem_size", "%aggr_smem_size"}, offsetof(WarpFields, totalShared))
      .Case("%smid", offsetof(WarpFields, smId))
      .Case("%gridid", offsetof(WarpFields, gridId))
      .Cases({"%clock", "%clock64", "%globaltimer", "%globaltimer_lo"}, offsetof(WarpFields, instructions))
      .Default(-1);
}

Value *Emitter::special(StringRef name, unsigned bits) {
  auto fit = [&](Value *lanes) { return bits > 32 ? b.CreateZExt(lanes, vector(bits)) : lanes; };
  if (name.starts_with("%tid.") && name.size() == 6 && name.back() >= 'x' && name.back() <= 'z')
    return fit(
        b.CreateAlignedLoad(vector(32), field(offsetof(WarpFields, tid) + 128 * (name.back() - 'x')), Align(64)));
  uint32_t lanes[warpSize];
  bool isByLane = name == "%laneid" || name.starts_with("%lanemask_");
  for (unsigned i = 0; i < warpSize; ++i) {
    uint32_t bit = 1u << i;
    lanes[i] = StringSwitch<uint32_t>(name)
                   .Case("%laneid", i)
                   .Case("%lanemask_eq", bit)
                   .Case("%lanemask_lt", bit - 1)
                   .Case("%lanemask_le", bit | (bit - 1))
                   .Case("%lanemask_gt", ~(bit | (bit - 1)))
                   .Default(~(bit - 1));
  }
  if (isByLane)
    return fit(lanesOf32(lanes));
  int constant = StringSwitch<int>(name)
                     .Case("WARP_SZ", warpSize)
                     .Cases({"%nsmid", "%cluster_nctarank"}, 1)
                     .Cases({"%cluster_nctaid.x", "%cluster_nctaid.y", "%cluster_nctaid.z"}, 1)
                     .Cases({"%cluster_ctaid.x", "%cluster_ctaid.y", "%cluster_ctaid.z"}, 0)
                     .Cases({"%cluster_ctarank", "%is_explicit_cluster", "%clock_hi", "%globaltimer_hi"}, 0)
                     .Default(-1);
  if (constant >= 0)
    return splat(bits, constant);
  int offset = uniformOffset(name);
  if (offset < 0) {
    failure = ("unknown special register '" + name + "'").str();
    return nullptr;
  }
  unsigned width = offset == offsetof(WarpFields, instructions) && bits == 64 ? 64 : 32;
  Value *scalar = loadField(offset, b.getIntNTy(width));
  return b.CreateVectorSplat(warpSize, b.CreateZExt(scalar, b.getIntNTy(bits)));
}

} // namespace ptxsim
