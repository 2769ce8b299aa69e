//===- Plan.cpp - how the CPU target tiles a unit -------------------------------===//
//
// Decides only; the shared passes of the tile stage obey.
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Bands.h"
#include "tegula/compiler/tile/Dot.h"
#include "tegula/compiler/tile/RegisterTile.h"
#include "tegula/targets/cpu/Cpu.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
namespace tegula::cpu {

/// Work below this many scalar operations is not worth a second thread (a fork-join costs a few microseconds).
static constexpr double kSerialWork = 60e3;

/// Of the right side in one block of a long reduction: the best of 16 to 256 KiB on Zen 4.
static constexpr int64_t kReductionBlockBytes = 64 * 1024;
/// Fewer tiles of rows gain nothing from a panel that is near.
static constexpr int64_t kLeastTiles = 8;

/// Half cycles until a sum can be added to; what a first-level cache holds of a panel; half cycles that a vector takes
/// from the second-level cache, beyond what hides behind products. Measured on Emerald Rapids.
static constexpr double kLatency = 8, kNearBytes = 24 * 1024;
static constexpr double kPerFarVector = 2;
/// Half cycles that a load takes in effect, of which two begin in a cycle.
static constexpr double kPerLoad = 1.2;
/// Another tile than the usual one has to be better by so much.
static constexpr double kLeastGain = 0.93;

/// Of 32 bits.
static constexpr int64_t kNeonLanes = 4;

/// Of a transposition in registers.
static constexpr int64_t kLeastSquare = 4;

/// Of a matrix register.
static constexpr int64_t kTileRows = 16, kTileBytes = 64;
/// A matrix is multiplied in 16 cycles, whatever its rows; smaller ones are left to vectors, which take half a cycle
/// for a row of 64 bytes by 16 columns times four.
static constexpr int64_t kLeastRows = 4, kLeastDepth = 16;

/// Extents of all loops; a dynamic one counts as 64.
static SmallVector<int64_t> extentsOf(linalg::GenericOp op) {
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  for (int64_t &extent : extents)
    if (ShapedType::isDynamic(extent))
      extent = 64;
  return extents;
}

static double scalarOps(linalg::GenericOp op) {
  double count = 1;
  for (Operation &inner : op.getBlock()->without_terminator())
    count += isa<math::MathDialect>(inner.getDialect()) ? 12 : 1;
  return count;
}

/// Of one element; a scalar counts as one.
static int64_t bytesOf(Value operand) {
  return std::max<int64_t>(getElementTypeOrSelf(operand.getType()).getIntOrFloatBitWidth() / 8, 1);
}

/// Bytes that loops of these extents read of the operand.
static double readBytes(linalg::GenericOp op, OpOperand *operand, ArrayRef<int64_t> extents) {
  double bytes = bytesOf(operand->get());
  for (AffineExpr expr : op.getMatchingIndexingMap(operand).getResults()) {
    double extent = 0;
    for (unsigned loop = 0; loop < extents.size(); ++loop)
      if (expr.isFunctionOfDim(loop))
        extent += extents[loop];
    bytes *= std::max(extent, 1.0);
  }
  return bytes;
}

/// Bytes of the operands that do not change along the vector loop (the left side of a product).
static double leftBytes(linalg::GenericOp op, int64_t vectorLoop, ArrayRef<int64_t> extents) {
  double bytes = 0;
  for (OpOperand *operand : op.getDpsInputOperands())
    if (accessOf(op.getMatchingIndexingMap(operand), vectorLoop) == OperandAccess::Uniform)
      bytes += readBytes(op, operand, extents);
  return bytes;
}

/// The largest divisor of `extent` up to `limit`.
static int64_t divisorUpTo(int64_t extent, int64_t limit) {
  for (int64_t size = std::min(extent, std::max<int64_t>(limit, 1)); size > 1; --size)
    if (extent % size == 0)
      return size;
  return 1;
}

namespace {
/// What a plan may do otherwise than the policy; 0 leaves it the choice.
struct Variation {
  int64_t vectors = 0, unroll = 0;
  double cacheShare = 0.5; ///< of the second-level cache, for the left side of a product
};

class Policy {
public:
  Policy(linalg::GenericOp root, tgl::TargetAttr target, Variation variation = {})
      : variation(variation), root(root), target(target), extents(extentsOf(root)),
        isStatic(!ShapedType::isDynamicShape(root.getStaticLoopRanges())), parallel(root.getNumParallelLoops()),
        block(parallel, 0) {}

