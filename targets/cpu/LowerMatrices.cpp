//===- LowerMatrices.cpp - sums of products of bytes and bf16 in matrix registers (AMX) -------===//
//
//   %t = vector.contract (arith.extui %x), (arith.extsi %w), %s {tgl.registers = [0, 4, 6]} : ... into
//   vector<16x16xi32>
// becomes
//   tileloadd tmm4, %x;  tileloadd tmm6, %w;  tdpbusd tmm0, tmm4, tmm6
// and of bf16 tdpbf16ps, which takes denormals for zeros.
//
// The sums stay in their registers over all loops, are set to zero before the outermost and stored after it, where
// their rows are read from. Registers are named by the plan: LLVM 22's own allocation of them loses shapes where the
// numbers of rows are split from what they came from, and upstream's convert-vector-to-amx stores sums in every
// iteration.
//
// Needs: memrefs, units as functions. Leaves: no such contraction where the target has matrix registers. Idempotent.
//===------------------------------------------------------------------------------------------===//

#include "tegula/dialects/tgl/Tgl.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERMATRICES
#include "tegula/targets/cpu/Passes.h.inc"

/// Of a matrix register; a configuration holds the shapes of all (Intel SDM vol. 1, 18.2).
static constexpr int64_t kRegisters = 8, kRowBytes = 64, kRows = 16, kConfigBytes = 64;

namespace {
/// Rows and bytes of a row.
struct Shape {
  int64_t rows = 0, bytes = 0;
  bool operator==(const Shape &other) const { return rows == other.rows && bytes == other.bytes; }
};
using Shapes = std::array<Shape, kRegisters>;

/// One contraction with what it reads and where its sum begins.
struct Product {
  vector::ContractionOp op;
  vector::TransferReadOp left, right;
  int64_t sum, leftRegister, rightRegister;
  Operation *start; ///< the outermost loop that carries the sum, or the first contraction
};
} // namespace

static int64_t bytesOf(Value read) { return getElementTypeOrSelf(read.getType()).getIntOrFloatBitWidth() / 8; }

/// The read that gives the numbers of a factor, which are widened to 32 bits and maybe seen as groups of four bytes.
static vector::TransferReadOp readOf(Value factor) {
  Operation *wide = factor.getDefiningOp();
  if (!isa_and_present<arith::ExtUIOp, arith::ExtSIOp, arith::ExtFOp>(wide))
    return {};
  Value bytes = wide->getOperand(0);
  if (auto cast = bytes.getDefiningOp<vector::ShapeCastOp>())
    bytes = cast.getSource();
  auto read = bytes.getDefiningOp<vector::TransferReadOp>();
  Type element = read ? read.getVectorType().getElementType() : Type();
  bool isPlain = read && (element.isInteger(8) || element.isBF16()) && !read.getMask() &&
                 read.getPermutationMap().isMinorIdentity() && !read.hasOutOfBoundsDim() &&
                 isa<MemRefType>(read.getBase().getType());
  return isPlain ? read : vector::TransferReadOp();
}

/// Where a sum that comes in as `value` began, in `op` or before it; null where it did not begin with zeros.
static Operation *startOf(Value value, Operation *op) {
  if (matchPattern(value, m_Zero()) || matchPattern(value, m_AnyZeroFloat()))
    return op;
  if (auto product = value.getDefiningOp<vector::ContractionOp>())
    return startOf(product.getAcc(), product);
  auto argument = dyn_cast<BlockArgument>(value);
  auto result = dyn_cast<OpResult>(value);
  auto loop = dyn_cast_if_present<scf::ForOp>(argument ? argument.getOwner()->getParentOp() : result.getOwner());
  if (!loop || (argument && argument.getArgNumber() == 0))
    return nullptr;
  unsigned index = argument ? argument.getArgNumber() - 1 : result.getResultNumber();
  return startOf(loop.getInitArgs()[index], loop);
}

namespace {
struct LowerMatrices : impl::LowerMatricesBase<LowerMatrices> {
  using LowerMatricesBase::LowerMatricesBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    if (!target || target.getTiles() == 0)
      return;
    buffers.clear();
    SmallVector<Product> products;
    getOperation().walk([&](vector::ContractionOp op) {
      auto registers = op->getAttrOfType<DenseI64ArrayAttr>(tgl::kRegisters);
      vector::TransferReadOp left = readOf(op.getLhs()), right = readOf(op.getRhs());
      Operation *start = startOf(op.getAcc(), op);
      if (registers && left && right && start)
        products.push_back({op, left, right, registers[0], registers[1], registers[2], start});
    });
    if (products.empty())
      return;
    // One configuration for the function; where units of several shapes are in it, one before each sum.
    std::optional<Shapes> ofAll = shapesOf(products);
    if (ofAll)
      configure(OpBuilder::atBlockBegin(&getOperation().getBody().front()), *ofAll);
    for (ArrayRef<Product> rest = products; !rest.empty();) {
      ArrayRef<Product> group = firstGroup(rest);
      if (!ofAll)
        configure(OpBuilder(group[0].start), *shapesOf(group));
      convert(group);
      rest = rest.drop_front(group.size());
    }
    getOperation().walk([&](func::ReturnOp op) {
      OpBuilder b(op);
      call(b, op.getLoc(), "tilerelease", {});
    });
  }

