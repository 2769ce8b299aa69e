//===- MatrixProduct.cpp - a product by matrix instructions -------------------------------===//
//
// Tiles in shared memory are rows of chunks of 16 bytes, as ldmatrix reads them: `size` rows of 64 bytes along the
// depth or, where neighbours in global memory are rows of the side and elements are of 16 bits, `depth` rows along the
// side (read by ldmatrix.trans). Chunks of a row are swizzled so that eight lanes which read or write chunks below or
// beside each other touch different banks. Volta reads the same tiles without ldmatrix.
//
// From sm_80 on, copies to shared memory are asynchronous, several tiles ahead; before, the next tile waits in
// registers.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/ProductBlock.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
constexpr int64_t kLanes = 32;            // of a warp
constexpr int64_t kChunk = 16;            // bytes
constexpr int64_t kStep = 32;             // bytes of the depth that are multiplied at once
constexpr int64_t kGroup = 16;            // rows or columns of a fragment
constexpr int64_t kMostShared = 48 << 10; // bytes of a block that need no asking
constexpr int64_t kMostStages = 4;

class MatrixProduct : public ProductBlock {
public:
  MatrixProduct(scf::ForallOp unit, ModuleOp module, Cores cores)
      : ProductBlock(unit, module), cores(cores), factors(*factorsOf(root)), warpRows(plan.getUnroll()),
        warpColumns(plan.getVectors()), bytes(factors.left.getIntOrFloatBitWidth() / 8) {}

private:
  void work() override;

  // Shared memory, by bytes from its beginning.
  bool isByDepth(const Side &side) const { return side.isDepthFast || bytes != 2; }
  int64_t rowBytes(const Side &side) const { return (isByDepth(side) ? tileDepth : side.size) * bytes; }
  int64_t sideBytes(const Side &side) const { return side.size * tileDepth * bytes; }
  Value swizzle(const Side &side, Value row, Value chunk);
  Value addressOf(Value offset);
  Value addressOf(const Side &side, Value row, Value inDepth, Value buffer);
  void makeShared(int64_t stages);

  // From global memory.
  bool canCopyAsync(const Side &side) const { return side.lanes * bytes >= 4; }
  void copyAsync(Side &side, Value tile, Value buffer);
  void store(Side &side, ArrayRef<Value> elements, Value buffer);
  SmallVector<Value> sumAhead(ArrayRef<Value> start, int64_t stages);

  // Products.
  void placeLane();
  SmallVector<Value> fragmentOf(const Side &side, bool isRight, Value buffer, int64_t group, int64_t step);
  SmallVector<Value> quadsOf(const Side &side, bool isRight, Value buffer, int64_t group, int64_t step);
  SmallVector<Value> multiply(Value buffer, ArrayRef<Value> sums);
  SmallVector<Value> multiplyQuads(Value buffer, ArrayRef<Value> sums);
  void writeAll(ArrayRef<Value> sums);

  Cores cores;
  Factors factors;
  int64_t warpRows, warpColumns, bytes;
  Value memory, warpRow, warpColumn, lane; // rows and columns begin at the block's
};
} // namespace

/// The place in a row of the tile where chunk number `chunk` lies.
Value MatrixProduct::swizzle(const Side &side, Value row, Value chunk) {
  int64_t chunks = rowBytes(side) / kChunk;
  // Rows shorter than 128 bytes share the banks with their neighbours.
  int64_t together = std::max<int64_t>(8 / chunks, 1);
  Value turn = at.rem(at.div(row, together), std::min<int64_t>(chunks, 8));
  return b.createOrFold<arith::XOrIOp>(loc, chunk, turn);
}

Value MatrixProduct::addressOf(Value offset) {
  Value byte = arith::IndexCastOp::create(b, loc, b.getI32Type(), offset);
  return LLVM::GEPOp::create(b, loc, memory.getType(), b.getI8Type(), memory, ArrayRef<LLVM::GEPArg>{byte});
}

/// Where the tile in `buffer` has an element.
Value MatrixProduct::addressOf(const Side &side, Value row, Value inDepth, Value buffer) {
  Value outer = isByDepth(side) ? row : inDepth, inner = isByDepth(side) ? inDepth : row;
  Value byte = at.mul(inner, at.constant(bytes));
  Value chunk = swizzle(side, outer, at.div(byte, kChunk));
  Value inRow = at.add(at.mul(chunk, at.constant(kChunk)), at.rem(byte, kChunk));
  return addressOf(at.add(buffer, at.add(side.shared, at.add(at.mul(outer, at.constant(rowBytes(side))), inRow))));
}

