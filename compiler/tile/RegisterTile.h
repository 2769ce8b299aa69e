//===- RegisterTile.h - loops and vectors of one unit ------------------------===//
//
// Emits the code of one linalg.generic (with an optional elementwise epilogue) over a box of its parallel loops, as its
// plan says: `vectors` x `unroll` accumulators live in registers over all reduction loops, the epilogue is applied to
// them, and the result is written once.
//
//   for the blocks of a long reduction, where the plan has them (then: accumulators = what the block before wrote)
//   for the parallel loops that choose a right operand of their own (batches, groups)
//    for the blocks of the vector loop           (panels; innermost if there are no reduction loops)
//     for the other parallel loops
//       for the blocks of the unrolled loop    (or of the one around it, where the plan takes several whole rows)
//         accumulators = init
//         for the reduction loops: accumulators = body(operands, accumulators)
//         write epilogue(accumulators)
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_COMPILER_TILE_REGISTERTILE_H
#define TEGULA_COMPILER_TILE_REGISTERTILE_H

#include "tegula/compiler/tile/Dot.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula {

/// A half-open range of one parallel loop.
struct LoopRange {
  mlir::Value begin, end;
  /// The extent where it is known at compile time and the same in every block, else kDynamic.
  int64_t extent;
  /// The extent of the last block where known; the others are multiples of the tile.
  int64_t lastExtent = mlir::ShapedType::kDynamic;
};

/// How one operand is read in the vector loop.
enum class OperandAccess { Uniform, Contiguous, Irregular };
OperandAccess accessOf(mlir::AffineMap map, int64_t vectorLoop);

/// Whether every scalar op of the body exists on vectors (extracts, where they read a row along `vectorLoop`) and every
/// operand is uniform or contiguous along it.
bool canVectorize(mlir::linalg::GenericOp op, int64_t vectorLoop);

/// The parallel loop, other than `vectorLoop`, along which `op`, if it only moves elements, reads neighbours; nullopt
/// where it computes or reads them along `vectorLoop`.
std::optional<unsigned> transposedLoop(mlir::linalg::GenericOp op, int64_t vectorLoop);

/// The reduction loop that the plan divides into blocks, each summed for the whole tile before the next: partial sums
/// wait in the result meanwhile, so that what a block reads stays in the caches. None where the plan has none, or the
/// result (of `epilogue`, if not null) cannot hold them.
std::optional<unsigned> blockedReduction(mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue,
                                         tgl::PlanAttr plan);

class RegisterTile {
public:
  /// `ranges` has one entry per parallel loop of `root` in loop order (iterators: all parallel loops first). `target`
  /// is the tensor that the tile is written to, at (loop index - origin) per result axis. `aligned`
  /// holds, for operands that are read where the result is written, the slice with the same indices as the target.
  RegisterTile(mlir::OpBuilder &builder, mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue,
               tgl::PlanAttr plan, llvm::ArrayRef<LoopRange> ranges, llvm::ArrayRef<mlir::Value> origin,
               const llvm::DenseMap<mlir::OpOperand *, mlir::Value> &aligned);