  /// As many as are of one loop, or without one of one block, and have registers of one shape each.
  static ArrayRef<Product> firstGroup(ArrayRef<Product> products) {
    auto placeOf = [](Product product) {
      return isa<scf::ForOp>(product.start) ? product.start : product.start->getParentOp();
    };
    size_t count = 1;
    while (count < products.size() && placeOf(products[count]) == placeOf(products[0]) &&
           shapesOf(products.take_front(count + 1)))
      ++count;
    return products.take_front(count);
  }

  /// The shapes of all registers; nullopt where one has several.
  static std::optional<Shapes> shapesOf(ArrayRef<Product> products) {
    Shapes shapes;
    bool isOne = true;
    auto set = [&](int64_t number, Shape shape) {
      Shape &known = shapes[number];
      isOne &= known.rows == 0 || known == shape;
      known = shape;
    };
    for (Product product : products) {
      ArrayRef<int64_t> sum = cast<VectorType>(product.op.getResultType()).getShape();
      ArrayRef<int64_t> left = product.left.getVectorType().getShape();
      ArrayRef<int64_t> right = product.right.getVectorType().getShape();
      set(product.sum, {sum[0], sum[1] * 4});
      set(product.leftRegister, {left[0], left[1] * bytesOf(product.left)});
      set(product.rightRegister, {right[0], right[1] * right[2] * bytesOf(product.right)});
    }
    return isOne ? std::optional(shapes) : std::nullopt;
  }

  void configure(OpBuilder b, const Shapes &shapes) {
    Location loc = getOperation().getLoc();
    SmallVector<int8_t> bytes(kConfigBytes, 0);
    bytes[0] = 1; // the palette of eight registers
    for (auto [number, shape] : llvm::enumerate(shapes)) {
      bytes[16 + 2 * number] = static_cast<int8_t>(shape.bytes);
      bytes[48 + number] = static_cast<int8_t>(shape.rows);
    }
    auto type = VectorType::get({kConfigBytes}, b.getI8Type());
    Value config = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
    Value buffer = onStack(MemRefType::get({kConfigBytes}, b.getI8Type()));
    vector::StoreOp::create(b, loc, config, buffer, ValueRange{index(b, loc, 0)});
    call(b, loc, "ldtilecfg", {pointerTo(b, loc, buffer, {}, 1)});
  }

  /// Products of one loop or block, in their order.
  void convert(ArrayRef<Product> group) {
    llvm::DenseMap<std::pair<Block *, int64_t>, Operation *> held; // what a register has been loaded with
    llvm::DenseSet<std::pair<Operation *, int64_t>> begun;
    for (Product product : group) {
      vector::ContractionOp op = product.op;
      OpBuilder b(product.start);
      if (begun.insert({product.start, product.sum}).second)
        call(b, op.getLoc(), "tilezero", {number(b, op.getLoc(), product.sum)});
      b.setInsertionPoint(op);
      auto load = [&](vector::TransferReadOp read, int64_t to) {
        if (std::exchange(held[{op->getBlock(), to}], read.getOperation()) != read.getOperation())
          loadMatrix(b, read, to);
      };
      load(product.left, product.leftRegister);
      load(product.right, product.rightRegister);
      Operation *left = op.getLhs().getDefiningOp();
      StringRef name = isa<arith::ExtFOp>(left) ? "tdpbf16ps" : isa<arith::ExtUIOp>(left) ? "tdpbusd" : "tdpbssd";
      call(b, op.getLoc(), name,
           {number(b, op.getLoc(), product.sum), number(b, op.getLoc(), product.leftRegister),
            number(b, op.getLoc(), product.rightRegister)});
    }
    for (Product product : group)
      storeRows(product.start, product);
    // The loops still carry zeros, which canonicalization takes out.
    for (Product product : group) {
      vector::ContractionOp op = product.op;
      op.replaceAllUsesWith(op.getAcc());
      op.erase();
    }
  }

