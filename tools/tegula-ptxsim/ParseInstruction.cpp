//===- ParseInstruction.cpp - what is between a function's braces -------------===//
#include "Instructions.h"
#include "Parser.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"

using llvm::StringRef;
using llvm::Twine;

namespace ptxsim {

int Parser::addRegister(StringRef name, Type type) {
  int index = static_cast<int>(function->registers.size());
  function->registers.push_back({name.str(), type});
  scopes.back().registers[name.str()] = index;
  return index;
}

int Parser::findRegister(StringRef name) const {
  std::string key = name.str();
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    auto found = scope->registers.find(key);
    if (found != scope->registers.end())
      return found->second;
  }
  return -1;
}

std::string Parser::findVariable(StringRef name) const {
  std::string key = name.str();
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    auto found = scope->variables.find(key);
    if (found != scope->variables.end())
      return found->second;
  }
  return key;
}

bool Parser::closeScope() {
  Scope closed = std::move(scopes.back());
  scopes.pop_back();
  for (LabelUse &use : closed.uses) {
    auto found = closed.labels.find(use.label);
    if (found == closed.labels.end()) {
      if (scopes.empty()) {
        error = "line " + std::to_string(use.line) + ": unknown label or name '" + use.label + "'";
        return false;
      }
      scopes.back().uses.push_back(use);
    } else if (use.instruction < 0) {
      function->branchTargets[use.list][use.operand] = found->second;
    } else {
      function->instructions[use.instruction].operands[use.operand].target = found->second;
    }
  }
  return true;
}

bool Parser::parseBody() {
  scopes.emplace_back();
  if (!expect("{"))
    return false;
  size_t outermost = scopes.size();
  for (;;) {
    if (lexer.peek().kind == Token::End)
      return fail("the function has no end");
    if (accept("{")) {
      scopes.emplace_back();
    } else if (accept("}")) {
      bool isLast = scopes.size() == outermost;
      if (!closeScope())
        return false;
      if (isLast)
        return closeScope();
    } else if (!parseStatement()) {
      return false;
    }
  }
}

bool Parser::parseStatement() {
  if (accept(";"))
    return true;
  if (accept(".reg"))
    return parseRegisters();
  if (accept(".shared"))
    return parseVariables(Space::Shared, false, function->variables);
  if (accept(".local"))
    return parseVariables(Space::Local, false, function->variables);
  if (accept(".param"))
    return parseVariables(Space::Param, false, function->variables);
  if (accept(".const"))
    return parseVariables(Space::Const, false, text.variables);
  if (accept(".global"))
    return parseVariables(Space::Global, false, text.variables);
  if (lexer.peek().is(".loc") || lexer.peek().is(".file") || lexer.peek().is(".pragma")) {
    lexer.skipLine();
    return true;
  }
  if (lexer.peek().is(".extern")) {
    lexer.take();
    return expect(".shared") && parseVariables(Space::Shared, true, function->variables);
  }
  return parseLabelOrInstruction();
}

bool Parser::parseRegisters() {
  Type type;
  unsigned vector;
  uint64_t align;
  if (!parseType(type, vector, align))
    return false;
  if (vector != 1)
    return fail("vector registers are not known");
  do {
    if (lexer.peek().kind != Token::Word)
      return fail("expected a register's name before '" + lexer.peek().text + "'");
    StringRef name = lexer.take().text;
    if (!accept("<")) {
      addRegister(name, type);
      continue;
    }
    int64_t count;
    if (!integer(count) || !expect(">"))
      return false;
    if (count < 0 || count > 1000000)
      return fail("too many registers");
    for (int64_t i = 0; i < count; ++i)
      addRegister((name + Twine(i)).str(), type);
  } while (accept(","));
  return expect(";");
}

bool Parser::parseBranchTargets(const std::string &label) {
  std::vector<int> &targets = function->branchTargets[label];
  do {
    if (lexer.peek().kind != Token::Word)
      return fail("expected a label");
    scopes.back().uses.push_back(
        {-1, static_cast<int>(targets.size()), label, lexer.peek().text.str(), lexer.peek().line});
    lexer.take();
    targets.push_back(-1);
  } while (accept(","));
  return expect(";");
}

bool Parser::parseLabelOrInstruction() {
  const Token &token = lexer.peek();
  if (!token.is("@") && token.kind != Token::Word)
    return fail("unexpected '" + token.text + "'");
  if (token.is("@"))
    return parseInstruction();
  // A label is a word before a colon; the mnemonic of an instruction never is.
  Lexer ahead = lexer;
  ahead.take();
  if (!ahead.peek().is(":"))
    return parseInstruction();
  std::string label = lexer.take().text.str();
  lexer.take();
  if (accept(".branchtargets"))
    return parseBranchTargets(label);
  if (lexer.peek().is(".callprototype") || lexer.peek().is(".calltargets")) {
    while (!accept(";") && lexer.peek().kind != Token::End)
      lexer.take();
    return true;
  }
  if (!scopes.back().labels.insert({label, static_cast<int>(function->instructions.size())}).second)
    return fail("the label '" + label + "' is there twice");
  return true;
}