  tgl::PlanAttr plan() {
    chooseRegisters();
    chooseDot();
    if (vectorLoop >= 0 && variation.vectors && !isTransposition)
      vectors = variation.vectors;
    if (unrollLoop >= 0 && variation.unroll && !isTransposition)
      unroll = std::min(extents[unrollLoop], variation.unroll);
    chooseMatrices();
    chooseTaps();
    chooseRows();
    chooseReductionBlock();
    chooseBlocks();
    return tgl::PlanAttr::get(root.getContext(), vectorLoop, lanes, vectors, unrollLoop, unroll, block, dot, rows,
                              depth, outer, /*threads=*/0);
  }

private:
  void chooseRegisters() {
    if (parallel == 0)
      return;
    unsigned innermost = parallel - 1;
    if (extents[innermost] < 2)
      return;
    if (!canVectorize(root, innermost))
      return chooseTransposition(innermost);
    int64_t bits = 8;
    // Places of rows are read as single numbers, whatever their width.
    bool readsRows = llvm::any_of(*root.getBlock(), [](Operation &op) { return isa<tensor::ExtractOp>(op); });
    for (OpOperand &operand : root->getOpOperands()) {
      Type element = getElementTypeOrSelf(operand.get().getType());
      bool isPlace = readsRows && element.isInteger() &&
                     accessOf(root.getMatchingIndexingMap(&operand), innermost) == OperandAccess::Uniform;
      if (!isPlace)
        bits = std::max<int64_t>(bits, element.getIntOrFloatBitWidth());
    }
    lanes = std::max<int64_t>(target.getVectorBytes() * 8 / bits, 1);
    while (lanes > 4 && extents[innermost] <= lanes / 2)
      lanes /= 2;
    if (lanes < 2) {
      lanes = 1;
      return;
    }
    vectorLoop = innermost;
    bool reduces = root.getNumReductionLoops() > 0;
    if (!reduces) {
      vectors = extents[innermost] >= 4 * lanes && scalarOps(root) < 12 ? 4 : 1;
      return;
    }
    unrollLoop = chooseUnrollLoop();
    int64_t panels = (extents[innermost] + lanes - 1) / lanes;
    // Numbers that are spread over the lanes are kept for all vectors; too many are better read again by each.
    if (int64_t spread = countRead(OperandAccess::Uniform); spread > target.getRegisters() / 2)
      panels = 1;
    if (unrollLoop < 0) {
      // A sum, what is read along the vector loop, and what is made of that, of each vector.
      int64_t read = countRead(OperandAccess::Contiguous);
      int64_t most =
          read > 1 ? std::max<int64_t>(llvm::bit_floor<uint64_t>(target.getRegisters() / (2 * read + 2)), 1) : 8;
      vectors = std::min(panels, most);
      while (panels % vectors && vectors > 4)
        --vectors;
      return;
    }
    vectors = std::min<int64_t>(panels, 2);
    int64_t accumulators = target.getRegisters() * 3 / 4; // the rest holds operands
    unroll = std::min<int64_t>(extents[unrollLoop], accumulators / vectors);
    chooseProductTile(panels);
  }