  /// Stores the sum where it is complete, and reads its rows from there.
  void storeRows(Operation *start, Product product) {
    Value sum = product.op.getResult();
    auto loop = dyn_cast<scf::ForOp>(start);
    while (loop && sum.getParentBlock() != loop->getBlock()) {
      auto yield = sum.hasOneUse() ? dyn_cast<scf::YieldOp>(*sum.user_begin()) : scf::YieldOp();
      if (!yield)
        return; // the next product adds to it
      sum = yield->getParentOp()->getResult(sum.use_begin()->getOperandNumber());
    }
    SmallVector<vector::ExtractOp> rows;
    for (Operation *user : sum.getUsers())
      if (auto row = dyn_cast<vector::ExtractOp>(user))
        rows.push_back(row);
    if (rows.empty())
      return;
    Type element = cast<VectorType>(product.op.getResultType()).getElementType();
    Value &buffer = buffers[{product.sum, element}];
    OpBuilder b(&getContext());
    if (!buffer)
      buffer = onStack(MemRefType::get({kRows, kRowBytes / 4}, element));
    b.setInsertionPointAfterValue(sum);
    Location loc = product.op.getLoc();
    call(b, loc, "tilestored64",
         {number(b, loc, product.sum), pointerTo(b, loc, buffer, {}, 4), stride(b, loc, index(b, loc, kRowBytes))});
    for (vector::ExtractOp row : rows) {
      b.setInsertionPoint(row);
      SmallVector<Value> at;
      for (int64_t position : row.getStaticPosition())
        at.push_back(index(b, loc, position));
      if (auto vector = dyn_cast<VectorType>(row.getType())) {
        at.push_back(index(b, loc, 0));
        row.replaceAllUsesWith(vector::LoadOp::create(b, loc, vector, buffer, at).getResult());
      } else {
        row.replaceAllUsesWith(memref::LoadOp::create(b, loc, buffer, at).getResult());
      }
      row.erase();
    }
  }

  /// The rows are neighbours along the axis before the last, or before groups of four bytes.
  void loadMatrix(OpBuilder &b, vector::TransferReadOp read, int64_t to) {
    Location loc = read.getLoc();
    unsigned axis = read.getIndices().size() - read.getVectorType().getRank();
    auto data = memref::ExtractStridedMetadataOp::create(b, loc, read.getBase());
    SmallVector<Value> indices(read.getIndices());
    Value distance = getValueOrCreateConstantIndexOp(b, loc, data.getConstifiedMixedStrides()[axis]);
    distance = b.createOrFold<arith::MulIOp>(loc, distance, index(b, loc, bytesOf(read)));
    call(b, loc, "tileloadd64",
         {number(b, loc, to), pointerTo(b, loc, read.getBase(), indices, bytesOf(read)), stride(b, loc, distance)});
  }

  static Value index(OpBuilder &b, Location loc, int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  static Value number(OpBuilder &b, Location loc, int64_t value) {
    return LLVM::ConstantOp::create(b, loc, b.getI8Type(), b.getI8IntegerAttr(value));
  }
  static Value stride(OpBuilder &b, Location loc, Value bytes) {
    return arith::IndexCastOp::create(b, loc, b.getI64Type(), bytes);
  }

  /// The address of an element of `bytes`. What the instructions touch is not known to LLVM anyway.
  static Value pointerTo(OpBuilder &b, Location loc, Value buffer, ValueRange indices, int64_t bytes) {
    auto data = memref::ExtractStridedMetadataOp::create(b, loc, buffer);
    Value at = getValueOrCreateConstantIndexOp(b, loc, data.getConstifiedMixedOffset());
    for (auto [position, distance] : llvm::zip(indices, data.getConstifiedMixedStrides()))
      at = b.createOrFold<arith::AddIOp>(
          loc, at, b.createOrFold<arith::MulIOp>(loc, position, getValueOrCreateConstantIndexOp(b, loc, distance)));
    at = b.createOrFold<arith::MulIOp>(loc, at, index(b, loc, bytes));
    Value begin = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, data.getBaseBuffer());
    Value address =
        arith::IndexCastOp::create(b, loc, b.getI64Type(), arith::AddIOp::create(b, loc, begin, at).getResult());
    return LLVM::IntToPtrOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), address);
  }

  Value onStack(MemRefType type) {
    OpBuilder b = OpBuilder::atBlockBegin(&getOperation().getBody().front());
    return memref::AllocaOp::create(b, getOperation().getLoc(), type, b.getI64IntegerAttr(kRowBytes));
  }

  static void call(OpBuilder &b, Location loc, StringRef name, ValueRange operands) {
    LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.x86." + name), operands);
  }

  llvm::DenseMap<std::pair<int64_t, Type>, Value> buffers; // of the sums
};
} // namespace
} // namespace tegula
