//===- tegula-opt.cpp - the mlir-opt of this project ------------------------------------===//

#include "tegula/compiler/Pipeline.h"

#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  tegula::registerDialects(registry);
  mlir::registerAllPasses();
  tegula::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tegula optimizer driver\n", registry));
}
