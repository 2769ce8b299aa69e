//===- Diagnostics.cpp - MLIR diagnostics in the user's words -----------------------------===//

#include "Diagnostics.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "tegula/dialects/tgl/NodeName.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tegula {

namespace {
/// What the importer's locations say of a node besides its name.
struct Place {
  StringRef op;
  unsigned index = 0;
};
} // namespace

/// The first node that a location carries; nullopt when it is of something else, as an input or a tensor.
static std::optional<Place> placeOf(Location loc) {
  std::optional<Place> place;
  loc->walk([&](Location part) {
    auto fused = dyn_cast<FusedLoc>(part);
    auto op = fused ? dyn_cast_or_null<StringAttr>(fused.getMetadata()) : StringAttr();
    if (!op || fused.getLocations().size() != 1)
      return WalkResult::advance();
    if (auto line = dyn_cast<FileLineColLoc>(fused.getLocations().front()))
      place = Place{op.getValue(), line.getLine() - 1};
    return place ? WalkResult::interrupt() : WalkResult::advance();
  });
  return place;
}

/// Names come from the model: control characters would steer the terminal, and one may be as long as the file.
static std::string shown(StringRef text, size_t longest) {
  std::string result;
  for (char c : text.take_front(longest)) {
    if ((unsigned char)c >= 0x20 && c != 0x7f)
      result += c;
    else
      result += llvm::formatv("\\x{0:x-2}", (unsigned char)c);
  }
  return llvm::json::fixUTF8(text.size() > longest ? result + "..." : result);
}
static constexpr size_t kLongestName = 200, kLongestText = 1000;

/// "[T0101] text" -> code and text.
static std::pair<std::string, std::string> splitCode(StringRef text) {
  if (text.consume_front("[")) {
    auto [code, rest] = text.split(']');
    return {code.str(), rest.ltrim().str()};
  }
  return {"", text.str()};
}

DiagnosticPrinter::DiagnosticPrinter(MLIRContext &context, std::string file, bool isJson)
    : context(context), file(std::move(file)), isJson(isJson) {
  handler = context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) { print(diagnostic); });
}

DiagnosticPrinter::~DiagnosticPrinter() { context.getDiagEngine().eraseHandler(handler); }

void DiagnosticPrinter::print(Diagnostic &diagnostic) {
  bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
  if (diagnostic.getSeverity() == DiagnosticSeverity::Remark)
    return;
  errorCount += isError;
  auto [code, text] = splitCode(diagnostic.str());
  text = shown(text, kLongestText);
  std::optional<Place> place = placeOf(diagnostic.getLocation());
  std::string node = place ? shown(nodeNameOf(diagnostic.getLocation()), kLongestName) : "";
  std::string op = place ? shown(place->op, kLongestName) : "";
  std::vector<std::string> notes, helps;
  for (Diagnostic &note : diagnostic.getNotes()) {
    std::string words = shown(note.str(), kLongestText);
    if (StringRef(words).starts_with("help: "))
      helps.push_back(words.substr(6));
    else if (!StringRef(words).starts_with("see current operation"))
      notes.push_back(words);
  }
  const char *severity = isError ? "error" : "warning";
  if (isJson) {
    llvm::json::Object record{{"file", llvm::json::fixUTF8(file)},
                              {"node", node},
                              {"code", code},
                              {"severity", severity},
                              {"message", text},
                              {"notes", llvm::json::Array(notes)},
                              {"help", llvm::json::Array(helps)}};
    if (place) {
      record["index"] = (int64_t)place->index;
      record["op"] = op;
    }
    llvm::errs() << llvm::json::Value(std::move(record)) << "\n";
    return;
  }
  llvm::errs() << file << ": ";
  if (place)
    llvm::errs() << "node '" << node << "' (#" << place->index << ", " << op << "): ";
  llvm::errs() << severity;
  if (!code.empty())
    llvm::errs() << "[" << code << "]";
  llvm::errs() << ": " << text << "\n";
  for (const std::string &note : notes)
    llvm::errs() << "note: " << note << "\n";
  for (const std::string &help : helps)
    llvm::errs() << "help: " << help << "\n";
}

} // namespace tegula
