//===- Link.h - objects to shared objects, relocatable objects and archives ------------------===//
#ifndef TEGULA_COMPILER_EMIT_LINK_H
#define TEGULA_COMPILER_EMIT_LINK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace tegula {

/// Links ELF objects in process (lld), into a shared object or, with `relocatable`, one object. `needed` lists sonames
/// of system libraries that the result asks the loader for; `plain` is an object without undefined symbols, to make
/// stubs of them. Returns false with the linker's words in `why`.
bool linkObjects(llvm::ArrayRef<std::string> objects, llvm::StringRef plain, llvm::StringRef output, bool relocatable,
                 llvm::ArrayRef<std::string> needed, std::string &why);

/// Writes a static archive with deterministic headers and members NAME.0.o, NAME.1.o and so on.
bool writeArchiveFile(llvm::ArrayRef<std::string> objects, llvm::StringRef name, llvm::StringRef output,
                      std::string &why);

} // namespace tegula

#endif