  /// Vectors and rows of a tile of a product, by the time that all its tiles take.
  void chooseProductTile(int64_t panels) {
    if (!isProduct())
      return;
    int64_t bytes = target.getVectorBytes();
    for (unsigned loop = parallel; loop < extents.size(); ++loop)
      bytes *= extents[loop];
    double least = timeOf(panels, bytes);
    int64_t bestVectors = vectors, bestUnroll = unroll;
    for (int64_t candidate : {1, 2, 3}) {
      vectors = candidate;
      unroll = std::min(extents[unrollLoop], (target.getRegisters() - vectors - 1) / vectors);
      if (vectors > panels || timeOf(panels, bytes) >= kLeastGain * least)
        continue;
      least = timeOf(panels, bytes);
      bestVectors = vectors;
      bestUnroll = unroll;
    }
    vectors = bestVectors;
    unroll = bestUnroll;
  }

  /// Whether one operand is read along the vector loop, the same for all rows, and the other one by rows.
  bool isProduct() {
    SmallVector<OpOperand *> inputs = root.getDpsInputOperands();
    auto isLeft = [&](OpOperand *operand) {
      AffineMap map = root.getMatchingIndexingMap(operand);
      return accessOf(map, vectorLoop) == OperandAccess::Uniform && map.isFunctionOfDim(unrollLoop);
    };
    return inputs.size() == 2 &&
           ((isPanel(inputs[0]) && isLeft(inputs[1])) || (isPanel(inputs[1]) && isLeft(inputs[0])));
  }

  /// Whether all rows read the operand alike, along the vector loop.
  bool isPanel(OpOperand *operand) {
    AffineMap map = root.getMatchingIndexingMap(operand);
    return accessOf(map, vectorLoop) == OperandAccess::Contiguous && !map.isFunctionOfDim(unrollLoop);
  }

  /// Half cycles for a step of the reduction, of all rows and panels: two products and two loads at a time, sums that
  /// wait for the last ones, and vectors of panels of `bytes` that come from the second-level cache.
  double timeOf(int64_t panels, int64_t bytes) {
    auto ofTile = [&](int64_t rows, int64_t columns) {
      double step = std::max<double>({double(rows * columns), kPerLoad * (rows + columns), kLatency});
      return step + (bytes * columns > kNearBytes ? kPerFarVector * columns : 0);
    };
    auto ofRows = [&](int64_t columns) {
      int64_t loop = unrollLoop - 1, together = mostRows(columns), row = extents[unrollLoop];
      int64_t count = together > 1 ? extents[loop] : row, most = together > 1 ? together : unroll;
      int64_t ofOne = together > 1 ? row : 1, tiles = (count + most - 1) / most, small = count / tiles;
      double time = (count % tiles) * ofTile((small + 1) * ofOne, columns) +
                    (tiles - count % tiles) * ofTile(small * ofOne, columns);
      return together > 1 ? time / extents[loop] : time;
    };
    return (panels / vectors) * ofRows(vectors) + (panels % vectors ? ofRows(panels % vectors) : 0);
  }

  /// Operands that are read so in the vector loop.
  int64_t countRead(OperandAccess access) {
    return llvm::count_if(root.getDpsInputOperands(), [&](OpOperand *operand) {
      return accessOf(root.getMatchingIndexingMap(operand), vectorLoop) == access;
    });
  }

  /// Squares of as many rows as a vector has lanes, in 16 bytes where elements are smaller than 32 bits.
  void chooseTransposition(unsigned innermost) {
    std::optional<unsigned> other = transposedLoop(root, innermost);
    int64_t bytes = bytesOf(root.getResult(0));
    if (!other || !getElementTypeOrSelf(root.getResult(0).getType()).isIntOrFloat() || bytes > 4)
      return;
    int64_t most = bytes == 4 ? target.getVectorBytes() / 4 : 16 / bytes, least = std::min(most, kLeastSquare);
    while (most > least && std::min(extents[innermost], extents[*other]) < most)
      most /= 2;
    if (least < kLeastSquare || std::min(extents[innermost], extents[*other]) < most ||
        ShapedType::isDynamic(root.getStaticLoopRanges()[*other]))
      return;
    vectorLoop = innermost;
    unrollLoop = *other;
    lanes = unroll = most;
    isTransposition = true;
  }

