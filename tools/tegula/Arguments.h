//===- Arguments.h - Options of a subcommand --------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_TEGULA_ARGUMENTS_H
#define TEGULA_TOOLS_TEGULA_ARGUMENTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace tegula {

/// One option that a subcommand takes. `value` is the word for its value in the help, empty for a flag.
struct OptionSpec {
  llvm::StringRef name, value, help;
};

/// The parsed words of a command line: `--name=value`, `--name value`, `--flag`, and the rest.
class Arguments {
public:
  /// Fails with Exit::Usage at an unknown option or an absent value. `--help` prints the options and sets `isHelp`.
  static llvm::Expected<Arguments> parse(llvm::StringRef usage, llvm::ArrayRef<OptionSpec> specs,
                                         llvm::ArrayRef<llvm::StringRef> words);

  bool has(llvm::StringRef name) const { return values.count(name); }
  /// Every value given for a repeated option, in order.
  llvm::ArrayRef<llvm::StringRef> all(llvm::StringRef name) const;
  /// The last value, or `otherwise`.
  llvm::StringRef get(llvm::StringRef name, llvm::StringRef otherwise = "") const;
  /// A whole number of at least `minimum`.
  llvm::Expected<int64_t> number(llvm::StringRef name, int64_t otherwise, int64_t minimum) const;
  /// The one word that is no option.
  llvm::Expected<llvm::StringRef> only(llvm::StringRef what) const;

  bool isHelp = false;

private:
  llvm::StringMap<llvm::SmallVector<llvm::StringRef, 1>> values;
  llvm::SmallVector<llvm::StringRef> positional;
};

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_ARGUMENTS_H
