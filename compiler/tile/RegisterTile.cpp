//===- RegisterTile.cpp - loops and vectors of one unit ----------------------===//

#include "tegula/compiler/tile/RegisterTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
namespace tegula {

OperandAccess accessOf(AffineMap map, int64_t vectorLoop) {
  ArrayRef<AffineExpr> results = map.getResults();
  bool any = llvm::any_of(results, [&](AffineExpr expr) { return expr.isFunctionOfDim(vectorLoop); });
  if (!any)
    return OperandAccess::Uniform;
  for (AffineExpr expr : results.drop_back())
    if (expr.isFunctionOfDim(vectorLoop))
      return OperandAccess::Irregular;
  return coefficientOf(results.back(), vectorLoop) == 1 ? OperandAccess::Contiguous : OperandAccess::Irregular;
}

/// Whether the value, in the body of `op`, differs along `loop`.
static bool changesAlong(linalg::GenericOp op, Value value, int64_t loop) {
  llvm::SetVector<Value> values;
  values.insert(value);
  for (size_t i = 0; i < values.size(); ++i) {
    auto argument = dyn_cast<BlockArgument>(values[i]);
    if (argument && argument.getOwner() == op.getBlock()) {
      if (op.getMatchingIndexingMap(&op->getOpOperand(argument.getArgNumber())).isFunctionOfDim(loop))
        return true;
      continue;
    }
    Operation *made = values[i].getDefiningOp();
    if (!made || made->getBlock() != op.getBlock())
      continue;
    if (auto index = dyn_cast<linalg::IndexOp>(made); index && (int64_t)index.getDim() == loop)
      return true;
    values.insert(made->operand_begin(), made->operand_end());
  }
  return false;
}

/// Whether neighbours along `loop` read neighbours of a row, whose place does not differ along it.
static bool readsRow(linalg::GenericOp op, tensor::ExtractOp extract, int64_t loop) {
  if (extract.getIndices().empty())
    return false;
  auto last = extract.getIndices().back().getDefiningOp<linalg::IndexOp>();
  return last && last->getBlock() == op.getBlock() && (int64_t)last.getDim() == loop &&
         extract.getTensor().getParentBlock() != op.getBlock() && extract.getType().isIntOrFloat() &&
         extract.getType().getIntOrFloatBitWidth() >= 8 &&
         llvm::none_of(extract.getIndices().drop_back(), [&](Value at) { return changesAlong(op, at, loop); });
}

bool canVectorize(linalg::GenericOp op, int64_t vectorLoop) {
  for (OpOperand &operand : op->getOpOperands()) {
    OperandAccess access = accessOf(op.getMatchingIndexingMap(&operand), vectorLoop);
    if (access == OperandAccess::Irregular || (op.isDpsInit(&operand) && access != OperandAccess::Contiguous))
      return false;
    Type element = getElementTypeOrSelf(operand.get().getType());
    if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 8)
      return false;
  }
  return llvm::all_of(op.getBlock()->without_terminator(), [&](Operation &inner) {
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner))
      return readsRow(op, extract, vectorLoop);
    return isa<linalg::IndexOp, arith::ConstantOp>(inner) || OpTrait::hasElementwiseMappableTraits(&inner);
  });
}

std::optional<unsigned> transposedLoop(linalg::GenericOp op, int64_t vectorLoop) {
  if (op.getNumReductionLoops() != 0 || op.getNumDpsInputs() != 1 || !op.getBlock()->without_terminator().empty() ||
      op.getBlock()->getTerminator()->getOperand(0) != op.getBlock()->getArgument(0))
    return std::nullopt;
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  if (map.getNumResults() == 0)
    return std::nullopt;
  auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
  if (!last || !map.isProjectedPermutation() || (int64_t)last.getPosition() == vectorLoop ||
      !map.isFunctionOfDim(vectorLoop))
    return std::nullopt;
  return last.getPosition();
}