bool Parser::parseInstruction() {
  Instruction instruction;
  instruction.line = lexer.peek().line;
  if (accept("@")) {
    instruction.isGuardNegated = accept("!");
    instruction.guard = findRegister(lexer.peek().text);
    if (instruction.guard < 0 || function->registers[instruction.guard].type.kind != Type::Pred)
      return fail("'" + lexer.peek().text + "' is no predicate");
    lexer.take();
  }
  if (lexer.peek().kind != Token::Word)
    return fail("expected an instruction before '" + lexer.peek().text + "'");
  StringRef mnemonic = lexer.peek().text;
  instruction.line = lexer.peek().line;
  std::string what;
  if (!lookUp(mnemonic, instruction, what))
    return fail(what);
  if (instruction.info->version > text.version)
    return fail("'" + mnemonic + "' needs PTX " + Twine(instruction.info->version / 10) + "." +
                Twine(instruction.info->version % 10));
  if (instruction.info->sm > text.sm)
    return fail("'" + mnemonic + "' needs sm_" + Twine(instruction.info->sm));
  lexer.take();
  bool isBranch = instruction.info->name == "bra";
  while (!lexer.peek().is(";")) {
    Operand operand;
    if (!parseOperand(operand, isBranch))
      return false;
    if (operand.kind == Operand::Label) {
      int index = static_cast<int>(instruction.operands.size());
      scopes.back().uses.push_back(
          {static_cast<int>(function->instructions.size()), index, "", operand.symbol, lexer.peek().line});
    }
    instruction.operands.push_back(std::move(operand));
    if (lexer.peek().is(";"))
      break;
    if (!expect(","))
      return false;
    if (lexer.peek().is(";"))
      return fail("expected an operand before ';'");
  }
  lexer.take();
  function->instructions.push_back(std::move(instruction));
  return true;
}

bool Parser::parseList(Operand &operand, StringRef close) {
  operand.kind = Operand::Vector;
  while (!accept(close)) {
    Operand element;
    if (!parseOperand(element, false))
      return false;
    operand.elements.push_back(std::move(element));
    if (!lexer.peek().is(close) && !expect(","))
      return false;
  }
  return true;
}

static bool isSpecialName(StringRef name) {
  StringRef base = name.split('.').first;
  return llvm::StringSwitch<bool>(base)
      .Cases({"%tid", "%ntid", "%ctaid", "%nctaid", "%laneid", "%warpid", "%nwarpid", "%smid"}, true)
      .Cases({"%nsmid", "%gridid", "%clock", "%clock_hi", "%clock64", "%globaltimer"}, true)
      .Cases({"%globaltimer_lo", "%globaltimer_hi", "%dynamic_smem_size", "%total_smem_size"}, true)
      .Cases({"%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"}, true)
      .Cases({"%clusterid", "%nclusterid", "%cluster_ctaid", "%cluster_nctaid", "%cluster_ctarank"}, true)
      .Cases({"%cluster_nctarank", "%is_explicit_cluster", "WARP_SZ", "%aggr_smem_size"}, true)
      .Default(false);
}

bool Parser::parseNamed(Operand &operand) {
  StringRef name = lexer.take().text;
  operand.reg = findRegister(name);
  if (operand.reg >= 0) {
    operand.kind = Operand::Register;
    if (accept("|")) {
      operand.pair = lexer.peek().is("_") ? -1 : findRegister(lexer.peek().text);
      if (operand.pair < 0 && !lexer.peek().is("_"))
        return fail("unknown register '" + lexer.peek().text + "'");
      lexer.take();
    }
    return true;
  }
  if (isSpecialName(name)) {
    operand.kind = Operand::Special;
    operand.symbol = name.str();
    return true;
  }
  if (name.starts_with("%"))
    return fail("unknown register '" + name + "'");
  operand.kind = Operand::Symbol;
  operand.symbol = findVariable(name);
  int64_t offset = 0;
  if (accept("+")) {
    if (!integer(offset))
      return false;
  } else if (lexer.peek().is("-") && !integer(offset)) {
    return false;
  }
  operand.value = offset;
  return true;
}

bool Parser::parseAddress(Operand &operand) {
  operand.kind = Operand::Address;
  const Token &token = lexer.peek();
  if (token.kind == Token::Integer) {
    operand.value = static_cast<int64_t>(lexer.take().bits);
    return expect("]");
  }
  Operand base;
  if (token.kind != Token::Word || !parseNamed(base))
    return error.empty() ? fail("expected an address before '" + token.text + "'") : false;
  if (base.kind != Operand::Register && base.kind != Operand::Symbol)
    return fail("bad address");
  operand.reg = base.reg;
  operand.symbol = base.symbol;
  operand.value = base.value;
  while (lexer.peek().is("+") || lexer.peek().is("-")) {
    accept("+");
    int64_t offset;
    if (!integer(offset))
      return false;
    operand.value += offset;
  }
  return expect("]");
}

bool Parser::parseOperand(Operand &operand, bool isBranch) {
  if (accept("{"))
    return parseList(operand, "}");
  if (accept("("))
    return parseList(operand, ")");
  if (accept("["))
    return parseAddress(operand);
  if (accept("!")) {
    operand.isNegated = true;
    return parseNamed(operand);
  }
  if (accept("~"))
    return fail("constant expressions are not known");
  const Token &token = lexer.peek();
  if (token.kind == Token::Word && token.text == "_") {
    lexer.take();
    operand.kind = Operand::Sink;
    if (accept("|")) {
      operand.pair = findRegister(lexer.peek().text);
      if (operand.pair < 0)
        return fail("unknown register '" + lexer.peek().text + "'");
      lexer.take();
    }
    return true;
  }
  if (token.kind == Token::Word) {
    if (!parseNamed(operand))
      return false;
    if (isBranch && operand.kind == Operand::Symbol)
      operand.kind = Operand::Label;
    return true;
  }
  uint64_t value;
  bool isFloat, isSingle;
  if (!constant(value, nullptr, nullptr, &isFloat, &isSingle))
    return false;
  operand.kind = isFloat ? Operand::Float : Operand::Integer;
  operand.isSingle = isSingle;
  operand.value = static_cast<int64_t>(value);
  return true;
}

} // namespace ptxsim
