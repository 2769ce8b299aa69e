//===- Instructions.h - what the table of instructions says -------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_INSTRUCTIONS_H
#define TEGULA_TOOLS_PTXSIM_INSTRUCTIONS_H

#include "Ptx.h"

namespace ptxsim {

class Emitter;

struct InstructionInfo {
  llvm::StringRef name, types, modifiers;
  unsigned sm, version; ///< the least .target and .version (times ten)
  bool (*emit)(Emitter &, const Instruction &);
  llvm::StringRef meaning;
};

/// Fills info, types, modifiers and space of an instruction from its mnemonic (`text`, which lives in the PTX text).
/// False with a sentence in `error` for what the table does not have.
bool lookUp(llvm::StringRef text, Instruction &instruction, std::string &error);

/// The table as markdown.
std::string instructionTable();

} // namespace ptxsim

#endif
