//===- Report.h - what becomes of each node ------------------------------------------------===//
#ifndef TEGULA_COMPILER_REPORT_H
#define TEGULA_COMPILER_REPORT_H

#include "tegula/compiler/Stages.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace tegula {

/// Gathers, while a model walks through the stages, what `--emit=report` writes (tools/tegula/README.md says which
/// fields). Nothing of it changes the module.
class Report {
public:
  /// Nodes, inputs, outputs; `module` as the import stage leaves it. Lowers a copy to count arithmetic; fails, with the
  /// problems reported, where an op cannot be lowered.
  llvm::LogicalResult addModel(mlir::ModuleOp module);

  /// Keeps what the passes of `next` and of the stages after it say: in the graph stage why products are of real
  /// numbers, from the tile stage on about fusion and memory (folding constants makes units too, which nobody will
  /// see). The context may outlive the report.
  void listen(mlir::MLIRContext &context, Stage next);

  /// Units; `module` as the tile stage leaves it.
  void addUnits(mlir::ModuleOp module);

  /// Memory: sizes, and which buffer lives where and when; `module` as the buffer stage leaves it.
  void addMemory(mlir::ModuleOp module);

  llvm::json::Value take();

private:
  struct NodeEntry {
    std::string name, op;
    std::vector<std::string> becomes, outputs, realBecause;
    std::vector<int64_t> units;
    double flops = 0, bytes = 0;
    int64_t parameters = 0;
    bool isOpen = false; ///< an extent is known at run time only, and so the bytes
    void addBytes(mlir::Type type);
  };
  NodeEntry &entryFor(llvm::StringRef name, llvm::StringRef op);
  NodeEntry *nodeOf(mlir::Location loc);
  void addOperation(mlir::Operation *op);
  llvm::json::Array reasonsFor(mlir::Location loc, size_t number, size_t count);
  void addSource(mlir::ModuleOp module);
  llvm::LogicalResult countArithmetic(mlir::ModuleOp module);

  /// When a buffer is in use, and where; or when a step of a run is made, without a place.
  struct Moment {
    int64_t first, last, offset, bytes;
    mlir::Location loc;
  };
  /// What passes said; why a unit ends, or a product of a quantized network is of real numbers, by its place.
  struct Heard {
    llvm::DenseMap<mlir::Location, std::vector<std::string>> reasons;
    std::vector<std::pair<mlir::Location, std::string>> real;
    std::vector<Moment> buffers, steps;
  };
  class Listener;

  std::vector<NodeEntry> nodes;
  std::shared_ptr<Heard> heard = std::make_shared<Heard>();
  std::map<std::string, size_t> places; // of nodes by name and operator
  llvm::json::Object root;
  llvm::json::Array units;
  double unitFlops = 0, unitBytes = 0;
};

} // namespace tegula

#endif
