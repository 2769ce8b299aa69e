//===- MatrixProduct.cpp - a product by matrix instructions -------------------------------===//
//
// From sm_80 on, copies to shared memory are asynchronous, several tiles ahead; before, the next tile waits in
// registers.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/block/MatrixTile.h"
#include "tegula/targets/cuda/block/ProductBlock.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
constexpr int64_t kMostShared = 48 << 10; // bytes of a block that need no asking
constexpr int64_t kMostStages = 4;

class MatrixProduct : public ProductBlock {
public:
  MatrixProduct(scf::ForallOp unit, ModuleOp module, Cores cores)
      : ProductBlock(unit, module), cores(cores), factors(*factorsOf(root)), warpRows(plan.getUnroll()),
        warpColumns(plan.getVectors()), steps(tileDepth * factors.left.getIntOrFloatBitWidth() / 8 / kStepBytes) {}

private:
  void work() override;
  /// Only ldmatrix of 16-bit elements can turn.
  bool areRowsTurned() const override { return factors.left.getIntOrFloatBitWidth() > 16; }
  SmallVector<Value> sumAhead(ArrayRef<Value> start, int64_t stages, int64_t stageBytes);
  void placeLane();
  SmallVector<Value> multiply(Value buffer, ArrayRef<Value> sums);
  SmallVector<Value> multiplyFragments(ArrayRef<Value> rows, ArrayRef<Value> columns, ArrayRef<Value> sums);
  void writeAll(ArrayRef<Value> sums);

  Cores cores;
  Factors factors;
  int64_t warpRows, warpColumns;
  int64_t steps;                   // of a tile, each as deep as an instruction
  Value warpRow, warpColumn, lane; // rows and columns begin at the block's
  std::optional<MatrixTile> ofLeft, ofRight;
};
} // namespace

/// A loop over the tiles of which the next `stages` - 1 are on their way.
SmallVector<Value> MatrixProduct::sumAhead(ArrayRef<Value> start, int64_t stages, int64_t stageBytes) {
  Value zero = at.constant(0), one = at.constant(1);
  auto begin = [&](Value tile, Value buffer) {
    auto branch = scf::IfOp::create(b, loc, at.isLess(tile, tiles), /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      ofLeft->copyAsync(tile, buffer);
      ofRight->copyAsync(tile, buffer);
    }
    NVVM::CpAsyncCommitGroupOp::create(b, loc); // perhaps of nothing, so that waiting counts right
  };
  for (int64_t stage = 0; stage < stages - 1; ++stage)
    begin(at.constant(stage), at.constant(stage * stageBytes));
  SmallVector<Value> carried(start);
  carried.push_back(zero);                                   // the buffer that is read
  carried.push_back(at.constant((stages - 1) * stageBytes)); // and that is written
  auto loop = scf::ForOp::create(b, loc, zero, tiles, one, carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  ValueRange now = loop.getRegionIterArgs();
  Value isRead = now[start.size()], isWritten = now[start.size() + 1];
  NVVM::CpAsyncWaitGroupOp::create(b, loc, stages - 2);
  // All copies of this tile are seen, and no warp reads the tile before it any more.
  NVVM::Barrier0Op::create(b, loc);
  begin(at.add(loop.getInductionVar(), at.constant(stages - 1)), isWritten);
  SmallVector<Value> next = multiply(isRead, SmallVector<Value>(now.take_front(start.size())));
  Value further = at.add(isRead, at.constant(stageBytes));
  Value isLast = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, further, at.constant(stages * stageBytes));
  next.push_back(arith::SelectOp::create(b, loc, isLast, zero, further));
  next.push_back(isRead);
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults().take_front(start.size()));
}

void MatrixProduct::placeLane() {
  int64_t across = right->shape.size / warpColumns;
  Value warp = at.div(thread, kWarpLanes);
  lane = at.rem(thread, kWarpLanes);
  warpRow = at.mul(at.div(warp, across), at.constant(warpRows));
  warpColumn = at.mul(at.rem(warp, across), at.constant(warpColumns));
}

/// Sums are by 16 rows, 16 columns, then the eight of a lane: half of the columns, of the rows, two neighbours.
SmallVector<Value> MatrixProduct::multiply(Value buffer, ArrayRef<Value> sums) {
  auto fragmentOf = [&](MatrixTile &tile, bool isRight, int64_t group, int64_t step) {
    Value begin = isRight ? warpColumn : warpRow;
    return cores == Cores::Volta ? tile.quadsOf(isRight, begin, lane, buffer, group, step)
                                 : tile.fragmentOf(isRight, begin, lane, buffer, group, step);
  };
  SmallVector<Value> now(sums);
  for (int64_t step = 0; step < steps; ++step) {
    SmallVector<SmallVector<Value>> all;
    for (int64_t group = 0; group < warpColumns / kGroupRows; ++group)
      all.push_back(fragmentOf(*ofRight, /*isRight=*/true, group, step));
    size_t next = 0;
    for (int64_t group = 0; group < warpRows / kGroupRows; ++group) {
      SmallVector<Value> rows = fragmentOf(*ofLeft, /*isRight=*/false, group, step);
      for (ArrayRef<Value> columns : all) {
        llvm::copy(multiplyFragments(rows, columns, ArrayRef(now).slice(next, 8)), now.begin() + next);
        next += 8;
      }
    }
  }
  return now;
}

