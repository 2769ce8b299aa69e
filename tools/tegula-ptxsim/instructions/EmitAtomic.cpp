//===- EmitAtomic.cpp - atom and red ------------------------------------------===//
#include "Emit.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace ptxsim {

using Ptx = ptxsim::Instruction;

static char operationOf(const Ptx &i) {
  for (StringRef modifier : i.modifiers) {
    char operation = StringSwitch<char>(modifier)
                         .Case("add", '+')
                         .Case("and", '&')
                         .Case("or", '|')
                         .Case("xor", '^')
                         .Case("exch", 'x')
                         .Case("cas", 'c')
                         .Case("min", '<')
                         .Case("max", '>')
                         .Case("inc", 'i')
                         .Case("dec", 'd')
                         .Default(0);
    if (operation)
      return operation;
  }
  return 0;
}

static ArrayRef<Operand> elements(const Operand &operand) {
  return operand.kind == Operand::Vector ? ArrayRef<Operand>(operand.elements) : ArrayRef<Operand>(operand);
}

/// atom d, [a], b{, c}; red [a], b
bool emitAtomic(Emitter &e, const Ptx &i) {
  bool hasResult = i.info->name == "atom";
  unsigned first = hasResult ? 1 : 0;
  char operation = operationOf(i);
  if (!operation || i.types.size() != 1 || !e.wants(i, first + 2, first + 4) ||
      i.operands[first].kind != Operand::Address)
    return false;
  bool isFloat = i.types[0].isFloat(), isNarrow = i.types[0].bits == 16;
  if (operation == 'c' && i.operands.size() < 4)
    return e.fail(i, "wrong number of operands");
  if ((isFloat && operation != '+' && operation != 'x' && !(isNarrow && (operation == '<' || operation == '>'))) ||
      (!isFloat && isNarrow && operation != 'c' && operation != 'x') || i.types[0].kind == ptxsim::Type::Pred)
    return e.fail(i, "this operation is not for this type");
  ArrayRef<Operand> b = elements(i.operands[first + 1]);
  Value *address = e.address(i.operands[first]);
  if (!address || b.size() * i.types[0].totalBits() > 256)
    return false;
  Site *site = e.site(i);
  site->bytes = i.types[0].totalBits() / 8;
  site->count = b.size();
  site->operation = operation;
  site->extra[1] = i.has("release") || i.has("acq_rel");
  site->extra[2] = i.types[0].lanes;
  if (const Symbol *symbol = i.operands[first].symbol.empty() ? nullptr : e.findSymbol(i.operands[first].symbol))
    site->space = static_cast<uint8_t>(symbol->space);
  for (size_t k = 0; k < b.size(); ++k) {
    Value *value = e.readBits(b[k], site->bytes * 8);
    if (!value)
      return false;
    e.storeValue(k * warpSize * site->bytes, value);
  }
  if (operation == 'c') {
    Value *value = e.readBits(i.operands[3], site->bytes * 8);
    if (!value)
      return false;
    e.storeValue(2048, value);
  }
  e.storeAddresses(address);
  e.callHelper("ptxsim.atomic", site, {e.mask()});
  if (!hasResult)
    return true;
  ArrayRef<Operand> to = elements(i.operands[0]);
  if (to.size() != b.size() && to[0].kind != Operand::Sink)
    return false;
  for (size_t k = 0; k < to.size(); ++k)
    if (!e.write(to[k], e.loadValue(k * warpSize * site->bytes, e.b.getIntNTy(site->bytes * 8)), i.types[0].isSigned()))
      return false;
  return true;
}

} // namespace ptxsim
