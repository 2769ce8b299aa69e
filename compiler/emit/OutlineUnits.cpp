//===- OutlineUnits.cpp - each scf.forall becomes a function ----------------------===//
//
//   scf.forall (%i, %j) in (4, 2) { body(%a) }
// becomes
//   call @unit_0(%c0, %c8, %a) {tgl.unit = 0}
//   func.func private @unit_0(%begin: index, %end: index, %a: memref<...>) {
//     scf.for %n = %begin to %end { %i = %n / 2; %j = %n % 2; body(%a) }
//
// A unit of bands holds units, which become functions that it calls. Units that differ in numbers only (the scales of a
// quantized network's layers) share a function, which gets these as arguments.
//
// Needs: memrefs. Leaves: no scf.forall. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/Passes.h"
#include "tegula/dialects/tgl/NodeName.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_OUTLINEUNITS
#include "tegula/compiler/emit/Passes.h.inc"

/// The number that a constant holds, or is a splat of, if units like this one may differ in it: not what LLVM turns
/// into another instruction, as a shift or a division.
static TypedAttr numberOf(Operation *constant, scf::ForallOp unit) {
  TypedAttr value;
  if (!matchPattern(constant, m_Constant(&value)))
    return {};
  if (auto splat = dyn_cast<SplatElementsAttr>(value); splat && isa<VectorType>(value.getType()))
    value = dyn_cast<TypedAttr>(splat.getSplatValue<Attribute>());
  if (isa_and_present<FloatAttr>(value))
    return value;
  auto isPlain = [&](Operation *user) {
    return !unit->isProperAncestor(user) ||
           isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::CmpIOp, arith::SelectOp, func::CallOp>(user);
  };
  bool isByte = isa_and_present<IntegerAttr>(value) && value.getType().isSignlessInteger() &&
                value.getType().getIntOrFloatBitWidth() >= 8;
  return isByte && llvm::all_of(constant->getUsers(), isPlain) ? value : TypedAttr();
}

namespace {
struct OutlineUnits : impl::OutlineUnitsBase<OutlineUnits> {
  using OutlineUnitsBase::OutlineUnitsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    func::FuncOp entry;
    for (auto function : module.getOps<func::FuncOp>())
      if (function->hasAttr(tgl::kInputs))
        entry = function;
    if (!entry || entry->hasAttr(kEntry))
      return;
    entry->setAttr(kEntry, UnitAttr::get(&getContext()));
    auto handle = LLVM::LLVMPointerType::get(&getContext());
    (void)entry.insertArgument(entry.getNumArguments(), handle, {}, entry.getLoc());
    SmallVector<scf::ForallOp> foralls;
    entry.walk<WalkOrder::PreOrder>([&](scf::ForallOp op) {
      foralls.push_back(op);
      return WalkResult::skip();
    });
    codes.clear();
    made.clear();
    units.clear();
    for (scf::ForallOp forall : foralls) {
      SmallVector<scf::ForallOp> inner;
      forall.getBody()->walk([&](scf::ForallOp op) { inner.push_back(op); }); // innermost first
      SmallVector<Attribute> measured;
      for (scf::ForallOp op : inner)
        if (Attribute of = outline(module, op)->getAttr(tgl::kMeasured))
          measured.push_back(of);
      func::CallOp call = outline(module, forall);
      if (!measured.empty())
        call->setAttr(tgl::kMeasured, ArrayAttr::get(&getContext(), measured));
      addUnit(call);
    }
    module->setAttr(tgl::kUnits, ArrayAttr::get(&getContext(), units));
    dropEqualNumbers(module);
  }

