//===- tegula-opt.cpp - the mlir-opt of this project ------------------------------------===//

#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/Plugins.h"

#include "mlir/InitAllPasses.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  tegula::registerDialects(registry);
  // As in upstream's tool: gpu-module-to-binary translates to LLVM IR.
  mlir::registerAllGPUToLLVMIRTranslations(registry);
  mlir::registerAllPasses();
  tegula::registerPasses();
  // Upstream's main has --load-pass-plugin and --load-dialect-plugin; this one takes what a plugin has.
  llvm::cl::list<std::string> plugins("load-plugin", llvm::cl::desc("Load passes, dialects or both from a plugin"));
  plugins.setCallback([&](const std::string &path) {
    std::string why;
    if (tegula::loadPlugin(path, tegula::PluginKind::Any, registry, why))
      return;
    llvm::errs() << "tegula-opt: error: cannot load plugin: " << why << "\n";
    exit(tegula::kIoError);
  });
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tegula optimizer driver\n", registry));
}
