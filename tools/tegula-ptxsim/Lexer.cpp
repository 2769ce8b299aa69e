//===- Lexer.cpp - words of a PTX text ----------------------------------------===//
//
// A mnemonic with its modifiers is one word; directives are split at their dots (".reg.b32" is two).
//
//===----------------------------------------------------------------------===//
#include "Lexer.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdlib>
#include <cstring>
#include <string>

using llvm::StringRef;

namespace ptxsim {

static bool isWordStart(char c) { return llvm::isAlpha(c) || c == '_' || c == '$' || c == '%'; }
static bool isWordPart(char c) { return llvm::isAlnum(c) || c == '_' || c == '$'; }

void Lexer::skipSpace() {
  for (;;) {
    while (!rest.empty() && llvm::isSpace(rest.front())) {
      line += rest.front() == '\n';
      rest = rest.drop_front();
    }
    if (rest.starts_with("//")) {
      rest = rest.drop_front(std::min(rest.find('\n'), rest.size()));
    } else if (rest.starts_with("/*")) {
      size_t end = rest.find("*/", 2);
      StringRef comment = rest.take_front(end == StringRef::npos ? rest.size() : end + 2);
      line += comment.count('\n');
      rest = rest.drop_front(comment.size());
    } else {
      return;
    }
  }
}

void Lexer::skipLine() {
  unsigned current = token.line;
  while (token.kind != Token::End && token.line == current)
    next();
}

void Lexer::lexNumber() {
  auto isHex = [](char c) { return llvm::isHexDigit(c); };
  if (rest.size() > 2 && rest[0] == '0' && strchr("fFdD", rest[1]) && isHex(rest[2])) {
    StringRef digits = rest.drop_front(2).take_while(isHex);
    token.kind = Token::Float;
    token.isSingle = rest[1] == 'f' || rest[1] == 'F';
    if (digits.getAsInteger(16, token.bits) || digits.size() != (token.isSingle ? 8u : 16u))
      token.kind = Token::Unknown;
    token.text = rest.take_front(2 + digits.size());
    rest = rest.drop_front(token.text.size());
    return;
  }
  StringRef word = rest.take_while([](char c) { return llvm::isAlnum(c); });
  bool isHexNumber = word.starts_with_insensitive("0x");
  size_t length = word.size();
  if (!isHexNumber && ((length < rest.size() && rest[length] == '.') || word.contains_insensitive('e'))) {
    std::string text = rest.take_front(64).str();
    char *end = nullptr;
    double value = strtod(text.c_str(), &end);
    memcpy(&token.bits, &value, 8);
    token.kind = Token::Float;
    token.text = rest.take_front(end - text.c_str());
    rest = rest.drop_front(token.text.size());
    return;
  }
  token.text = word;
  rest = rest.drop_front(length);
  word.consume_back("U") || word.consume_back("u");
  token.kind = word.getAsInteger(0, token.bits) ? Token::Unknown : Token::Integer;
}

void Lexer::lexWord() {
  size_t length = 1;
  while (length < rest.size()) {
    if (isWordPart(rest[length]))
      ++length;
    else if (rest[length] == '.' && length + 1 < rest.size() && isWordPart(rest[length + 1]))
      ++length;
    else if (rest.substr(length, 2) == "::" && length + 2 < rest.size() && isWordPart(rest[length + 2]))
      length += 2;
    else
      break;
  }
  token.kind = Token::Word;
  token.text = rest.take_front(length);
  rest = rest.drop_front(length);
}

void Lexer::next() {
  skipSpace();
  token = Token();
  token.line = line;
  if (rest.empty())
    return;
  char c = rest.front();
  if (llvm::isDigit(c))
    return lexNumber();
  if (isWordStart(c) && rest.size() > 1)
    return lexWord();
  if (c == '.' && rest.size() > 1 && isWordStart(rest[1])) {
    token.kind = Token::Directive;
    token.text = rest.take_front(1 + rest.drop_front().take_while(isWordPart).size());
    rest = rest.drop_front(token.text.size());
    return;
  }
  if (c == '"') {
    size_t end = rest.find('"', 1);
    token.kind = Token::String;
    token.text = rest.slice(1, end);
    rest = rest.drop_front(std::min(token.text.size() + 2, rest.size()));
    return;
  }
  token.kind = strchr("{}[]()<>,;:=+-*/@!|&~?", c) ? Token::Punctuation : Token::Unknown;
  token.text = rest.take_front(1);
  rest = rest.drop_front();
}

} // namespace ptxsim
