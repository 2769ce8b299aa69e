//===- Parser.cpp - the text, its functions and variables ---------------------===//
#include "Parser.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using llvm::StringRef;
using llvm::Twine;

namespace ptxsim {

const Function *Text::find(StringRef name) const {
  const Function *found = nullptr;
  for (const Function &f : functions)
    if (f.name == name && (!found || f.hasBody))
      found = &f;
  return found;
}

bool parse(StringRef ptx, Text &text, std::string &error) { return Parser(ptx, text, error).parseText(); }

bool Parser::fail(const Twine &what) {
  error = ("line " + Twine(lexer.peek().line) + ": " + what).str();
  return false;
}

bool Parser::expect(StringRef punctuation) {
  if (!lexer.peek().is(punctuation))
    return fail("expected '" + punctuation + "' before '" + lexer.peek().text + "'");
  lexer.take();
  return true;
}

bool Parser::accept(StringRef punctuation) {
  if (!lexer.peek().is(punctuation))
    return false;
  lexer.take();
  return true;
}

bool Parser::integer(int64_t &value) {
  bool isNegative = accept("-");
  if (lexer.peek().kind != Token::Integer)
    return fail("expected a number before '" + lexer.peek().text + "'");
  value = static_cast<int64_t>(lexer.take().bits);
  if (isNegative)
    value = -value;
  return true;
}

bool Parser::parseTarget() {
  do {
    StringRef name = lexer.peek().text;
    if (name.consume_front("sm_")) {
      unsigned sm = 0;
      if (name.consumeInteger(10, sm))
        return fail("bad target");
      text.sm = sm;
    } else if (name != "debug" && name != "texmode_independent" && name != "texmode_unified") {
      return fail("unknown target '" + name + "'");
    }
    lexer.take();
  } while (accept(","));
  return true;
}

bool Parser::skipSection() {
  // Debug sections: a name and a block of numbers.
  while (lexer.peek().kind != Token::End && !lexer.peek().is("{"))
    lexer.take();
  int depth = 0;
  do {
    if (lexer.peek().kind == Token::End)
      return fail("unfinished section");
    depth += lexer.peek().is("{") - lexer.peek().is("}");
    lexer.take();
  } while (depth > 0);
  return true;
}

bool Parser::parseLinkage(bool &isExtern) {
  isExtern = false;
  for (;;) {
    if (accept(".extern"))
      isExtern = true;
    else if (!accept(".visible") && !accept(".weak") && !accept(".common"))
      return true;
  }
}

bool Parser::parseText() {
  while (lexer.peek().kind != Token::End) {
    bool isExtern;
    parseLinkage(isExtern);
    if (accept(".version")) {
      StringRef version = lexer.peek().text;
      unsigned major = 0, minor = 0;
      if (version.consumeInteger(10, major) || !version.consume_front(".") || version.consumeInteger(10, minor))
        return fail("bad version");
      text.version = major * 10 + minor;
      lexer.take();
    } else if (accept(".target")) {
      if (!parseTarget())
        return false;
    } else if (accept(".address_size")) {
      int64_t size;
      if (!integer(size))
        return false;
      text.addressSize = size;
      if (size != 64)
        return fail("only 64-bit addresses are known");
    } else if (lexer.peek().is(".entry") || lexer.peek().is(".func")) {
      if (!parseFunction(isExtern))
        return false;
    } else if (accept(".global")) {
      if (!parseVariables(Space::Global, isExtern, text.variables))
        return false;
    } else if (accept(".const")) {
      if (!parseVariables(Space::Const, isExtern, text.variables))
        return false;
    } else if (accept(".shared")) {
      if (!parseVariables(Space::Shared, isExtern, text.variables))
        return false;
    } else if (lexer.peek().is(".file") || lexer.peek().is(".loc") || lexer.peek().is(".pragma")) {
      lexer.skipLine();
    } else if (lexer.peek().is(".section")) {
      if (!skipSection())
        return false;
    } else if (!accept(";")) {
      return fail("unexpected '" + lexer.peek().text + "'");
    }
  }
  if (!text.version || !text.sm)
    return fail("no .version or no .target");
  return true;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

bool Parser::parseParameterList(std::vector<Variable> &variables, std::vector<int> &registers) {
  if (!expect("("))
    return false;
  while (!accept(")")) {
    if (accept(".reg")) {
      Type type;
      if (!Type::parse(lexer.peek().text.drop_front(), type))
        return fail("unknown type '" + lexer.peek().text + "'");
      lexer.take();
      Variable variable;
      variable.name = lexer.peek().text.str();
      variable.bytes = type.totalBits() / 8;
      variables.push_back(variable);
      registers.push_back(addRegister(lexer.take().text, type));
    } else {
      size_t before = variables.size();
      if (!expect(".param") || !parseVariables(Space::Param, false, variables))
        return false;
      registers.resize(registers.size() + variables.size() - before, -1);
    }
    if (!lexer.peek().is(")") && !expect(","))
      return false;
  }
  return true;
}

bool Parser::parseFunctionDirectives() {
  for (;;) {
    StringRef name = lexer.peek().text;
    bool isMax = name == ".maxntid" || name == ".reqntid";
    if (isMax || name == ".minnctapersm" || name == ".maxnreg" || name == ".maxnctapersm" ||
        name == ".reqnctapercluster" || name == ".maxclusterrank") {
      lexer.take();
      uint32_t product = 1;
      do {
        int64_t value;
        if (!integer(value))
          return false;
        product *= value;
      } while (accept(","));
      if (isMax)
        function->maxThreads = product;
    } else if (name == ".noreturn" || name == ".explicitcluster" || name == ".abi_preserve" ||
               name == ".blocksareclusters") {
      lexer.take();
    } else if (name == ".pragma") {
      lexer.take();
      lexer.take();
      if (!expect(";"))
        return false;
    } else {
      return true;
    }
  }
}

bool Parser::parseFunction(bool isExtern) {
  Function parsed;
  function = &parsed;
  parsed.line = lexer.peek().line;
  parsed.isEntry = lexer.take().text == ".entry";
  scopes.assign(1, Scope());
  if (!parsed.isEntry && lexer.peek().is("(") && !parseParameterList(parsed.results, parsed.resultRegisters))
    return false;
  if (lexer.peek().kind != Token::Word)
    return fail("expected a function's name");
  parsed.name = lexer.take().text.str();
  if (lexer.peek().is("(") && !parseParameterList(parsed.parameters, parsed.parameterRegisters))
    return false;
  if (!parseFunctionDirectives())
    return false;
  if (!accept(";")) {
    if (isExtern)
      return fail("an external function has no body");
    parsed.hasBody = true;
    if (!parseBody())
      return false;
  }
  function = nullptr;
  text.functions.push_back(std::move(parsed));
  return true;
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

bool Parser::parseType(Type &type, unsigned &vector, uint64_t &align) {
  vector = 1;
  align = 0;
  type = Type();
  bool isPointee = false;
  for (;;) {
    StringRef word = lexer.peek().text;
    if (accept(".align")) {
      int64_t value;
      if (!integer(value))
        return false;
      if (value < 1 || !llvm::isPowerOf2_64(value))
        return fail("bad alignment");
      // After .ptr it is what a pointer parameter points to that is aligned.
      if (!isPointee)
        align = value;
    } else if (accept(".v2")) {
      vector = 2;
    } else if (accept(".v4")) {
      vector = 4;
    } else if (accept(".ptr")) {
      isPointee = true;
      accept(".global") || accept(".shared") || accept(".const") || accept(".local");
    } else if (accept(".attribute")) {
      if (accept("("))
        while (!accept(")") && lexer.peek().kind != Token::End)
          lexer.take();
    } else if (lexer.peek().kind == Token::Directive) {
      if (!Type::parse(word.drop_front(), type))
        return fail("unknown type '" + word + "'");
      lexer.take();
    } else {
      break;
    }
  }
  if (type.kind == Type::None)
    return fail("expected a type before '" + lexer.peek().text + "'");
  return true;
}

bool Parser::parseDimensions(Variable &variable, uint64_t elementBytes, bool &isOpen) {
  isOpen = false;
  variable.bytes = elementBytes;
  while (accept("[")) {
    if (accept("]")) {
      isOpen = true;
      continue;
    }
    int64_t count;
    if (!integer(count) || !expect("]"))
      return false;
    if (count < 0 || (count && variable.bytes > (uint64_t(1) << 40) / count))
      return fail("the variable is too large");
    variable.bytes *= count;
  }
  if (isOpen)
    variable.bytes = 0;
  return true;
}

bool Parser::constant(uint64_t &value, std::string *symbol, bool *isGeneric, bool *isFloat, bool *isSingle) {
  bool isNegative = accept("-");
  const Token &token = lexer.peek();
  *isFloat = token.kind == Token::Float;
  *isSingle = token.isSingle;
  if (token.kind == Token::Integer || token.kind == Token::Float) {
    value = lexer.take().bits;
    if (isNegative)
      value = *isFloat ? value ^ (*isSingle ? 0x80000000u : uint64_t(1) << 63) : -value;
    return true;
  }
  if (!symbol || token.kind != Token::Word)
    return fail("expected a constant before '" + token.text + "'");
  *isGeneric = token.text == "generic";
  if (*isGeneric) {
    lexer.take();
    if (!expect("("))
      return false;
  }
  *symbol = lexer.take().text.str();
  if (*isGeneric && !expect(")"))
    return false;
  value = 0;
  if (lexer.peek().is("+") || lexer.peek().is("-")) {
    bool isMinus = lexer.take().text == "-";
    int64_t addend;
    if (!integer(addend))
      return false;
    value = isMinus ? -addend : addend;
  }
  return true;
}

/// The bits of a constant as an element of `type`.
static uint64_t convertConstant(uint64_t bits, bool isFloat, bool isSingle, Type type) {
  if (!isFloat)
    return bits;
  double value;
  if (isSingle) {
    uint32_t low = bits;
    float single;
    memcpy(&single, &low, 4);
    value = single;
  } else {
    memcpy(&value, &bits, 8);
  }
  if (type.bits == 32) {
    if (isSingle)
      return bits;
    float single = static_cast<float>(value);
    uint32_t low;
    memcpy(&low, &single, 4);
    return low;
  }
  memcpy(&bits, &value, 8);
  return bits;
}

bool Parser::parseInitialiserList(Variable &variable, Type type, uint64_t &offset) {
  unsigned width = type.totalBits() / 8;
  do {
    if (accept("{")) {
      if (!parseInitialiserList(variable, type, offset) || !expect("}"))
        return false;
      continue;
    }
    if (lexer.peek().is("}"))
      return true;
    Relocation relocation{offset, "", 0, false, width};
    uint64_t value = 0, byteShift = 0;
    bool isFloat, isSingle, isMasked = false;
    if (lexer.peek().kind == Token::Integer && lexer.peek().text.starts_with("0xFF")) {
      // 0xFF00(symbol): one byte of an address.
      uint64_t mask = lexer.take().bits;
      value = mask;
      isFloat = isSingle = false;
      if (accept("(")) {
        isMasked = true;
        byteShift = llvm::countr_zero(mask) / 8;
      }
    }
    if (isMasked || !value) {
      if (!constant(value, &relocation.symbol, &relocation.isGeneric, &isFloat, &isSingle))
        return false;
      if (isMasked && !expect(")"))
        return false;
    }
    if (!relocation.symbol.empty()) {
      relocation.addend = value;
      relocation.bytes = isMasked ? 1 | (byteShift << 8) : width;
      variable.relocations.push_back(relocation);
      value = 0;
    }
    value = convertConstant(value, isFloat, isSingle, type);
    if (variable.initialiser.size() < offset + width)
      variable.initialiser.resize(offset + width);
    memcpy(variable.initialiser.data() + offset, &value, std::min(width, 8u));
    offset += width;
  } while (accept(","));
  return true;
}

bool Parser::parseInitialiser(Variable &variable, Type type, bool isOpen) {
  uint64_t offset = 0;
  if (!parseInitialiserList(variable, type, offset))
    return false;
  if (isOpen)
    variable.bytes = offset;
  if (offset > variable.bytes)
    return fail("too many initial values");
  variable.initialiser.resize(variable.bytes);
  return true;
}

bool Parser::parseVariables(Space space, bool isExtern, std::vector<Variable> &variables) {
  Type type;
  unsigned vector;
  uint64_t align;
  if (!parseType(type, vector, align))
    return false;
  bool isParameter = space == Space::Param && scopes.size() == 1;
  do {
    if (lexer.peek().kind != Token::Word)
      return fail("expected a variable's name before '" + lexer.peek().text + "'");
    Variable variable;
    variable.line = lexer.peek().line;
    variable.space = space;
    variable.isExtern = isExtern;
    StringRef name = lexer.take().text;
    variable.name = name.str();
    bool isOpen;
    uint64_t bytes = uint64_t(vector) * type.totalBits() / 8;
    variable.align = align ? align : bytes;
    if (!parseDimensions(variable, bytes, isOpen))
      return false;
    if (scopes.size() > 1) {
      variable.name += "#" + std::to_string(uniqueNames++);
      scopes.back().variables[name.str()] = variable.name;
    }
    if (accept("=") && !parseInitialiser(variable, type, isOpen))
      return false;
    variables.push_back(std::move(variable));
    if (isParameter)
      return true;
  } while (accept(","));
  return expect(";");
}

} // namespace ptxsim
