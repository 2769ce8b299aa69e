//===- Command.h - The subcommands of the companion tool ------------------===//
//
// A subcommand is one function in a file of its own and one row of the table in Main.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_TEGULA_COMMAND_H
#define TEGULA_TOOLS_TEGULA_COMMAND_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <string>

namespace tegula {

/// Exit codes of all tools of the project.
enum class Exit { Ok = 0, Model = 1, Usage = 2, Io = 3, Limit = 4, Mismatch = 5, Tool = 6, Internal = 70 };

/// An error with the exit code it leads to.
class CommandError : public llvm::ErrorInfo<CommandError> {
public:
  static char ID;
  CommandError(Exit code, std::string text) : code(code), text(std::move(text)) {}
  void log(llvm::raw_ostream &stream) const override;
  std::error_code convertToErrorCode() const override;

  Exit code;
  std::string text;
};

/// `text` is one line: lower case start, no full stop.
llvm::Error fail(Exit code, const llvm::Twine &text);

/// Prints what is in `error`, if anything, and returns the exit code.
int exitCode(llvm::Error error, llvm::StringRef tool = "tegula");

// The subcommands; `arguments` are the words after the command's name.
llvm::Error runCommand(llvm::ArrayRef<llvm::StringRef> arguments);
llvm::Error benchCommand(llvm::ArrayRef<llvm::StringRef> arguments);
llvm::Error inspectCommand(llvm::ArrayRef<llvm::StringRef> arguments);
llvm::Error reportCommand(llvm::ArrayRef<llvm::StringRef> arguments);
/// Starts the tool tegula-quantize with the same words.
llvm::Error quantizeCommand(llvm::ArrayRef<llvm::StringRef> arguments);

class Arguments;
struct OptionSpec;

/// The part of `inspect` that reads a model instead of an artifact, which needs the compiler (InspectModel.cpp), and
/// the options that it hands on to it.
llvm::Error inspectModel(llvm::StringRef path, const Arguments &arguments);
llvm::ArrayRef<OptionSpec> modelOptions();

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_COMMAND_H
