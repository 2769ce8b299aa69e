//===- Fused.h - checks of operators that no schema has checked ------------------===//
#ifndef TEGULA_COMPILER_IMPORT_FUSED_H
#define TEGULA_COMPILER_IMPORT_FUSED_H

#include "tegula/compiler/import/GraphImporter.h"

namespace tegula {

/// Whether the inputs are there, of these ranks (-1: any). Reported where not.
bool expects(Node &n, llvm::ArrayRef<std::pair<size_t, int64_t>> inputs);

/// Whether input `i` holds floats, or integers; reported where it does not.
bool holds(Node &n, size_t i, bool floats);

/// Whether none of the inputs from `first` on is there; what they would ask for is refused with `what`.
bool lacks(Node &n, size_t first, llvm::StringRef what);

} // namespace tegula

#endif
