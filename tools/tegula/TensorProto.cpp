//===- TensorProto.cpp - ONNX tensors in files ----------------------------===//
//
// Reads the few fields of onnx.TensorProto that a tensor of numbers needs, from the wire format itself: this tool must
// not depend on the ONNX library. Source: onnx.proto3, message TensorProto; protobuf's encoding guide.
//
//===----------------------------------------------------------------------===//
#include "Command.h"
#include "HostTensor.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/LEB128.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace tegula;

namespace {

enum Field {
  Dims = 1,
  DataType = 2,
  FloatData = 4,
  Int32Data = 5,
  Int64Data = 7,
  RawData = 9,
  DoubleData = 10,
  Uint64Data = 11,
  DataLocation = 14
};
enum Wire { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

/// A cursor over encoded bytes; `isBad` once something did not decode.
struct Reader {
  const uint8_t *at, *end;
  bool isBad = false;

  explicit Reader(StringRef bytes) : at(bytes.bytes_begin()), end(bytes.bytes_end()) {}
  bool more() const { return !isBad && at < end; }

  uint64_t varint() {
    unsigned length = 0;
    const char *error = nullptr;
    uint64_t value = decodeULEB128(at, &length, end, &error);
    isBad |= error != nullptr;
    at += error ? 0 : length;
    return value;
  }
  StringRef take(uint64_t count) {
    if (count > static_cast<uint64_t>(end - at)) {
      isBad = true;
      return "";
    }
    at += count;
    return StringRef(reinterpret_cast<const char *>(at - count), count);
  }
};

struct Proto {
  HostTensor tensor;
  std::vector<uint64_t> numbers; // of the typed fields, one element each
  StringRef raw;
  bool hasRaw = false, isExternal = false;
};

} // namespace

/// Appends the element(s) of a repeated field, packed or not.
static void readRepeated(Reader &reader, Wire wire, bool isFixed32, bool isFixed64, std::vector<uint64_t> &numbers) {
  StringRef bytes = wire == Bytes ? reader.take(reader.varint()) : StringRef();
  Reader packed(bytes);
  Reader &from = wire == Bytes ? packed : reader;
  do {
    if (wire == Bytes && !from.more())
      break;
    if (isFixed32 || isFixed64) {
      StringRef word = from.take(isFixed32 ? 4 : 8);
      if (!from.isBad)
        numbers.push_back(isFixed32 ? support::endian::read32le(word.data()) : support::endian::read64le(word.data()));
    } else {
      numbers.push_back(from.varint());
    }
  } while (wire == Bytes);
  reader.isBad |= from.isBad;
}

static void readField(Reader &reader, Proto &proto) {
  uint64_t tag = reader.varint();
  Wire wire = static_cast<Wire>(tag & 7);
  std::vector<uint64_t> dims;
  switch (tag >> 3) {
  case Dims:
    readRepeated(reader, wire, false, false, dims);
    proto.tensor.shape.append(dims.begin(), dims.end());
    return;
  case DataType:
    proto.tensor.dtype = static_cast<int32_t>(reader.varint());
    return;
  case FloatData:
    return readRepeated(reader, wire, true, false, proto.numbers);
  case DoubleData:
    return readRepeated(reader, wire, false, true, proto.numbers);
  case Int32Data:
  case Int64Data:
  case Uint64Data:
    return readRepeated(reader, wire, false, false, proto.numbers);
  case RawData:
    proto.raw = reader.take(reader.varint());
    proto.hasRaw = true;
    return;
  case DataLocation:
    proto.isExternal = reader.varint() == 1;
    return;
  }
  switch (wire) {
  case Varint:
    reader.varint();
    return;
  case Fixed64:
    reader.take(8);
    return;
  case Bytes:
    reader.take(reader.varint());
    return;
  case Fixed32:
    reader.take(4);
    return;
  }
  reader.isBad = true;
}

Expected<HostTensor> tegula::readTensorProto(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path, false, false);
  if (!file)
    return fail(Exit::Io, path + ": " + file.getError().message());
  Reader reader((*file)->getBuffer());
  Proto proto;
  while (reader.more())
    readField(reader, proto);
  HostTensor &tensor = proto.tensor;
  size_t bytes = elementBytes(tensor.dtype);
  int64_t count = elementCount(tensor.shape);
  if (reader.isBad || count < 0)
    return fail(Exit::Io, path + ": not an ONNX tensor");
  if (!bytes || proto.isExternal)
    return fail(Exit::Io, path + ": " +
                              (bytes ? Twine("external data is") : dtypeName(tensor.dtype) + " elements are") +
                              " not supported");
  bool isComplex = tensor.dtype == TEGULA_COMPLEX64 || tensor.dtype == TEGULA_COMPLEX128;
  size_t part = isComplex ? bytes / 2 : bytes; // complex elements are two numbers
  size_t got = proto.hasRaw ? proto.raw.size() : proto.numbers.size() * part;
  if (got != count * bytes)
    return fail(Exit::Io,
                path + ": " + Twine(got) + " bytes of elements do not fit " + typeText(tensor.dtype, tensor.shape));
  if (proto.hasRaw) {
    tensor.data.assign(proto.raw.begin(), proto.raw.end());
    return std::move(tensor);
  }
  tensor.data.resize(got);
  for (size_t i = 0; i < proto.numbers.size(); ++i)
    std::copy_n(reinterpret_cast<const char *>(&proto.numbers[i]), part,
                tensor.data.data() + i * part); // little endian
  return std::move(tensor);
}