  /// Emits the loops; returns the written tensor.
  mlir::Value emit(mlir::Value target);

private:
  using Value = mlir::Value;
  Value emitReductionBlock(Value target);
  Value emitBatchLoops(unsigned loop, Value target);
  Value emitVectorLoop(Value target);
  Value emitOuterLoops(unsigned loop, Value target);
  Value emitUnrolled(Value target);
  Value emitTile(int64_t unroll, Value target);
  /// Blocks of whole matrices, then the rest of the rows by vectors.
  Value emitMatrices(Value target);
  Value emitTransposed(Value target);
  /// What makes bytes of the epilogue's results at its end, where both vectors of a row are packed and written
  /// together; null elsewhere.
  mlir::arith::TruncIOp lastNarrowing();
  llvm::SmallVector<Value> start(int64_t unroll, Value target);
  void emitReduction(unsigned loop, llvm::SmallVectorImpl<Value> &accumulators);
  void emitBody(llvm::SmallVectorImpl<Value> &accumulators);
  /// Where elements of an operand lie that has several rows side by side: a vector of them, or a single one.
  llvm::SmallVector<Value> packedIndices(mlir::OpOperand &operand, int64_t u, int64_t v, bool isSingle = false);
  Value dotOperand(mlir::OpOperand &operand, bool isLeft, int64_t u, int64_t v);
  void emitDots(llvm::SmallVectorImpl<Value> &accumulators);
  /// Whether sums are of two rows by two columns.
  bool hasMmla() { return dot && dot->count == 8 && depth == 0; }
  /// Sums of two rows in vectors of four columns as sums of two columns each, the other way round too.
  void exchangeHalves(llvm::SmallVectorImpl<Value> &accumulators);
  void emitMmla(llvm::SmallVectorImpl<Value> &accumulators);
  /// Whether the tile at hand is a depthwise sum of several places at a time.
  bool hasTaps();
  llvm::SmallVector<Value> readTaps(mlir::OpOperand &operand, bool isUnsigned, int64_t first, int64_t u);
  void readTapWeights();
  void emitTaps(llvm::SmallVectorImpl<Value> &accumulators);
  llvm::SmallVector<Value> startMatrices();
  llvm::SmallVector<Value> rowsOfMatrices(llvm::ArrayRef<Value> sums);
  Value leftMatrix(int64_t u);
  Value rightMatrix(int64_t v);
  void emitMatrixProducts(llvm::SmallVectorImpl<Value> &accumulators);
  /// The body of `op` on vectors, up to but without `last` where that is given.
  Value evaluate(mlir::linalg::GenericOp op, llvm::ArrayRef<Value> arguments, int64_t u, int64_t v,
                 mlir::Operation *last = nullptr);
  /// The value of the body of `op`, which does not change along the vector loop, as one number.
  Value scalarOf(mlir::linalg::GenericOp op, Value value, int64_t u);
  Value cloneOnVectors(mlir::Operation &op, mlir::IRMapping &mapping);
  Value initial(int64_t u, int64_t v);
  Value partial(Value target, int64_t u, int64_t v);
  Value readOperand(mlir::linalg::GenericOp op, mlir::OpOperand &operand, int64_t u, int64_t v);
  Value readVector(Value source, mlir::ValueRange indices, Value mask);
  Value readPacked(mlir::linalg::UnPackOp unpack, mlir::AffineMap map, int64_t u, int64_t v);
  Value write(Value vector, Value target, int64_t u, int64_t v);
  llvm::SmallVector<Value> targetIndices(int64_t u, int64_t v);
  Value indexOf(unsigned loop, int64_t u, int64_t v);
  Value apply(mlir::AffineExpr expr, int64_t u, int64_t v);
  Value toVector(Value scalar);
  void selectVector(int64_t v) { width = v == vectors - 1 ? lastLanes : lanes; }
  Value mask(int64_t v);
  Value loop(Value begin, Value end, int64_t step, Value carried, llvm::function_ref<Value(Value, Value)> body);
  Value constant(int64_t value);
  bool isVector() const { return lanes > 0; }
  /// Whether each iteration of the loop reads panels of its own.
  bool isBatch(int64_t loop);
  /// Whether places of a tile differ in what `map` reads.
  bool isUnrolled(mlir::AffineMap map) const {
    return (unrollLoop >= 0 && map.isFunctionOfDim(unrollLoop)) || (outerLoop >= 0 && map.isFunctionOfDim(outerLoop));
  }
  /// Whether the vector loop is around the others: a panel of the right operand serves all rows. What is read once is
  /// walked in the order of memory instead.
  bool hasPanels() { return isVector() && root.getNumReductionLoops() > 0; }

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::linalg::GenericOp root, epilogue;
  tgl::PlanAttr plan;
  llvm::ArrayRef<LoopRange> ranges;
  llvm::ArrayRef<Value> origin;
  const llvm::DenseMap<mlir::OpOperand *, Value> &aligned;
  int64_t lanes, vectors, vectorLoop, unrollLoop;
  int64_t lastLanes;         // of the last vector of a tile
  int64_t width;             // lanes of the vector at hand
  bool isLastSingle = false; // whether only the first lane of a masked vector counts
  int64_t maskedFrom;        // the first vector of a tile that may reach beyond the loop
  int64_t tileUnroll = 1;
  int64_t outerLoop = -1; // of which a tile takes several iterations, each the whole unrolled loop; -1: none
  bool isTransposition;
  int64_t depth;              // that matrices take at a time; 0: the tile at hand has vectors
  std::optional<DotForm> dot; // of the root, if the plan says so
  std::optional<TapForm> taps;
  llvm::SmallVector<Value> tapWeights; // of the vectors at hand, as the places are summed
  std::optional<unsigned> blockedLoop;
  Value blockBegin, blockEnd; // of `blockedLoop`
  Value isFirstBlock;         // null: it is not the first
  bool isLastBlock = true;
  llvm::SmallVector<Value> position; // of every loop, where known
  llvm::DenseMap<std::tuple<void *, int64_t, int64_t>, Value> loaded;
};

} // namespace tegula

#endif
