//===- NodeName.cpp - ONNX node names in locations -------------------------------===//

#include "tegula/dialects/tgl/NodeName.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tegula {

static void collect(Location loc, SetVector<StringRef> &names) {
  SmallVector<Location> stack{loc};
  while (!stack.empty()) {
    Location next = stack.pop_back_val();
    if (auto name = dyn_cast<NameLoc>(next)) {
      names.insert(name.getName().getValue());
    } else if (auto fused = dyn_cast<FusedLoc>(next)) {
      for (Location part : llvm::reverse(fused.getLocations()))
        stack.push_back(part);
    } else if (auto call = dyn_cast<CallSiteLoc>(next)) {
      stack.push_back(call.getCallee());
    }
  }
}

std::string nodeNameOf(Location loc) {
  SetVector<StringRef> names;
  collect(loc, names);
  ArrayRef<StringRef> all = names.getArrayRef();
  std::string text = llvm::join(all.take_front(4), "+");
  return all.size() > 4 ? text + "+..." : text;
}

} // namespace tegula