std::optional<unsigned> blockedReduction(linalg::GenericOp root, linalg::GenericOp epilogue, tgl::PlanAttr plan) {
  linalg::GenericOp last = epilogue ? epilogue : root;
  SmallVector<int64_t> extents = root.getStaticLoopRanges();
  if (getElementTypeOrSelf(last.getResult(0).getType()) != getElementTypeOrSelf(root.getResult(0).getType()))
    return std::nullopt;
  for (unsigned loop = root.getNumParallelLoops(); loop < plan.getBlock().size(); ++loop)
    if (plan.getBlock()[loop] > 0 && plan.getBlock()[loop] < extents[loop])
      return loop;
  return std::nullopt;
}

RegisterTile::RegisterTile(OpBuilder &builder, linalg::GenericOp root, linalg::GenericOp epilogue, tgl::PlanAttr plan,
                           ArrayRef<LoopRange> ranges, ArrayRef<Value> origin,
                           const llvm::DenseMap<OpOperand *, Value> &aligned)
    : b(builder), loc(epilogue ? epilogue.getLoc() : root.getLoc()), root(root), epilogue(epilogue), plan(plan),
      ranges(ranges), origin(origin), aligned(aligned), lanes(plan.getVectorLoop() < 0 ? 0 : plan.getLanes()),
      vectors(plan.getVectorLoop() < 0 ? 1 : plan.getVectors()), vectorLoop(plan.getVectorLoop()),
      unrollLoop(plan.getUnrollLoop()), lastLanes(lanes), width(lanes), maskedFrom(vectors),
      isTransposition(plan.getVectorLoop() >= 0 && transposedLoop(root, plan.getVectorLoop()) == plan.getUnrollLoop()),
      depth(plan.getDepth()), dot(plan.getDot() > 1 ? dotFormOf(root) : std::nullopt),
      taps(plan.getDot() > 1 && !dot ? tapFormOf(root) : std::nullopt),
      blockedLoop(blockedReduction(root, epilogue, plan)), position(root.getNumLoops()) {
  if (dot)
    dot->count = plan.getDot();
  int64_t outer = unrollLoop - 1;
  bool takesRows = plan.getOuter() > 1 && outer >= 0 && outer != vectorLoop && depth == 0 && !taps &&
                   !isTransposition && !ShapedType::isDynamic(ranges[outer].extent) &&
                   !ShapedType::isDynamic(ranges[unrollLoop].extent) && ranges[unrollLoop].extent <= plan.getUnroll() &&
                   !isBatch(outer);
  if (takesRows)
    outerLoop = outer;
}

/// A shorter vector saves nothing.
static constexpr int64_t kLeastLanes = 4;