  /// Several products at a time, if the target has that for their types.
  void chooseDot() {
    std::optional<DotForm> form = vectorLoop >= 0 ? dotFormOf(root) : std::nullopt;
    if (!form)
      return readSingly();
    // Panels serve all rows of a tile: weights that differ along the unrolled loop are of one row each.
    if (unrollLoop >= 0 && root.getMatchingIndexingMap(form->right).isFunctionOfDim(unrollLoop)) {
      unrollLoop = -1;
      unroll = 1;
    }
    bool isX86 = llvm::Triple(target.getTriple()).isX86();
    bool has = form->isReal       ? target.getRealDot() == "bf16"
               : form->count == 8 ? target.getMmla() && form->isLeftUnsigned
               : form->count == 4 ? target.getDot() == (form->isLeftUnsigned ? "u8s8" : "s8s8")
                                  : isX86 && !target.getDot().empty() && !form->isLeftUnsigned;
    if (!has)
      return readSingly();
    dot = form->count;
    if (isX86)
      return;
    // Two rows by two columns do twice as much.
    bool hasRows = unrollLoop >= 0 && extents[unrollLoop] > 1;
    if (dot == 4 && target.getMmla() && hasRows && extents.back() % 8 == 0 && !isPackedByRows(form->right->get()))
      dot = 8;
    // NEON's, also on CPUs with longer vectors. Four of them to a row: the left side is spread by an instruction.
    lanes = std::min(lanes, kNeonLanes);
    int64_t panels = (extents[vectorLoop] + lanes - 1) / lanes;
    vectors = std::min<int64_t>(panels, unrollLoop < 0 ? 8 : 4);
    if (unrollLoop >= 0)
      unroll = std::min<int64_t>(extents[unrollLoop], target.getRegisters() * 3 / 4 / vectors);
  }

  /// No vectors of what is packed for instructions that the target has not.
  void readSingly() {
    if (llvm::any_of(root.getDpsInputs(), isPackedByRows))
      vectorLoop = unrollLoop = -1;
  }

  /// Places of a depthwise window at a time, where a vector instruction sums so many products of bytes or 16 bits.
  void chooseTaps() {
    std::optional<TapForm> form = dot == 1 && vectorLoop >= 0 && unrollLoop >= 0 ? tapFormOf(root) : std::nullopt;
    if (!form || target.getDot().empty())
      return;
    bool areBytes = target.getDot() == (form->isLeftUnsigned ? "u8s8" : "s8s8");
    if (!areBytes && target.getDot() != "s16s16")
      return;
    int64_t places = areBytes ? 4 : 2, channels = extents[vectorLoop];
    int64_t most = llvm::Triple(target.getTriple()).isX86() ? target.getVectorBytes() / 4 : kNeonLanes;
    // What is left of the channels is done a place at a time, which takes three times as long.
    auto cost = [&](int64_t width) {
      int64_t rest = channels % (places * width);
      return 3.0 * rest + (channels - rest) * (1 + 0.1 * most / width);
    };
    int64_t best = most;
    for (int64_t width = most / 2; width >= 4; width /= 2)
      if (cost(width) < cost(best))
        best = width;
    if (channels < places * best)
      return;
    dot = vectors = places;
    lanes = best;
    unroll = std::min<int64_t>(extents[unrollLoop], target.getRegisters() / 16);
  }

