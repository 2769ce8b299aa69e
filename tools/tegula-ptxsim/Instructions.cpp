//===- Instructions.cpp - the table of instructions ---------------------------===//
#include "Instructions.h"
#include "Emit.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

using llvm::SmallVector;
using llvm::StringRef;

namespace ptxsim {

#define PTX(NAME, EMIT, TYPES, MODIFIERS, SM, VERSION, MEANING) bool EMIT(Emitter &, const Instruction &);
#include "Instructions.def"

static const InstructionInfo table[] = {
#define PTX(NAME, EMIT, TYPES, MODIFIERS, SM, VERSION, MEANING) {NAME, TYPES, MODIFIERS, SM, VERSION, EMIT, MEANING},
#include "Instructions.def"
};

bool Type::parse(StringRef text, Type &type) {
  type = llvm::StringSwitch<Type>(text)
             .Case("pred", {Pred, 1, 1})
             .Case("b8", {Bits, 1, 8})
             .Case("b16", {Bits, 1, 16})
             .Case("b32", {Bits, 1, 32})
             .Case("b64", {Bits, 1, 64})
             .Case("b128", {Bits, 1, 128})
             .Case("b8x2", {Bits, 2, 8})
             .Case("b1", {Bits, 1, 1})
             .Case("s4", {Signed, 1, 4})
             .Case("u4", {Unsigned, 1, 4})
             .Case("s8", {Signed, 1, 8})
             .Case("s16", {Signed, 1, 16})
             .Case("s32", {Signed, 1, 32})
             .Case("s64", {Signed, 1, 64})
             .Case("u8", {Unsigned, 1, 8})
             .Case("u16", {Unsigned, 1, 16})
             .Case("u32", {Unsigned, 1, 32})
             .Case("u64", {Unsigned, 1, 64})
             .Case("u16x2", {Unsigned, 2, 16})
             .Case("s16x2", {Signed, 2, 16})
             .Case("f16", {Float, 1, 16})
             .Case("f16x2", {Float, 2, 16})
             .Case("f32", {Float, 1, 32})
             .Case("f32x2", {Float, 2, 32})
             .Case("f64", {Float, 1, 64})
             .Case("bf16", {BFloat, 1, 16})
             .Case("bf16x2", {BFloat, 2, 16})
             .Case("tf32", {TFloat, 1, 32})
             .Case("e4m3", {E4M3, 1, 8})
             .Case("e5m2", {E5M2, 1, 8})
             .Case("e4m3x2", {E4M3, 2, 8})
             .Case("e5m2x2", {E5M2, 2, 8})
             .Default({});
  return type.kind != None;
}

static bool contains(StringRef list, StringRef word) {
  SmallVector<StringRef, 32> words;
  list.split(words, ' ', -1, false);
  return llvm::is_contained(words, word);
}

/// The entry whose name is the longest dotted prefix of the mnemonic.
static const InstructionInfo *longestPrefix(StringRef text) {
  const InstructionInfo *best = nullptr;
  for (const InstructionInfo &info : table) {
    bool isPrefix = text == info.name || (text.starts_with(info.name) && text[info.name.size()] == '.');
    if (isPrefix && (!best || info.name.size() > best->name.size()))
      best = &info;
  }
  return best;
}

bool lookUp(StringRef text, Instruction &instruction, std::string &error) {
  const InstructionInfo *info = longestPrefix(text);
  if (!info) {
    error = "unknown instruction '" + text.str() + "'";
    return false;
  }
  instruction.info = info;
  instruction.text = text.str();
  SmallVector<StringRef, 8> parts;
  text.drop_front(info->name.size()).split(parts, '.', -1, false);
  for (StringRef part : parts) {
    Type type;
    if (Type::parse(part, type)) {
      if (!contains(info->types, part)) {
        error = "'" + info->name.str() + "' does not take the type ." + part.str();
        return false;
      }
      instruction.types.push_back(type);
      continue;
    }
    if (!contains(info->modifiers, part)) {
      error = "'" + info->name.str() + "' does not take the modifier ." + part.str();
      return false;
    }
    instruction.modifiers.push_back(part);
    Space space = llvm::StringSwitch<Space>(part)
                      .Case("global", Space::Global)
                      .Case("const", Space::Const)
                      .Cases({"shared", "shared::cta", "shared::cluster"}, Space::Shared)
                      .Case("local", Space::Local)
                      .Cases({"param", "param::entry", "param::func"}, Space::Param)
                      .Default(Space::Generic);
    if (space != Space::Generic && instruction.space == Space::Generic)
      instruction.space = space;
  }
  return true;
}

std::string instructionTable() {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "| instruction | types | modifiers | sm | PTX | meaning |\n|---|---|---|---|---|---|\n";
  for (const InstructionInfo &info : table)
    out << "| `" << info.name << "` | " << info.types << " | " << info.modifiers << " | " << info.sm << " | "
        << info.version / 10 << "." << info.version % 10 << " | " << info.meaning << " |\n";
  return text;
}

} // namespace ptxsim
