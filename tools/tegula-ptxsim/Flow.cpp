//===- Flow.cpp - what instructions read, write and where they go on ----------===//
#include "Flow.h"
#include "Instructions.h"
#include "llvm/ADT/StringSwitch.h"

using llvm::StringRef;

namespace ptxsim {

bool isBarrier(const Instruction &instruction) {
  StringRef name = instruction.info->name;
  return (name.starts_with("bar") && name != "bar.warp.sync" && name != "barrier.result");
}

bool waitsForLanes(const Instruction &instruction) {
  StringRef name = instruction.info->name;
  if (name.starts_with("bar."))
    return true;
  if (isBarrier(instruction))
    return name == "bar" || instruction.has("aligned");
  return llvm::StringSwitch<bool>(name)
      .Cases({"shfl.sync", "vote.sync", "redux.sync", "elect.sync", "match"}, true)
      .Cases({"mma.sync", "ldmatrix", "stmatrix", "movmatrix", "wmma.load", "wmma.store", "wmma.mma"}, true)
      .Default(false);
}

int memberMaskOperand(const Instruction &instruction) {
  StringRef name = instruction.info->name;
  if (name == "bar.warp.sync")
    return 0;
  if (name == "elect.sync")
    return 1;
  if (name == "shfl.sync" || name == "vote.sync" || name == "redux.sync" || name == "match")
    return static_cast<int>(instruction.operands.size()) - 1;
  return -1;
}

bool isMemoryAccess(const Instruction &instruction) {
  return llvm::StringSwitch<bool>(instruction.info->name)
             .Cases({"ld", "st", "atom", "red", "cp.async"}, true)
             .Default(false) &&
         instruction.space != Space::Param && instruction.space != Space::Local;
}

bool endsBlock(const Instruction &instruction) {
  return isBarrier(instruction) || llvm::StringSwitch<bool>(instruction.info->name)
                                       .Cases({"bra", "brx.idx", "ret", "exit", "trap"}, true)
                                       .Default(false);
}

bool fallsThrough(const Instruction &instruction) {
  if (instruction.guard >= 0)
    return true;
  return !llvm::StringSwitch<bool>(instruction.info->name)
              .Cases({"bra", "brx.idx", "ret", "exit", "trap"}, true)
              .Default(false);
}

static bool hasDestination(const Instruction &instruction) {
  StringRef name = instruction.info->name;
  if (isBarrier(instruction) || name.starts_with("cp.async"))
    return false;
  return !llvm::StringSwitch<bool>(name)
              .Cases({"st", "red", "bra", "brx.idx", "call", "ret", "exit", "trap", "brkpt"}, true)
              .Cases({"bar.warp.sync", "membar", "fence", "stmatrix", "wmma.store", "nanosleep"}, true)
              .Cases({"prefetch", "prefetchu", "discard", "applypriority", "pmevent", "setmaxnreg"}, true)
              .Default(false);
}

static void visitOperand(const Operand &operand, bool isDefined, llvm::function_ref<void(int, bool)> visit) {
  if (operand.kind == Operand::Vector) {
    for (const Operand &element : operand.elements)
      visitOperand(element, isDefined, visit);
    return;
  }
  if (operand.reg >= 0)
    visit(operand.reg, isDefined && operand.kind == Operand::Register);
  if (operand.pair >= 0)
    visit(operand.pair, isDefined);
}

void forEachRegister(const Function &function, const Instruction &instruction,
                     llvm::function_ref<void(int, bool)> visit) {
  if (instruction.guard >= 0)
    visit(instruction.guard, false);
  bool hasFirst = hasDestination(instruction);
  for (size_t i = 0; i < instruction.operands.size(); ++i)
    visitOperand(instruction.operands[i], hasFirst && i == 0, visit);
  int carry = static_cast<int>(function.registers.size()) - 1;
  StringRef name = instruction.info->name;
  if (name == "addc" || name == "subc" || name == "madc")
    visit(carry, false);
  if (instruction.has("cc"))
    visit(carry, true);
}

void forEachTarget(const Function &function, const Instruction &instruction, llvm::function_ref<void(int)> visit) {
  for (const Operand &operand : instruction.operands) {
    if (operand.kind == Operand::Label)
      visit(operand.target);
    if (instruction.info->name == "brx.idx" && operand.kind == Operand::Symbol) {
      auto found = function.branchTargets.find(operand.symbol);
      if (found != function.branchTargets.end())
        for (int target : found->second)
          visit(target);
    }
  }
}

} // namespace ptxsim
