//===- MathPatterns.h - math functions as arithmetic ---------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_MATHPATTERNS_H
#define TEGULA_COMPILER_EMIT_MATHPATTERNS_H

#include "mlir/IR/PatternMatch.h"

namespace tegula {

/// Adds erf, sin and cos of f32 and its vectors, where upstream's approximations are slower or less exact: at most 3
/// units in the last place; sin and cos to |x| = 1e5, beyond which the error grows with |x|.
void populateMathPatterns(mlir::RewritePatternSet &patterns);

} // namespace tegula

#endif
