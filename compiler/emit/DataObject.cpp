//===- DataObject.cpp - weights as a relocatable object ----------------------===//

#include "tegula/compiler/emit/DataObject.h"

#include "llvm/BinaryFormat/ELF.h"
#include "llvm/MC/StringTableBuilder.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tegula {

static constexpr uint64_t kAlignBytes = 64;

uint64_t dataBytes(ArrayRef<NamedData> data) {
  uint64_t size = 0;
  for (const NamedData &item : data)
    size = alignTo(size, kAlignBytes) + item.bytes.size();
  return size;
}

namespace {
/// One file; ELF specification, chapter "Object files" (gabi 4.1).
template <typename ELFT> class Writer {
public:
  Writer(ArrayRef<NamedData> data, const typename ELFT::Ehdr &like, raw_fd_ostream &stream)
      : data(data), header(like), stream(stream), sectionNames(StringTableBuilder::ELF),
        symbolNames(StringTableBuilder::ELF) {}

  void write() {
    for (StringRef name : {".rodata", ".note.GNU-stack", ".symtab", ".strtab", ".shstrtab"})
      sectionNames.add(name);
    for (const NamedData &item : data)
      symbolNames.add(item.symbol);
    sectionNames.finalizeInOrder();
    symbolNames.finalizeInOrder();

    uint64_t at = kAlignBytes, size = dataBytes(data); // the header lies below
    addSection("", ELF::SHT_NULL, 0, 0, 0, 0);
    addSection(".rodata", ELF::SHT_PROGBITS, ELF::SHF_ALLOC, at, size, kAlignBytes);
    at = alignTo(at + size, kAlignBytes);
    addSection(".note.GNU-stack", ELF::SHT_PROGBITS, 0, at, 0, 1); // the stack need not be executable
    uint64_t symbolBytes = (data.size() + 1) * sizeof(Symbol);
    addSection(".symtab", ELF::SHT_SYMTAB, 0, at, symbolBytes, sizeof(typename ELFT::uint));
    sections.back().sh_link = 4;
    sections.back().sh_info = 1; // the first symbol that is not local
    sections.back().sh_entsize = sizeof(Symbol);
    at += symbolBytes;
    addSection(".strtab", ELF::SHT_STRTAB, 0, at, symbolNames.getSize(), 1);
    at += symbolNames.getSize();
    addSection(".shstrtab", ELF::SHT_STRTAB, 0, at, sectionNames.getSize(), 1);
    at = alignTo(at + sectionNames.getSize(), kAlignBytes);

    header.e_shoff = at;
    header.e_shnum = sections.size();
    header.e_shstrndx = sections.size() - 1;
    writeRaw(header);
    for (const NamedData &item : data) {
      pad();
      stream << item.bytes;
    }
    pad();
    writeSymbols();
    symbolNames.write(stream);
    sectionNames.write(stream);
    pad();
    for (const Section &section : sections)
      writeRaw(section);
  }

private:
  using Symbol = typename ELFT::Sym;
  using Section = typename ELFT::Shdr;

  void addSection(StringRef name, unsigned type, uint64_t flags, uint64_t offset, uint64_t size, uint64_t align) {
    Section section = {};
    section.sh_name = name.empty() ? 0 : sectionNames.getOffset(name);
    section.sh_type = type;
    section.sh_flags = flags;
    section.sh_offset = offset;
    section.sh_size = size;
    section.sh_addralign = align;
    sections.push_back(section);
  }

  void writeSymbols() {
    Symbol symbol = {};
    writeRaw(symbol);
    uint64_t at = 0;
    for (const NamedData &item : data) {
      at = alignTo(at, kAlignBytes);
      symbol.st_name = symbolNames.getOffset(item.symbol);
      symbol.st_value = at;
      symbol.st_size = item.bytes.size();
      symbol.st_shndx = 1;
      symbol.st_other = ELF::STV_HIDDEN;
      symbol.setBindingAndType(ELF::STB_GLOBAL, ELF::STT_OBJECT);
      writeRaw(symbol);
      at += item.bytes.size();
    }
  }

  template <typename T> void writeRaw(const T &value) {
    stream.write(reinterpret_cast<const char *>(&value), sizeof(value));
  }
  void pad() { stream.write_zeros(offsetToAlignment(stream.tell(), Align(kAlignBytes))); }

  ArrayRef<NamedData> data;
  typename ELFT::Ehdr header;
  raw_fd_ostream &stream;
  StringTableBuilder sectionNames, symbolNames;
  std::vector<Section> sections;
};
} // namespace

template <typename ELFT>
static void writeAs(ArrayRef<NamedData> data, const object::ELFObjectFile<ELFT> &like, raw_fd_ostream &stream) {
  Writer<ELFT>(data, like.getELFFile().getHeader(), stream).write();
}

bool writeDataObject(ArrayRef<NamedData> data, StringRef like, StringRef path, std::string &why) {
  Expected<object::OwningBinary<object::ObjectFile>> model = object::ObjectFile::createObjectFile(like);
  if (!model) {
    why = "cannot read '" + like.str() + "': " + toString(model.takeError());
    return false;
  }
  std::error_code error;
  raw_fd_ostream stream(path, error);
  object::ObjectFile *object = model->getBinary();
  if (error)
    ;
  else if (auto *elf = dyn_cast<object::ELF64LEObjectFile>(object))
    writeAs(data, *elf, stream);
  else if (auto *elf = dyn_cast<object::ELF32LEObjectFile>(object))
    writeAs(data, *elf, stream);
  else if (auto *elf = dyn_cast<object::ELF64BEObjectFile>(object))
    writeAs(data, *elf, stream);
  else if (auto *elf = dyn_cast<object::ELF32BEObjectFile>(object))
    writeAs(data, *elf, stream);
  else {
    why = "the target's objects are not ELF files";
    return false;
  }
  stream.close();
  if (error || stream.has_error()) {
    why = "cannot write '" + path.str() + "': " + (error ? error : stream.error()).message();
    stream.clear_error();
    return false;
  }
  return true;
}

} // namespace tegula