/// Memory of all stages: the left sides' tile, then the right one's. Kernels that need as much share the name.
void MatrixProduct::makeShared(int64_t stages) {
  int64_t size = stages * (sideBytes(left) + sideBytes(right));
  std::string name = "tiles_" + std::to_string(size);
  auto pointer = LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace);
  if (!module.lookupSymbol(name)) {
    OpBuilder atModule = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(atModule, loc, LLVM::LLVMArrayType::get(b.getI8Type(), size), /*isConstant=*/false,
                           LLVM::Linkage::Private, name, Attribute(), /*alignment=*/128, kSharedSpace);
  }
  memory = LLVM::AddressOfOp::create(b, loc, pointer, name);
  left.shared = at.constant(0);
  right.shared = at.constant(sideBytes(left));
}

void MatrixProduct::store(Side &side, ArrayRef<Value> elements, Value buffer) {
  size_t next = 0;
  for (Value inDepth : side.depths)
    for (Value row : side.rows) {
      Value element = elements[next++];
      if (side.lanes == 1 || side.isDepthFast == isByDepth(side)) {
        LLVM::StoreOp::create(b, loc, element, addressOf(side, row, inDepth, buffer), side.lanes * bytes);
        continue;
      }
      for (int64_t i = 0; i < side.lanes; ++i) { // turned
        Value scalar = vector::ExtractOp::create(b, loc, element, i);
        LLVM::StoreOp::create(b, loc, scalar, addressOf(side, at.add(row, at.constant(i)), inDepth, buffer), bytes);
      }
    }
}

void MatrixProduct::copyAsync(Side &side, Value tile, Value buffer) {
  Value first = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, side.operand.flat);
  auto global = LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  Type i32 = b.getI32Type();
  int32_t size = side.lanes * bytes;
  auto kind = size == kChunk ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  size_t next = 0;
  forEachLoad(side, tile, [&](Value place, Value isInside) {
    Value inDepth = side.depths[next / side.rows.size()], row = side.rows[next % side.rows.size()];
    ++next;
    Value address = at.add(first, at.mul(place, at.constant(bytes)));
    Value word = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
    Value source = LLVM::IntToPtrOp::create(b, loc, global, word);
    Value taken; // the rest is zeros
    if (isInside)
      taken =
          arith::SelectOp::create(b, loc, isInside, arith::ConstantOp::create(b, loc, i32, b.getI32IntegerAttr(size)),
                                  arith::ConstantOp::create(b, loc, i32, b.getI32IntegerAttr(0)));
    NVVM::CpAsyncOp::create(b, loc, addressOf(side, row, inDepth, buffer), source, size, kind, taken);
  });
}

