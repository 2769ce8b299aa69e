//===- MatrixAttention.cpp - an attention by matrix instructions ---------------------------===//
//
// Each of four warps has 16 or 32 rows: their queries and sums stay in registers, and its scores are the left factor of
// the second product as they are (sums and factors of matrix instructions lie alike among the lanes). Tiles of keys and
// values go through shared memory; from sm_80 on the next ones are on their way while these are used.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/block/AttentionBlock.h"
#include "tegula/targets/cuda/block/MatrixTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
class MatrixAttention : public AttentionBlock {
public:
  MatrixAttention(scf::ForallOp unit, ModuleOp module, Cores cores)
      : AttentionBlock(unit), module(module), cores(cores), factors(*factorsOf(attention.scores)),
        groups(plan.getUnroll() / kGroupRows), tileKeys(plan.getBlock()[1]), deep(plan.getBlock()[2]),
        wide(plan.getBlock()[3]) {
    tiles = b.createOrFold<arith::CeilDivUIOp>(loc, keys, at.constant(tileKeys));
    if (std::optional<int64_t> known = cuda::extentOf(attention.scores, {attention.key}))
      tiles = at.constant((*known + tileKeys - 1) / tileKeys);
  }

private:
  using Values = SmallVector<Value>;
  void work() override;
  /// The keys of tile number `tile`; the values, whose tiles are along the depth.
  Side keysOf(Value tile);
  Side valuesOf();
  void loadQueries();
  /// Loads the tile: with cp.async, or through registers.
  void load(Value tile, Value buffer, bool isAsync);
  Values scoresOf(Value buffer);
  /// Takes in a tile: `state` is the sums of the result, then a row's greatest score and sum of powers, for each half
  /// of each group.
  Values take(Value tile, Value buffer, Values state);
  Value rowOf(int64_t group, int64_t half) { return at.add(warpRow, at.constant(group * kGroupRows + half * 8)); }

  ModuleOp module;
  Cores cores;
  Factors factors;
  int64_t groups;               // of 16 rows, of a warp
  int64_t tileKeys, deep, wide; // of a tile, filled up
  Value tiles, memory, lane, warpRow, columnOfLane;
  SmallVector<SmallVector<Values>> queries; // by group and step
};
} // namespace

static constexpr int64_t kBytes = 2; // of an element

Side MatrixAttention::keysOf(Value tile) {
  TileShape shape{attention.batch, ArrayRef(attention.key), attention.depth, tileKeys, deep, plan.getThreads()};
  return Side(scores, 1, shape, at.mul(tile, at.constant(tileKeys)), batch, thread);
}

Side MatrixAttention::valuesOf() {
  TileShape shape{attention.valuesBatch, attention.columns, ArrayRef(attention.valuesKey), wide, tileKeys,
                  plan.getThreads()};
  return Side(*nest, 1, shape, at.constant(0), valuesBatch, thread);
}

void MatrixAttention::loadQueries() {
  int64_t size = plan.getBlock()[0];
  TileShape shape{attention.batch, attention.rows, attention.depth, size, deep, plan.getThreads()};
  Side side(scores, 0, shape, firstRow, batch, thread);
  MatrixTile tile(at, side, 0);
  tile.place(memory);
  Value zero = at.constant(0);
  tile.store(side.load(zero), zero);
  NVVM::Barrier0Op::create(b, loc);
  Value begin =
      b.createOrFold<arith::SubIOp>(loc, b.createOrFold<arith::SubIOp>(loc, warpRow, at.div(lane, 4)), firstRow);
  for (int64_t group = 0; group < groups; ++group) {
    queries.emplace_back();
    for (int64_t step = 0; step < deep * kBytes / kStepBytes; ++step)
      queries.back().push_back(tile.fragmentOf(/*isRight=*/false, begin, lane, zero, group, step));
  }
  // The memory is for keys from now on.
  NVVM::Barrier0Op::create(b, loc);
}

void MatrixAttention::load(Value tile, Value buffer, bool isAsync) {
  Side ofKeys = keysOf(tile), ofValues = valuesOf();
  MatrixTile keyTile(at, ofKeys, 0), valueTile(at, ofValues, keyTile.sizeInBytes());
  keyTile.place(memory);
  valueTile.place(memory);
  if (isAsync) {
    keyTile.copyAsync(at.constant(0), buffer);
    valueTile.copyAsync(tile, buffer);
    return;
  }
  Values k = ofKeys.load(at.constant(0)), v = ofValues.load(tile);
  keyTile.store(k, buffer);
  valueTile.store(v, buffer);
}

