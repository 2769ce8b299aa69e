//===- Fatbin.cpp - several images in one, of which the driver takes what suits -------------===//
//
// A header of 16 bytes (magic, version, bytes of the header, bytes of all entries), then for each entry a header of 64
// bytes (80 of PTX, with the options that it is to be assembled with: none) and its image, padded to 8. The layout is
// that of `fatbinary`, of CUDA 9 to 13. Drivers read images that are compressed with zstd from CUDA 12.4 on (550.54);
// one that knows sm_100 is newer.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Cuda.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Compression.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tegula::cuda {

namespace {
struct Header {
  uint32_t magic = 0xBA55ED50;
  uint16_t version = 1, headerBytes = 16;
  uint64_t bytes = 0;
};

struct EntryHeader {
  uint16_t kind = 0, version = 0x101; // kind 1: PTX, 2: an ELF file
  uint32_t headerBytes = 64;
  uint64_t paddedBytes = 0;
  uint32_t compressedBytes = 0, optionsOffset = 0;
  uint16_t minor = 0, major = 0; // of PTX's version, or of the ELF file's
  uint32_t chip = 0;
  uint32_t nameOffset = 0, nameBytes = 0;
  uint64_t flags = 0x11; // 64 bits, Linux
  uint64_t reserved = 0, plainBytes = 0;
};
constexpr uint64_t kCompressed = 0x8000; // with zstd, of `flags`
constexpr Chip kFirstOfNewDrivers = 100;
/// The options' text, from the end of this on; cuobjdump of CUDA 13 refuses PTX without it.
struct Options {
  uint32_t textOffset = sizeof(EntryHeader) + 8, reserved = 0;
  uint64_t text = 0;
};
static_assert(sizeof(Header) == 16 && sizeof(EntryHeader) == 64 && sizeof(Options) == 16, "as the driver has them");
} // namespace

template <typename T> static void append(std::string &to, const T &value) {
  to.append(reinterpret_cast<const char *>(&value), sizeof value);
}

std::string makeFatBinary(ArrayRef<FatEntry> entries, bool areCompressed) {
  std::string body;
  for (const FatEntry &entry : entries) {
    std::string bytes = entry.bytes;
    if (entry.isPtx)
      bytes.push_back('\0');
    EntryHeader header;
    header.kind = entry.isPtx ? 1 : 2;
    if ((areCompressed || entry.chip >= kFirstOfNewDrivers) && compression::zstd::isAvailable()) {
      SmallVector<uint8_t, 0> packed;
      compression::zstd::compress(arrayRefFromStringRef(bytes), packed, compression::zstd::BestSizeCompression);
      header.flags |= kCompressed;
      header.plainBytes = bytes.size();
      header.compressedBytes = packed.size();
      bytes.assign(packed.begin(), packed.end());
    }
    header.paddedBytes = alignTo(bytes.size(), 8);
    header.chip = entry.chip;
    if (entry.isPtx) {
      header.headerBytes += sizeof(Options);
      header.optionsOffset = sizeof(EntryHeader);
      header.major = ptxVersionOf(entry.chip) / 10;
      header.minor = ptxVersionOf(entry.chip) % 10;
    } else {
      header.major = 1;
      header.minor = 7;
    }
    append(body, header);
    if (entry.isPtx)
      append(body, Options());
    body += bytes;
    body.append(header.paddedBytes - bytes.size(), '\0');
  }
  Header header;
  header.bytes = body.size();
  std::string all;
  append(all, header);
  return all + body;
}

} // namespace tegula::cuda