Value RegisterTile::constant(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

Value RegisterTile::loop(Value begin, Value end, int64_t step, Value carried,
                         llvm::function_ref<Value(Value, Value)> body) {
  auto op = scf::ForOp::create(b, loc, begin, end, constant(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(op.getBody());
  scf::YieldOp::create(b, loc, body(op.getInductionVar(), op.getRegionIterArg(0)));
  return op.getResult(0);
}

Value RegisterTile::emit(Value target) {
  if (!blockedLoop)
    return emitReductionBlock(target);
  int64_t extent = root.getStaticLoopRanges()[*blockedLoop], size = plan.getBlock()[*blockedLoop];
  Value last = constant((extent - 1) / size * size);
  isLastBlock = false;
  target = loop(constant(0), last, size, target, [&](Value at, Value inner) {
    blockBegin = at;
    blockEnd = arith::AddIOp::create(b, loc, at, constant(size));
    isFirstBlock = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, at, constant(0));
    return emitReductionBlock(inner);
  });
  blockBegin = last;
  blockEnd = constant(extent);
  isFirstBlock = {};
  isLastBlock = true;
  return emitReductionBlock(target);
}

Value RegisterTile::emitReductionBlock(Value target) {
  return hasPanels() ? emitBatchLoops(0, target) : emitOuterLoops(0, target);
}

bool RegisterTile::isBatch(int64_t loopIndex) {
  if (!hasPanels() || loopIndex == vectorLoop || loopIndex == unrollLoop)
    return false;
  return llvm::any_of(root.getDpsInputOperands(), [&](OpOperand *operand) {
    AffineMap map = root.getMatchingIndexingMap(operand);
    return accessOf(map, vectorLoop) == OperandAccess::Contiguous && map.isFunctionOfDim(loopIndex) &&
           (unrollLoop < 0 || !map.isFunctionOfDim(unrollLoop));
  });
}

Value RegisterTile::emitBatchLoops(unsigned loopIndex, Value target) {
  if (loopIndex == ranges.size())
    return emitVectorLoop(target);
  if (!isBatch(loopIndex))
    return emitBatchLoops(loopIndex + 1, target);
  return loop(ranges[loopIndex].begin, ranges[loopIndex].end, 1, target, [&](Value at, Value inner) {
    position[loopIndex] = at;
    return emitBatchLoops(loopIndex + 1, inner);
  });
}

Value RegisterTile::emitVectorLoop(Value target) {
  const LoopRange &range = ranges[vectorLoop];
  int64_t step = lanes * vectors;
  auto blocks = [&](Value begin, Value end, Value carried, int64_t firstMasked) {
    return loop(begin, end, step, carried, [&](Value at, Value inner) {
      position[vectorLoop] = at;
      maskedFrom = firstMasked;
      if (hasTaps())
        readTapWeights();
      return hasPanels() ? emitOuterLoops(0, inner) : emitUnrolled(inner);
    });
  };
  if (!ShapedType::isDynamic(range.extent) && range.extent % step == 0)
    return blocks(range.begin, range.end, target, vectors);
  // What the last block leaves beyond whole steps, 0 where it is not known.
  int64_t rest = !ShapedType::isDynamic(range.extent) ? range.extent % step : 0;
  if (!rest && !ShapedType::isDynamic(range.lastExtent) && plan.getBlock()[vectorLoop] % step == 0)
    rest = range.lastExtent % step;
  Value extent = arith::SubIOp::create(b, loc, range.end, range.begin);
  Value whole = arith::SubIOp::create(b, loc, extent, arith::RemUIOp::create(b, loc, extent, constant(step)));
  Value middle = b.createOrFold<arith::AddIOp>(loc, range.begin, whole);
  if (ShapedType::isDynamic(range.extent) || range.extent > step)
    target = blocks(range.begin, middle, target, vectors);
  // Squares that reach back over others, or single elements where the block may be narrower.
  if (isTransposition && !ShapedType::isDynamic(range.extent) && range.extent >= lanes) {
    position[vectorLoop] = arith::SubIOp::create(b, loc, range.end, constant(lanes));
    return emitUnrolled(target);
  }
  if (isTransposition) {
    int64_t whole = std::exchange(lanes, 0);
    target = loop(middle, range.end, 1, target, [&](Value at, Value inner) {
      position[vectorLoop] = at;
      return emitUnrolled(inner);
    });
    lanes = whole;
    return target;
  }
  if (!rest)
    return blocks(middle, range.end, target, 0);
  // No vector that holds nothing of the rest, a last one as short as it may be, a mask only where that is too long.
  vectors = (rest + lanes - 1) / lanes;
  int64_t last = rest - (vectors - 1) * lanes;
  lastLanes = std::min<int64_t>(std::max<int64_t>(llvm::PowerOf2Ceil(last), kLeastLanes), lanes);
  isLastSingle = last == 1;
  target = blocks(middle, range.end, target, last == lastLanes ? vectors : vectors - 1);
  isLastSingle = false;
  vectors = plan.getVectors();
  lastLanes = lanes;
  return target;
}

Value RegisterTile::emitOuterLoops(unsigned loopIndex, Value target) {
  if (loopIndex == ranges.size())
    return isVector() && !hasPanels() ? emitVectorLoop(target) : emitUnrolled(target);
  if ((isVector() && loopIndex == vectorLoop) || (int64_t)loopIndex == unrollLoop || (int64_t)loopIndex == outerLoop ||
      isBatch(loopIndex))
    return emitOuterLoops(loopIndex + 1, target);
  if (ranges[loopIndex].extent == 1) {
    position[loopIndex] = ranges[loopIndex].begin;
    return emitOuterLoops(loopIndex + 1, target);
  }
  return loop(ranges[loopIndex].begin, ranges[loopIndex].end, 1, target, [&](Value at, Value inner) {
    position[loopIndex] = at;
    return emitOuterLoops(loopIndex + 1, inner);
  });
}

Value RegisterTile::emitUnrolled(Value target) {
  if (unrollLoop < 0)
    return emitTile(1, target);
  if (depth > 0)
    return emitMatrices(target);
  int64_t stepped = outerLoop >= 0 ? outerLoop : unrollLoop, most = outerLoop >= 0 ? plan.getOuter() : plan.getUnroll();
  int64_t rows = outerLoop >= 0 ? ranges[unrollLoop].extent : 1;
  position[unrollLoop] = ranges[unrollLoop].begin;
  const LoopRange &range = ranges[stepped];
  auto blocks = [&](Value begin, Value end, int64_t step, Value carried) {
    return loop(begin, end, step, carried, [&](Value at, Value inner) {
      position[stepped] = at;
      return emitTile(step * rows, inner);
    });
  };
  if (ShapedType::isDynamic(range.extent)) {
    Value begin = range.begin;
    auto wholeTiles = [&](int64_t step) {
      Value extent = arith::SubIOp::create(b, loc, range.end, begin);
      Value rest = arith::RemUIOp::create(b, loc, extent, constant(step));
      Value middle = arith::SubIOp::create(b, loc, range.end, rest);
      target = blocks(begin, middle, step, target);
      begin = middle;
    };
    wholeTiles(plan.getUnroll());
    if (!ShapedType::isDynamic(range.lastExtent) && plan.getBlock()[unrollLoop] % plan.getUnroll() == 0) {
      int64_t last = range.lastExtent % plan.getUnroll();
      return last ? blocks(begin, range.end, last, target) : target;
    }
    // The rest in tiles of half the size each: one row at a time would wait for its own sums.
    for (int64_t step = plan.getUnroll() / 2; step > 1; step /= 2)
      wholeTiles(step);
    return blocks(begin, range.end, 1, target);
  }
  if (isTransposition && isVector()) {
    // Squares; the last ones begin earlier where they do not fill the loop.
    int64_t rest = range.extent % lanes;
    auto end = [&](int64_t count) { return b.createOrFold<arith::AddIOp>(loc, range.begin, constant(count)); };
    target = blocks(range.begin, end(range.extent - rest), lanes, target);
    return rest ? blocks(end(range.extent - lanes), range.end, lanes, target) : target;
  }
  // Tiles of two neighbouring sizes instead of full ones and a small rest.
  int64_t tiles = (range.extent + most - 1) / most;
  int64_t small = range.extent / tiles, large = range.extent % tiles;
  Value middle = b.createOrFold<arith::AddIOp>(loc, range.begin, constant(large * (small + 1)));
  if (large)
    target = blocks(range.begin, middle, small + 1, target);
  return large == tiles ? target : blocks(middle, range.end, small, target);
}

Value RegisterTile::emitTransposed(Value target) {
  // Rows of the source, then log2 rounds of a perfect shuffle.
  OpOperand &operand = root->getOpOperand(0);
  SmallVector<Value> rows;
  Value first = position[vectorLoop];
  for (int64_t row = 0; row < lanes; ++row) {
    position[vectorLoop] = b.createOrFold<arith::AddIOp>(loc, first, constant(row));
    SmallVector<Value> indices;
    for (AffineExpr expr : root.getMatchingIndexingMap(&operand).getResults())
      indices.push_back(apply(expr, 0, 0));
    rows.push_back(readVector(operand.get(), indices, Value()));
  }
  position[vectorLoop] = first;
  SmallVector<int64_t> low, high;
  for (int64_t lane = 0; lane < lanes / 2; ++lane) {
    low.append({lane, lanes + lane});
    high.append({lanes / 2 + lane, lanes + lanes / 2 + lane});
  }
  for (int64_t round = 1; round < lanes; round *= 2) {
    SmallVector<Value> next;
    for (int64_t row = 0; row < lanes / 2; ++row)
      for (ArrayRef<int64_t> order : {low, high})
        next.push_back(vector::ShuffleOp::create(b, loc, rows[row], rows[row + lanes / 2], order));
    rows = next;
  }
  for (auto [u, row] : llvm::enumerate(rows))
    target = write(row, target, u, 0);
  return target;
}

Value RegisterTile::emitTile(int64_t unroll, Value target) {
  if (isTransposition && isVector())
    return emitTransposed(target);
  tileUnroll = unroll;
  loaded.clear();
  SmallVector<Value> accumulators = depth > 0 ? startMatrices() : start(unroll, target);
  if (hasMmla())
    exchangeHalves(accumulators);
  hasTaps() ? emitTaps(accumulators) : emitReduction(ranges.size(), accumulators);
  loaded.clear();
  if (hasMmla())
    exchangeHalves(accumulators);
  if (depth > 0)
    accumulators = rowsOfMatrices(accumulators);
  arith::TruncIOp narrowing = lastNarrowing();
  int64_t joined = narrowing ? vectors : 1;
  for (int64_t u = 0; u < unroll; ++u)
    for (int64_t v = 0; v < vectors; v += joined) {
      SmallVector<Value> results;
      for (int64_t part = v; part < v + joined; ++part) {
        selectVector(part);
        results.push_back(accumulators[u * vectors + part]);
        if (!epilogue || !isLastBlock)
          continue;
        SmallVector<Value> arguments;
        for (OpOperand &operand : epilogue->getOpOperands())
          arguments.push_back(operand.get() == root.getResult(0) ? results.back()
                                                                 : readOperand(epilogue, operand, u, part));
        results.back() = evaluate(epilogue, arguments, u, part, narrowing);
      }
      Value result = results[0];
      if (narrowing) {
        width = joined * lanes;
        SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, width));
        result = vector::ShuffleOp::create(b, loc, results[0], results[1], order);
        auto type = VectorType::get({width}, narrowing.getType());
        result = arith::TruncIOp::create(b, narrowing.getLoc(), type, result, narrowing.getOverflowFlags());
      }
      target = write(result, target, u, v);
    }
  return target;
}

