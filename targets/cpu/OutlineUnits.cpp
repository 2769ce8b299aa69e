//===- OutlineUnits.cpp - each scf.forall becomes a function ----------------------===//
//
//   scf.forall (%i, %j) in (4, 2) { body(%a) }
// becomes
//   call @unit_0(%c0, %c8, %a) {tgl.unit = 0}
//   func.func private @unit_0(%begin: index, %end: index, %a: memref<...>) {
//     scf.for %n = %begin to %end { %i = %n / 2; %j = %n % 2; body(%a) }
//
// A unit of bands holds units, which become functions that it calls.
//
// Needs: memrefs. Leaves: no scf.forall. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/dialects/tgl/NodeName.h"
#include "tegula/dialects/tgl/Tgl.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_OUTLINEUNITS
#include "tegula/targets/cpu/Passes.h.inc"

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
  }

  /// Moves the forall's body into a function; returns the call of it.
  func::CallOp outline(ModuleOp module, scf::ForallOp forall) {
    Location loc = forall.getLoc();
    // Constants move in, everything else is captured.
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
    code = shareOrInsert(module, code);

    SmallVector<Value> operands{arith::ConstantIndexOp::create(b, loc, 0), count};
    llvm::append_range(operands, arguments);
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
    auto code = func::FuncOp::create(loc, "unit", b.getFunctionType(types, {}));
    code.setPrivate();
    code->setAttr(kKernel, b.getUnitAttr());
    Block *body = code.addEntryBlock();
    markNoAlias(code, arguments);
    b.setInsertionPointToStart(body);
    IRMapping mapping;
    for (auto [value, argument] : llvm::zip(arguments, body->getArguments().drop_front(2)))
      mapping.map(value, argument);
    for (Operation *constant : constants)
      b.clone(*constant, mapping);
    SmallVector<Value> bounds;
    size_t nextDynamic = body->getNumArguments() - dynamicBounds;
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

  /// A captured buffer that no other captured value shares memory with.
  void markNoAlias(func::FuncOp code, ArrayRef<Value> arguments) {
    auto rootOf = [](Value value) {
      while (auto view = value.getDefiningOp<ViewLikeOpInterface>()) {
        if (auto place = dyn_cast<memref::ViewOp>(view.getOperation()))
          return Value(place.getByteShift()); // a place of its own in the arena
        value = view->getOperand(0);
      }
      return value;
    };
    // What a branch or a loop hands out may be any of the others.
    auto isKnown = [&](Value value) {
      Operation *def = rootOf(value).getDefiningOp();
      return !isa<MemRefType>(value.getType()) || !def ||
             !isa<scf::IfOp, scf::ForOp, scf::WhileOp, arith::SelectOp>(def);
    };
    if (!llvm::all_of(arguments, isKnown))
      return;
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (!isa<MemRefType>(arguments[i].getType()))
        continue;
      bool isAlone = true;
      for (size_t k = 0; k < arguments.size(); ++k)
        isAlone &= k == i || !isa<MemRefType>(arguments[k].getType()) || rootOf(arguments[k]) != rootOf(arguments[i]);
      if (isAlone)
        code.setArgAttr(i + 2, "tgl.noalias", UnitAttr::get(&getContext()));
    }
  }

  func::FuncOp shareOrInsert(ModuleOp module, func::FuncOp code) {
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
    return code;
  }

  llvm::StringMap<func::FuncOp> codes;
  SmallVector<Attribute> units;
};
} // namespace
} // namespace tegula
