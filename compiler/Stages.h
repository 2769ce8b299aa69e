//===- Stages.h - the five stages and what is legal after each ----------------===//
#ifndef TEGULA_COMPILER_STAGES_H
#define TEGULA_COMPILER_STAGES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace tegula {

/// In the order of the walk; the words are folder, flag and test folder alike.
enum class Stage { Import, Graph, Tile, Buffer, Emit };

struct StageInfo {
  Stage stage;
  llvm::StringRef word;
  /// Dialects that may be left after the stage (builtin is always legal).
  llvm::ArrayRef<llvm::StringRef> dialects;
};

/// The table of stages.
llvm::ArrayRef<StageInfo> stages();
const StageInfo &infoOf(Stage stage);
std::optional<Stage> parseStage(llvm::StringRef word);

} // namespace tegula

#endif
