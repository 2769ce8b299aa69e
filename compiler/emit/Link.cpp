//===- Link.cpp - objects to shared objects, relocatable objects and archives ----------------===//

#include "tegula/compiler/emit/Link.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/StringSaver.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace tegula {

static bool runLinker(std::vector<std::string> arguments, std::string &why) {
  std::vector<const char *> words;
  for (const std::string &argument : arguments)
    words.push_back(argument.c_str());
  std::string messages;
  raw_string_ostream stream(messages);
  lld::Result result = lld::lldMain(words, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    why = "linking failed: " + messages;
  return result.retCode == 0;
}

bool linkObjects(ArrayRef<std::string> objects, StringRef plain, StringRef output, bool relocatable,
                 ArrayRef<std::string> needed, std::string &why) {
  std::vector<std::string> base{"ld.lld", "--threads=1"}; // the machine is that of the objects
  std::vector<std::string> arguments = base;
  std::vector<std::string> stubs;
  if (relocatable) {
    arguments.push_back("-r");
  } else {
    arguments.insert(arguments.end(), {"-shared", "--gc-sections", "--build-id=none", "--hash-style=gnu", "-z",
                                       "noexecstack", "-z", "relro", "--no-undefined-version", "--icf=none", "-s"});
    // A stub with the library's soname makes the loader bring the library in; none is needed to link.
    for (const std::string &soname : needed) {
      std::string stub = (output + "." + soname + ".stub").str();
      std::vector<std::string> make = base;
      make.insert(make.end(), {"-shared", "-soname=" + soname, "--gc-sections", "-o", stub, plain.str()});
      stubs.push_back(stub);
      if (!runLinker(make, why))
        return false;
    }
    arguments.push_back("--no-as-needed");
    arguments.insert(arguments.end(), stubs.begin(), stubs.end());
  }
  arguments.insert(arguments.end(), {"-o", output.str()});
  arguments.insert(arguments.end(), objects.begin(), objects.end());
  bool ok = runLinker(arguments, why);
  for (const std::string &stub : stubs)
    (void)sys::fs::remove(stub);
  return ok;
}

bool writeArchiveFile(ArrayRef<std::string> objects, StringRef name, StringRef output, std::string &why) {
  std::vector<NewArchiveMember> members;
  BumpPtrAllocator storage;
  StringSaver names(storage);
  for (auto [index, object] : enumerate(objects)) {
    Expected<NewArchiveMember> member = NewArchiveMember::getFile(object, /*Deterministic=*/true);
    if (!member) {
      why = toString(member.takeError());
      return false;
    }
    // The objects are temporary files: their own names differ from run to run.
    member->MemberName = names.save(name + "." + Twine(index) + ".o");
    members.push_back(std::move(*member));
  }
  if (Error error = writeArchive(output, members, SymtabWritingMode::NormalSymtab, object::Archive::K_GNU,
                                 /*Deterministic=*/true, /*Thin=*/false)) {
    why = toString(std::move(error));
    return false;
  }
  return true;
}

} // namespace tegula
