//===- Importer.cpp - from an ONNX file to the nn dialect --------------------------------------------===//

#include "tegula/compiler/import/Importer.h"
#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/OnnxLibrary.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"

using namespace mlir;

namespace tegula {

static ArrayRef<Row> (*const kFamilies[])() = {elementwiseRows, shapeRows, indexRows,     reduceRows,    linearRows,
                                               quantizeRows,    poolRows,  normalizeRows, recurrentRows, resizeRows,
                                               controlRows,     fusedRows, attentionRows};

RowBuilder findRow(StringRef op, int opset) {
  const Row *best = nullptr;
  for (auto family : kFamilies)
    for (const Row &row : family())
      if (op == row.op && row.since <= opset && (!best || row.since > best->since))
        best = &row;
  return best ? best->build : nullptr;
}

std::vector<std::pair<std::string, int>> supportedOperators() {
  std::map<std::string, int> rows;
  for (auto family : kFamilies)
    for (const Row &row : family()) {
      if (!*row.op) // a kind that no operator is imported as directly
        continue;
      auto [known, isNew] = rows.try_emplace(row.op, row.since);
      if (!isNew)
        known->second = std::min(known->second, row.since);
    }
  return {rows.begin(), rows.end()};
}

/// The bytes of the file, or of standard input; null with a reason. Nothing larger than protobuf's limit is read whole.
static std::unique_ptr<llvm::MemoryBuffer> readFile(StringRef path, std::string &why) {
  if (path == "-") {
    SmallVector<char> bytes, piece(1 << 16);
    while (bytes.size() <= INT32_MAX) {
      llvm::Expected<size_t> count = llvm::sys::fs::readNativeFile(llvm::sys::fs::getStdinHandle(), piece);
      if (!count) {
        why = llvm::toString(count.takeError());
        return {};
      }
      if (*count == 0)
        break;
      bytes.append(piece.begin(), piece.begin() + *count);
    }
    return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), /*RequiresNullTerminator=*/false);
  }
  llvm::sys::fs::file_status status;
  std::error_code error = llvm::sys::fs::status(path, status);
  if (!error && status.type() != llvm::sys::fs::file_type::regular_file) {
    why = "it is no plain file";
    return {};
  }
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    why = buffer.getError().message();
  return buffer ? std::move(*buffer) : nullptr;
}

static OwningOpRef<ModuleOp> import(StringRef path, const ImportOptions &options, MLIRContext &context, int &exitCode) {
  auto loc = UnknownLoc::get(&context);
  std::string why;
  std::unique_ptr<llvm::MemoryBuffer> buffer = readFile(path, why);
  if (!buffer) {
    emitError(loc) << "[T0001] cannot read '" << path << "': " << why;
    exitCode = 3;
    return {};
  }
  if (buffer->getBufferSize() > INT32_MAX) {
    emitError(loc) << "[T0401] the file is larger than 2 GiB, where the format ends; keep the weights in external data";
    return {};
  }
  onnx::ModelProto model;
  if (!parseModel(buffer->getBufferStart(), buffer->getBufferSize(), model, why)) {
    emitError(loc) << "[T0001] '" << path << "' is " << why;
    return {};
  }
  buffer.reset();
  return GraphImporter(model, path, options, context).run();
}

/// What ops of nn find wrong is said of the model's node: with a code, without the op's name.
static void sayInUsersWords(Diagnostic &diagnostic, StringRef text) {
  if (text.consume_front("'nn."))
    text = text.split("' op ").second;
  InFlightDiagnostic again = emitError(diagnostic.getLocation()) << "[T0202] " << text;
  for (Diagnostic &note : diagnostic.getNotes())
    if (!StringRef(note.str()).starts_with("see current operation"))
      again.attachNote(note.getLocation()) << note.str();
}

OwningOpRef<ModuleOp> importOnnx(StringRef path, const ImportOptions &options, MLIRContext &context, int &exitCode) {
  // A model that is only too large is a limit; one that is also wrong is wrong.
  bool isWrong = false;
  ScopedDiagnosticHandler watch(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure(); // others print it
    std::string text = diagnostic.str();
    isWrong |= !StringRef(text).starts_with("[T04");
    if (StringRef(text).starts_with("["))
      return failure();
    sayInUsersWords(diagnostic, text);
    return success();
  });
  exitCode = 0;
  OwningOpRef<ModuleOp> module = import(path, options, context, exitCode);
  if (!module && exitCode == 0)
    exitCode = isWrong ? 1 : 4;
  return module;
}

} // namespace tegula
