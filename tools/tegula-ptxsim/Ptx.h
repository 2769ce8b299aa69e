//===- Ptx.h - a PTX text as plain structs ------------------------------------===//
//
// What the parser makes and the translator reads. Names are resolved as far as scopes go: registers are indices,
// variables of a function have names that are unique in it ("param0#3"), labels are indices of instructions.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_PTX_H
#define TEGULA_TOOLS_PTXSIM_PTX_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ptxsim {

struct Type {
  enum Kind : uint8_t { None, Pred, Bits, Signed, Unsigned, Float, BFloat, TFloat, E4M3, E5M2 };
  Kind kind = None;
  uint8_t lanes = 1; ///< 2 for f16x2 and the like
  uint16_t bits = 0; ///< of one lane
  unsigned totalBits() const { return bits * lanes; }
  bool isFloat() const { return kind == Float || kind == BFloat; }
  bool isSigned() const { return kind == Signed; }
  bool operator==(const Type &o) const { return kind == o.kind && lanes == o.lanes && bits == o.bits; }
  /// False if `text` ("s32", "f16x2") is no type.
  static bool parse(llvm::StringRef text, Type &type);
};

enum class Space : uint8_t { Generic, Global, Const, Shared, Local, Param };

struct Operand {
  enum Kind : uint8_t { Register, Integer, Float, Symbol, Address, Vector, Special, Sink, Label };
  Kind kind = Sink;
  bool isNegated = false; ///< !%p
  bool isSingle = false;  ///< Float: `value` holds the bits of an f32, else of an f64
  int reg = -1;           ///< Register; Address: the base, if it is a register
  int pair = -1;          ///< the q of a destination p|q
  int64_t value = 0;      ///< Integer, Float; Address and Symbol: the offset
  int target = -1;        ///< Label
  std::string symbol;     ///< Symbol, Address, Special, Label
  std::vector<Operand> elements;
};

struct InstructionInfo;

struct Instruction {
  const InstructionInfo *info = nullptr;
  std::string text; ///< the mnemonic as written
  unsigned line = 0;
  int guard = -1;
  bool isGuardNegated = false;
  Space space = Space::Generic;
  llvm::SmallVector<llvm::StringRef, 6> modifiers; ///< point into the PTX text
  llvm::SmallVector<Type, 4> types;
  std::vector<Operand> operands;
  bool has(llvm::StringRef modifier) const {
    for (llvm::StringRef m : modifiers)
      if (m == modifier)
        return true;
    return false;
  }
};

/// A number in an initialiser that is the address of a symbol.
struct Relocation {
  uint64_t offset;
  std::string symbol;
  int64_t addend;
  bool isGeneric;
  unsigned bytes;
};

struct Variable {
  std::string name;
  Space space = Space::Generic;
  uint64_t align = 1, bytes = 0;
  unsigned line = 0;
  bool isExtern = false;
  std::vector<char> initialiser; ///< empty: none
  std::vector<Relocation> relocations;
};

struct Register {
  std::string name;
  Type type;
};

struct Function {
  std::string name;
  unsigned line = 0;
  bool isEntry = false, hasBody = false;
  std::vector<Variable> parameters, results;            ///< Space::Param, or Generic for those in registers
  std::vector<int> parameterRegisters, resultRegisters; ///< -1 for those in .param
  std::vector<Register> registers;
  std::vector<Variable> variables;
  std::vector<Instruction> instructions;
  std::map<std::string, std::vector<int>> branchTargets; ///< of .branchtargets, by label
  uint32_t maxThreads = 0;
};

struct Text {
  unsigned version = 0 /* 78 for 7.8 */, sm = 0, addressSize = 64;
  std::vector<Variable> variables;
  std::vector<Function> functions;
  const Function *find(llvm::StringRef name) const;
};

/// False with "line N: ..." in `error`. `ptx` must outlive `text`.
bool parse(llvm::StringRef ptx, Text &text, std::string &error);

/// `kernel` with all calls replaced by the bodies of what they call.
bool expandCalls(const Text &text, const Function &kernel, Function &expanded, std::string &error);

/// Whether lanes may go elsewhere after an instruction.
bool endsBlock(const Instruction &instruction);

} // namespace ptxsim

#endif
