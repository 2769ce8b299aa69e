//===- MatrixTile.cpp - tiles that matrix instructions read -------------------------------===//

#include "tegula/targets/cuda/block/MatrixTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula::cuda {

static constexpr int64_t kChunk = 16; // bytes

Value sharedMemory(Indices &at, ModuleOp module, int64_t bytes) {
  OpBuilder &b = at.b;
  constexpr auto kSpace = static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared);
  std::string name = "tiles_" + std::to_string(bytes);
  if (!module.lookupSymbol(name)) {
    OpBuilder atModule = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(atModule, at.loc, LLVM::LLVMArrayType::get(b.getI8Type(), bytes), /*isConstant=*/false,
                           LLVM::Linkage::Private, name, Attribute(), /*alignment=*/128, kSpace);
  }
  return LLVM::AddressOfOp::create(b, at.loc, LLVM::LLVMPointerType::get(b.getContext(), kSpace), name);
}

MatrixTile::MatrixTile(Indices &at, Side &side, int64_t offset)
    : at(at), b(at.b), loc(at.loc), side(side), bytes(side.element.getIntOrFloatBitWidth() / 8), offset(offset) {}

/// The place in a row of the tile where chunk number `chunk` lies.
Value MatrixTile::swizzle(Value row, Value chunk) {
  int64_t chunks = rowBytes() / kChunk;
  // Rows shorter than 128 bytes share the banks with their neighbours.
  int64_t together = std::max<int64_t>(8 / chunks, 1);
  Value turn = at.rem(at.div(row, together), std::min<int64_t>(chunks, 8));
  return b.createOrFold<arith::XOrIOp>(loc, chunk, turn);
}

Value MatrixTile::addressOf(Value place) {
  Value byte = arith::IndexCastOp::create(b, loc, b.getI32Type(), at.add(place, at.constant(offset)));
  return LLVM::GEPOp::create(b, loc, memory.getType(), b.getI8Type(), memory, ArrayRef<LLVM::GEPArg>{byte});
}

/// Where the tile in `buffer` has an element.
Value MatrixTile::addressOf(Value row, Value inDepth, Value buffer) {
  Value outer = isByDepth() ? row : inDepth, inner = isByDepth() ? inDepth : row;
  Value byte = at.mul(inner, at.constant(bytes));
  Value chunk = swizzle(outer, at.div(byte, kChunk));
  Value inRow = at.add(at.mul(chunk, at.constant(kChunk)), at.rem(byte, kChunk));
  return addressOf(at.add(buffer, at.add(at.mul(outer, at.constant(rowBytes())), inRow)));
}

void MatrixTile::store(ArrayRef<Value> elements, Value buffer) {
  size_t next = 0;
  for (Value inDepth : side.depths)
    for (Value row : side.rows) {
      Value element = elements[next++];
      if (side.lanes == 1 || side.isDepthFast == isByDepth()) {
        LLVM::StoreOp::create(b, loc, element, addressOf(row, inDepth, buffer), side.lanes * bytes);
        continue;
      }
      for (int64_t i = 0; i < side.lanes; ++i) { // turned
        Value scalar = vector::ExtractOp::create(b, loc, element, i);
        LLVM::StoreOp::create(b, loc, scalar, addressOf(at.add(row, at.constant(i)), inDepth, buffer), bytes);
      }
    }
}

void MatrixTile::copyAsync(Value tile, Value buffer) {
  Value first = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, side.flat);
  auto global = LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  int32_t size = side.lanes * bytes;
  auto kind = size == kChunk ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  auto number = [&](int32_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value)).getResult();
  };
  size_t next = 0;
  side.forEachLoad(tile, [&](Value place, Value isInside) {
    Value inDepth = side.depths[next / side.rows.size()], row = side.rows[next % side.rows.size()];
    ++next;
    Value address = at.add(first, at.mul(place, at.constant(bytes)));
    Value word = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
    Value source = LLVM::IntToPtrOp::create(b, loc, global, word);
    Value taken; // the rest is zeros
    if (isInside)
      taken = arith::SelectOp::create(b, loc, isInside, number(size), number(0));
    NVVM::CpAsyncOp::create(b, loc, addressOf(row, inDepth, buffer), source, size, kind, taken);
  });
}

SmallVector<Value> MatrixTile::fragmentOf(bool isRight, Value begin, Value lane, Value buffer, int64_t group,
                                          int64_t step) {
  Value inMatrix = at.rem(lane, 8), matrix = at.div(lane, 8);
  Value low = at.rem(matrix, 2), high = at.div(matrix, 2);
  Value first = at.add(begin, at.mul(isRight ? high : low, at.constant(8))), chunk = isRight ? low : high;
  Value outer, place;
  int64_t constant;
  if (isByDepth()) {
    outer = at.add(first, inMatrix);
    place = swizzle(outer, at.add(chunk, at.constant(step * kStepBytes / kChunk)));
    constant = group * kGroupRows;
  } else {
    outer = at.add(at.mul(chunk, at.constant(8)), inMatrix);
    place = swizzle(outer, at.add(at.div(first, 8), at.constant(group * kGroupRows / 8)));
    constant = step * kStepBytes / bytes;
  }
  // 16 rows further, the swizzle is the same.
  Value offsetInTile = at.add(at.mul(outer, at.constant(rowBytes())), at.mul(place, at.constant(kChunk)));
  Value all = at.add(at.add(offsetInTile, buffer), at.constant(constant * rowBytes()));
  SmallVector<Type> four(4, b.getI32Type());
  auto loaded =
      NVVM::LdMatrixOp::create(b, loc, LLVM::LLVMStructType::getLiteral(b.getContext(), four), addressOf(all),
                               /*num=*/4, isByDepth() ? NVVM::MMALayout::row : NVVM::MMALayout::col,
                               NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> registers;
  for (int64_t i = 0; i < 4; ++i)
    registers.push_back(LLVM::ExtractValueOp::create(b, loc, loaded, i));
  return registers;
}

SmallVector<Value> MatrixTile::quadsOf(bool isRight, Value begin, Value lane, Value buffer, int64_t group,
                                       int64_t step) {
  Value inQuad = at.rem(lane, 4), upper = at.div(lane, 16), quad = at.rem(at.div(lane, 4), 4);
  Value which = isRight ? at.div(quad, 2) : at.rem(quad, 2);
  Value first = at.add(at.add(begin, at.constant(group * kGroupRows)),
                       at.add(at.mul(which, at.constant(4)), at.mul(upper, at.constant(8))));
  SmallVector<Value> pairs;
  auto load = [&](Value row, Value inDepth, int64_t count) {
    auto type = VectorType::get({count}, side.element);
    Value loaded = LLVM::LoadOp::create(b, loc, type, addressOf(row, inDepth, buffer), count * bytes);
    for (int64_t i = 0; i < count; i += 2)
      pairs.push_back(vector::ExtractStridedSliceOp::create(b, loc, loaded, i, 2, 1));
  };
  int64_t depth = step * kStepBytes / bytes;
  if (isByDepth())
    for (int64_t i = 0; i < 16; i += 8)
      load(at.add(first, inQuad), at.constant(depth + i), 8);
  else
    for (int64_t i = 0; i < 16; i += 4)
      load(first, at.add(inQuad, at.constant(depth + i)), 4);
  return pairs;
}

} // namespace tegula::cuda
