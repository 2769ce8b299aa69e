//===- EmitControl.cpp - jumps, barriers and fences ---------------------------===//
#include "Emit.h"
#include "Flow.h"
#include <cstddef>

using namespace llvm;

namespace ptxsim {

using Ptx = ptxsim::Instruction;

bool emitBranch(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 1, 1) || i.operands[0].kind != Operand::Label)
    return false;
  int target = e.blockOf(i.operands[0].target);
  if (i.guard < 0)
    e.jump(target);
  else
    e.branch(e.maskLanes(), target, e.nextBlock());
  return true;
}

bool emitBranchIndex(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2) || i.guard >= 0)
    return e.fail(i, "a guard is not known");
  auto found = e.source().branchTargets.find(i.operands[1].symbol);
  if (found == e.source().branchTargets.end())
    return e.fail(i, "unknown list of targets");
  Value *index = e.readBits(i.operands[0], 32);
  if (!index)
    return false;
  e.finishBlock();
  for (size_t k = 0; k < found->second.size(); ++k) {
    Value *lanes = e.toBits(e.b.CreateICmpEQ(index, e.splat(32, k)));
    e.callHelper("ptxsim.stand", nullptr,
                 {e.b.CreateAnd(lanes, e.activeBits()), e.b.getInt32(e.blockOf(found->second[k]))});
  }
  Value *outside = e.toBits(e.b.CreateICmpUGE(index, e.splat(32, found->second.size())));
  e.callHelper("ptxsim.badIndex", e.site(i), {e.b.CreateAnd(outside, e.activeBits())});
  e.goToDispatch();
  return true;
}

/// Calls were replaced by bodies before (ExpandCalls.cpp).
bool emitCall(Emitter &e, const Ptx &i) { return e.fail(i, "a call that could not be put in place"); }

bool emitReturn(Emitter &e, const Ptx &i) {
  e.exitLanes(e.mask());
  (void)i;
  return true;
}

bool emitTrap(Emitter &e, const Ptx &i) {
  e.callHelper("ptxsim.trap", e.site(i), {e.mask()});
  e.exitLanes(e.mask());
  return true;
}

bool emitFence(Emitter &e, const Ptx &i) {
  e.callHelper("ptxsim.fence", e.site(i), {e.mask()});
  return true;
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

/// bar.sync a{, b}; bar.arrive a, b; bar.red.op d, a{, b}, {!}p
bool emitBarrier(Emitter &e, const Ptx &i) {
  StringRef name = i.info->name;
  bool isArrive = name.ends_with("arrive"), isReduction = name.ends_with("red");
  size_t first = isReduction ? 1 : 0, count = i.operands.size() - first;
  if (!e.wants(i, first + 1, 4) || (isReduction && count < 2))
    return e.fail(i, "wrong number of operands");
  size_t numbers = isReduction ? count - 1 : count;
  if (numbers > 2 || (isArrive && numbers != 2))
    return e.fail(i, "wrong number of operands");
  Value *id = e.readBits(i.operands[first], 32);
  Value *threads = numbers == 2 ? e.readBits(i.operands[first + 1], 32) : e.splat(32, 0);
  Value *predicate = isReduction ? e.readBits(i.operands.back(), 1) : e.splat(1, 0);
  if (!id || !threads || !predicate)
    return false;
  Site *site = e.site(i);
  site->operation = isReduction ? (i.has("popc") ? 'p' : i.has("and") ? 'a' : 'o') : isArrive ? 'r' : 's';
  e.storeValue(0, id);
  e.storeValue(512, threads);
  Value *bits = e.toBits(predicate);
  e.finishBlock();
  // Waiting lanes go on at the next block.
  e.callHelper("ptxsim.barrier", site, {e.activeBits(), bits, e.b.getInt32(e.nextBlock())});
  e.goToDispatch();
  return true;
}

bool emitBarrierResult(Emitter &e, const Ptx &i) {
  Value *scalar = e.loadField(offsetof(WarpFields, reduced), e.b.getInt32Ty());
  Value *lanes = e.b.CreateVectorSplat(warpSize, scalar);
  if (!i.types.empty() && i.types[0].kind == ptxsim::Type::Pred)
    lanes = e.b.CreateIsNotNull(lanes);
  return e.write(i.operands[0], lanes);
}

bool emitWarpSync(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 1, 1))
    return false;
  Value *members = e.readBits(i.operands[0], 32);
  if (!members)
    return false;
  e.synchronise(i, members);
  return true;
}

} // namespace ptxsim
