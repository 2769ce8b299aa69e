//===- Npy.cpp - NumPy's file format --------------------------------------===//
//
// Source: numpy/lib/format.py: magic, version, length of the header, a Python dict as text, the elements.
//
//===----------------------------------------------------------------------===//
#include "Command.h"
#include "HostTensor.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

namespace {
struct NpyType {
  StringRef descr;
  int32_t dtype;
};
} // namespace

static constexpr NpyType npyTypes[] = {{"<f4", TEGULA_FLOAT},     {"|u1", TEGULA_UINT8},      {"|i1", TEGULA_INT8},
                                       {"<u2", TEGULA_UINT16},    {"<i2", TEGULA_INT16},      {"<i4", TEGULA_INT32},
                                       {"<i8", TEGULA_INT64},     {"|b1", TEGULA_BOOL},       {"<f2", TEGULA_FLOAT16},
                                       {"<f8", TEGULA_DOUBLE},    {"<u4", TEGULA_UINT32},     {"<u8", TEGULA_UINT64},
                                       {"<c8", TEGULA_COMPLEX64}, {"<c16", TEGULA_COMPLEX128}};

/// The element type of `descr`. Extension types (bfloat16, float8) are written by NumPy as "<V2" or "|V1".
static int32_t typeOf(StringRef descr, int32_t expected) {
  for (const NpyType &type : npyTypes)
    if (type.descr == descr)
      return type.dtype;
  unsigned bytes;
  if ((descr.consume_front("<V") || descr.consume_front("|V")) && !descr.getAsInteger(10, bytes) &&
      expected >= TEGULA_BFLOAT16 && elementBytes(expected) == bytes)
    return expected;
  return TEGULA_UNDEFINED;
}

static std::string descrOf(int32_t dtype) {
  for (const NpyType &type : npyTypes)
    if (type.dtype == dtype)
      return type.descr.str();
  return formatv("{0}V{1}", elementBytes(dtype) == 1 ? "|" : "<", elementBytes(dtype));
}

/// The text after `'key':` in the header's dict.
static StringRef valueOf(StringRef header, StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  return at == StringRef::npos ? "" : header.drop_front(at + key.size() + 2).ltrim(" :");
}

/// The text of the header, and where the elements begin; an empty one if it is no NumPy file.
static StringRef headerOf(StringRef file, size_t &begin) {
  if (!file.starts_with("\x93NUMPY") || file.size() < 12)
    return "";
  size_t lengthBytes = file[6] == 1 ? 2 : 4;
  size_t length =
      lengthBytes == 2 ? support::endian::read16le(file.data() + 8) : support::endian::read32le(file.data() + 8);
  begin = 8 + lengthBytes + length;
  return file.size() < begin ? "" : file.substr(8 + lengthBytes, length);
}

Expected<NpyHeader> tegula::readNpyHeader(StringRef file, StringRef path, int32_t expected) {
  NpyHeader result;
  StringRef header = headerOf(file, result.bytes);
  if (header.empty())
    return fail(Exit::Io, path + ": not a NumPy file");
  StringRef descr = valueOf(header, "descr").drop_front(1).take_until([](char c) { return c == '\'' || c == '"'; });
  result.dtype = typeOf(descr, expected);
  if (result.dtype == TEGULA_UNDEFINED)
    return fail(Exit::Io, path + ": element type '" + descr + "' is not supported");
  StringRef shape = valueOf(header, "shape");
  if (!shape.consume_front("("))
    return fail(Exit::Io, path + ": no shape in the header");
  SmallVector<StringRef> extents;
  shape.take_until([](char c) { return c == ')'; }).split(extents, ',', -1, false);
  for (StringRef extent : extents) {
    int64_t value;
    if (extent.trim().empty())
      continue;
    if (extent.trim().getAsInteger(10, value))
      return fail(Exit::Io, path + ": bad shape in the header");
    result.shape.push_back(value);
  }
  result.isColumnMajor = valueOf(header, "fortran_order").starts_with("True");
  return result;
}

/// Reorders column-major elements in place.
static void fromColumnMajor(HostTensor &tensor) {
  std::vector<char> source = tensor.data;
  size_t bytes = elementBytes(tensor.dtype);
  SmallVector<int64_t> index(tensor.shape.size(), 0);
  for (size_t to = 0; to < source.size(); to += bytes) {
    int64_t from = 0;
    for (size_t axis = index.size(); axis-- > 0;)
      from = from * tensor.shape[axis] + index[axis];
    std::copy_n(source.data() + from * bytes, bytes, tensor.data.data() + to);
    for (size_t axis = index.size(); axis-- > 0 && ++index[axis] == tensor.shape[axis];)
      index[axis] = 0;
  }
}

Expected<HostTensor> tegula::readNpy(StringRef path, int32_t expected) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path, false, false);
  if (!file)
    return fail(Exit::Io, path + ": " + file.getError().message());
  Expected<NpyHeader> header = readNpyHeader((*file)->getBuffer(), path, expected);
  if (!header)
    return header.takeError();
  StringRef elements = (*file)->getBuffer().drop_front(header->bytes);
  HostTensor tensor;
  tensor.dtype = header->dtype;
  tensor.shape = header->shape;
  int64_t count = elementCount(tensor.shape);
  if (count < 0 || elements.size() != count * elementBytes(tensor.dtype))
    return fail(Exit::Io, path + ": " + Twine(elements.size()) + " bytes of elements do not fit " +
                              typeText(tensor.dtype, tensor.shape));
  tensor.data.assign(elements.begin(), elements.end());
  if (header->isColumnMajor && tensor.shape.size() > 1 && count)
    fromColumnMajor(tensor);
  return tensor;
}

Error tegula::writeNpy(StringRef path, const HostTensor &tensor) {
  std::string shape;
  for (int64_t extent : tensor.shape)
    shape += std::to_string(extent) + ", ";
  if (tensor.shape.size() > 1)
    shape.resize(shape.size() - 2);
  else if (!shape.empty())
    shape.pop_back(); // "(3,)"
  std::string header =
      formatv("{{'descr': '{0}', 'fortran_order': False, 'shape': ({1}), }", descrOf(tensor.dtype), shape);
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string temporary = (path + ".tmp").str();
  std::error_code error;
  raw_fd_ostream stream(temporary, error);
  if (error)
    return fail(Exit::Io, path + ": " + error.message());
  char length[2];
  support::endian::write16le(length, static_cast<uint16_t>(header.size()));
  stream << StringRef("\x93NUMPY\x01\x00", 8) << StringRef(length, 2) << header;
  stream.write(tensor.data.data(), tensor.data.size());
  stream.close();
  error = stream.has_error() ? stream.error() : sys::fs::rename(temporary, path);
  stream.clear_error();
  if (!error)
    return Error::success();
  sys::fs::remove(temporary);
  return fail(Exit::Io, path + ": " + error.message());
}
