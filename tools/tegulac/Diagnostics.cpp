//===- Diagnostics.cpp - MLIR diagnostics in the user's words -----------------------------===//

#include "Diagnostics.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "tegula/dialects/tgl/NodeName.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tegula {

/// File line of the importer's location (node index + 1); 0 when there is none.
static unsigned lineOf(Location loc) {
  unsigned line = 0;
  loc->walk([&](Location part) {
    if (auto place = dyn_cast<FileLineColLoc>(part); place && !line)
      line = place.getLine();
    return WalkResult::advance();
  });
  return line;
}

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
  std::string node = nodeNameOf(diagnostic.getLocation());
  SmallVector<NodeRef> nodes = nodesOf(diagnostic.getLocation());
  StringRef op = nodes.empty() ? "" : nodes.front().op;
  unsigned line = lineOf(diagnostic.getLocation());
  std::vector<std::string> notes, helps;
  for (Diagnostic &note : diagnostic.getNotes()) {
    std::string words = note.str();
    if (StringRef(words).starts_with("help: "))
      helps.push_back(words.substr(6));
    else if (!StringRef(words).starts_with("see current operation"))
      notes.push_back(words);
  }
  const char *severity = isError ? "error" : "warning";
  if (isJson) {
    llvm::json::Object record{{"file", file},
                              {"node", node},
                              {"op", op},
                              {"code", code},
                              {"severity", severity},
                              {"message", text},
                              {"notes", llvm::json::Array(notes)},
                              {"help", llvm::json::Array(helps)}};
    if (line)
      record["index"] = (int64_t)line - 1;
    llvm::errs() << llvm::json::Value(std::move(record)) << "\n";
    return;
  }
  llvm::errs() << file << ": ";
  if (!node.empty()) {
    llvm::errs() << "node '" << node << "'";
    if (line)
      llvm::errs() << " (#" << line - 1 << (op.empty() ? "" : ", ") << op << ")";
    llvm::errs() << ": ";
  }
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
