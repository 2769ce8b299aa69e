//===- ModuleText.cpp - a module as text ------------------------------------------===//

#include "tegula/compiler/emit/ModuleText.h"
#include "tegula/compiler/emit/Output.h"

using namespace llvm;

namespace tegula {

bool writeText(mlir::ModuleOp module, StringRef path, std::string &why) {
  return writeFile(path, why, [&](raw_pwrite_stream &stream) {
    module.print(stream, mlir::OpPrintingFlags().enableDebugInfo(true));
    stream << "\n";
  });
}

} // namespace tegula