/// 16 by 16 sums, eight of a lane, with the products of two fragments.
SmallVector<Value> MatrixProduct::multiplyFragments(ArrayRef<Value> rows, ArrayRef<Value> columns,
                                                    ArrayRef<Value> sums) {
  SmallVector<Value> now(sums);
  if (cores == Cores::Volta) {
    for (size_t four = 0; four < columns.size(); four += 2)
      now = multiplyAddQuads(b, loc, ofLeft->isByDepth(), ofRight->isByDepth(), rows.slice(four, 2),
                             columns.slice(four, 2), now);
    return now;
  }
  for (unsigned half : {0, 1})
    llvm::copy(multiplyAdd(b, loc, cores, factors, rows, columns.slice(2 * half, 2), ArrayRef(now).slice(4 * half, 4)),
               now.begin() + 4 * half);
  return now;
}

void MatrixProduct::writeAll(ArrayRef<Value> sums) {
  // Where a lane's sums are among 16 x 16 (PTX ISA, fragments of m16n8k16 and of m8n8k4).
  bool areQuads = cores == Cores::Volta;
  auto bitOf = [&](int64_t bit) { return at.rem(at.div(lane, bit), 2); };
  auto times = [&](Value value, int64_t factor) { return at.mul(value, at.constant(factor)); };
  Value laneRow = areQuads ? at.add(bitOf(1), at.add(times(bitOf(4), 4), times(bitOf(16), 8))) : at.div(lane, 4);
  Value laneColumn = areQuads ? at.add(times(bitOf(2), 2), times(bitOf(8), 4)) : times(at.rem(lane, 4), 2);
  int64_t rowStep = areQuads ? 2 : 8;
  Value row = at.add(at.add(left->begin, warpRow), laneRow);
  Value column = at.add(at.add(right->begin, warpColumn), laneColumn);
  int64_t across = warpColumns / kGroupRows;
  for (int64_t group = 0; group < warpRows / kGroupRows; ++group)
    for (int64_t half : {0, 1}) {
      Value rowHere = at.add(row, at.constant(group * kGroupRows + half * rowStep));
      SmallVector<Value> indices(batch);
      nest->split(rowHere, loops.rows, indices);
      left->whereInside(rowHere, [&] {
        for (int64_t eight = 0; eight < warpColumns / 8; ++eight) {
          // Two neighbours, both inside where columns are even; their stores then become one.
          auto writeOne = [&](int64_t neighbour) {
            nest->split(at.add(column, at.constant(eight * 8 + neighbour)), loops.columns, indices);
            write(sums[group * across * 8 + eight * 4 + half * 2 + neighbour], indices);
          };
          bool areEven = !ShapedType::isDynamic(right->extentIfKnown) && right->extentIfKnown % 2 == 0;
          right->whereInside(at.add(column, at.constant(eight * 8)), [&] {
            writeOne(0);
            if (areEven)
              writeOne(1);
          });
          if (!areEven)
            right->whereInside(at.add(column, at.constant(eight * 8 + 1)), [&] { writeOne(1); });
        }
      });
    }
}

void MatrixProduct::work() {
  ofLeft.emplace(at, *left, 0);
  ofRight.emplace(at, *right, ofLeft->sizeInBytes());
  bool isAhead = cores == Cores::Ampere && ofLeft->canCopyAsync() && ofRight->canCopyAsync();
  int64_t stageBytes = ofLeft->sizeInBytes() + ofRight->sizeInBytes();
  int64_t stages = isAhead ? std::clamp<int64_t>(kMostShared / stageBytes, 2, kMostStages) : 2;
  Value memory = sharedMemory(at, module, stages * stageBytes);
  ofLeft->place(memory);
  ofRight->place(memory);
  placeLane();
  Value start = arith::ConstantOp::create(b, loc, root->getAttrOfType<TypedAttr>(tgl::kStart));
  SmallVector<Value> sums(warpRows * warpColumns / kWarpLanes, start);
  if (isAhead)
    return writeAll(sumAhead(sums, stages, stageBytes));
  Value size = at.constant(stageBytes);
  auto store = [&](Side &side, ArrayRef<Value> elements, Value buffer) {
    (&side == &*left ? ofLeft : ofRight)->store(elements, at.mul(buffer, size));
  };
  writeAll(
      sumByTurns(sums, store, [&](Value buffer, ArrayRef<Value> now) { return multiply(at.mul(buffer, size), now); }));
}

std::unique_ptr<BlockWork> makeMatrixProduct(scf::ForallOp unit, ModuleOp module, Cores cores) {
  return std::make_unique<MatrixProduct>(unit, module, cores);
}

} // namespace tegula::cuda
