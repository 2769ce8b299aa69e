//===- Tensors.cpp - TensorProto to nn attributes ----------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

#include "mlir/IR/AsmState.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace tegula {

static constexpr int64_t kMaxElements = int64_t(1) << 40;

/// Appends the typed fields of a tensor (float_data and so on) as raw little-endian bytes.
static std::string typedBytes(const onnx::TensorProto &proto, unsigned bytes) {
  std::string data;
  auto append = [&](auto value) { data.append(reinterpret_cast<const char *>(&value), bytes); };
  for (float value : proto.float_data())
    append(value);
  for (double value : proto.double_data())
    append(value);
  for (int32_t value : proto.int32_data())
    append(value);
  for (int64_t value : proto.int64_data())
    append(value);
  for (uint64_t value : proto.uint64_data())
    append(value);
  return data;
}

/// A small tensor as a dense attribute, a large one as a resource that takes `data` over.
static ElementsAttr attributeOf(RankedTensorType type, std::string &&data, StringRef name) {
  if (type.getNumElements() <= nn::kSmallElements) {
    if (type.getElementType().isInteger(1)) {
      SmallVector<bool> bits;
      for (char byte : data)
        bits.push_back(byte != 0);
      return DenseElementsAttr::get(type, bits);
    }
    return DenseElementsAttr::getFromRawBuffer(type, ArrayRef<char>(data.data(), data.size()));
  }
  auto *holder = new std::string(std::move(data));
  if (reinterpret_cast<uintptr_t>(holder->data()) % 16 != 0) {
    AsmResourceBlob blob =
        HeapAsmResourceBlob::allocateAndCopyWithAlign(ArrayRef<char>(holder->data(), holder->size()), 64);
    delete holder;
    return DenseResourceElementsAttr::get(type, name, std::move(blob));
  }
  AsmResourceBlob blob(
      ArrayRef<char>(holder->data(), holder->size()), 16, [holder](void *, size_t, size_t) { delete holder; }, false);
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

/// Whether `location` stays inside the model's folder, links resolved.
static bool isInside(StringRef folder, StringRef location, SmallString<256> &full, std::string &why) {
  if (location.empty() || llvm::sys::path::is_absolute(location) || location.contains('\\')) {
    why = "external data must be a relative path";
    return false;
  }
  for (auto part = llvm::sys::path::begin(location); part != llvm::sys::path::end(location); ++part)
    if (*part == "..") {
      why = "external data must lie in the model's folder";
      return false;
    }
  full = folder.empty() ? "." : folder;
  llvm::sys::path::append(full, location);
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(full, status, /*follow=*/false) || !llvm::sys::fs::exists(status)) {
    why = ("external data file '" + location + "' is missing").str();
    return false;
  }
  SmallString<256> realFolder, realFile;
  if (status.type() != llvm::sys::fs::file_type::regular_file || status.getLinkCount() > 1 ||
      llvm::sys::fs::real_path(folder.empty() ? "." : folder, realFolder) || llvm::sys::fs::real_path(full, realFile) ||
      !realFile.str().starts_with((realFolder + "/").str())) {
    why = ("external data file '" + location + "' is a link or no plain file").str();
    return false;
  }
  return true;
}

ElementsAttr GraphImporter::externalTensor(const onnx::TensorProto &proto, RankedTensorType type, Location loc) {
  std::string location;
  uint64_t offset = 0, length = 0, bytes = type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
  bool hasLength = false, isBad = false;
  for (const onnx::StringStringEntryProto &entry : proto.external_data()) {
    if (entry.key() == "location")
      location = entry.value();
    if (entry.key() == "offset")
      isBad |= StringRef(entry.value()).getAsInteger(10, offset);
    if (entry.key() == "length") {
      isBad |= StringRef(entry.value()).getAsInteger(10, length);
      hasLength = true;
    }
  }
  SmallString<256> full;
  std::string why;
  auto refuse = [&](const Twine &text) {
    InFlightDiagnostic diagnostic = emitError(loc) << "[T0301] tensor '" << proto.name() << "': " << text;
    diagnostic.attachNote() << "help: keep the data file beside the model";
    return ElementsAttr();
  };
  if (isBad || (hasLength && length != bytes))
    return refuse("external data has a wrong offset or length; expected " + Twine(bytes) + " bytes");
  if (!isInside(llvm::sys::path::parent_path(path), location, full, why))
    return refuse(why);
  uint64_t size = 0;
  if (llvm::sys::fs::file_size(full, size) || offset > size || bytes > size - offset)
    return refuse("external data file '" + location + "' has " + Twine(size) + " bytes, but " + Twine(bytes) +
                  " from " + Twine(offset) + " are needed");
  auto buffer = llvm::MemoryBuffer::getFileSlice(full, bytes, offset);
  if (!buffer)
    return refuse("external data file '" + location + "' cannot be read");
  return attributeOf(type, (*buffer)->getBuffer().str(), proto.name());
}

ElementsAttr GraphImporter::tensor(const onnx::TensorProto &proto, Location loc) {
  auto refuse = [&](StringRef code, const Twine &text) {
    emitError(loc) << "[" << code << "] tensor '" << proto.name() << "': " << text;
    return ElementsAttr();
  };
  Type element = elementType(proto.data_type());
  if (!element)
    return refuse("T0102", "element type " +
                               onnx::TensorProto::DataType_Name((onnx::TensorProto::DataType)proto.data_type()) +
                               " is not supported");
  int64_t elements = 1;
  Ints shape;
  for (int64_t extent : proto.dims()) {
    if (extent < 0)
      return refuse("T0201", "has the extent " + Twine(extent));
    if (extent > kMaxElements || (extent && elements > kMaxElements / extent))
      return refuse("T0401", "has more than 2^40 elements");
    elements *= extent;
    shape.push_back(extent);
  }
  auto type = RankedTensorType::get(shape, element);
  if (proto.has_data_location() && proto.data_location() == onnx::TensorProto::EXTERNAL)
    return externalTensor(proto, type, loc);
  unsigned bytes = (type.getElementTypeBitWidth() + 7) / 8;
  // The bytes move out of the model: a weight is never held twice.
  std::string data = proto.has_raw_data() ? std::move(*const_cast<onnx::TensorProto &>(proto).mutable_raw_data())
                                          : typedBytes(proto, bytes);
  if ((int64_t)data.size() != elements * bytes)
    return refuse("T0201",
                  "has " + Twine(data.size()) + " bytes of data, but its shape needs " + Twine(elements * bytes));
  // Shape inference may read small values; they stay.
  if (proto.has_raw_data() && elements <= nn::kSmallElements)
    *const_cast<onnx::TensorProto &>(proto).mutable_raw_data() = data;
  if (elements == 0)
    return DenseElementsAttr::getFromRawBuffer(type, {});
  return attributeOf(type, std::move(data), proto.name().empty() ? "constant" : proto.name());
}

} // namespace tegula
