//===- Header.cpp - the C header of an artifact -------------------------------------------------===//

#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

/// runtime/tegula.h, embedded by the build.
extern "C" const char tegulaRuntimeHeader[];

namespace tegula {

int32_t onnxTypeOf(Type element) {
  if (element.isF32())
    return 1;
  if (element.isF64())
    return 11;
  if (element.isF16())
    return 10;
  if (element.isBF16())
    return 16;
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer)
    return 0;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return 9;
  case 8:
    return isUnsigned ? 2 : 3;
  case 16:
    return isUnsigned ? 4 : 5;
  case 32:
    return isUnsigned ? 12 : 6;
  case 64:
    return isUnsigned ? 13 : 7;
  default:
    return 0;
  }
}

static const char *cTypeOf(int32_t type) {
  switch (type) {
  case 1:
    return "float";
  case 2:
    return "uint8_t";
  case 3:
    return "int8_t";
  case 4:
    return "uint16_t";
  case 5:
    return "int16_t";
  case 6:
    return "int32_t";
  case 7:
    return "int64_t";
  case 9:
    return "bool, one byte";
  case 10:
    return "half";
  case 11:
    return "double";
  case 12:
    return "uint32_t";
  case 13:
    return "uint64_t";
  case 16:
    return "bfloat16";
  default:
    return "?";
  }
}

Operation *entryOf(ModuleOp module) {
  for (Operation &op : module.getBody()->getOperations())
    if (op.hasAttr(tgl::kInputs))
      return &op;
  return nullptr;
}

/// Comment-safe text of a user's name.
static std::string commentText(StringRef name) {
  std::string text;
  for (char c : name)
    text += llvm::isPrint(c) && c != '*' && c != '/' && c != '\\' ? c : '_';
  return text;
}

static void writeTensors(raw_ostream &os, StringRef what, StringRef symbol, ArrayAttr names, ArrayAttr types) {
  for (auto [index, pair] : llvm::enumerate(llvm::zip(names, types))) {
    auto type = cast<RankedTensorType>(cast<TypeAttr>(std::get<1>(pair)).getValue());
    int32_t dtype = onnxTypeOf(type.getElementType());
    os << "/* " << what << " " << index << ": '" << commentText(cast<StringAttr>(std::get<0>(pair)).getValue()) << "', "
       << cTypeOf(dtype) << " [";
    llvm::interleaveComma(type.getShape(), os, [&](int64_t extent) {
      if (ShapedType::isDynamic(extent))
        os << "any";
      else
        os << extent;
    });
    os << "] */\n";
    std::string prefix = StringRef(symbol).upper() + "_" + StringRef(what).upper() + "_" + std::to_string(index);
    if (type.hasStaticShape())
      os << "#define " << prefix << "_BYTES " << type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8)
         << "\n";
  }
}

std::string headerText(ModuleOp module, StringRef symbol) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << tegulaRuntimeHeader << "\n";
  std::string guard = "TEGULA_MODEL_" + symbol.upper() + "_H";
  os << "#ifndef " << guard << "\n#define " << guard << "\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
  Operation *entry = entryOf(module);
  writeTensors(os, "input", symbol, entry->getAttrOfType<ArrayAttr>(tgl::kInputs),
               entry->getAttrOfType<ArrayAttr>(tgl::kInputTypes));
  writeTensors(os, "output", symbol, entry->getAttrOfType<ArrayAttr>(tgl::kOutputs),
               entry->getAttrOfType<ArrayAttr>(tgl::kOutputTypes));
  if (auto bytes = entry->getAttrOfType<IntegerAttr>("tgl.workspace_bytes"))
    os << "/* Bytes of working memory of one instance (tegula_options.workspace). */\n#define " << symbol.upper()
       << "_WORKSPACE_BYTES " << bytes.getInt() << "\n";
  os << "\n/* The model: constant data, shared by all instances; never freed. Thread-safe. */\n"
     << "const tegula_model *" << symbol << "_model(void);\n\n";
  if (tgl::TargetAttr target = tgl::targetOf(entry); target && !target.getChips().empty())
    os << "/* `run` with tensors in the accelerator's memory, aligned to 16 bytes there. Enqueues the work on `stream` "
          "(a\n"
          " * CUstream or cudaStream_t; NULL is the default stream) and returns: inputs and outputs must stay until "
          "the stream\n"
          " * has come so far. Runs of one instance share its workspace, so they go on one stream, or wait for each "
          "other.\n"
          " * Outputs of dynamic shape are known on return: such a model waits where the host needs a number of it. "
          "*/\n"
       << "tegula_status " << symbol << "_enqueue(tegula_instance *instance, const tegula_tensor *inputs,\n"
       << "                          tegula_tensor *outputs, void *stream);\n\n";
  os << "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return text;
}

} // namespace tegula
