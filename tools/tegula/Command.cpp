//===- Command.cpp - How subcommands fail ---------------------------------===//
#include "Command.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

char CommandError::ID = 0;

void CommandError::log(raw_ostream &stream) const { stream << text; }

std::error_code CommandError::convertToErrorCode() const { return inconvertibleErrorCode(); }

Error tegula::fail(Exit code, const Twine &text) { return make_error<CommandError>(code, text.str()); }

int tegula::exitCode(Error error, StringRef tool) {
  int code = 0;
  handleAllErrors(
      std::move(error),
      [&](const CommandError &failure) {
        errs() << tool << ": error: " << failure.text << "\n";
        code = static_cast<int>(failure.code);
      },
      [&](const ErrorInfoBase &other) {
        errs() << tool << ": error: " << other.message() << "\n";
        code = static_cast<int>(Exit::Io);
      });
  return code;
}
