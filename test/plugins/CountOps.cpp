//===- CountOps.cpp - a plugin with a pass and a dialect, to copy from -------------------===//
//
//   module { nn.unary ...; nn.conv ... }   ->   module attributes {example.ops = 2} { ... }
//
// Needs: anything. Leaves: the same with the attribute, whose dialect `example` comes with the plugin.
//===----------------------------------------------------------------------===//

#include "tegula/dialects/nn/Nn.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

namespace example {

/// Without it the verifier refuses attributes that begin with "example.".
struct ExampleDialect : mlir::Dialect {
  explicit ExampleDialect(mlir::MLIRContext *context)
      : Dialect(getDialectNamespace(), context, mlir::TypeID::get<ExampleDialect>()) {}
  static llvm::StringRef getDialectNamespace() { return "example"; }
};

struct CountOps : mlir::PassWrapper<CountOps, mlir::OperationPass<mlir::ModuleOp>> {
  llvm::StringRef getArgument() const override { return "example-count-ops"; }
  llvm::StringRef getDescription() const override { return "Count the nn ops of a module"; }
  void runOnOperation() override {
    int64_t count = 0;
    getOperation().walk([&](mlir::Operation *op) { count += llvm::isa<tegula::nn::NnDialect>(op->getDialect()); });
    getOperation()->setAttr("example.ops", mlir::Builder(&getContext()).getI64IntegerAttr(count));
  }
};

} // namespace example

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "CountOps", "1.0", [] { mlir::PassRegistration<example::CountOps>(); }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "CountOps", "1.0",
          [](mlir::DialectRegistry *registry) { registry->insert<example::ExampleDialect>(); }};
}
