//===- Windows.h - kernel, strides and pads of convolutions and pools ---------------------------------------===//
#ifndef TEGULA_COMPILER_IMPORT_WINDOWS_H
#define TEGULA_COMPILER_IMPORT_WINDOWS_H

#include "tegula/compiler/import/Node.h"

namespace tegula {

/// Window attributes with defaults filled in and auto_pad resolved, one entry per spatial axis.
struct Windows {
  Ints kernel, strides, dilations, low, high;
};

/// Reads them for an input of shape [N, C, D...]. Fails with a diagnostic. Where auto_pad's amounts depend on extents
/// of the run, `x` is padded with `value` here and the windows need no pads.
llvm::FailureOr<Windows> readWindows(Node &node, llvm::ArrayRef<int64_t> kernel, mlir::Value &x,
                                     std::optional<double> value);

} // namespace tegula

#endif
