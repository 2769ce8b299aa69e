//===- Report.h - what the compiler decided and what bench measured, as a page --*- C++ -*-===//
#ifndef TEGULA_TOOLS_TEGULA_REPORT_H
#define TEGULA_TOOLS_TEGULA_REPORT_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace tegula {

/// Writes one HTML page that needs no other file. `compiled` is what `tegulac --emit=report` writes, `measured` what
/// `tegula bench --json` does; either may be null, and the page then says how to get what it lacks. `path` may be "-".
/// On failure nothing is left and a file that was there is untouched.
llvm::Error writeReport(llvm::StringRef path, const llvm::json::Object *compiled, const llvm::json::Object *measured);

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_REPORT_H
