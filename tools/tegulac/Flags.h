//===- Flags.h - command line to CompileOptions --------------------------------------===//
#ifndef TEGULA_TOOLS_TEGULAC_FLAGS_H
#define TEGULA_TOOLS_TEGULAC_FLAGS_H

#include "tegula/compiler/Options.h"
#include "tegula/compiler/Plugins.h"
#include <string>
#include <vector>

namespace tegula {

/// What the model is quantized with before it is compiled, as `tegula quantize` takes it.
struct QuantizeRequest {
  std::string kind; ///< int8, int8w, int4b32 and so on; empty: the model stays as it is
  std::string calibration, method, budget, report;
  std::vector<std::string> kept;
};

/// What the command line asks for besides a compilation.
struct Request {
  CompileOptions options;
  QuantizeRequest quantize;
  bool isSupportedOps = false;                             ///< --supported-ops[=json]: print the table and stop
  std::vector<std::pair<PluginKind, std::string>> plugins; ///< to load before anything is registered or read
  std::string progress = "auto";                           ///< auto (a terminal: one line), plain (lines), none
};

/// Parses the command line. Returns false with an exit code (0 after --help and --version, 2 for a mistake, which it
/// has reported).
bool parseFlags(int argc, char **argv, Request &request, int &exitCode);

} // namespace tegula

#endif
