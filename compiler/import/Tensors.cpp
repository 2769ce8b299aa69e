//===- Tensors.cpp - TensorProto to nn attributes ----------------------------------------------------===//

#include "tegula/compiler/import/ExternalData.h"
#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Limits.h"

#include "mlir/IR/AsmState.h"

using namespace mlir;

namespace tegula {

std::string GraphImporter::elementTypeName(int32_t dataType) {
  std::string name = onnx::TensorProto::DataType_Name((onnx::TensorProto::DataType)dataType);
  return name.empty() ? "number " + std::to_string(dataType) : name;
}

/// Elements in the typed fields (float_data and so on).
static int64_t typedCount(const onnx::TensorProto &proto) {
  return (int64_t)proto.float_data_size() + proto.double_data_size() + proto.int32_data_size() +
         proto.int64_data_size() + proto.uint64_data_size() + proto.string_data_size();
}

template <typename Stored, typename Field> static std::string bytesOf(const Field &field) {
  std::string data;
  data.reserve(field.size() * sizeof(Stored));
  for (auto value : field) {
    Stored stored = (Stored)value;
    data.append(reinterpret_cast<const char *>(&stored), sizeof(Stored));
  }
  return data;
}

bool GraphImporter::isFourBit(const onnx::TensorProto &proto) {
  return proto.data_type() == onnx::TensorProto::INT4 || proto.data_type() == onnx::TensorProto::UINT4;
}

/// Integers of 4 bits, two in a byte with the first in the lower half, as bytes.
static std::string unpacked(StringRef packed, int64_t elements, bool isSigned) {
  std::string data;
  data.reserve(elements);
  for (int64_t i = 0; i < elements; ++i) {
    int half = (static_cast<unsigned char>(packed[i / 2]) >> (i % 2 ? 4 : 0)) & 15;
    data.push_back(static_cast<char>(isSigned && half > 7 ? half - 16 : half));
  }
  return data;
}

/// Bytes and, where they are numbers, entries that a tensor of this type takes in a model.
static int64_t storedBytes(const onnx::TensorProto &proto, RankedTensorType type) {
  int64_t elements = type.getNumElements();
  return GraphImporter::isFourBit(proto) ? (elements + 1) / 2 : elements * ((type.getElementTypeBitWidth() + 7) / 8);
}
static int64_t storedNumbers(const onnx::TensorProto &proto, RankedTensorType type) {
  return GraphImporter::isFourBit(proto) ? storedBytes(proto, type) : type.getNumElements();
}

/// The typed field that the standard assigns to the element type, as raw little-endian bytes. Other fields are not
/// read.
static std::string typedBytes(const onnx::TensorProto &proto, unsigned bytes) {
  switch (proto.data_type()) {
  case onnx::TensorProto::FLOAT:
    return bytesOf<float>(proto.float_data());
  case onnx::TensorProto::DOUBLE:
    return bytesOf<double>(proto.double_data());
  case onnx::TensorProto::INT64:
    return bytesOf<int64_t>(proto.int64_data());
  case onnx::TensorProto::UINT64:
    return bytesOf<uint64_t>(proto.uint64_data());
  case onnx::TensorProto::UINT32:
    return bytesOf<uint32_t>(proto.uint64_data());
  default:
    return bytes == 1   ? bytesOf<uint8_t>(proto.int32_data())
           : bytes == 2 ? bytesOf<uint16_t>(proto.int32_data())
                        : bytesOf<uint32_t>(proto.int32_data());
  }
}

/// What malloc and mapped files give, and every element type is content with.
static constexpr size_t kBlobAlignBytes = 16;

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
  if (reinterpret_cast<uintptr_t>(holder->data()) % kBlobAlignBytes != 0) {
    AsmResourceBlob blob =
        HeapAsmResourceBlob::allocateAndCopyWithAlign(ArrayRef<char>(holder->data(), holder->size()), 64);
    delete holder;
    return DenseResourceElementsAttr::get(type, name, std::move(blob));
  }
  AsmResourceBlob blob(
      ArrayRef<char>(holder->data(), holder->size()), kBlobAlignBytes,
      [holder](void *, size_t, size_t) { delete holder; }, false);
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

/// A view of external data as an attribute. The file stays mapped as long as the attribute lives; large and aligned
/// data is not copied.
static ElementsAttr externalAttribute(RankedTensorType type, ExternalData data, StringRef name) {
  ArrayRef<char> bytes(data.bytes.data(), data.bytes.size());
  bool isAligned = reinterpret_cast<uintptr_t>(bytes.data()) % kBlobAlignBytes == 0;
  if (type.getNumElements() <= nn::kSmallElements || !isAligned)
    return attributeOf(type, data.bytes.str(), name);
  std::shared_ptr<llvm::MemoryBuffer> file = std::move(data.file);
  AsmResourceBlob blob(bytes, kBlobAlignBytes, [file](void *, size_t, size_t) mutable { file.reset(); }, false);
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

ElementsAttr GraphImporter::externalTensor(const onnx::TensorProto &proto, RankedTensorType type, Location loc) {
  auto refuse = [&](const Twine &text) {
    InFlightDiagnostic diagnostic = emitError(loc) << "[T0301] tensor '" << proto.name() << "' " << text;
    diagnostic.attachNote() << "help: keep the data file as a plain file in the model's folder or below";
    return ElementsAttr();
  };
  if (proto.has_raw_data() || typedCount(proto))
    return refuse("has external data and data of its own");
  std::string why;
  std::optional<ExternalData> data = externalFiles.find(proto, storedBytes(proto, type), why);
  if (data && isFourBit(proto))
    return attributeOf(type, unpacked(data->bytes, type.getNumElements(), type.getElementType().isSignlessInteger()),
                       proto.name());
  return data ? externalAttribute(type, std::move(*data), proto.name()) : refuse(why);
}

FailureOr<RankedTensorType> GraphImporter::tensorType(const onnx::TensorProto &proto, bool mayBeFourBit,
                                                      std::string &code, std::string &why) {
  code = "T0102";
  Type element = elementType(proto.data_type());
  if (mayBeFourBit && isFourBit(proto))
    element =
        elementType(proto.data_type() == onnx::TensorProto::INT4 ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8);
  if (!element) {
    why = "has element type " + elementTypeName(proto.data_type()) + ", which is not supported";
    return failure();
  }
  Ints shape(proto.dims().begin(), proto.dims().end());
  code = "T0201";
  if (auto negative = llvm::find_if(shape, [](int64_t extent) { return extent < 0; }); negative != shape.end())
    why = "has the extent " + std::to_string(*negative);
  else if (proto.has_segment())
    why = "is a segment of a tensor, which no one joins";
  if (!why.empty())
    return failure();
  code = "T0401";
  if ((int64_t)shape.size() > kMaxRank)
    why = "has " + std::to_string(shape.size()) + " axes; at most " + std::to_string(kMaxRank) + " are supported";
  else if (!elementsWithin(shape))
    why = "has more than 2^" + std::to_string(kMaxElementsLog2) + " elements";
  if (!why.empty())
    return failure();
  return RankedTensorType::get(shape, element);
}

ElementsAttr GraphImporter::tensor(const onnx::TensorProto &proto, Location loc, bool mayBeFourBit) {
  std::string code, why;
  FailureOr<RankedTensorType> type = tensorType(proto, mayBeFourBit, code, why);
  auto refuse = [&](StringRef code, const Twine &text) {
    emitError(loc) << "[" << code << "] tensor '" << proto.name() << "' " << text;
    return ElementsAttr();
  };
  if (failed(type))
    return refuse(code, why);
  if (proto.has_data_location() && proto.data_location() == onnx::TensorProto::EXTERNAL)
    return externalTensor(proto, *type, loc);
  if (proto.has_raw_data() && typedCount(proto))
    return refuse("T0201", "has its data twice, as raw bytes and as numbers");
  unsigned bytes = (type->getElementTypeBitWidth() + 7) / 8;
  int64_t elements = type->getNumElements(), stored = storedBytes(proto, *type), numbers = storedNumbers(proto, *type);
  if (!proto.has_raw_data() && typedCount(proto) != numbers)
    return refuse("T0201", "holds " + Twine(typedCount(proto)) + " numbers, but its shape needs " + Twine(numbers));
  // The bytes move out of the model: a weight is never held twice.
  std::string data = proto.has_raw_data() ? std::move(*const_cast<onnx::TensorProto &>(proto).mutable_raw_data())
                                          : typedBytes(proto, bytes);
  if ((int64_t)data.size() != stored)
    return refuse("T0201", "holds " + Twine(data.size()) + (proto.has_raw_data() ? " bytes" : " bytes of its type") +
                               ", but its shape needs " + Twine(stored));
  // Shape inference may read small values; they stay.
  if (proto.has_raw_data() && elements <= nn::kSmallElements)
    *const_cast<onnx::TensorProto &>(proto).mutable_raw_data() = data;
  if (isFourBit(proto))
    data = unpacked(data, elements, type->getElementType().isSignlessInteger());
  if (elements == 0)
    return DenseElementsAttr::getFromRawBuffer(*type, {});
  return attributeOf(*type, std::move(data), proto.name().empty() ? "constant" : proto.name());
}

} // namespace tegula
