//===- Bands.h - loops over independent bands of a tensor ------------------------===//
#ifndef TEGULA_COMPILER_TILE_BANDS_H
#define TEGULA_COMPILER_TILE_BANDS_H

#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tegula {

/// How many strips of neighbouring bands run at the same time, each with scratch memory of its own; 1 where the threads
/// share the work of one band after the other: for loops that hold no bands, and where the bands are too few to keep
/// all threads busy.
int64_t stripsOf(mlir::scf::ForOp loop, tgl::TargetAttr target);

} // namespace tegula

#endif
