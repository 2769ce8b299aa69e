//===- SharedUnit.h - a unit whose threads share the work ---------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_SHAREDUNIT_H
#define TEGULA_TARGETS_CUDA_BLOCK_SHAREDUNIT_H

#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <optional>

namespace tegula::cuda {

/// Builds index arithmetic, folded where it is constant.
class Indices {
public:
  using Value = mlir::Value;
  Indices(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}
  Value constant(int64_t value) { return mlir::arith::ConstantIndexOp::create(b, loc, value); }
  Value add(Value lhs, Value rhs) { return b.createOrFold<mlir::arith::AddIOp>(loc, lhs, rhs); }
  Value mul(Value lhs, Value rhs) { return b.createOrFold<mlir::arith::MulIOp>(loc, lhs, rhs); }
  Value div(Value lhs, int64_t rhs) { return b.createOrFold<mlir::arith::DivUIOp>(loc, lhs, constant(rhs)); }
  Value rem(Value lhs, int64_t rhs) { return b.createOrFold<mlir::arith::RemUIOp>(loc, lhs, constant(rhs)); }
  Value isLess(Value lhs, Value rhs) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::ult, lhs, rhs);
  }
  mlir::OpBuilder &b;
  mlir::Location loc;
};

/// The loops of an op, whose extents are built where this is.
class Nest {
public:
  using Value = mlir::Value;
  Nest(Indices &at, mlir::linalg::GenericOp op);
  /// The extent of a loop; the product of several.
  Value extentOf(unsigned loop);
  Value extentOf(llvm::ArrayRef<unsigned> all);
  /// How many blocks of `size` there are along all of them.
  mlir::OpFoldResult blocksOf(llvm::ArrayRef<unsigned> all, int64_t size);
  /// The index of each loop where `linear` counts through all of them, the last one fastest.
  void split(Value linear, llvm::ArrayRef<unsigned> all, llvm::SmallVectorImpl<Value> &indices);

  Indices &at;
  mlir::linalg::GenericOp op;
  llvm::SmallVector<Value> extents; // by loop
};

/// The units inside of `op` whose threads share the work, with so many entries in the `block` of their plan: 3 of
/// products, 4 of attentions, none of reductions of rows.
llvm::SmallVector<mlir::scf::ForallOp> sharedUnitsOf(mlir::Operation *op, size_t entries);

/// An scf.forall of one iteration with a reduction (`root`) and perhaps an elementwise op on its result (`epilogue`),
/// which becomes one over blocks of threads.
class SharedUnit {
public:
  explicit SharedUnit(mlir::scf::ForallOp unit);
  /// The same of `root` and `epilogue` (may be null) among others.
  SharedUnit(mlir::scf::ForallOp unit, mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue);

protected:
  using Value = mlir::Value;
  /// The body of `op` on these values of its arguments; `indices` are those of its loops.
  Value inlineBody(mlir::linalg::GenericOp op, llvm::ArrayRef<Value> arguments, llvm::ArrayRef<Value> indices = {});
  /// What `operand` of `op` holds at these indices of the op's loops.
  Value read(mlir::linalg::GenericOp op, mlir::OpOperand &operand, llvm::ArrayRef<Value> indices);
  /// Applies the epilogue to a sum and stores it; `indices` are those of the root's loops.
  void write(Value sum, llvm::ArrayRef<Value> indices);
  /// The value of the lane whose number differs in the bit `distance`; of 8 to 32 bits. All lanes of the warp take
  /// part.
  Value exchange(Value value, int64_t distance);
  /// The forall over `blocks`, each of `threads` threads. What is built next is its body.
  llvm::SmallVector<Value> beginBlocks(llvm::ArrayRef<mlir::OpFoldResult> blocks, int64_t threads);

  mlir::scf::ForallOp unit;
  mlir::OpBuilder b;
  mlir::Location loc;
  Indices at;
  tgl::PlanAttr plan;
  mlir::linalg::GenericOp root, epilogue;
  std::optional<Nest> nest; // of the root
  Value thread;             // of a block
};

} // namespace tegula::cuda

#endif
