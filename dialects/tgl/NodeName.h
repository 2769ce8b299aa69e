//===- NodeName.h - ONNX node names in locations ---------------------------------===//
#ifndef TEGULA_DIALECTS_TGL_NODENAME_H
#define TEGULA_DIALECTS_TGL_NODENAME_H

#include "mlir/IR/Location.h"
#include <string>

namespace tegula {

/// The ONNX node names that a location carries, joined by '+' in order of appearance (four at most, then "..."). Empty
/// when there is none.
std::string nodeNameOf(mlir::Location loc);

} // namespace tegula

#endif
