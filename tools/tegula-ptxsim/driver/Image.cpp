//===- Image.cpp - PTX texts and fat binaries ---------------------------------===//
//
// A fat binary is a header and entries, each a header and a payload that may be compressed. The layout is that of
// NVIDIA's `fatbinary`, as public readers (ZLUDA, cuda-fatbin-decompression) describe it.
//
//===----------------------------------------------------------------------===//

#include "Image.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cstring>
#include <vector>
#include <zstd.h>

namespace ptxsim {

static constexpr uint32_t wrapperMagic = 0x466243B1, containerMagic = 0xBA55ED50, elfMagic = 0x464C457F;
static constexpr uint64_t isLz4 = 0x2000, isZstd = 0x8000;
static constexpr uint64_t maxTextBytes = 1ull << 30;

namespace {
struct Wrapper {
  uint32_t magic, version;
  const void *data, *others;
};

struct Container {
  uint32_t magic;
  uint16_t version, headerBytes;
  uint64_t bytes; ///< of all entries
};

struct Entry {
  uint16_t kind, version; ///< kind 1: PTX, 2: machine code
  uint32_t headerBytes;
  uint64_t paddedBytes;
  uint32_t packedBytes; ///< of the payload if it is compressed
  uint32_t optionsOffset;
  uint16_t minor, major;
  uint32_t sm, nameOffset, nameBytes;
  uint64_t flags, reserved, unpackedBytes;
};
static_assert(sizeof(Entry) == 64, "the layout of the file");
} // namespace

/// One block of LZ4, as its block format says: runs of literals and copies from what was written before.
static bool unpackLz4(const unsigned char *in, size_t inBytes, std::string &out, size_t outBytes) {
  const unsigned char *end = in + inBytes;
  out.clear();
  auto extend = [&](size_t &length) {
    if (length != 15)
      return true;
    unsigned char byte = 255;
    while (byte == 255) {
      if (in == end)
        return false;
      length += byte = *in++;
    }
    return true;
  };
  while (in != end) {
    unsigned char token = *in++;
    size_t literals = token >> 4, match = token & 15;
    if (!extend(literals) || size_t(end - in) < literals || outBytes - out.size() < literals)
      return false;
    out.append(reinterpret_cast<const char *>(in), literals);
    in += literals;
    if (in == end || out.size() == outBytes)
      break;
    if (end - in < 2)
      return false;
    size_t distance = in[0] | size_t(in[1]) << 8;
    in += 2;
    if (!extend(match) || distance == 0 || distance > out.size() || outBytes - out.size() < match + 4)
      return false;
    for (size_t i = 0; i != match + 4; ++i)
      out.push_back(out[out.size() - distance]);
  }
  return out.size() == outBytes;
}

static bool unpack(const Entry &entry, const char *payload, std::string &text) {
  if (!(entry.flags & (isLz4 | isZstd))) {
    text.assign(payload, entry.paddedBytes);
    return true;
  }
  if (entry.packedBytes > entry.paddedBytes || entry.unpackedBytes > maxTextBytes)
    return false;
  if (entry.flags & isLz4)
    return unpackLz4(reinterpret_cast<const unsigned char *>(payload), entry.packedBytes, text, entry.unpackedBytes);
  text.resize(entry.unpackedBytes);
  size_t bytes = ZSTD_decompress(text.data(), text.size(), payload, entry.packedBytes);
  if (ZSTD_isError(bytes))
    return false;
  text.resize(bytes);
  return true;
}

/// A target with a letter (sm_90a) runs on that device alone, or (sm_100f) on those of its family.
static bool runsOn(llvm::StringRef text, unsigned sm) {
  size_t at = text.find(".target");
  at = at == llvm::StringRef::npos ? at : text.find("sm_", at);
  if (at == llvm::StringRef::npos)
    return true;
  llvm::StringRef target = text.substr(at + 3);
  unsigned number = 0;
  if (target.consumeInteger(10, number))
    return true;
  if (target.starts_with("a"))
    return number == sm;
  return number <= sm && (!target.starts_with("f") || number / 10 == sm / 10);
}

static CUresult readContainer(const char *data, unsigned sm, std::string &ptx, std::string &log) {
  Container container;
  std::memcpy(&container, data, sizeof(container));
  const char *at = data + container.headerBytes, *end = at + container.bytes;
  std::vector<std::pair<Entry, const char *>> texts;
  std::string others;
  while (size_t(end - at) >= sizeof(Entry)) {
    Entry entry;
    std::memcpy(&entry, at, sizeof(entry));
    uint64_t left = uint64_t(end - at);
    if (entry.headerBytes < sizeof(Entry) || entry.headerBytes > left || entry.paddedBytes > left - entry.headerBytes) {
      log = "the fat binary is cut off or damaged";
      return CUDA_ERROR_INVALID_IMAGE;
    }
    if (entry.kind == 1 && entry.sm <= sm)
      texts.emplace_back(entry, at + entry.headerBytes);
    else
      others += (entry.kind == 1 ? " PTX for sm_" : " machine code for sm_") + std::to_string(entry.sm) + ",";
    at += entry.headerBytes + entry.paddedBytes;
  }
  // Of equals the one that comes first.
  std::sort(texts.begin(), texts.end(), [](const auto &a, const auto &b) {
    return a.first.sm != b.first.sm ? a.first.sm > b.first.sm : a.second < b.second;
  });
  for (const auto &[entry, payload] : texts) {
    if (!unpack(entry, payload, ptx)) {
      log = "the PTX text for sm_" + std::to_string(entry.sm) + " in the fat binary does not unpack";
      return CUDA_ERROR_INVALID_IMAGE;
    }
    ptx.resize(std::strlen(ptx.c_str())); // the padding
    if (runsOn(ptx, sm))
      return CUDA_SUCCESS;
    others += " PTX for sm_" + std::to_string(entry.sm) + " alone,";
  }
  if (!others.empty())
    others.pop_back();
  log = "only PTX is emulated, and the fat binary has none for sm_" + std::to_string(sm) + " or older, but:" + others;
  return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult readImage(const void *image, unsigned sm, std::string &ptx, std::string &log) {
  const char *data = static_cast<const char *>(image);
  // Up to the first NUL only: a text may be shorter than a magic number.
  uint32_t magic = 0;
  std::memcpy(&magic, data, strnlen(data, 4));
  if (magic == wrapperMagic) {
    Wrapper wrapper;
    std::memcpy(&wrapper, data, sizeof(wrapper));
    if (!wrapper.data)
      return CUDA_ERROR_INVALID_IMAGE;
    data = static_cast<const char *>(wrapper.data);
    std::memcpy(&magic, data, sizeof(magic));
  }
  if (magic == containerMagic)
    return readContainer(data, sm, ptx, log);
  if (magic == elfMagic) {
    log = "the image is machine code: only PTX is emulated";
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  unsigned char first = static_cast<unsigned char>(*data);
  if (!llvm::isPrint(char(first)) && !llvm::isSpace(char(first))) {
    log = "the image is neither a PTX text nor a fat binary";
    return CUDA_ERROR_INVALID_IMAGE;
  }
  ptx = data;
  return CUDA_SUCCESS;
}

} // namespace ptxsim