arith::TruncIOp RegisterTile::lastNarrowing() {
  if (!epilogue || !isLastBlock || !isVector() || vectors != 2 || maskedFrom < vectors || lastLanes != lanes)
    return {};
  auto last = epilogue.getBlock()->getTerminator()->getOperand(0).getDefiningOp<arith::TruncIOp>();
  return last && last->hasOneUse() && last.getType().isInteger(8) ? last : arith::TruncIOp();
}

SmallVector<Value> RegisterTile::start(int64_t unroll, Value target) {
  SmallVector<Value> values;
  auto addAll = [&](auto make) {
    loaded.clear();
    for (int64_t u = 0; u < unroll; ++u)
      for (int64_t v = 0; v < vectors; ++v) {
        selectVector(v);
        values.push_back(make(u, v));
      }
    loaded.clear();
  };
  auto first = [&](int64_t u, int64_t v) { return initial(u, v); };
  auto later = [&](int64_t u, int64_t v) { return partial(target, u, v); };
  if (!blockedLoop)
    addAll(first);
  else if (!isFirstBlock)
    addAll(later);
  else {
    auto either = [&](auto make) {
      return [&, make](OpBuilder &, Location) {
        values.clear();
        addAll(make);
        scf::YieldOp::create(b, loc, values);
      };
    };
    OpBuilder::InsertionGuard guard(b);
    auto choice = scf::IfOp::create(b, loc, isFirstBlock, either(first), either(later));
    values.assign(choice.result_begin(), choice.result_end());
  }
  return values;
}

