//===- Plugins.cpp - passes and dialects from shared objects -----------------------------===//

#include "tegula/compiler/Plugins.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Support/DynamicLibrary.h"

using namespace mlir;

namespace tegula {

bool loadPlugin(StringRef path, PluginKind kind, DialectRegistry &registry, std::string &why) {
  std::string file = path.str();
  llvm::sys::DynamicLibrary library = llvm::sys::DynamicLibrary::getPermanentLibrary(file.c_str(), &why);
  if (!library.isValid())
    return false;
  // Plugins need not define both entry points: ask first, so that what is there but broken is still an error.
  bool hasPasses = library.getAddressOfSymbol("mlirGetPassPluginInfo");
  bool hasDialects = library.getAddressOfSymbol("mlirGetDialectPluginInfo");
  if ((kind == PluginKind::Pass && !hasPasses) || (kind == PluginKind::Dialect && !hasDialects) ||
      (!hasPasses && !hasDialects)) {
    why = "'" + file + "' is no plugin: it does not define " +
          (kind == PluginKind::Dialect ? "mlirGetDialectPluginInfo" : "mlirGetPassPluginInfo");
    return false;
  }
  if (hasPasses && kind != PluginKind::Dialect) {
    llvm::Expected<PassPlugin> plugin = PassPlugin::load(file);
    if (!plugin) {
      why = llvm::toString(plugin.takeError());
      return false;
    }
    plugin->registerPassRegistryCallbacks();
  }
  if (hasDialects && kind != PluginKind::Pass) {
    llvm::Expected<DialectPlugin> plugin = DialectPlugin::load(file);
    if (!plugin) {
      why = llvm::toString(plugin.takeError());
      return false;
    }
    plugin->registerDialectRegistryCallbacks(registry);
  }
  return true;
}

} // namespace tegula
