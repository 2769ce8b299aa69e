//===- ScalarProduct.cpp - a product, by each thread of its sums --------------------------===//
//
// Tiles in shared memory are [2, depth, rows + padding]: a thread reads four neighbouring rows at once.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/block/ProductBlock.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
constexpr int64_t kGroup = 4;       // neighbours that a thread reads from shared memory at once, or as many as it has
constexpr int64_t kSharedSpace = 3; // of NVVM
constexpr int64_t kPadding = 4;     // elements between rows of a tile, so that columns lie in different banks

class ScalarProduct : public ProductBlock {
public:
  ScalarProduct(scf::ForallOp unit, ModuleOp module) : ProductBlock(unit, module) {
    int64_t sums = plan.getBlock()[0] * plan.getBlock()[1] / plan.getThreads();
    columnsOfThread = sums >= 64 ? 8 : 4;
    rowsOfThread = sums / columnsOfThread;
  }

private:
  void work() override;
  int64_t padding() const override { return kPadding; }
  bool isDepthTurned() const override { return true; }
  Value sharedMemory(Type element, int64_t size);
  Value sharedOf(const Side &side) { return &side == &*left ? ofLeft : ofRight; }
  void store(Side &side, ArrayRef<Value> elements, Value buffer);
  SmallVector<Value> fragmentOf(const Side &side, Value buffer, Value inTile, int64_t count, Value group);
  SmallVector<Value> multiply(Value buffer, ArrayRef<Value> sums);
  void writeAll(ArrayRef<Value> sums);

  int64_t rowsOfThread, columnsOfThread;
  Value threadRow, threadColumn;
  Value ofLeft, ofRight; // shared memory
};
} // namespace

/// A buffer of all blocks of threads that need one like it; each kernel has its own.
Value ScalarProduct::sharedMemory(Type element, int64_t size) {
  auto type = MemRefType::get({2, tileDepth, size + kPadding}, element, MemRefLayoutAttrInterface(),
                              b.getI64IntegerAttr(kSharedSpace));
  std::string name;
  llvm::raw_string_ostream(name) << "shared_" << tileDepth << "x" << size << "x" << element;
  // The sides must not share one.
  if (ofLeft && cast<MemRefType>(ofLeft.getType()) == type)
    name += "_right";
  if (!module.lookupSymbol(name)) {
    OpBuilder atModule = OpBuilder::atBlockBegin(module.getBody());
    memref::GlobalOp::create(atModule, loc, name, b.getStringAttr("private"), type, b.getUnitAttr(),
                             /*constant=*/false, b.getI64IntegerAttr(16));
  }
  return memref::GetGlobalOp::create(b, loc, type, name);
}

void ScalarProduct::store(Side &side, ArrayRef<Value> elements, Value buffer) {
  size_t next = 0;
  for (Value inTile : side.depths)
    for (Value row : side.rows) {
      Value element = elements[next++];
      if (side.lanes > 1 && !side.isDepthFast) {
        auto stored = vector::StoreOp::create(b, loc, element, sharedOf(side), ValueRange{buffer, inTile, row});
        auto type = cast<VectorType>(element.getType());
        stored->setAttr("alignment", b.getI64IntegerAttr(side.lanes * type.getElementTypeBitWidth() / 8));
        continue;
      }
      for (int64_t lane = 0; lane < side.lanes; ++lane) {
        Value scalar = side.lanes > 1 ? vector::ExtractOp::create(b, loc, element, lane).getResult() : element;
        memref::StoreOp::create(b, loc, scalar, sharedOf(side),
                                ValueRange{buffer, at.add(inTile, at.constant(lane)), row});
      }
    }
}