/// A loop of so few steps costs more than it saves in code.
static constexpr int64_t kUnrolledDots = 4;

void RegisterTile::emitReduction(unsigned loopIndex, SmallVectorImpl<Value> &accumulators) {
  if (loopIndex == root.getNumLoops())
    return emitBody(accumulators);
  int64_t extent = root.getStaticLoopRanges()[loopIndex];
  bool isDot = dot && loopIndex + 1 == root.getNumLoops(), isBlocked = blockedLoop == loopIndex;
  int64_t step = !isDot ? 1 : depth > 0 ? depth : dot->count;
  if (isDot && !isBlocked && extent / step <= kUnrolledDots) {
    for (int64_t at = 0; at < extent; at += step) {
      position[loopIndex] = constant(at);
      emitReduction(loopIndex + 1, accumulators);
    }
    return;
  }
  Value end;
  if (ShapedType::isDynamic(extent)) {
    for (OpOperand &operand : root->getOpOperands()) {
      AffineMap map = root.getMatchingIndexingMap(&operand);
      if (auto place = map.getResultPosition(b.getAffineDimExpr(loopIndex))) {
        end = tensor::DimOp::create(b, loc, operand.get(), *place);
        break;
      }
    }
  } else if (extent == 1) {
    position[loopIndex] = constant(0);
    return emitReduction(loopIndex + 1, accumulators);
  } else {
    end = constant(extent);
  }
  auto op = scf::ForOp::create(b, loc, isBlocked ? blockBegin : constant(0), isBlocked ? blockEnd : end, constant(step),
                               accumulators);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(op.getBody());
    SmallVector<Value> inner(op.getRegionIterArgs());
    position[loopIndex] = op.getInductionVar();
    emitReduction(loopIndex + 1, inner);
    scf::YieldOp::create(b, loc, inner);
  }
  accumulators.assign(op.result_begin(), op.result_end());
}

