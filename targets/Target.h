//===- Target.h - what a target provides --------------------------------------===//
//
// A folder under targets/ is a target: it implements this interface and registers itself through `createTarget` in its
// Target.cpp; the registry is generated from the folder list. Nothing outside the folder names it.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TARGETS_TARGET_H
#define TEGULA_TARGETS_TARGET_H

#include "tegula/compiler/Options.h"
#include "tegula/compiler/Stages.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Pass/PassManager.h"
#include <memory>

namespace tegula {

class Target {
public:
  virtual ~Target() = default;

  /// The folder's name, also the word of `--device=`.
  virtual llvm::StringRef name() const = 0;

  /// Whether `--device=` value `device` is this target's.
  virtual bool accepts(llvm::StringRef device) const { return device.split(':').first == name(); }

  /// The target attribute for the options. Fails with a message in `why` when the triple, CPU or features are unknown.
  virtual llvm::FailureOr<tgl::TargetAttr> parse(const CompileOptions &options, mlir::MLIRContext *context,
                                                 std::string &why) const = 0;

  /// The plan of one unit. `epilogue` may be null.
  virtual tgl::PlanAttr plan(mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue,
                             tgl::TargetAttr target) const = 0;

  /// Other plans of the unit that are worth measuring, the likeliest first. Plans that are equal to an earlier one are
  /// passed over.
  virtual llvm::SmallVector<tgl::PlanAttr> candidates(mlir::linalg::GenericOp /*root*/,
                                                      tgl::TargetAttr /*target*/) const {
    return {};
  }

  /// Whether a unit can be done by `plan`, which may come from a file: if it is one of those above, unless a target
  /// knows better.
  virtual bool suits(mlir::linalg::GenericOp root, tgl::PlanAttr plan, tgl::TargetAttr target) const {
    return plan == this->plan(root, {}, target) || llvm::is_contained(candidates(root, target), plan);
  }

  /// Registers the target's passes by name, for tegula-opt.
  virtual void registerPasses() const = 0;

  /// Adds the target's own passes: at the end of a stage; of the tile stage, before units are planned.
  virtual void addPasses(Stage stage, mlir::OpPassManager &pm) const = 0;

  /// Dialects that may be left after the emit stage; builtin is always legal.
  virtual llvm::ArrayRef<llvm::StringRef> dialects() const { return infoOf(Stage::Emit).dialects; }

  /// Writes the artifact. `module` has passed the emit stage. Returns an exit code of the driver (0 is success) and
  /// leaves a message in `why`.
  virtual int emit(mlir::ModuleOp module, const CompileOptions &options, std::string &why) const = 0;
};

/// All targets, in order of their folders' names. Ownership stays with the registry's caller.
std::vector<std::unique_ptr<Target>> createTargets();

} // namespace tegula

#endif