/// A loop over the tiles of which the next `stages` - 1 are on their way.
SmallVector<Value> MatrixProduct::sumAhead(ArrayRef<Value> start, int64_t stages) {
  Value zero = at.constant(0), one = at.constant(1);
  int64_t stageBytes = sideBytes(left) + sideBytes(right);
  auto begin = [&](Value tile, Value buffer) {
    auto branch = scf::IfOp::create(b, loc, at.isLess(tile, tiles), /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      copyAsync(left, tile, buffer);
      copyAsync(right, tile, buffer);
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
  int64_t across = right.size / warpColumns;
  Value warp = at.div(thread, kLanes);
  lane = at.rem(thread, kLanes);
  warpRow = at.mul(at.div(warp, across), at.constant(warpRows));
  warpColumn = at.mul(at.rem(warp, across), at.constant(warpColumns));
}

/// Registers of 16 rows (or columns) of the warp, 32 bytes deep: four matrices of eight rows of 16 bytes. The left
/// side's are rows, then depth (a0 to a3); the right one's depth, then columns (b0, b1 of eight, and of the next
/// eight).
SmallVector<Value> MatrixProduct::fragmentOf(const Side &side, bool isRight, Value buffer, int64_t group,
                                             int64_t step) {
  Value inMatrix = at.rem(lane, 8), matrix = at.div(lane, 8);
  Value low = at.rem(matrix, 2), high = at.div(matrix, 2);
  Value rows = at.mul(isRight ? high : low, at.constant(8)), chunk = isRight ? low : high;
  Value begin = at.add(isRight ? warpColumn : warpRow, rows);
  Value outer, place;
  int64_t constant;
  if (isByDepth(side)) {
    outer = at.add(begin, inMatrix);
    place = swizzle(side, outer, at.add(chunk, at.constant(step * kStep / kChunk)));
    constant = group * kGroup;
  } else {
    outer = at.add(at.mul(chunk, at.constant(8)), inMatrix);
    Value inner = at.add(at.div(begin, 8), at.constant(group * kGroup / 8));
    place = swizzle(side, outer, inner);
    constant = step * kGroup;
  }
  // 16 rows further, the swizzle is the same.
  Value offset = at.add(at.mul(outer, at.constant(rowBytes(side))), at.mul(place, at.constant(kChunk)));
  offset = at.add(at.add(offset, at.add(buffer, side.shared)), at.constant(constant * rowBytes(side)));
  SmallVector<Type> four(4, b.getI32Type());
  auto loaded =
      NVVM::LdMatrixOp::create(b, loc, LLVM::LLVMStructType::getLiteral(b.getContext(), four), addressOf(offset),
                               /*num=*/4, isByDepth(side) ? NVVM::MMALayout::row : NVVM::MMALayout::col,
                               NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> registers;
  for (int64_t i = 0; i < 4; ++i)
    registers.push_back(LLVM::ExtractValueOp::create(b, loc, loaded, i));
  return registers;
}

/// The same for Volta: pairs of f16, two for each four of the depth. Its eight lanes 0 to 3 and 16 to 19 (then 4 to 7
/// and 20 to 23, ...) have eight rows together: which ones is free, and chosen so that lanes 0 to 7 read different
/// banks.
SmallVector<Value> MatrixProduct::quadsOf(const Side &side, bool isRight, Value buffer, int64_t group, int64_t step) {
  Value inQuad = at.rem(lane, 4), upper = at.div(lane, 16), quad = at.rem(at.div(lane, 4), 4);
  Value which = isRight ? at.div(quad, 2) : at.rem(quad, 2);
  Value begin = at.add(at.add(isRight ? warpColumn : warpRow, at.constant(group * kGroup)),
                       at.add(at.mul(which, at.constant(4)), at.mul(upper, at.constant(8))));
  auto pairsOf = [&](Value row, Value inDepth, int64_t count, SmallVector<Value> &pairs) {
    auto type = VectorType::get({count}, factors.left);
    Value loaded = LLVM::LoadOp::create(b, loc, type, addressOf(side, row, inDepth, buffer), count * bytes);
    for (int64_t i = 0; i < count; i += 2)
      pairs.push_back(vector::ExtractStridedSliceOp::create(b, loc, loaded, i, 2, 1));
  };
  SmallVector<Value> pairs;
  int64_t depth = step * kStep / bytes;
  if (isByDepth(side))
    for (int64_t i = 0; i < 16; i += 8)
      pairsOf(at.add(begin, inQuad), at.constant(depth + i), 8, pairs);
  else
    for (int64_t i = 0; i < 16; i += 4)
      pairsOf(begin, at.add(inQuad, at.constant(depth + i)), 4, pairs);
  return pairs;
}

/// Sums are by 16 rows, 16 columns, then the eight of a lane: half of the columns, of the rows, two neighbours.
SmallVector<Value> MatrixProduct::multiply(Value buffer, ArrayRef<Value> sums) {
  if (cores == Cores::Volta)
    return multiplyQuads(buffer, sums);
  SmallVector<Value> now(sums);
  for (int64_t step = 0; step < tileDepth * bytes / kStep; ++step) {
    SmallVector<SmallVector<Value>> ofRight;
    for (int64_t group = 0; group < warpColumns / kGroup; ++group)
      ofRight.push_back(fragmentOf(right, /*isRight=*/true, buffer, group, step));
    size_t next = 0;
    for (int64_t group = 0; group < warpRows / kGroup; ++group) {
      SmallVector<Value> ofLeft = fragmentOf(left, /*isRight=*/false, buffer, group, step);
      for (ArrayRef<Value> columns : ofRight)
        for (unsigned half : {0, 1}) {
          SmallVector<Value> made =
              multiplyAdd(b, loc, cores, factors, ofLeft, columns.slice(2 * half, 2), ArrayRef(now).slice(next, 4));
          llvm::copy(made, now.begin() + next);
          next += 4;
        }
    }
  }
  return now;
}

SmallVector<Value> MatrixProduct::multiplyQuads(Value buffer, ArrayRef<Value> sums) {
  SmallVector<Value> now(sums);
  for (int64_t step = 0; step < tileDepth * bytes / kStep; ++step) {
    SmallVector<SmallVector<Value>> ofRight;
    for (int64_t group = 0; group < warpColumns / kGroup; ++group)
      ofRight.push_back(quadsOf(right, /*isRight=*/true, buffer, group, step));
    size_t next = 0;
    for (int64_t group = 0; group < warpRows / kGroup; ++group) {
      SmallVector<Value> ofLeft = quadsOf(left, /*isRight=*/false, buffer, group, step);
      for (ArrayRef<Value> columns : ofRight) {
        for (unsigned four = 0; four < columns.size(); four += 2) {
          SmallVector<Value> made =
              multiplyAddQuads(b, loc, isByDepth(left), isByDepth(right), ArrayRef(ofLeft).slice(four, 2),
                               columns.slice(four, 2), ArrayRef(now).slice(next, 8));
          llvm::copy(made, now.begin() + next);
        }
        next += 8;
      }
    }
  }
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
  Value row = at.add(at.add(left.begin, warpRow), laneRow);
  Value column = at.add(at.add(right.begin, warpColumn), laneColumn);
  int64_t across = warpColumns / kGroup;
  for (int64_t group = 0; group < warpRows / kGroup; ++group)
    for (int64_t half : {0, 1}) {
      Value rowHere = at.add(row, at.constant(group * kGroup + half * rowStep));
      SmallVector<Value> indices(batch);
      split(rowHere, loops.rows, indices);
      whereInside(left, rowHere, [&] {
        for (int64_t eight = 0; eight < warpColumns / 8; ++eight) {
          // Two neighbours, both inside where columns are even; their stores then become one.
          auto writeOne = [&](int64_t neighbour) {
            split(at.add(column, at.constant(eight * 8 + neighbour)), loops.columns, indices);
            write(sums[group * across * 8 + eight * 4 + half * 2 + neighbour], indices);
          };
          bool areEven = !ShapedType::isDynamic(right.extentIfKnown) && right.extentIfKnown % 2 == 0;
          whereInside(right, at.add(column, at.constant(eight * 8)), [&] {
            writeOne(0);
            if (areEven)
              writeOne(1);
          });
          if (!areEven)
            whereInside(right, at.add(column, at.constant(eight * 8 + 1)), [&] { writeOne(1); });
        }
      });
    }
}

void MatrixProduct::work() {
  bool isAhead = cores == Cores::Ampere && canCopyAsync(left) && canCopyAsync(right) &&
                 isByDepth(left) == left.isDepthFast && isByDepth(right) == right.isDepthFast;
  int64_t stageBytes = sideBytes(left) + sideBytes(right);
  int64_t stages = isAhead ? std::clamp<int64_t>(kMostShared / stageBytes, 2, kMostStages) : 2;
  makeShared(stages);
  placeLane();
  Value start = arith::ConstantOp::create(b, loc, root->getAttrOfType<TypedAttr>(tgl::kStart));
  SmallVector<Value> sums(warpRows * warpColumns / kLanes, start);
  if (isAhead)
    return writeAll(sumAhead(sums, stages));
  Value size = at.constant(stageBytes);
  writeAll(sumByTurns(
      sums, [&](Side &side, ArrayRef<Value> elements, Value buffer) { store(side, elements, at.mul(buffer, size)); },
      [&](Value buffer, ArrayRef<Value> now) { return multiply(at.mul(buffer, size), now); }));
}

std::unique_ptr<ProductBlock> makeMatrixProduct(scf::ForallOp unit, ModuleOp module, Cores cores) {
  return std::make_unique<MatrixProduct>(unit, module, cores);
}

} // namespace tegula::cuda
