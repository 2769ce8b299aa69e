//===- Chips.cpp - the GPUs that code can be made for -----------------------------------===//

#include "tegula/targets/cuda/Cuda.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace llvm;

namespace tegula::cuda {

namespace {
struct Known {
  Chip chip;
  unsigned ptxVersion;
};
} // namespace

/// The first versions that know the chip or, where later, its matrix instructions (PTX ISA, release notes).
static constexpr Known kKnown[] = {{70, 64}, {72, 64}, {75, 65}, {80, 70},  {86, 71},
                                   {87, 74}, {89, 78}, {90, 78}, {100, 86}, {120, 87}};

std::optional<std::vector<Chip>> parseChips(StringRef text, std::string &why) {
  std::vector<Chip> chips;
  SmallVector<StringRef> words;
  text.split(words, ',');
  for (StringRef word : words) {
    Chip chip = 0;
    StringRef number = word;
    bool isKnown = number.consume_front("sm_") && !number.getAsInteger(10, chip) &&
                   any_of(kKnown, [&](const Known &known) { return known.chip == chip; });
    if (!isKnown) {
      why = "unknown GPU '" + word.str() + "'; known are";
      for (const Known &known : kKnown)
        why += " sm_" + std::to_string(known.chip);
      return std::nullopt;
    }
    if (!is_contained(chips, chip))
      chips.push_back(chip);
  }
  sort(chips);
  return chips;
}

std::vector<Chip> chipsOf(tgl::TargetAttr target) {
  std::string why;
  return parseChips(target.getChips(), why).value_or(std::vector<Chip>());
}

unsigned ptxVersionOf(Chip chip) {
  for (const Known &known : kKnown)
    if (known.chip == chip)
      return known.ptxVersion;
  return 0;
}

} // namespace tegula::cuda
