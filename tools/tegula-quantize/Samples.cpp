//===- Samples.cpp - the inputs that a model is calibrated with -------------===//
//
// An archive is streamed: of each array only the sample at hand is in memory, whatever the size of the file.
//
//===----------------------------------------------------------------------===//
#include "Samples.h"
#include "tegula/tools/tegula/Command.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <minizip/unzip.h>

using namespace llvm;
using namespace tegula;

/// Enough for any header that NumPy writes for a plain array.
static constexpr size_t kHeaderBytes = 512;

namespace {
/// One array of an archive, read from its begin to its end.
class ArchivedArray {
public:
  ArchivedArray(const Port &port, std::string path) : port(port), path(std::move(path)) {}
  ArchivedArray(ArchivedArray &&other)
      : port(other.port), path(std::move(other.path)), file(std::exchange(other.file, nullptr)),
        header(std::move(other.header)), begun(std::move(other.begun)), sampleShape(std::move(other.sampleShape)),
        sampleCount(other.sampleCount) {}
  ~ArchivedArray() {
    if (file)
      unzClose(file);
  }

  Error open(StringRef entry) {
    file = unzOpen64(path.c_str());
    if (!file || unzLocateFile(file, entry.str().c_str(), 1) != UNZ_OK || unzOpenCurrentFile(file) != UNZ_OK)
      return fail(Exit::Io, path + ": cannot read '" + entry + "'");
    begun.resize(kHeaderBytes);
    int got = unzReadCurrentFile(file, begun.data(), kHeaderBytes);
    begun.resize(std::max(got, 0));
    Expected<NpyHeader> read = readNpyHeader(begun, (path + ": " + entry).str(), port.dtype);
    if (!read)
      return read.takeError();
    header = std::move(*read);
    begun.erase(0, header.bytes);
    unz_file_info64 info;
    int64_t count = elementCount(header.shape);
    if (count < 0 || unzGetCurrentFileInfo64(file, &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK ||
        info.uncompressed_size != header.bytes + count * elementBytes(header.dtype))
      return fail(Exit::Io, path + ": '" + entry + "' does not hold " + typeText(header.dtype, header.shape));
    return findSamples();
  }

  int64_t count() const { return sampleCount; }

  Expected<HostTensor> next() {
    HostTensor tensor;
    tensor.dtype = header.dtype;
    tensor.shape = sampleShape;
    int64_t count = elementCount(sampleShape);
    if (count < 0)
      return fail(Exit::Io, path + ": input '" + port.name + "' has too many elements");
    tensor.data.resize(count * elementBytes(header.dtype));
    size_t at = std::min(begun.size(), tensor.data.size());
    memcpy(tensor.data.data(), begun.data(), at);
    begun.erase(0, at);
    while (at < tensor.data.size()) {
      unsigned wanted = std::min<size_t>(tensor.data.size() - at, 1 << 30);
      int got = unzReadCurrentFile(file, tensor.data.data() + at, wanted);
      if (got <= 0)
        return fail(Exit::Io, path + ": the array of input '" + port.name + "' ends early");
      at += got;
    }
    return tensor;
  }

private:
  bool fits(ArrayRef<int64_t> shape) const {
    return shape.size() == port.shape.size() && all_of(zip(shape, port.shape), [](auto pair) {
             return std::get<1>(pair) < 0 || std::get<0>(pair) == std::get<1>(pair);
           });
  }

  /// How many samples the array holds: one, or several along its first axis.
  Error findSamples() {
    ArrayRef<int64_t> shape = header.shape;
    if (header.isColumnMajor && shape.size() > 1)
      return fail(Exit::Io, path + ": the array of input '" + port.name +
                                "' is column-major; save numpy.ascontiguousarray of it");
    if (fits(shape) && !(port.isBatch && shape.front() > 1)) {
      sampleShape.assign(shape.begin(), shape.end());
      sampleCount = 1;
      return Error::success();
    }
    if (!shape.empty() && fits(shape.drop_front())) {
      sampleShape.assign(shape.begin() + 1, shape.end());
      sampleCount = shape.front();
      return Error::success();
    }
    sampleShape.assign(shape.begin(), shape.end());
    if (shape.size() == port.shape.size() && !shape.empty()) {
      int64_t each = port.isBatch ? 1 : port.shape.front();
      sampleShape.front() = each;
      if (each > 0 && shape.front() % each == 0 && fits(sampleShape)) {
        sampleCount = shape.front() / each;
        return Error::success();
      }
    }
    return fail(Exit::Model, path + ": input '" + port.name + "' expects " + typeText(port.dtype, port.shape) +
                                 ", or several of them along the first axis, got " + typeText(header.dtype, shape));
  }

  const Port &port;
  std::string path;
  unzFile file = nullptr;
  NpyHeader header;
  std::string begun; // elements that were read with the header
  SmallVector<int64_t> sampleShape;
  int64_t sampleCount = 0;
};
} // namespace

/// The names of an archive's arrays; empty if it cannot be read.
static std::vector<std::string> entriesOf(const std::string &path) {
  std::vector<std::string> names;
  unzFile file = unzOpen64(path.c_str());
  if (!file)
    return names;
  scope_exit close([&] { unzClose(file); });
  for (int code = unzGoToFirstFile(file); code == UNZ_OK; code = unzGoToNextFile(file)) {
    unz_file_info64 info;
    std::string name(1 << 12, 0);
    if (unzGetCurrentFileInfo64(file, &info, name.data(), name.size(), nullptr, 0, nullptr, 0) != UNZ_OK)
      break;
    name.resize(strlen(name.c_str()));
    names.push_back(name);
  }
  return names;
}

template <typename From, typename To> static void convert(HostTensor &tensor) {
  size_t count = tensor.data.size() / sizeof(From);
  std::vector<char> result(count * sizeof(To));
  for (size_t i = 0; i < count; ++i) {
    From from;
    memcpy(&from, tensor.data.data() + i * sizeof(From), sizeof(From));
    To to = static_cast<To>(from);
    memcpy(result.data() + i * sizeof(To), &to, sizeof(To));
  }
  tensor.data = std::move(result);
}

/// Brings numbers to the type of the input where NumPy's defaults differ from models' types.
static Error convert(HostTensor &tensor, const Port &port, StringRef path) {
  auto is = [&](int32_t from, int32_t to) { return tensor.dtype == from && port.dtype == to; };
  if (tensor.dtype == port.dtype)
    return Error::success();
  if (is(TEGULA_DOUBLE, TEGULA_FLOAT))
    convert<double, float>(tensor);
  else if (is(TEGULA_INT64, TEGULA_INT32))
    convert<int64_t, int32_t>(tensor);
  else if (is(TEGULA_INT32, TEGULA_INT64))
    convert<int32_t, int64_t>(tensor);
  else if (is(TEGULA_UINT8, TEGULA_FLOAT))
    convert<uint8_t, float>(tensor);
  else
    return fail(Exit::Model, path + ": input '" + port.name + "' expects " + dtypeName(port.dtype) + ", got " +
                                 dtypeName(tensor.dtype));
  tensor.dtype = port.dtype;
  return Error::success();
}

/// The arrays of the inputs, all with as many samples; those with one serve all.
static Expected<std::vector<ArchivedArray>> openArrays(const std::string &path, ArrayRef<Port> ports, int64_t &count) {
  std::vector<std::string> entries = entriesOf(path);
  if (entries.empty())
    return fail(Exit::Io, path + ": not a .npz archive with arrays");
  std::vector<ArchivedArray> arrays;
  count = 1;
  for (const Port &port : ports) {
    std::string entry = port.name + ".npy";
    if (!is_contained(entries, entry) && entries.size() == 1 && ports.size() == 1)
      entry = entries.front();
    if (!is_contained(entries, entry))
      return fail(Exit::Model, path + ": no array for input '" + port.name + "'; it has " + join(entries, ", "));
    arrays.emplace_back(port, path);
    if (Error error = arrays.back().open(entry))
      return error;
    if (arrays.back().count() != 1 && count != 1 && arrays.back().count() != count)
      return fail(Exit::Model, path + ": input '" + port.name + "' has " + Twine(arrays.back().count()) +
                                   " samples, inputs before it " + Twine(count));
    if (arrays.back().count() != 1)
      count = arrays.back().count();
  }
  return arrays;
}

using TakeSample = function_ref<Error(int64_t, std::vector<HostTensor>)>;

static Error forEachOfArchive(const std::string &path, ArrayRef<Port> ports, int64_t limit, int64_t &done,
                              TakeSample take) {
  int64_t count = 1;
  Expected<std::vector<ArchivedArray>> arrays = openArrays(path, ports, count);
  if (!arrays)
    return arrays.takeError();
  std::vector<HostTensor> once(ports.size());
  for (int64_t i = 0; i < count && done < limit; ++i, ++done) {
    std::vector<HostTensor> sample;
    for (auto [array, port, kept] : zip(*arrays, ports, once)) {
      if (array.count() != 1 || i == 0) {
        Expected<HostTensor> tensor = array.next();
        if (!tensor)
          return tensor.takeError();
        if (Error error = convert(*tensor, port, path))
          return error;
        kept = std::move(*tensor);
      }
      sample.push_back(kept);
    }
    if (Error error = take(done, std::move(sample)))
      return error;
  }
  return Error::success();
}

Error Samples::forEachOf(StringRef file, int64_t &done, TakeSample take) const {
  if (file.ends_with(".npz"))
    return forEachOfArchive(file.str(), ports, limit, done, take);
  std::vector<HostTensor> sample;
  for (auto [index, port] : enumerate(ports)) {
    std::string path = file.str();
    if (!file.ends_with(".npy"))
      path += "/input_" + std::to_string(index) + ".pb";
    Expected<HostTensor> tensor = file.ends_with(".npy") ? readNpy(path, port.dtype) : readTensorProto(path);
    if (!tensor)
      return tensor.takeError();
    if (Error error = convert(*tensor, port, path))
      return error;
    sample.push_back(std::move(*tensor));
  }
  return take(done++, std::move(sample));
}

Error Samples::forEach(TakeSample take) const {
  int64_t done = 0;
  for (const std::string &file : files) {
    if (done >= limit)
      break;
    if (Error error = forEachOf(file, done, take))
      return error;
  }
  return done ? Error::success() : fail(Exit::Model, "there is no sample to calibrate with");
}

Expected<Samples> Samples::open(StringRef path, std::vector<Port> ports, int64_t limit) {
  Samples samples;
  samples.ports = std::move(ports);
  samples.limit = limit;
  if (!sys::fs::exists(path))
    return fail(Exit::Io, "--calib " + path + ": no such file or folder");
  if (!sys::fs::is_directory(path)) {
    samples.files.push_back(path.str());
    if (!path.ends_with(".npz") && !(path.ends_with(".npy") && samples.ports.size() == 1))
      return fail(Exit::Usage, "--calib " + path + ": expected FILE.npz or a folder" +
                                   (samples.ports.size() == 1 ? ", or FILE.npy" : ""));
    return samples;
  }
  std::error_code error;
  for (sys::fs::directory_iterator it(path, error), end; it != end && !error; it.increment(error)) {
    StringRef file = it->path();
    if (file.ends_with(".npz") || (file.ends_with(".npy") && samples.ports.size() == 1) ||
        sys::path::filename(file).starts_with("test_data_set"))
      samples.files.push_back(it->path());
  }
  sort(samples.files);
  if (samples.files.empty())
    return fail(Exit::Model, "--calib " + path + ": no .npz file" +
                                 (samples.ports.size() == 1 ? ", no .npy file" : "") + " and no test_data_set folder");
  return samples;
}
