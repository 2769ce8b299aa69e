//===- EmitWarp.cpp - exchange between lanes of a warp ------------------------===//
//
// The values of other lanes are fetched by helper functions: which lane they come from depends on operands, and what
// they find there on which lanes run.
//
//===----------------------------------------------------------------------===//
#include "Emit.h"

using namespace llvm;

namespace ptxsim {

using PtxType = ptxsim::Type;
using Ptx = ptxsim::Instruction;

bool emitShuffle(Emitter &e, const Ptx &i) {
  bool isSync = i.info->name == "shfl.sync";
  if (!e.wants(i, isSync ? 5 : 4, isSync ? 5 : 4) || i.modifiers.size() != 1)
    return false;
  Value *a = e.readBits(i.operands[1], 32), *lane = e.readBits(i.operands[2], 32),
        *clamp = e.readBits(i.operands[3], 32);
  Value *members = isSync ? e.readBits(i.operands[4], 32) : e.splat(32, 0xffffffff);
  if (!a || !lane || !clamp || !members)
    return false;
  Site *site = e.site(i);
  site->operation = i.modifiers[0][0]; // u, d, b, i
  site->extra[0] = isSync;
  // Slot 4 holds whether the source lane is in range, as bytes.
  Value *result = e.callLanes("ptxsim.shuffle", site, {a, lane, clamp, members}, e.b.getInt32Ty());
  Value *isInside = e.b.CreateIsNotNull(e.loadValue(4 * 512, e.b.getInt8Ty()));
  return e.write(i.operands[0], result) && (i.operands[0].pair < 0 || e.writeRegister(i.operands[0].pair, isInside));
}

bool emitVote(Emitter &e, const Ptx &i) {
  bool isSync = i.info->name == "vote.sync";
  if (!e.wants(i, isSync ? 3 : 2, isSync ? 3 : 2) || i.modifiers.size() != 1)
    return false;
  Value *p = e.readBits(i.operands[1], 1);
  Value *members = isSync ? e.readBits(i.operands[2], 32) : e.splat(32, 0xffffffff);
  if (!p || !members)
    return false;
  if (isSync)
    e.synchronise(i, members);
  // Lanes that do not take part vote for what changes nothing.
  Value *bits = e.toBits(p), *voters = e.b.CreateVectorSplat(warpSize, e.mask());
  voters = e.b.CreateAnd(voters, members);
  Value *votes = e.b.CreateAnd(e.b.CreateVectorSplat(warpSize, bits), voters);
  if (i.has("ballot"))
    return e.write(i.operands[0], votes);
  Value *all = e.b.CreateICmpEQ(votes, voters), *any = e.b.CreateIsNotNull(votes);
  return e.write(i.operands[0], i.has("all") ? all : i.has("any") ? any : e.b.CreateOr(all, e.b.CreateNot(any)));
}

bool emitMatch(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 3, 3) || i.types.size() != 1)
    return false;
  Value *a = e.readBits(i.operands[1], i.types[0].bits), *members = e.readBits(i.operands[2], 32);
  if (!a || !members)
    return false;
  Site *site = e.site(i);
  site->operation = i.has("all") ? 'a' : 'y';
  site->bytes = i.types[0].bits / 8;
  Value *result = e.callLanes("ptxsim.match", site, {a, members}, e.b.getInt32Ty());
  Value *isSame = e.b.CreateIsNotNull(result);
  return e.write(i.operands[0], result) && (i.operands[0].pair < 0 || e.writeRegister(i.operands[0].pair, isSame));
}

bool emitActiveMask(Emitter &e, const Ptx &i) {
  return e.wants(i, 1, 1) && e.write(i.operands[0], e.b.CreateVectorSplat(warpSize, e.mask()));
}

bool emitReduce(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 3, 3) || i.types.size() != 1 || i.modifiers.size() != 1)
    return false;
  Value *a = e.readBits(i.operands[1], 32), *members = e.readBits(i.operands[2], 32);
  if (!a || !members)
    return false;
  Site *site = e.site(i);
  StringRef name = i.modifiers[0];
  site->operation = name == "add"   ? '+'
                    : name == "min" ? '<'
                    : name == "max" ? '>'
                    : name == "and" ? '&'
                    : name == "or"  ? '|'
                                    : '^';
  return e.write(i.operands[0], e.callLanes("ptxsim.reduce", site, {a, members}, e.b.getInt32Ty()));
}

/// elect.sync d|p, members: the lowest lane is chosen.
bool emitElect(Emitter &e, const Ptx &i) {
  if (!e.wants(i, 2, 2))
    return false;
  Value *members = e.readBits(i.operands[1], 32);
  if (!members)
    return false;
  e.synchronise(i, members);
  Value *voters = e.b.CreateAnd(members, e.b.CreateVectorSplat(warpSize, e.mask()));
  Value *lowest = e.b.CreateIntrinsic(Intrinsic::cttz, {voters->getType()}, {voters, e.b.getFalse()});
  uint32_t numbers[warpSize];
  for (unsigned lane = 0; lane < warpSize; ++lane)
    numbers[lane] = lane;
  if (i.operands[0].pair >= 0 && !e.writeRegister(i.operands[0].pair, e.b.CreateICmpEQ(lowest, e.lanesOf32(numbers))))
    return false;
  return e.write(i.operands[0], lowest);
}

} // namespace ptxsim
