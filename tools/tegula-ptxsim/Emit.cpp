//===- Emit.cpp - the shape of a kernel's code --------------------------------===//
//
// Blocks are numbered in the order of the text, which compilers print so that lanes meet again at a later block than
// those at which they parted. The code always runs the lanes that stand at the least block: it goes on directly as long
// as no others wait at that block or before it, and through `pick` otherwise.
//
//===----------------------------------------------------------------------===//
#include "Emit.h"
#include "Flow.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/Verifier.h"
#include <cstddef>

using namespace llvm;

namespace ptxsim {

Emitter::Emitter(const ptxsim::Function &function, const Symbols &symbols, llvm::Module &module, Constants &constants,
                 bool splitsAtMemory, std::string &error)
    : b(module.getContext()), function(function), symbols(symbols), module(module), constants(constants),
      splitsAtMemory(splitsAtMemory), error(error), dirty(function.registers.size()) {}

bool Emitter::fail(const ptxsim::Instruction &instruction, const Twine &what) {
  if (error.empty())
    error = ("line " + Twine(instruction.line) + ": '" + instruction.text + "': " + what).str();
  return false;
}

bool Emitter::wants(const ptxsim::Instruction &instruction, size_t least, size_t most) {
  size_t count = instruction.operands.size();
  return (count >= least && count <= most) || fail(instruction, "wrong number of operands");
}

//===----------------------------------------------------------------------===//
// Before the code: blocks, live registers, the frame
//===----------------------------------------------------------------------===//

void Emitter::findBlocks() {
  int count = static_cast<int>(function.instructions.size());
  BitVector isLeader(count + 1);
  isLeader.set(0);
  for (int i = 0; i < count; ++i) {
    const ptxsim::Instruction &instruction = function.instructions[i];
    if (endsBlock(instruction))
      isLeader.set(i + 1);
    if (waitsForLanes(instruction) || (splitsAtMemory && isMemoryAccess(instruction)))
      isLeader.set(i);
    for (const Operand &operand : instruction.operands)
      if (operand.kind == Operand::Label)
        isLeader.set(operand.target);
  }
  for (auto &[name, targets] : function.branchTargets)
    for (int target : targets)
      isLeader.set(target);
  blockAt.assign(count + 1, -1);
  for (int i = 0; i < count; ++i) {
    if (isLeader[i])
      blocks.push_back({i, i});
    blockAt[i] = static_cast<int>(blocks.size()) - 1;
    blocks.back().last = i;
  }
}

void Emitter::findLive() {
  size_t count = blocks.size(), registers = function.registers.size();
  std::vector<BitVector> used(count, BitVector(registers)), defined = used, liveIn = used;
  liveOut = used;
  std::vector<SmallVector<int, 2>> successors(count);
  for (size_t i = 0; i < count; ++i) {
    for (int k = blocks[i].first; k <= blocks[i].last; ++k) {
      const ptxsim::Instruction &instruction = function.instructions[k];
      forEachRegister(function, instruction, [&](int reg, bool isDefined) {
        if (!isDefined && !defined[i][reg])
          used[i].set(reg);
      });
      forEachRegister(function, instruction, [&](int reg, bool isDefined) {
        if (isDefined && instruction.guard < 0)
          defined[i].set(reg);
        else if (isDefined && !defined[i][reg])
          used[i].set(reg);
      });
    }
    const ptxsim::Instruction &last = function.instructions[blocks[i].last];
    forEachTarget(function, last, [&](int target) { successors[i].push_back(blockAt[target]); });
    if (fallsThrough(last) && i + 1 < count)
      successors[i].push_back(i + 1);
  }
  for (bool isChanged = true; isChanged;) {
    isChanged = false;
    for (size_t i = count; i-- > 0;) {
      for (int successor : successors[i])
        liveOut[i] |= liveIn[successor];
      BitVector in = liveOut[i];
      in.reset(defined[i]);
      in |= used[i];
      isChanged |= in != liveIn[i];
      liveIn[i] = std::move(in);
    }
  }
}

void Emitter::layOutFrame() {
  BitVector isLive(function.registers.size());
  for (const BitVector &live : liveOut)
    isLive |= live;
  frameOffset.assign(function.registers.size(), 0);
  // Slot 0 is for registers that are read and never written.
  frameSize = warpSize * 16;
  for (unsigned reg : isLive.set_bits()) {
    unsigned bits = registerBits(reg);
    frameOffset[reg] = frameSize;
    frameSize += alignTo(bits == 1 ? 4 : warpSize * bits / 8, 64);
  }
}

uint32_t Emitter::liveWords() const {
  uint32_t most = 0;
  for (const BitVector &live : liveOut) {
    uint32_t words = 0;
    for (unsigned reg : live.set_bits())
      words += (registerBits(reg) + 30) / 32;
    most = std::max(most, words);
  }
  return most;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

bool Emitter::run(StringRef name) {
  findBlocks();
  findLive();
  layOutFrame();
  auto *pointer = b.getPtrTy();
  code = llvm::Function::Create(FunctionType::get(b.getInt32Ty(), {pointer}, false), GlobalValue::ExternalLinkage, name,
                                module);
  code->addFnAttr(Attribute::NoUnwind);
  code->addParamAttr(0, Attribute::NoAlias);
  warp = code->getArg(0);
  auto *entry = BasicBlock::Create(b.getContext(), "entry", code);
  dispatch = BasicBlock::Create(b.getContext(), "dispatch", code);
  for (size_t i = 0; i < blocks.size(); ++i)
    blocks[i].code = BasicBlock::Create(b.getContext(), "block" + Twine(i), code);
  b.SetInsertPoint(entry);
  frame = loadField(offsetof(WarpFields, frame), pointer);
  b.CreateBr(dispatch);
  emitDispatch();
  for (size_t i = 0; i < blocks.size(); ++i)
    if (!emitBlock(i))
      return false;
  std::string broken;
  raw_string_ostream out(broken);
  if (verifyFunction(*code, &out)) {
    error = "line " + std::to_string(function.line) + ": the translation is broken: " + out.str();
    return false;
  }
  return true;
}

void Emitter::emitDispatch() {
  b.SetInsertPoint(dispatch);
  Value *next = callHelper("ptxsim.pick", nullptr, {}, true);
  auto *leave = BasicBlock::Create(b.getContext(), "leave", code);
  SwitchInst *choice = b.CreateSwitch(next, leave, blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i)
    choice->addCase(b.getInt32(i), blocks[i].code);
  b.SetInsertPoint(leave);
  b.CreateRet(next);
}

bool Emitter::emitBlock(int index) {
  current = index;
  const Range &range = blocks[index];
  b.SetInsertPoint(range.code);
  values.clear();
  dirty.reset();
  guard = nullptr;
  active = loadField(offsetof(WarpFields, active), b.getInt32Ty());
  Value *place = field(offsetof(WarpFields, instructions));
  Value *count = b.CreateLoad(b.getInt64Ty(), place);
  b.CreateStore(b.CreateAdd(count, b.getInt64(range.last - range.first + 1)), place);
  if (waitsForLanes(function.instructions[range.first]))
    emitLaneCheck(function.instructions[range.first], index);
  for (int i = range.first; i <= range.last; ++i)
    if (!emitInstruction(function.instructions[i]))
      return false;
  if (!b.GetInsertBlock()->getTerminator())
    jump(index + 1);
  return true;
}

/// At an instruction with a member mask: run it now with the lanes whose company is complete, let the others wait.
void Emitter::emitLaneCheck(const ptxsim::Instruction &instruction, int index) {
  int operand = memberMaskOperand(instruction);
  Value *members = operand < 0 ? splat(32, 0xffffffff) : readBits(instruction.operands[operand], 32);
  if (!members)
    return;
  Value *mine = b.CreateSelect(toLanes(active), members, splat(32, 0));
  Value *wanted = b.CreateAnd(b.CreateOrReduce(mine), loadField(offsetof(WarpFields, exists), b.getInt32Ty()));
  Value *missing = b.CreateAnd(wanted, b.CreateNot(active));
  auto *check = b.GetInsertBlock();
  auto *wait = BasicBlock::Create(b.getContext(), "wait", code);
  auto *go = BasicBlock::Create(b.getContext(), "go", code);
  b.CreateCondBr(b.CreateIsNull(missing), go, wait);
  b.SetInsertPoint(wait);
  storeValue(0, members);
  Site *here = site(instruction);
  here->operation = isBarrier(instruction) ? 'b' : 'w';
  Value *left = callHelper("ptxsim.meet", here, {active, b.getInt32(index)}, true);
  auto *waitEnd = b.GetInsertBlock();
  b.CreateCondBr(b.CreateIsNull(left), dispatch, go);
  b.SetInsertPoint(go);
  PHINode *met = b.CreatePHI(b.getInt32Ty(), 2);
  met->addIncoming(active, check);
  met->addIncoming(left, waitEnd);
  active = met;
}

bool Emitter::emitInstruction(const ptxsim::Instruction &current) {
  instruction = &current;
  guard = nullptr;
  if (current.guard >= 0) {
    guard = readRegister(current.guard);
    if (current.isGuardNegated)
      guard = b.CreateNot(guard);
  }
  failure.clear();
  if (!current.info->emit(*this, current))
    return fail(current, failure.empty() ? "operands or types that are not known" : failure);
  return failure.empty() || fail(current, failure);
}

void Emitter::flush() {
  BitVector stored = dirty;
  stored &= liveOut[current];
  Value *lanes = nullptr;
  for (unsigned reg : stored.set_bits()) {
    Value *value = values[reg], *slot = frameSlot(reg);
    if (registerBits(reg) == 1) {
      Value *old = b.CreateLoad(b.getInt32Ty(), slot);
      Value *kept = b.CreateAnd(old, b.CreateNot(active));
      b.CreateStore(b.CreateOr(kept, b.CreateAnd(toBits(value), active)), slot);
      continue;
    }
    if (!lanes)
      lanes = toLanes(active);
    if (registerBits(reg) >= 32) {
      b.CreateMaskedStore(value, slot, Align(64), lanes);
      continue;
    }
    Value *old = b.CreateAlignedLoad(value->getType(), slot, Align(64));
    b.CreateAlignedStore(b.CreateSelect(lanes, value, old), slot, Align(64));
  }
  dirty.reset();
}

void Emitter::goToDispatch() { b.CreateBr(dispatch); }

void Emitter::jump(int target) {
  flush();
  auto *direct = blocks[target].code;
  auto *slow = BasicBlock::Create(b.getContext(), "slow", code);
  Value *place = field(offsetof(WarpFields, fuel));
  Value *fuel = b.CreateSub(b.CreateLoad(b.getInt32Ty(), place), b.getInt32(1));
  b.CreateStore(fuel, place);
  Value *isLeast = b.CreateICmpULT(b.getInt32(target), loadField(offsetof(WarpFields, minOther), b.getInt32Ty()));
  b.CreateCondBr(b.CreateAnd(isLeast, b.CreateICmpSGT(fuel, b.getInt32(0))), direct, slow);
  b.SetInsertPoint(slow);
  callHelper("ptxsim.stand", nullptr, {active, b.getInt32(target)});
  b.CreateBr(dispatch);
}

void Emitter::branch(Value *taken, int target, int next) {
  flush();
  Value *bits = b.CreateAnd(toBits(taken), active);
  auto *all = BasicBlock::Create(b.getContext(), "all", code);
  auto *notAll = BasicBlock::Create(b.getContext(), "notAll", code);
  auto *none = BasicBlock::Create(b.getContext(), "none", code);
  auto *some = BasicBlock::Create(b.getContext(), "some", code);
  b.CreateCondBr(b.CreateICmpEQ(bits, active), all, notAll);
  b.SetInsertPoint(all);
  jump(target);
  b.SetInsertPoint(notAll);
  b.CreateCondBr(b.CreateIsNull(bits), none, some);
  b.SetInsertPoint(none);
  jump(next);
  b.SetInsertPoint(some);
  callHelper("ptxsim.stand", nullptr, {bits, b.getInt32(target)});
  callHelper("ptxsim.stand", nullptr, {b.CreateAnd(active, b.CreateNot(bits)), b.getInt32(next)});
  b.CreateBr(dispatch);
}

void Emitter::exitLanes(Value *bits) {
  flush();
  if (current + 1 < static_cast<int>(blocks.size()))
    callHelper("ptxsim.stand", nullptr, {b.CreateAnd(active, b.CreateNot(bits)), b.getInt32(current + 1)});
  callHelper("ptxsim.exit", nullptr, {bits});
  b.CreateBr(dispatch);
}

} // namespace ptxsim
