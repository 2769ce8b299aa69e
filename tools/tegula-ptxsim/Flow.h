//===- Flow.h - what instructions read, write and where they go on ------------===//
#ifndef TEGULA_TOOLS_PTXSIM_FLOW_H
#define TEGULA_TOOLS_PTXSIM_FLOW_H

#include "Ptx.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace ptxsim {

/// Instructions at which lanes wait for others of the warp: they begin a block.
bool waitsForLanes(const Instruction &instruction);
/// Which operand is the member mask; -1 if all lanes are meant.
int memberMaskOperand(const Instruction &instruction);
bool isMemoryAccess(const Instruction &instruction);
bool isBarrier(const Instruction &instruction);
/// Whether lanes can go on with the next instruction.
bool fallsThrough(const Instruction &instruction);
void forEachRegister(const Function &function, const Instruction &instruction,
                     llvm::function_ref<void(int reg, bool isDefined)> visit);
void forEachTarget(const Function &function, const Instruction &instruction, llvm::function_ref<void(int)> visit);

} // namespace ptxsim

#endif