  /// Numbers that are the same in all calls of a function become its own again.
  void dropEqualNumbers(ModuleOp module) {
    llvm::StringMap<SmallVector<func::CallOp>> calls;
    module.walk([&](func::CallOp call) { calls[call.getCallee()].push_back(call); });
    // Functions before those that they call, which may get their numbers from them.
    for (auto [code, first] : llvm::reverse(made)) {
      ArrayRef<func::CallOp> ofCode = calls[code.getName()];
      for (unsigned at = code.getNumArguments(); at-- > first;) {
        SmallVector<Operation *> numbers;
        TypedAttr number;
        bool isSame = true;
        for (func::CallOp call : ofCode) {
          TypedAttr value;
          isSame &= matchPattern(call.getOperand(at), m_Constant(&value)) && (!number || number == value);
          number = value;
          numbers.push_back(call.getOperand(at).getDefiningOp());
        }
        if (!isSame)
          continue;
        setNumber(code, at, number);
        for (auto [call, constant] : llvm::zip(ofCode, numbers)) {
          call->eraseOperand(at);
          if (constant->use_empty())
            constant->erase();
        }
      }
    }
  }

  /// Replaces an argument by a number.
  static void setNumber(func::FuncOp code, unsigned at, TypedAttr number) {
    Value argument = code.getArgument(at);
    OpBuilder b = OpBuilder::atBlockBegin(&code.getBody().front());
    for (Operation *user : llvm::make_early_inc_range(argument.getUsers()))
      if (auto spread = dyn_cast<vector::BroadcastOp>(user)) {
        auto splat = DenseElementsAttr::get(spread.getResultVectorType(), Attribute(number));
        spread.replaceAllUsesWith(arith::ConstantOp::create(b, code.getLoc(), splat).getResult());
        spread.erase();
      }
    if (!argument.use_empty())
      argument.replaceAllUsesWith(arith::ConstantOp::create(b, code.getLoc(), number).getResult());
    (void)code.eraseArgument(at);
  }

  /// Moves the forall's body into a function; returns the call of it.
  func::CallOp outline(ModuleOp module, scf::ForallOp forall) {
    Location loc = forall.getLoc();
    // Constants move in, everything else is captured; numbers are arguments at first.
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(forall.getRegion(), captured);
    SmallVector<Value> arguments;
    SmallVector<Operation *> constants;
    for (Value value : captured) {
      if (Operation *def = value.getDefiningOp(); def && def->hasTrait<OpTrait::ConstantLike>())
        constants.push_back(def);
      else
        arguments.push_back(value);
    }
    OpBuilder b(forall);
    SmallVector<Value> bounds;
    for (OpFoldResult bound : forall.getMixedUpperBound())
      bounds.push_back(getValueOrCreateConstantIndexOp(b, loc, bound));
    Value count = bounds.front();
    for (Value bound : ArrayRef<Value>(bounds).drop_front())
      count = b.createOrFold<arith::MulIOp>(loc, count, bound);
    SmallVector<Value> dynamicBounds(forall.getDynamicUpperBound());
    llvm::append_range(arguments, dynamicBounds);

    func::FuncOp code = makeFunction(forall, arguments, constants, dynamicBounds.size());
    code = shareOrInsert(module, code, arguments.size() + 2);

    SmallVector<Value> operands{arith::ConstantIndexOp::create(b, loc, 0), count};
    llvm::append_range(operands, arguments);
    OpBuilder atStart = OpBuilder::atBlockBegin(&forall->getParentOfType<func::FuncOp>().getBody().front());
    for (Operation *constant : constants)
      if (TypedAttr number = numberOf(constant, forall))
        operands.push_back(arith::ConstantOp::create(atStart, constant->getLoc(), number));
    auto call = func::CallOp::create(b, loc, code, operands);
    call->setDiscardableAttrs(forall->getDiscardableAttrDictionary());
    forall.erase();
    ++outlined;
    return call;
  }

