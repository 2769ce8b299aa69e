//===- Fatbin.cpp - several images in one, of which the driver takes what suits -------------===//
//
// A header of 16 bytes (magic, version, bytes of the header, bytes of all entries), then for each entry a header of 64
// bytes and its image, padded to 8. The layout is that of `fatbinary`, of CUDA 9 to 13.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Cuda.h"

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
static_assert(sizeof(Header) == 16 && sizeof(EntryHeader) == 64, "as the driver has them");
} // namespace

template <typename T> static void append(std::string &to, const T &value) {
  to.append(reinterpret_cast<const char *>(&value), sizeof value);
}

std::string makeFatBinary(ArrayRef<FatEntry> entries) {
  std::string body;
  for (const FatEntry &entry : entries) {
    std::string bytes = entry.bytes;
    if (entry.isPtx)
      bytes.push_back('\0');
    EntryHeader header;
    header.kind = entry.isPtx ? 1 : 2;
    header.paddedBytes = alignTo(bytes.size(), 8);
    header.chip = entry.chip;
    if (entry.isPtx) {
      header.major = ptxVersionOf(entry.chip) / 10;
      header.minor = ptxVersionOf(entry.chip) % 10;
    } else {
      header.major = 1;
      header.minor = 7;
    }
    append(body, header);
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