  /// Matrix registers for the sums, if the target has them and the rows of the left side lie at equal distances.
  void chooseMatrices() {
    if (target.getTiles() == 0 || unrollLoop < 0 || dot == 1 || !canUseMatrices(root, unrollLoop))
      return;
    // Groups that are multiplied at once are 4 bytes in either form.
    int64_t count = extents[unrollLoop], ofDepth = dot * divisorUpTo(extents.back() / dot, kTileBytes / 4);
    if (count < kLeastRows || ofDepth / dot * 4 < kLeastDepth)
      return;
    depth = ofDepth;
    // As many rows as leave the fewest to vectors: those cost half as much each as a matrix of any height.
    bool isKnown = !ShapedType::isDynamic(root.getStaticLoopRanges()[unrollLoop]);
    auto cost = [&](int64_t height) { return 2 * (count / height) + count % height; };
    rows = std::min(kTileRows, count);
    for (int64_t height = rows - 1; isKnown && height >= kLeastRows; --height)
      if (cost(height) < cost(rows))
        rows = height;
    // Of the registers, a sum of each row and column, one for each row, and one or two for the columns in turn.
    int64_t panels = (extents[vectorLoop] + lanes - 1) / lanes, groups = std::min<int64_t>(count / rows, 3);
    vectors = std::min<int64_t>(panels, groups > 1 ? 2 : 4);
    if (vectors == 2)
      groups = std::min<int64_t>(groups, 2);
    if (vectors == 3)
      vectors = 2;
    unroll = groups * rows;
  }

  /// Several whole rows, where one leaves registers unused and what is read along the vector loop serves all: an image
  /// of 7 x 7 reads its weights four times instead of seven.
  void chooseRows() {
    int64_t most = mostRows(vectors);
    if (most < 2)
      return;
    int64_t loop = unrollLoop - 1, tiles = (extents[loop] + most - 1) / most;
    outer = (extents[loop] + tiles - 1) / tiles;
  }

  /// Of whole rows in a tile of `columns` vectors; 1 where rows are not whole or not alike.
  int64_t mostRows(int64_t columns) {
    int64_t loop = unrollLoop - 1;
    if (loop < 0 || loop == vectorLoop || vectorLoop < 0 || !isStatic || depth > 0 || vectors > 2 ||
        root.getNumReductionLoops() == 0 || unroll != extents[unrollLoop] || isTransposition || tapFormOf(root))
      return 1;
    bool isShared = llvm::none_of(root.getDpsInputOperands(), [&](OpOperand *operand) {
      AffineMap map = root.getMatchingIndexingMap(operand);
      return accessOf(map, vectorLoop) == OperandAccess::Contiguous &&
             (map.isFunctionOfDim(loop) || map.isFunctionOfDim(unrollLoop));
    });
    // The sums, a vector of each column and one element of the left side.
    int64_t most = (target.getRegisters() - columns - 1) / (columns * unroll);
    return isShared ? std::clamp<int64_t>(most, 1, extents[loop]) : 1;
  }

  /// The innermost loop for whose iterations what is read along the vector loop serves several, else the one next to
  /// the vector loop.
  int64_t chooseUnrollLoop() {
    int64_t next = (int64_t)parallel - 2;
    for (int64_t loop = next; loop >= 0; --loop) {
      bool isShared = llvm::any_of(root.getDpsInputOperands(), [&](OpOperand *operand) {
        AffineMap map = root.getMatchingIndexingMap(operand);
        return accessOf(map, vectorLoop) == OperandAccess::Contiguous && !map.isFunctionOfDim(loop);
      });
      if (extents[loop] > 1 && isShared)
        return loop;
    }
    return next >= 0 && extents[next] > 1 ? next : -1;
  }