void RegisterTile::emitBody(SmallVectorImpl<Value> &accumulators) {
  loaded.clear();
  if (depth > 0)
    return emitMatrixProducts(accumulators);
  if (hasMmla())
    return emitMmla(accumulators);
  if (dot)
    return emitDots(accumulators);
  for (int64_t u = 0; u < tileUnroll; ++u)
    for (int64_t v = 0; v < vectors; ++v) {
      selectVector(v);
      SmallVector<Value> arguments;
      for (OpOperand *operand : root.getDpsInputOperands())
        arguments.push_back(readOperand(root, *operand, u, v));
      arguments.push_back(accumulators[u * vectors + v]);
      accumulators[u * vectors + v] = evaluate(root, arguments, u, v);
    }
  loaded.clear();
}

Value RegisterTile::evaluate(linalg::GenericOp op, ArrayRef<Value> arguments, int64_t u, int64_t v, Operation *last) {
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(op.getBlock()->getArguments(), arguments))
    if (value)
      mapping.map(argument, value);
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (&inner == last)
      break;
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      Value at = indexOf(index.getDim(), u, v);
      if (isVector()) {
        Value splat = toVector(at);
        if ((int64_t)index.getDim() == vectorLoop)
          splat =
              arith::AddIOp::create(b, loc, splat, vector::StepOp::create(b, loc, cast<VectorType>(splat.getType())));
        at = splat;
      }
      mapping.map(index.getResult(), at);
      continue;
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner); extract && isVector()) {
      SmallVector<Value> indices;
      for (Value index : extract.getIndices().drop_back())
        indices.push_back(scalarOf(op, index, u));
      indices.push_back(indexOf(vectorLoop, u, v));
      mapping.map(extract.getResult(), readVector(extract.getTensor(), indices, mask(v)));
      continue;
    }
    cloneOnVectors(inner, mapping);
  }
  Value yielded = (last ? last : op.getBlock()->getTerminator())->getOperand(0);
  Value result = mapping.lookupOrDefault(yielded);
  return isVector() && !isa<VectorType>(result.getType()) ? toVector(result) : result;
}

Value RegisterTile::scalarOf(linalg::GenericOp op, Value value, int64_t u) {
  if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == op.getBlock()) {
    OpOperand &operand = op->getOpOperand(argument.getArgNumber());
    if (!isa<RankedTensorType>(operand.get().getType()))
      return operand.get();
    SmallVector<Value> indices;
    for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults())
      indices.push_back(apply(expr, u, 0));
    return tensor::ExtractOp::create(b, loc, operand.get(), indices);
  }
  Operation *made = value.getDefiningOp();
  if (!made || made->getBlock() != op.getBlock())
    return value;
  if (auto index = dyn_cast<linalg::IndexOp>(made))
    return indexOf(index.getDim(), u, 0);
  IRMapping mapping;
  for (Value operand : made->getOperands())
    mapping.map(operand, scalarOf(op, operand, u));
  return b.clone(*made, mapping)->getResult(cast<OpResult>(value).getResultNumber());
}

