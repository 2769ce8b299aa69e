//===- Options.h - the only option struct -------------------------------------===//
//
// One field per option of the compiler, with its default. The driver's flags are bound to these fields in
// tools/tegulac; libraries take the struct const and have no options of their own.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_OPTIONS_H
#define TEGULA_COMPILER_OPTIONS_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <functional>
#include <map>
#include <string>

namespace tegula {

/// Where a compilation stands: step `number` of `count`. A step is a stage, or "code", which the target writes; a
/// target that tells how far it has come gives `detail` only.
struct Progress {
  int number = 0, count = 0;
  llvm::StringRef name;
  std::string detail;  ///< "3 of 6 parts", "118 nodes"
  bool isDone = false; ///< the last call for this step
};

struct CompileOptions {
  // What to read and write.
  std::string input;      ///< ONNX file, or stage text with --start-after; "-" is standard input
  std::string output;     ///< path; "-" is standard output (text forms only)
  std::string emit;       ///< obj, lib, shared, header, llvm, asm, mlir, report; empty: from the output's suffix
  std::string stopAfter;  ///< a stage's word; empty: go to the end
  std::string startAfter; ///< a stage's word; empty: the input is ONNX
  std::string name;       ///< symbol prefix; empty: the output's stem
  // What to compile for.
  std::string device = "cpu"; ///< a target's name, with its own options after ':'
  std::string triple;         ///< LLVM triple; empty: the host's
  std::string cpu;            ///< LLVM CPU name, or "native"; empty: the triple's baseline plus AVX2/FMA on x86-64
  std::string features;       ///< +a,-b
  int threads = 0;            ///< threads that plans reckon with; 0: this machine's cores with cpu = native, else 4
  // The model.
  std::map<std::string, llvm::SmallVector<int64_t>> shapes; ///< input name -> extents, -1 dynamic
  std::map<std::string, int64_t> dims;                      ///< dimension symbol -> extent
  // How.
  int optLevel = 2;              ///< 0 to 3
  std::string precision = "f32"; ///< of products: f32, f16, bf16 (`-tegula-lower-precision`)
  std::string fp = "contract";   ///< contract; fast: targets may round factors of f32 products (tf32)
  bool compress = false;         ///< code for GPUs with zstd (drivers from CUDA 12.4 on read it)
  double tuneSeconds = 0;        ///< time to measure other plans on this machine; 0: none
  std::string tuneDb;            ///< file of plans that were measured; empty: none, with tuneSeconds beside the output
  bool timePasses = false;       ///< print the time of every pass
  bool printIrAfterAll = false;  ///< print the IR after every pass to standard error
  std::string saveTemps;         ///< folder for the text of every stage; empty: none
  std::vector<std::string> passes;  ///< STAGE:PIPELINE, passes to run at the end of a stage, e.g. of plugins
  std::string diagnostics = "text"; ///< text, json
  /// Called as the compilation goes on, from any of its threads, one call at a time; may be null.
  std::function<void(const Progress &)> onProgress;
  /// The weights of the context serve another module too: they stay when they are written to the artifact.
  bool keepWeights = false;
};

} // namespace tegula

#endif