/// `count` rows (or columns) of the thread at one depth, from shared memory.
SmallVector<Value> ScalarProduct::fragmentOf(const Side &side, Value buffer, Value inTile, int64_t count, Value group) {
  auto type = cast<MemRefType>(sharedOf(side).getType());
  int64_t size = std::min(kGroup, count), groups = count / size;
  auto vector = VectorType::get({size}, type.getElementType());
  SmallVector<Value> values;
  for (int64_t g = 0; g < groups; ++g) {
    Value row = at.add(at.mul(group, at.constant(size)), at.constant(g * (side.shape.size / groups)));
    auto loaded = vector::LoadOp::create(b, loc, vector, sharedOf(side), ValueRange{buffer, inTile, row});
    loaded->setAttr("alignment", b.getI64IntegerAttr(size * type.getElementTypeBitWidth() / 8));
    for (int64_t i = 0; i < size; ++i)
      values.push_back(vector::ExtractOp::create(b, loc, loaded, i));
  }
  return values;
}

SmallVector<Value> ScalarProduct::multiply(Value buffer, ArrayRef<Value> sums) {
  constexpr int64_t kUnrolled = 256; // products, to keep the code in the instruction cache
  int64_t unroll = std::clamp<int64_t>(kUnrolled / (rowsOfThread * columnsOfThread), 1, tileDepth);
  auto loop = scf::ForOp::create(b, loc, at.constant(0), at.constant(tileDepth), at.constant(unroll), sums);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> now(loop.getRegionIterArgs());
  for (int64_t step = 0; step < unroll; ++step) {
    Value inTile = at.add(loop.getInductionVar(), at.constant(step));
    SmallVector<Value> a = fragmentOf(*left, buffer, inTile, rowsOfThread, threadRow);
    SmallVector<Value> w = fragmentOf(*right, buffer, inTile, columnsOfThread, threadColumn);
    for (int64_t i = 0; i < rowsOfThread; ++i)
      for (int64_t j = 0; j < columnsOfThread; ++j) {
        Value &sum = now[i * columnsOfThread + j];
        sum = inlineBody(root, {a[i], w[j], sum});
      }
  }
  scf::YieldOp::create(b, loc, now);
  return SmallVector<Value>(loop.getResults());
}

void ScalarProduct::writeAll(ArrayRef<Value> sums) {
  auto rowOf = [&](const Side &side, int64_t i, int64_t count, Value group) {
    int64_t size = std::min(kGroup, count), groups = count / size;
    Value row = at.add(at.mul(group, at.constant(size)), at.constant(i / size * (side.shape.size / groups) + i % size));
    return at.add(side.begin, row);
  };
  for (int64_t i = 0; i < rowsOfThread; ++i) {
    SmallVector<Value> indices(batch);
    Value row = rowOf(*left, i, rowsOfThread, threadRow);
    nest->split(row, loops.rows, indices);
    left->whereInside(row, [&] {
      for (int64_t j = 0; j < columnsOfThread; ++j) {
        Value column = rowOf(*right, j, columnsOfThread, threadColumn);
        right->whereInside(column, [&] {
          nest->split(column, loops.columns, indices);
          write(sums[i * columnsOfThread + j], indices);
        });
      }
    });
  }
}

void ScalarProduct::work() {
  ofLeft = sharedMemory(left->element, left->shape.size);
  ofRight = sharedMemory(right->element, right->shape.size);
  int64_t across = right->shape.size / columnsOfThread;
  threadColumn = at.rem(thread, across);
  threadRow = at.div(thread, across);
  Value start = arith::ConstantOp::create(b, loc, root->getAttrOfType<TypedAttr>(tgl::kStart));
  writeAll(sumByTurns(
      SmallVector<Value>(rowsOfThread * columnsOfThread, start),
      [&](Side &side, ArrayRef<Value> elements, Value buffer) { store(side, elements, buffer); },
      [&](Value buffer, ArrayRef<Value> sums) { return multiply(buffer, sums); }));
}

std::unique_ptr<BlockWork> makeScalarProduct(scf::ForallOp unit, ModuleOp module) {
  return std::make_unique<ScalarProduct>(unit, module);
}

} // namespace tegula::cuda
