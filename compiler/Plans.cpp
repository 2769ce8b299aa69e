//===- Plans.cpp - plans that were measured, by the kernel they are for ---------------------===//
//
//   {"plans": [{"machine": "cpu, 32 bytes x 16, 512 KiB, 2 threads", "kernel": "...", "plan": "#tgl.plan<...>"}]}
//
//===----------------------------------------------------------------------===//

#include "tegula/compiler/Plans.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/compiler/tile/RegisterTile.h"

#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <map>

using namespace mlir;

namespace tegula {

/// What of a target decides which plan is fast.
static std::string machineText(tgl::TargetAttr target) {
  if (!target.getChips().empty())
    return (target.getName() + ":" + target.getChips()).str();
  return llvm::formatv("{0}, {1} bytes x {2}, {3} KiB, {4} threads", target.getName(), target.getVectorBytes(),
                       target.getRegisters(), target.getCacheKiB(), target.getThreads())
      .str();
}

std::string kernelText(linalg::GenericOp unit) {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (auto [extent, kind] : llvm::zip(unit.getStaticLoopRanges(), unit.getIteratorTypesArray())) {
    out << (kind == utils::IteratorType::parallel ? 'p' : 'r');
    ShapedType::isDynamic(extent) ? out << '?' : out << extent;
    out << ' ';
  }
  for (OpOperand &operand : unit->getOpOperands()) {
    out << (unit.isDpsInit(&operand) ? "-> " : "") << getElementTypeOrSelf(operand.get().getType()) << '(';
    llvm::interleaveComma(unit.getMatchingIndexingMap(&operand).getResults(), out);
    out << ") ";
  }
  for (Operation &op : unit.getBlock()->without_terminator())
    if (!op.hasTrait<OpTrait::ConstantLike>())
      out << op.getName().stripDialect() << ' ';
  for (Operation *around = unit->getParentOp(); around; around = around->getParentOp())
    if (around->hasAttr(tgl::kBands))
      out << "in bands ";
  text.pop_back();
  return text;
}

bool isPlanFor(tgl::PlanAttr plan, linalg::GenericOp unit) {
  int64_t parallel = unit.getNumParallelLoops(), vectorLoop = plan.getVectorLoop(), unrollLoop = plan.getUnrollLoop();
  auto isWithin = [](int64_t value, int64_t low, int64_t high) { return low <= value && value <= high; };
  if (plan.getThreads()) // a matter of the target's own
    return false;
  return isWithin(vectorLoop, -1, parallel - 1) && isWithin(unrollLoop, -1, parallel - 1) &&
         (vectorLoop < 0 || canVectorize(unit, vectorLoop)) && (unrollLoop < 0 || unrollLoop != vectorLoop) &&
         isWithin(plan.getLanes(), 1, 256) && llvm::isPowerOf2_64(plan.getLanes()) &&
         (vectorLoop < 0) == (plan.getLanes() == 1) && isWithin(plan.getVectors(), 1, 16) &&
         isWithin(plan.getUnroll(), 1, 64) && (unrollLoop >= 0 || plan.getUnroll() == 1) &&
         isWithin(plan.getOuter(), 1, 64) && (unrollLoop > 0 || plan.getOuter() == 1) &&
         plan.getLanes() * plan.getVectors() * plan.getUnroll() * plan.getOuter() <= 4096 &&
         isWithin(plan.getBlock().size(), parallel, unit.getNumLoops()) &&
         llvm::all_of(plan.getBlock(), [](int64_t size) { return size >= 0; });
}

namespace {
/// The plans of a file: machine and kernel -> text of the plan.
using Table = std::map<std::pair<std::string, std::string>, std::string>;
} // namespace

static bool readTable(StringRef path, bool isOptional, Table &table, std::string &why) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer) {
    why = llvm::formatv("cannot read the plans in '{0}': {1}", path, buffer.getError().message());
    return isOptional && buffer.getError() == std::errc::no_such_file_or_directory;
  }
  auto malformed = [&, path = path](const llvm::Twine &what) {
    why = ("'" + path + "' is not a file of plans: " + what).str();
    return false;
  };
  llvm::Expected<llvm::json::Value> value = llvm::json::parse((*buffer)->getBuffer());
  if (!value)
    return malformed(llvm::toString(value.takeError()));
  llvm::json::Object *root = value->getAsObject();
  llvm::json::Array *rows = root ? root->getArray("plans") : nullptr;
  if (!rows)
    return malformed("no list \"plans\"");
  for (llvm::json::Value &row : *rows) {
    llvm::json::Object *entry = row.getAsObject();
    auto word = [&](StringRef key) { return entry ? entry->getString(key).value_or("") : ""; };
    if (word("machine").empty() || word("kernel").empty() || word("plan").empty())
      return malformed("an entry needs \"machine\", \"kernel\" and \"plan\"");
    table[{word("machine").str(), word("kernel").str()}] = word("plan").str();
  }
  return true;
}

FailureOr<DictionaryAttr> readPlans(StringRef path, tgl::TargetAttr target, bool isOptional, std::string &why) {
  Table table;
  if (!readTable(path, isOptional, table, why))
    return failure();
  MLIRContext *context = target.getContext();
  NamedAttrList plans;
  for (auto &[key, text] : table) {
    if (key.first != machineText(target))
      continue;
    // The parser's own message would name no file.
    ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
    auto plan = dyn_cast_or_null<tgl::PlanAttr>(parseAttribute(text, context));
    if (!plan) {
      why = llvm::formatv("'{0}': '{1}' is not a plan (kernel '{2}')", path, text, key.second);
      return failure();
    }
    plans.set(key.second, plan);
  }
  return plans.getDictionary(context);
}

bool writePlans(StringRef path, tgl::TargetAttr target, DictionaryAttr plans, std::string &why) {
  Table table;
  if (!readTable(path, /*isOptional=*/true, table, why))
    return false;
  for (NamedAttribute plan : plans) {
    std::string text;
    llvm::raw_string_ostream(text) << plan.getValue();
    table[{machineText(target), plan.getName().str()}] = text;
  }
  llvm::json::Array rows;
  for (auto &[key, plan] : table)
    rows.push_back(llvm::json::Object{{"machine", key.first}, {"kernel", key.second}, {"plan", plan}});
  llvm::json::Value root = llvm::json::Object{{"plans", std::move(rows)}};
  return writeFile(path, why, [&](llvm::raw_pwrite_stream &stream) { stream << llvm::formatv("{0:2}\n", root); });
}

} // namespace tegula