/// By group, then eight keys: four of a lane.
SmallVector<Value> MatrixAttention::scoresOf(Value buffer) {
  Side side = keysOf(at.constant(0));
  MatrixTile tile(at, side, 0);
  tile.place(memory);
  Values sums(groups * tileKeys / 8 * 4, real(0));
  for (int64_t step = 0; step < deep * kBytes / kStepBytes; ++step)
    for (int64_t sixteen = 0; sixteen < tileKeys / kGroupRows; ++sixteen) {
      Values right = tile.fragmentOf(/*isRight=*/true, at.constant(0), lane, buffer, sixteen, step);
      for (int64_t group = 0; group < groups; ++group)
        for (int64_t half : {0, 1}) {
          size_t at4 = (group * (tileKeys / 8) + sixteen * 2 + half) * 4;
          Values made = multiplyAdd(b, loc, cores, factors, queries[group][step], ArrayRef(right).slice(2 * half, 2),
                                    ArrayRef(sums).slice(at4, 4));
          llvm::copy(made, sums.begin() + at4);
        }
    }
  return sums;
}

SmallVector<Value> MatrixAttention::take(Value tile, Value buffer, Values state) {
  Values products = scoresOf(buffer);
  int64_t eights = tileKeys / 8, ofResult = groups * wide / 8 * 4;
  std::optional<int64_t> known = cuda::extentOf(attention.scores, {attention.key});
  bool isWhole = known && *known % tileKeys == 0;
  Value firstKey = at.add(at.mul(tile, at.constant(tileKeys)), columnOfLane);
  Value least = real(-std::numeric_limits<double>::infinity());
  SmallVector<SmallVector<Values>> shares(groups, SmallVector<Values>(2)); // by group and half of its rows
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t half : {0, 1}) {
      Value row = within(rowOf(group, half), rows);
      Values ofRow;
      for (int64_t i = 0; i < eights * 2; ++i) {
        Value key = at.add(firstKey, at.constant(i / 2 * 8 + i % 2));
        Value score =
            scoreOf(products[(group * eights + i / 2) * 4 + half * 2 + i % 2], row, isWhole ? key : within(key, keys));
        if (!isWhole)
          score = arith::SelectOp::create(b, loc, at.isLess(key, keys), score, least);
        ofRow.push_back(score);
      }
      Value &most = state[ofResult + (group * 2 + half) * 2], &sum = state[ofResult + (group * 2 + half) * 2 + 1];
      Value now = most;
      Value ofTile = ofRow[0];
      for (Value score : ArrayRef(ofRow).drop_front())
        ofTile = greater(ofTile, score);
      for (int64_t distance : {1, 2})
        ofTile = greater(ofTile, exchange(ofTile, distance));
      now = greater(most, ofTile);
      Value base = baseOf(finite(now));
      Value smaller = shrinkage(most, finite(now));
      sum = arith::MulFOp::create(b, loc, sum, smaller);
      for (Value score : ofRow) {
        Value power = powerOf(score, base);
        sum = arith::AddFOp::create(b, loc, sum, power);
        shares[group][half].push_back(shareOf(power));
      }
      most = now;
      for (int64_t i = 0; i < wide / 8; ++i)
        for (int64_t neighbour : {0, 1}) {
          Value &result = state[(group * (wide / 8) + i) * 4 + half * 2 + neighbour];
          result = arith::MulFOp::create(b, loc, result, smaller);
        }
    }
  // The second product: 16 keys at a time.
  auto pairOf = [&](Value first, Value second) -> Value {
    Value pair =
        vector::FromElementsOp::create(b, loc, VectorType::get({2}, first.getType()), ValueRange{first, second});
    return LLVM::BitcastOp::create(b, loc, b.getI32Type(), pair);
  };
  Side side = valuesOf();
  MatrixTile valueTile(at, side, tileKeys * deep * kBytes);
  valueTile.place(memory);
  for (int64_t step = 0; step < tileKeys / kGroupRows; ++step)
    for (int64_t sixteen = 0; sixteen < wide / kGroupRows; ++sixteen) {
      Values right = valueTile.fragmentOf(/*isRight=*/true, at.constant(0), lane, buffer, sixteen, step);
      for (int64_t group = 0; group < groups; ++group) {
        Values left;
        for (int64_t i = 0; i < 4; ++i) { // rows, then depth
          ArrayRef<Value> ofRow = shares[group][i % 2];
          size_t first = (step * 2 + i / 2) * 2;
          left.push_back(pairOf(ofRow[first], ofRow[first + 1]));
        }
        for (int64_t half : {0, 1}) {
          size_t at4 = (group * (wide / 8) + sixteen * 2 + half) * 4;
          Values made = multiplyAdd(b, loc, cores, factors, left, ArrayRef(right).slice(2 * half, 2),
                                    ArrayRef(state).slice(at4, 4));
          llvm::copy(made, state.begin() + at4);
        }
      }
    }
  return state;
}

