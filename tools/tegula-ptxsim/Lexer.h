//===- Lexer.h - words of a PTX text ------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_LEXER_H
#define TEGULA_TOOLS_PTXSIM_LEXER_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace ptxsim {

struct Token {
  enum Kind : uint8_t {
    End,
    Word,      ///< a name or a whole mnemonic: "%r1", "ld.global.v4.f32"
    Directive, ///< ".reg"
    Integer,
    Float,  ///< `bits` are those of an f32 (isSingle) or an f64
    String, ///< without the quotes
    Punctuation,
    Unknown
  };
  Kind kind = End;
  bool isSingle = false;
  unsigned line = 1;
  uint64_t bits = 0;
  llvm::StringRef text;
  bool is(llvm::StringRef t) const { return (kind == Punctuation || kind == Directive || kind == Word) && text == t; }
};

class Lexer {
public:
  explicit Lexer(llvm::StringRef text) : rest(text) { next(); }
  const Token &peek() const { return token; }
  Token take() {
    Token result = token;
    next();
    return result;
  }
  /// Skips to the end of the line on which the current token is.
  void skipLine();

private:
  void next();
  void skipSpace();
  void lexNumber();
  void lexWord();
  llvm::StringRef rest;
  unsigned line = 1;
  Token token;
};

} // namespace ptxsim

#endif
