//===- EmitAsync.cpp - cp.async -----------------------------------------------===//
#include "Emit.h"

using namespace llvm;

namespace ptxsim {

using Ptx = ptxsim::Instruction;

/// cp.async [to], [from], bytes{, bytes of the source or a predicate to ignore it}{, policy}
bool emitCopyAsync(Emitter &e, const Ptx &i) {
  bool hasPolicy = i.has("L2::cache_hint");
  size_t count = i.operands.size() - (hasPolicy ? 1 : 0);
  if (!e.wants(i, 3, 5) || count < 3 || count > 4 || i.operands[0].kind != Operand::Address ||
      i.operands[1].kind != Operand::Address || i.operands[2].kind != Operand::Integer)
    return false;
  int64_t bytes = i.operands[2].value;
  if (!(bytes == 16 || (i.has("ca") && (bytes == 4 || bytes == 8))))
    return e.fail(i, "wrong number of bytes");
  Value *size = e.splat(32, bytes);
  if (count == 4) {
    const Operand &operand = i.operands[3];
    bool isPredicate = operand.kind == Operand::Register && e.registerBits(operand.reg) == 1;
    Value *given = e.readBits(operand, isPredicate ? 1 : 32);
    if (!given)
      return false;
    size = isPredicate ? e.b.CreateSelect(given, e.splat(32, 0), size) : given;
  }
  Value *to = e.address(i.operands[0]), *from = e.address(i.operands[1]);
  if (!to || !from)
    return false;
  Site *site = e.site(i);
  site->bytes = bytes;
  site->space = static_cast<uint8_t>(Space::Shared);
  e.storeValue(0, to);
  e.storeValue(512, size);
  e.storeAddresses(from);
  e.callHelper("ptxsim.copy", site, {e.mask()});
  return true;
}

bool emitCopyControl(Emitter &e, const Ptx &i) {
  StringRef name = i.info->name;
  bool isWaitGroup = name == "cp.async.wait_group";
  if (!e.wants(i, isWaitGroup, isWaitGroup) || (isWaitGroup && i.operands[0].kind != Operand::Integer))
    return false;
  // wait_all closes the open group, too.
  if (!isWaitGroup)
    e.callHelper("ptxsim.commit", e.site(i), {e.mask()});
  if (name != "cp.async.commit_group")
    e.callHelper("ptxsim.wait", e.site(i), {e.mask(), e.b.getInt32(isWaitGroup ? i.operands[0].value : 0)});
  return true;
}

} // namespace ptxsim
