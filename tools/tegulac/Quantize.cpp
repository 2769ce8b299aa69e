//===- Quantize.cpp - quantizing before compiling -------------------------------------===//
//
// A process of its own: the quantizer compiles and runs models, which the compiler should not have to survive.
//
//===----------------------------------------------------------------------===//
#include "Quantize.h"
#include "tegula/compiler/Pipeline.h"
#include "tegula/compiler/emit/Tools.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tegula {

int quantizeInput(const Request &request, StringRef path) {
  std::optional<std::string> tool = findTool("tegula-quantize");
  if (!tool) {
    errs() << "tegulac: error: --quant needs tegula-quantize, which is neither beside this tool nor in $PATH\n";
    return kIoError;
  }
  const QuantizeRequest &quantize = request.quantize;
  std::vector<std::string> words{*tool,
                                 request.options.input,
                                 "-o",
                                 path.str(),
                                 "--quant=" + quantize.kind,
                                 "--calib=" + quantize.calibration,
                                 "--progress=" + request.progress};
  for (auto [name, value] : {std::pair("--calib-method=", &quantize.method),
                             {"--accuracy-budget=", &quantize.budget},
                             {"--report=", &quantize.report}})
    if (!value->empty())
      words.push_back(name + *value);
  for (const std::string &pattern : quantize.kept)
    words.push_back("--keep-fp=" + pattern);
  for (const auto &[name, shape] : request.options.shapes) {
    auto extents =
        map_range(shape, [](int64_t extent) { return extent < 0 ? std::string("?") : std::to_string(extent); });
    words.push_back("--shape=" + name + ":" + join(extents, "x"));
  }
  for (const auto &[name, extent] : request.options.dims)
    words.push_back("--dim=" + name + "=" + std::to_string(extent));
  SmallVector<StringRef> views(words.begin(), words.end());
  std::string why;
  // Its two lines are not the compiler's output.
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(""), std::nullopt};
  int code = sys::ExecuteAndWait(words.front(), views, std::nullopt, redirects, 0, 0, &why);
  if (code < 0)
    errs() << "tegulac: error: " << *tool << ": " << why << "\n";
  return code < 0 ? static_cast<int>(kToolError) : code;
}

} // namespace tegula