Value RegisterTile::cloneOnVectors(Operation &op, IRMapping &mapping) {
  if (!isVector() || isa<arith::ConstantOp>(op)) {
    Operation *clone = b.clone(op, mapping);
    if (isVector())
      mapping.map(op.getResult(0), toVector(clone->getResult(0)));
    return clone->getNumResults() ? clone->getResult(0) : Value();
  }
  SmallVector<Value> operands;
  for (Value operand : op.getOperands()) {
    Value value = mapping.lookupOrDefault(operand);
    operands.push_back(isa<VectorType>(value.getType()) ? value : toVector(value));
  }
  OperationState state(op.getLoc(), op.getName());
  state.addOperands(operands);
  for (Type type : op.getResultTypes())
    state.addTypes(VectorType::get({width}, type));
  state.addAttributes(op.getDiscardableAttrDictionary().getValue());
  if (op.getPropertiesStorage())
    state.propertiesAttr = op.getPropertiesAsAttribute();
  Operation *clone = b.create(state);
  mapping.map(op.getResults(), clone->getResults());
  return clone->getResult(0);
}

Value RegisterTile::toVector(Value scalar) {
  return vector::BroadcastOp::create(b, loc, VectorType::get({width}, scalar.getType()), scalar);
}

Value RegisterTile::mask(int64_t v) {
  if (v < maskedFrom)
    return {};
  Value left = arith::SubIOp::create(b, loc, ranges[vectorLoop].end, indexOf(vectorLoop, 0, v));
  return vector::CreateMaskOp::create(b, loc, VectorType::get({width}, b.getI1Type()), left);
}

Value RegisterTile::initial(int64_t u, int64_t v) {
  OpOperand &init = root.getDpsInitsMutable()[0];
  if (!root.payloadUsesValueFromOperand(&init)) {
    Type element = getElementTypeOrSelf(init.get().getType());
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
    return isVector() ? toVector(zero) : zero;
  }
  if (auto fill = init.get().getDefiningOp<linalg::FillOp>()) {
    Value value = fill.value();
    return isVector() ? toVector(value) : value;
  }
  return readOperand(root, init, u, v);
}

Value RegisterTile::readOperand(linalg::GenericOp op, OpOperand &operand, int64_t u, int64_t v) {
  if (op.isDpsInit(&operand) && !op.payloadUsesValueFromOperand(&operand))
    return {};
  AffineMap map = op.getMatchingIndexingMap(&operand);
  auto uses = [&](int64_t loopIndex) {
    return loopIndex >= 0 &&
           llvm::any_of(map.getResults(), [&](AffineExpr expr) { return expr.isFunctionOfDim(loopIndex); });
  };
  bool isUniform = !isVector() || !uses(vectorLoop);
  int64_t keyU = isUnrolled(map) ? u : 0, keyV = isUniform && width == lanes ? 0 : v;
  Value &known = loaded[{&operand, keyU, keyV}];
  if (known)
    return known;
  Value source = operand.get();
  Value result;
  if (!isa<RankedTensorType>(source.getType())) {
    result = isVector() ? toVector(source) : source;
  } else if (auto unpack = source.getDefiningOp<linalg::UnPackOp>(); unpack && !isUniform) {
    result = readPacked(unpack, map, keyU, keyV);
  } else {
    SmallVector<Value> indices;
    if (unpack && isPackedByRows(source)) {
      source = unpack.getSource();
      indices = packedIndices(operand, keyU, keyV, /*isSingle=*/true);
    } else if (Value slice = aligned.lookup(&operand)) {
      source = slice;
      indices = targetIndices(keyU, keyV);
    } else {
      for (AffineExpr expr : map.getResults())
        indices.push_back(apply(expr, keyU, keyV));
    }
    if (isUniform) {
      result = tensor::ExtractOp::create(b, loc, source, indices);
      if (isVector())
        result = toVector(result);
    } else {
      result = readVector(source, indices, mask(v));
    }
  }
  return loaded[{&operand, keyU, keyV}] = result;
}