  /// Blocks of a long reduction, where its panel does not stay in the second-level cache: that of one block is read
  /// from memory by the first row tile only.
  void chooseReductionBlock() {
    if (unrollLoop < 0 || depth > 0 || root.getNumReductionLoops() == 0)
      return;
    AffineMap panel;
    int64_t element = 4;
    for (OpOperand *operand : root.getDpsInputOperands())
      if (AffineMap map = root.getMatchingIndexingMap(operand);
          accessOf(map, vectorLoop) == OperandAccess::Contiguous && !map.isFunctionOfDim(unrollLoop)) {
        panel = map;
        element = bytesOf(operand->get());
      }
    if (!panel)
      return;
    int64_t tiles = (extents[unrollLoop] + unroll - 1) / unroll, bytes = element * lanes * vectors;
    for (unsigned loop = 0; loop < parallel; ++loop)
      if ((int64_t)loop != unrollLoop && !panel.isFunctionOfDim(loop))
        tiles *= extents[loop];
    unsigned outermost = parallel;
    while (outermost + 1 < extents.size() && extents[outermost] == 1)
      ++outermost;
    for (unsigned loop = outermost + 1; loop < extents.size(); ++loop)
      bytes *= extents[loop];
    bool isLong = extents[outermost] * bytes > target.getCacheKiB() * 512;
    if (!isLong || tiles < kLeastTiles || ShapedType::isDynamic(root.getStaticLoopRanges()[outermost]))
      return;
    int64_t blocks = (extents[outermost] * bytes + kReductionBlockBytes - 1) / kReductionBlockBytes;
    int64_t size = llvm::alignTo((extents[outermost] + blocks - 1) / blocks, dot);
    if (size >= extents[outermost])
      return;
    block.resize(outermost + 1);
    block[outermost] = size;
  }

  void chooseBlocks() {
    double work = scalarOps(root);
    for (int64_t extent : extents)
      work *= extent;
    int64_t threads = runsInStrip() ? 1 : std::max<int64_t>(target.getThreads(), 1);
    if (work < kSerialWork)
      return;
    int64_t wanted = std::min<int64_t>(4 * threads, work / (kSerialWork / 2));
    int64_t blocks = 1;
    auto split = [&](unsigned loop, int64_t parts) {
      if (block[loop] || parts <= 1)
        return;
      int64_t size = isStatic ? divisorUpTo(extents[loop], extents[loop] / parts) : (extents[loop] + parts - 1) / parts;
      if (size >= extents[loop])
        return;
      block[loop] = size;
      blocks *= (extents[loop] + size - 1) / size;
    };
    // The left side of a product stays in half of the second-level cache.
    bool reduces = root.getNumReductionLoops() > 0 && vectorLoop >= 0;
    unsigned first = 0;
    while (first + 1 < parallel && extents[first] == 1)
      ++first;
    // Loops that a tile covers.
    auto isOfTile = [&](int64_t loop) {
      return loop == vectorLoop || loop == unrollLoop || (outer > 1 && loop == unrollLoop - 1);
    };
    if (reduces) {
      SmallVector<int64_t> ofBlock(extents);
      for (unsigned loop = parallel; loop < block.size(); ++loop)
        if (block[loop])
          ofBlock[loop] = block[loop];
      double bytes = leftBytes(root, vectorLoop, ofBlock);
      double parts = bytes / (target.getCacheKiB() * 1024.0 * variation.cacheShare);
      if (parts > 1 && (int64_t)first == unrollLoop)
        splitTiles(first, unroll, (int64_t)(parts + 0.999), blocks);
      else if (parts > 1 && !isOfTile(first))
        split(first, (int64_t)(parts + 0.999));
    }
    // Enough blocks for all threads, from the outermost loop inwards; then panels. Each block of rows reads the panels
    // again: where those do not stay near, rows come after them.
    std::optional<AffineMap> far = reduces && unrollLoop >= 0 ? farPanels() : std::nullopt;
    auto splitOuter = [&](bool isRowsTurn) {
      for (unsigned loop = 0; loop < parallel && blocks < wanted; ++loop) {
        bool comesLate = far && !far->isFunctionOfDim(loop);
        if (!isOfTile(loop) && comesLate == isRowsTurn)
          split(loop, (wanted + blocks - 1) / blocks);
      }
    };
    splitOuter(false);
    if (vectorLoop >= 0 && blocks < wanted)
      splitTiles(vectorLoop, lanes * vectors, wanted, blocks);
    splitOuter(true);
    // The last squares reach back over others where they do not fill the loop.
    bool isWhole = !isTransposition || extents[unrollLoop] % unroll == 0;
    if (unrollLoop >= 0 && isWhole && !block[unrollLoop] && blocks < wanted)
      splitTiles(unrollLoop, unroll, wanted, blocks);
  }

