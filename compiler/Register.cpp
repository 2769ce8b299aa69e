//===- Register.cpp - dialects, interfaces and passes of the whole compiler ------------===//

#include "tegula/compiler/Passes.h"
#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/emit/Passes.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/compiler/tile/Passes.h"
#include "tegula/dialects/nn/Nn.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"

namespace tegula {

void registerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<nn::NnDialect, tgl::TglDialect>();
}

void registerPasses() {
  registerStagePasses();
  registerGraphPasses();
  registerTilePasses();
  registerBufferPasses();
  registerEmitPasses();
  for (const std::unique_ptr<Target> &target : createTargets())
    target->registerPasses();
}

} // namespace tegula
