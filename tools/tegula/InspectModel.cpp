//===- InspectModel.cpp - tegula inspect MODEL ----------------------------===//
#include "Command.h"

using namespace llvm;
using namespace tegula;

Error tegula::inspectModel(StringRef path, bool, bool) {
  return fail(Exit::Usage,
              path + ": models are not inspected yet, only artifacts (.so); compile it with tegulac first");
}