Value RegisterTile::readVector(Value source, ValueRange indices, Value mask) {
  Type element = getElementTypeOrSelf(source.getType());
  Value padding = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
  auto identity = AffineMap::getMinorIdentityMap(indices.size(), 1, b.getContext());
  return vector::TransferReadOp::create(b, loc, VectorType::get({width}, element), source, indices,
                                        AffineMapAttr::get(identity), padding, mask, b.getBoolArrayAttr({true}));
}

Value RegisterTile::readPacked(linalg::UnPackOp unpack, AffineMap map, int64_t u, int64_t v) {
  Value packed = unpack.getSource();
  Value panel = arith::DivUIOp::create(b, loc, position[vectorLoop], constant(lanes * plan.getVectors()));
  SmallVector<Value> indices{panel};
  for (AffineExpr expr : map.getResults().drop_back())
    indices.push_back(apply(expr, u, 0));
  indices.push_back(constant(v * lanes));
  return readVector(packed, indices, Value());
}

SmallVector<Value> RegisterTile::targetIndices(int64_t u, int64_t v) {
  linalg::GenericOp last = epilogue ? epilogue : root;
  SmallVector<Value> indices;
  for (auto [axis, expr] : llvm::enumerate(last.getIndexingMapsArray().back().getResults())) {
    Value at = apply(expr, u, v);
    indices.push_back(origin[axis] ? b.createOrFold<arith::SubIOp>(loc, at, origin[axis]) : at);
  }
  return indices;
}

Value RegisterTile::partial(Value target, int64_t u, int64_t v) {
  SmallVector<Value> indices = targetIndices(u, v);
  if (!isVector())
    return tensor::ExtractOp::create(b, loc, target, indices);
  return readVector(target, indices, mask(v));
}

Value RegisterTile::write(Value value, Value target, int64_t u, int64_t v) {
  SmallVector<Value> indices = targetIndices(u, v);
  // Not as a masked store of one lane: LLVM 22 writes four bytes where that lane is truncated (AVX-512), over what may
  // be another thread's.
  if (isLastSingle && v >= maskedFrom)
    value = vector::ExtractOp::create(b, loc, value, 0);
  if (!isVector() || (isLastSingle && v >= maskedFrom))
    return tensor::InsertOp::create(b, loc, value, target, indices);
  auto identity = AffineMap::getMinorIdentityMap(indices.size(), 1, b.getContext());
  return vector::TransferWriteOp::create(b, loc, value, target, indices, AffineMapAttr::get(identity), mask(v),
                                         b.getBoolArrayAttr({true}))
      .getResult();
}

Value RegisterTile::indexOf(unsigned loopIndex, int64_t u, int64_t v) {
  int64_t offset = isVector() && loopIndex == vectorLoop ? v * lanes : 0;
  if ((int64_t)loopIndex == unrollLoop)
    offset = outerLoop < 0 ? u : u % ranges[unrollLoop].extent;
  else if ((int64_t)loopIndex == outerLoop)
    offset = u / ranges[unrollLoop].extent;
  if (!offset)
    return position[loopIndex];
  return b.createOrFold<arith::AddIOp>(loc, position[loopIndex], constant(offset));
}

Value RegisterTile::apply(AffineExpr expr, int64_t u, int64_t v) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return indexOf(dim.getPosition(), u, v);
  if (auto number = dyn_cast<AffineConstantExpr>(expr))
    return constant(number.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = apply(binary.getLHS(), u, v), rhs = apply(binary.getRHS(), u, v);
  switch (binary.getKind()) {
  case AffineExprKind::Add:
    return b.createOrFold<arith::AddIOp>(loc, lhs, rhs);
  case AffineExprKind::Mul:
    return b.createOrFold<arith::MulIOp>(loc, lhs, rhs);
  case AffineExprKind::FloorDiv:
    return b.createOrFold<arith::DivUIOp>(loc, lhs, rhs);
  case AffineExprKind::CeilDiv:
    return b.createOrFold<arith::CeilDivUIOp>(loc, lhs, rhs);
  default:
    return b.createOrFold<arith::RemUIOp>(loc, lhs, rhs);
  }
}

} // namespace tegula