  /// How what all rows read along the vector loop is indexed, as weights, if it exceeds the second-level cache and what
  /// else is read.
  std::optional<AffineMap> farPanels() {
    double panels = 0, others = 0;
    std::optional<AffineMap> found;
    for (OpOperand *operand : root.getDpsInputOperands()) {
      if (isPanel(operand))
        found = root.getMatchingIndexingMap(operand);
      (isPanel(operand) ? panels : others) += readBytes(root, operand, extents);
    }
    return panels > others && panels > target.getCacheKiB() * 1024 ? found : std::nullopt;
  }

  /// Whether the bands around the op run on all threads, so that it runs on one.
  bool runsInStrip() {
    for (auto loop = root->getParentOfType<scf::ForOp>(); loop; loop = loop->getParentOfType<scf::ForOp>())
      if (stripsOf(loop, target) > 1)
        return true;
    return false;
  }

  /// Splits a loop of the register tile between tiles of `width` iterations.
  void splitTiles(unsigned loop, int64_t width, int64_t wanted, int64_t &blocks) {
    int64_t tiles = (extents[loop] + width - 1) / width;
    int64_t parts = std::min(tiles, (wanted + blocks - 1) / blocks);
    if (parts <= 1)
      return;
    int64_t size = (tiles + parts - 1) / parts * width;
    if (size >= extents[loop])
      return;
    block[loop] = size;
    blocks *= (extents[loop] + size - 1) / size;
  }

  Variation variation;
  linalg::GenericOp root;
  tgl::TargetAttr target;
  SmallVector<int64_t> extents;
  bool isStatic, isTransposition = false;
  unsigned parallel;
  SmallVector<int64_t> block;
  int64_t vectorLoop = -1, lanes = 1, vectors = 1, unrollLoop = -1, unroll = 1, dot = 1, rows = 0, depth = 0, outer = 1;
};
} // namespace

tgl::PlanAttr planUnit(linalg::GenericOp root, linalg::GenericOp, tgl::TargetAttr target) {
  return Policy(root, target).plan();
}

SmallVector<tgl::PlanAttr> candidatesOf(linalg::GenericOp root, tgl::TargetAttr target) {
  SmallVector<tgl::PlanAttr> plans;
  auto add = [&](Variation variation) { plans.push_back(Policy(root, target, variation).plan()); };
  tgl::PlanAttr usual = Policy(root, target).plan();
  if (usual.getVectorLoop() < 0)
    return plans;
  int64_t unrollLoop = usual.getUnrollLoop();
  if (unrollLoop < 0) {
    for (int64_t vectors : {1, 2, 4, 8})
      add({vectors});
    return plans;
  }
  // The accumulators, a vector of each column and one element of the left side share the registers: as many rows as
  // fit, fewer that divide the rows, and three quarters of the registers.
  int64_t rows = extentsOf(root)[unrollLoop];
  for (int64_t vectors : {2, 3, 4, 1}) {
    int64_t most = std::max<int64_t>((target.getRegisters() - vectors - 1) / vectors, 1);
    add({vectors, most});
    add({vectors, divisorUpTo(rows, most)});
    add({vectors, std::max<int64_t>(target.getRegisters() * 3 / 4 / vectors, 1)});
  }
  for (double share : {0.25, 1.0, 1e9})
    add({0, 0, share});
  return plans;
}

} // namespace tegula::cpu
