//===- Importer.cpp - from an ONNX file to the nn dialect --------------------------------------------===//

#include "tegula/compiler/import/Importer.h"
#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/OnnxLibrary.h"

#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace tegula {

static ArrayRef<Row> (*const kFamilies[])() = {elementwiseRows, shapeRows,     indexRows,     reduceRows, linearRows,
                                               poolRows,        normalizeRows, recurrentRows, resizeRows, controlRows};

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

OwningOpRef<ModuleOp> importOnnx(StringRef path, const ImportOptions &options, MLIRContext &context, int &exitCode) {
  auto loc = UnknownLoc::get(&context);
  auto buffer = path == "-" ? llvm::MemoryBuffer::getSTDIN() : llvm::MemoryBuffer::getFile(path, false, false);
  if (!buffer) {
    emitError(loc) << "[T0001] cannot read '" << path << "': " << buffer.getError().message();
    exitCode = 3;
    return {};
  }
  exitCode = 1;
  if ((*buffer)->getBufferSize() > INT32_MAX) {
    emitError(loc) << "[T0401] the file is larger than 2 GiB; keep the weights in external data";
    exitCode = 4;
    return {};
  }
  onnx::ModelProto model;
  std::string why;
  if (!parseModel((*buffer)->getBufferStart(), (*buffer)->getBufferSize(), model, why)) {
    emitError(loc) << "[T0001] '" << path << "' is " << why;
    return {};
  }
  buffer->reset();
  OwningOpRef<ModuleOp> module = GraphImporter(model, path, options, context).run();
  if (module)
    exitCode = 0;
  return module;
}

} // namespace tegula
