//===- Atomics.h - one atomic operation ---------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_ATOMICS_H
#define TEGULA_TOOLS_PTXSIM_ATOMICS_H

#include "Runtime.h"

namespace ptxsim {

/// Changes the element at `place` by the site's operation: + & | ^ < > x(change) c(ompare) i(ncrement) d(ecrement).
void changeElement(const Site *site, char *place, const char *b, const char *c);

} // namespace ptxsim

#endif