void MatrixAttention::work() {
  Value warp = at.div(thread, kWarpLanes), zero = at.constant(0), one = at.constant(1);
  lane = at.rem(thread, kWarpLanes);
  warpRow = at.add(at.add(firstRow, at.mul(warp, at.constant(groups * kGroupRows))), at.div(lane, 4));
  columnOfLane = at.mul(at.rem(lane, 4), at.constant(2));
  int64_t stage = tileKeys * (deep + wide) * kBytes, ofQueries = plan.getBlock()[0] * deep * kBytes;
  bool isAsync = false;
  {
    Side ofKeys = keysOf(zero), ofValues = valuesOf();
    isAsync = cores == Cores::Ampere && MatrixTile(at, ofKeys, 0).canCopyAsync() &&
              MatrixTile(at, ofValues, 0).canCopyAsync();
  }
  memory = sharedMemory(at, module, std::max(ofQueries, stage * (isAsync ? 2 : 1)));
  loadQueries();
  int64_t ofResult = groups * wide / 8 * 4;
  Values state(ofResult, real(0));
  for (int64_t i = 0; i < groups * 2; ++i) {
    state.push_back(real(-std::numeric_limits<double>::infinity()));
    state.push_back(real(0));
  }
  if (isAsync) {
    load(zero, zero, true);
    NVVM::CpAsyncCommitGroupOp::create(b, loc);
    state.push_back(zero); // the buffer that is read
  }
  auto loop = scf::ForOp::create(b, loc, zero, tiles, one, state);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    Value tile = loop.getInductionVar(), buffer = zero;
    Values now(loop.getRegionIterArgs());
    if (isAsync) {
      buffer = now.pop_back_val();
      NVVM::CpAsyncWaitGroupOp::create(b, loc, 0);
      NVVM::Barrier0Op::create(b, loc);
      Value next = at.add(tile, one);
      Value other = b.createOrFold<arith::SubIOp>(loc, at.constant(stage), buffer);
      auto branch = scf::IfOp::create(b, loc, at.isLess(next, tiles), /*withElseRegion=*/false);
      {
        OpBuilder::InsertionGuard inner(b);
        b.setInsertionPointToStart(branch.thenBlock());
        load(next, other, true);
      }
      NVVM::CpAsyncCommitGroupOp::create(b, loc);
      now = take(tile, buffer, now);
      now.push_back(other);
    } else {
      load(tile, zero, false);
      NVVM::Barrier0Op::create(b, loc);
      now = take(tile, zero, now);
      // Before the next tile takes the memory.
      NVVM::Barrier0Op::create(b, loc);
    }
    scf::YieldOp::create(b, loc, now);
  }
  Side ofValues = valuesOf();
  std::optional<int64_t> knownRows = cuda::extentOf(attention.scores, attention.rows);
  bool areWhole = knownRows && *knownRows % plan.getBlock()[0] == 0;
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t half : {0, 1}) {
      Value sum = loop.getResult(ofResult + (group * 2 + half) * 2 + 1);
      for (int64_t distance : {1, 2})
        sum = arith::AddFOp::create(b, loc, sum, exchange(sum, distance));
      Value row = rowOf(group, half), inverse = inverseOf(sum);
      auto isRow = areWhole ? scf::IfOp() : scf::IfOp::create(b, loc, at.isLess(row, rows), /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      if (isRow)
        b.setInsertionPointToStart(isRow.thenBlock());
      for (int64_t i = 0; i < wide / 8; ++i)
        for (int64_t neighbour : {0, 1}) {
          Value column = at.add(columnOfLane, at.constant(i * 8 + neighbour));
          Value result = loop.getResult((group * (wide / 8) + i) * 4 + half * 2 + neighbour);
          ofValues.whereInside(column, [&] { writeAt(arith::MulFOp::create(b, loc, result, inverse), row, column); });
        }
    }
}

std::unique_ptr<BlockWork> makeMatrixAttention(scf::ForallOp unit, ModuleOp module, Cores cores) {
  return std::make_unique<MatrixAttention>(unit, module, cores);
}

} // namespace tegula::cuda
