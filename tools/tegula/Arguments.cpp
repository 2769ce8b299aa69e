//===- Arguments.cpp - Options of a subcommand ----------------------------===//
#include "Arguments.h"
#include "Command.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

static void printHelp(StringRef usage, ArrayRef<OptionSpec> specs) {
  outs() << "usage: tegula " << usage << "\n";
  for (const OptionSpec &spec : specs) {
    std::string left =
        ((spec.name.size() == 1 ? "-" : "--") + spec.name + (spec.value.empty() ? "" : " " + spec.value)).str();
    outs() << "  " << left_justify(left, 28) << " " << spec.help << "\n";
  }
}

Expected<Arguments> Arguments::parse(StringRef usage, ArrayRef<OptionSpec> specs, ArrayRef<StringRef> words) {
  Arguments result;
  for (size_t i = 0; i < words.size(); ++i) {
    StringRef word = words[i];
    if (word == "--help" || word == "-h") {
      printHelp(usage, specs);
      result.isHelp = true;
      return result;
    }
    if (!word.consume_front("-") || word.empty()) {
      result.positional.push_back(words[i]);
      continue;
    }
    word.consume_front("-");
    auto [name, value] = word.split('=');
    const OptionSpec *spec = find_if(specs, [name = name](const OptionSpec &s) { return s.name == name; });
    if (spec == specs.end())
      return fail(Exit::Usage, "unknown option '" + words[i] + "'; see --help");
    bool isInline = word.contains('=');
    if (spec->value.empty() ? isInline : !isInline && i + 1 == words.size())
      return fail(Exit::Usage, "option '--" + name + "' takes " + (spec->value.empty() ? "no value" : spec->value));
    if (!spec->value.empty() && !isInline)
      value = words[++i];
    result.values[name].push_back(value);
  }
  return result;
}

ArrayRef<StringRef> Arguments::all(StringRef name) const {
  auto it = values.find(name);
  return it == values.end() ? ArrayRef<StringRef>() : ArrayRef<StringRef>(it->second);
}

StringRef Arguments::get(StringRef name, StringRef otherwise) const {
  ArrayRef<StringRef> given = all(name);
  return given.empty() ? otherwise : given.back();
}

Expected<int64_t> Arguments::number(StringRef name, int64_t otherwise, int64_t minimum) const {
  if (!has(name))
    return otherwise;
  int64_t value;
  if (get(name).getAsInteger(10, value) || value < minimum)
    return fail(Exit::Usage,
                "--" + name + ": expected a whole number of at least " + Twine(minimum) + ", got '" + get(name) + "'");
  return value;
}

Expected<StringRef> Arguments::only(StringRef what) const {
  if (positional.size() == 1)
    return positional.front();
  return fail(Exit::Usage, "expected one " + what + ", got " + Twine(positional.size()) + "; see --help");
}