  /// Has the runtime call the function, and lists it as a unit of the model.
  void addUnit(func::CallOp call) {
    OpBuilder b(call);
    NamedAttrList unit(call->getDiscardableAttrDictionary());
    call->setDiscardableAttrs(DictionaryAttr::get(&getContext()));
    call->setAttr(kUnit, b.getI32IntegerAttr(units.size()));
    SmallVector<NodeRef> nodes = nodesOf(call.getLoc());
    auto joined = [&](auto part) { return b.getStringAttr(llvm::join(llvm::map_range(nodes, part), ", ")); };
    unit.set("node", joined([](const NodeRef &node) { return node.name; }));
    unit.set("op", joined([](const NodeRef &node) { return node.op; }));
    units.push_back(unit.getDictionary(&getContext()));
  }

  func::FuncOp makeFunction(scf::ForallOp forall, ArrayRef<Value> arguments, ArrayRef<Operation *> constants,
                            size_t dynamicBounds) {
    OpBuilder b(&getContext());
    Location loc = forall.getLoc();
    SmallVector<Type> types{b.getIndexType(), b.getIndexType()};
    for (Value value : arguments)
      types.push_back(value.getType());
    for (Operation *constant : constants)
      if (TypedAttr number = numberOf(constant, forall))
        types.push_back(number.getType());
    auto code = func::FuncOp::create(loc, "unit", b.getFunctionType(types, {}));
    code.setPrivate();
    code->setAttr(kKernel, b.getUnitAttr());
    if (Attribute threads = forall->getAttr(tgl::kThreads))
      code->setAttr(tgl::kThreads, threads);
    Block *body = code.addEntryBlock();
    b.setInsertionPointToStart(body);
    IRMapping mapping;
    for (auto [value, argument] : llvm::zip(arguments, body->getArguments().drop_front(2)))
      mapping.map(value, argument);
    size_t nextDynamic = arguments.size() + 2 - dynamicBounds, nextNumber = arguments.size() + 2;
    for (Operation *constant : constants) {
      if (!numberOf(constant, forall)) {
        b.clone(*constant, mapping);
        continue;
      }
      Value number = body->getArgument(nextNumber++);
      if (auto type = dyn_cast<VectorType>(constant->getResult(0).getType()))
        number = vector::BroadcastOp::create(b, constant->getLoc(), type, number);
      mapping.map(constant->getResult(0), number);
    }
    SmallVector<Value> bounds;
    for (int64_t bound : forall.getStaticUpperBound())
      bounds.push_back(ShapedType::isDynamic(bound) ? Value(body->getArgument(nextDynamic++))
                                                    : Value(arith::ConstantIndexOp::create(b, loc, bound)));
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    auto loop = scf::ForOp::create(b, loc, body->getArgument(0), body->getArgument(1), one);
    func::ReturnOp::create(b, loc);
    b.setInsertionPointToStart(loop.getBody());
    Value rest = loop.getInductionVar();
    SmallVector<Value> indices(bounds.size());
    for (size_t dim = bounds.size(); dim-- > 1;) {
      indices[dim] = arith::RemUIOp::create(b, loc, rest, bounds[dim]);
      rest = arith::DivUIOp::create(b, loc, rest, bounds[dim]);
    }
    indices[0] = rest;
    for (auto [variable, index] : llvm::zip(forall.getInductionVars(), indices))
      mapping.map(variable, index);
    for (Operation &op : forall.getBody()->without_terminator())
      b.clone(op, mapping);
    return code;
  }

  /// The arguments from `firstNumber` on are numbers.
  func::FuncOp shareOrInsert(ModuleOp module, func::FuncOp code, unsigned firstNumber) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    OpPrintingFlags flags;
    flags.enableDebugInfo(false).useLocalScope();
    code->print(stream, flags);
    auto [known, isNew] = codes.try_emplace(text, code);
    if (!isNew) {
      code.erase();
      ++shared;
      return known->second;
    }
    code.setName("unit_" + std::to_string(codes.size() - 1));
    module.push_back(code);
    made.push_back({code, firstNumber});
    return code;
  }

  llvm::StringMap<func::FuncOp> codes;
  SmallVector<std::pair<func::FuncOp, unsigned>> made; // with the first argument that is a number
  SmallVector<Attribute> units;
};
} // namespace
} // namespace tegula
