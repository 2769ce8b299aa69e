//===- Parser.h - PTX text to structs -----------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_PARSER_H
#define TEGULA_TOOLS_PTXSIM_PARSER_H

#include "Lexer.h"
#include "Ptx.h"
#include "llvm/ADT/Twine.h"

namespace ptxsim {

/// Recursive descent. Every function returns false after it has written `error`.
class Parser {
public:
  Parser(llvm::StringRef ptx, Text &text, std::string &error) : lexer(ptx), text(text), error(error) {}
  bool parseText();

private:
  /// One pair of braces: names that are declared in it, and uses of labels that are not resolved yet.
  struct LabelUse {
    int instruction; ///< -1: of a branch target list
    int operand;
    std::string list; ///< name of the list and place in it
    std::string label;
    unsigned line;
  };
  struct Scope {
    std::map<std::string, int> registers, labels;
    std::map<std::string, std::string> variables;
    std::vector<LabelUse> uses;
  };

  bool fail(const llvm::Twine &what);
  bool expect(llvm::StringRef punctuation);
  bool accept(llvm::StringRef punctuation);
  bool integer(int64_t &value);
  bool constant(uint64_t &value, std::string *symbol, bool *isGeneric, bool *isFloat, bool *isSingle);

  // Parser.cpp: the text, functions, variables.
  bool parseTarget();
  bool parseLinkage(bool &isExtern);
  bool skipSection();
  bool parseFunction(bool isExtern);
  bool parseParameterList(std::vector<Variable> &variables, std::vector<int> &registers);
  bool parseFunctionDirectives();
  bool parseVariables(Space space, bool isExtern, std::vector<Variable> &variables);
  bool parseType(Type &type, unsigned &vector, uint64_t &align);
  bool parseDimensions(Variable &variable, uint64_t elementBytes, bool &isOpen);
  bool parseInitialiser(Variable &variable, Type type, bool isOpen);
  bool parseInitialiserList(Variable &variable, Type type, uint64_t &offset);

  // ParseInstruction.cpp: what is between a function's braces.
  bool parseBody();
  bool parseStatement();
  bool parseRegisters();
  bool parseLabelOrInstruction();
  bool parseBranchTargets(const std::string &label);
  bool parseInstruction();
  bool parseOperand(Operand &operand, bool isBranch);
  bool parseNamed(Operand &operand);
  bool parseAddress(Operand &operand);
  bool parseList(Operand &operand, llvm::StringRef close);
  bool closeScope();
  int findRegister(llvm::StringRef name) const;
  std::string findVariable(llvm::StringRef name) const;
  int addRegister(llvm::StringRef name, Type type);

  Lexer lexer;
  Text &text;
  std::string &error;
  Function *function = nullptr;
  std::vector<Scope> scopes;
  unsigned uniqueNames = 0;
};

} // namespace ptxsim

#endif
