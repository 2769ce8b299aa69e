//===- Stages.cpp - the five stages and what is legal after each --------------===//

#include "tegula/compiler/Stages.h"
#include "llvm/ADT/STLExtras.h"

namespace tegula {

static constexpr llvm::StringRef kImport[] = {"func", "nn", "scf", "tgl"};
static constexpr llvm::StringRef kGraph[] = {"func", "nn", "scf", "tgl"};
static constexpr llvm::StringRef kTile[] = {"func", "scf", "linalg", "tensor", "vector",       "arith",
                                            "math", "cf",  "tgl",    "ub",     "bufferization"};
// linalg: in units whose threads share the work.
static constexpr llvm::StringRef kBuffer[] = {"func", "scf", "linalg", "memref", "vector",       "arith",
                                              "math", "cf",  "tgl",    "ub",     "bufferization"};
static constexpr llvm::StringRef kEmit[] = {"llvm", "tgl"};
static constexpr StageInfo kStages[] = {{Stage::Import, "import", kImport},
                                        {Stage::Graph, "graph", kGraph},
                                        {Stage::Tile, "tile", kTile},
                                        {Stage::Buffer, "buffer", kBuffer},
                                        {Stage::Emit, "emit", kEmit}};

llvm::ArrayRef<StageInfo> stages() { return kStages; }

const StageInfo &infoOf(Stage stage) { return kStages[(size_t)stage]; }

std::optional<Stage> parseStage(llvm::StringRef word) {
  for (const StageInfo &info : kStages)
    if (info.word == word)
      return info.stage;
  return std::nullopt;
}

} // namespace tegula
