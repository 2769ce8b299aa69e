//===- Descriptor.cpp - data of an artifact besides its code ------------------------------------------===//

#include "tegula/compiler/emit/Descriptor.h"
#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/emit/Header.h"
#include "tegula/compiler/emit/Machine.h"
#include "tegula/compiler/emit/Passes.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace tegula {

namespace {
/// Builds constants of the structs in runtime/tegula.h, field by field in their order.
class DescriptorBuilder {
public:
  DescriptorBuilder(llvm::Module &module, ModuleOp source, StringRef symbol, const DeviceImage *device)
      : module(module), source(source), symbol(symbol), device(device), context(module.getContext()),
        i32(llvm::Type::getInt32Ty(context)), i64(llvm::Type::getInt64Ty(context)),
        f64(llvm::Type::getDoubleTy(context)), pointer(llvm::PointerType::get(context, 0)) {
    entry = entryOf(source);
  }

  void add(const llvm::Triple &triple);

private:
  llvm::Constant *text(StringRef value) {
    llvm::Constant *data = llvm::ConstantDataArray::getString(context, value);
    return global(data);
  }
  llvm::GlobalVariable *global(llvm::Constant *value) {
    auto *variable = new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value);
    variable->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    return variable;
  }
  llvm::Constant *number32(int64_t value) { return llvm::ConstantInt::get(i32, value, true); }
  llvm::Constant *number64(int64_t value) { return llvm::ConstantInt::get(i64, value, true); }
  llvm::Constant *structOf(ArrayRef<llvm::Constant *> fields) { return llvm::ConstantStruct::getAnon(context, fields); }
  llvm::Constant *arrayOf(ArrayRef<llvm::Constant *> elements) {
    if (elements.empty())
      return llvm::ConstantPointerNull::get(pointer);
    auto *type = llvm::ArrayType::get(elements[0]->getType(), elements.size());
    return global(llvm::ConstantArray::get(type, elements));
  }
  llvm::Constant *tensorInfos(ArrayAttr names, ArrayAttr types);
  llvm::Constant *unitInfos(uint32_t &count);
  llvm::Function *makeEntry();
  /// A function of `tegula_model`, of the device's runtime if there is one.
  llvm::Function *runtime(StringRef word) {
    std::string name = "tegula_" + (device ? device->runtime : "rt") + "_" + word.str();
    return llvm::cast<llvm::Function>(
        module.getOrInsertFunction(name, llvm::FunctionType::get(i32, false)).getCallee());
  }
  std::string requiredFeatures(const llvm::Triple &triple);
  void addDevice(SmallVectorImpl<llvm::Constant *> &fields);
  void addEnqueue();

  llvm::Module &module;
  ModuleOp source;
  StringRef symbol;
  const DeviceImage *device;
  llvm::LLVMContext &context;
  llvm::Type *i32, *i64, *f64;
  llvm::PointerType *pointer;
  Operation *entry;
};
} // namespace

llvm::Constant *DescriptorBuilder::tensorInfos(ArrayAttr names, ArrayAttr types) {
  SmallVector<llvm::Constant *> infos;
  for (auto [name, typeAttr] : llvm::zip(names, types)) {
    auto type = cast<RankedTensorType>(cast<TypeAttr>(typeAttr).getValue());
    SmallVector<llvm::Constant *> shape;
    for (int64_t extent : type.getShape())
      shape.push_back(number64(ShapedType::isDynamic(extent) ? -1 : extent));
    infos.push_back(structOf({text(cast<StringAttr>(name).getValue()), arrayOf(shape), number32(type.getRank()),
                              number32(onnxTypeOf(type.getElementType()))}));
  }
  return arrayOf(infos);
}

llvm::Constant *DescriptorBuilder::unitInfos(uint32_t &count) {
  auto units = source->getAttrOfType<ArrayAttr>(tgl::kUnits);
  SmallVector<llvm::Constant *> infos;
  for (Attribute attr : units ? units.getValue() : ArrayRef<Attribute>()) {
    auto unit = cast<DictionaryAttr>(attr);
    auto word = [&](StringRef key) {
      auto value = unit.getAs<StringAttr>(key);
      return text(value ? value.getValue() : "");
    };
    auto amount = [&](StringRef key) {
      auto value = unit.getAs<FloatAttr>(key);
      return llvm::ConstantFP::get(f64, value ? value.getValueAsDouble() : 0.0);
    };
    infos.push_back(structOf({word("node"), word("op"), amount(tgl::kFlops), amount(tgl::kBytes)}));
  }
  count = infos.size();
  return arrayOf(infos);
}

/// entry(call, inputs, shapes, outputs, workspace): memref arguments of SYMBOL__main from plain pointers and extents.
llvm::Function *DescriptorBuilder::makeEntry() {
  auto *type = llvm::FunctionType::get(i32, {pointer, pointer, pointer, pointer, pointer}, false);
  auto *function = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, symbol + "__entry", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", function));
  llvm::Function *main = module.getFunction((symbol + "__main").str());
  SmallVector<llvm::Value *> arguments;
  auto addMemref = [&](llvm::Value *data, ArrayRef<llvm::Value *> sizes) {
    arguments.append({data, data, b.getInt64(0)});
    SmallVector<llvm::Value *> strides(sizes.size());
    llvm::Value *stride = b.getInt64(1);
    for (size_t axis = sizes.size(); axis-- > 0;) {
      strides[axis] = stride;
      stride = b.CreateMul(stride, sizes[axis]);
    }
    arguments.append(sizes.begin(), sizes.end());
    arguments.append(strides.begin(), strides.end());
  };
  auto pointerAt = [&](llvm::Value *array, uint64_t index) {
    return b.CreateLoad(pointer, b.CreateConstGEP1_64(pointer, array, index));
  };
  auto inputs = entry->getAttrOfType<ArrayAttr>(tgl::kInputTypes);
  for (auto [index, attr] : llvm::enumerate(inputs)) {
    auto tensor = cast<RankedTensorType>(cast<TypeAttr>(attr).getValue());
    SmallVector<llvm::Value *> sizes;
    llvm::Value *shape = tensor.hasStaticShape() ? nullptr : pointerAt(function->getArg(2), index);
    for (auto [axis, extent] : llvm::enumerate(tensor.getShape()))
      sizes.push_back(ShapedType::isDynamic(extent)
                          ? (llvm::Value *)b.CreateLoad(i64, b.CreateConstGEP1_64(i64, shape, axis))
                          : b.getInt64(extent));
    addMemref(pointerAt(function->getArg(1), index), sizes);
  }
  auto outputs = entry->getAttrOfType<ArrayAttr>(tgl::kOutputTypes);
  if (auto bound = entry->getAttrOfType<DenseI64ArrayAttr>(kBoundOutputs))
    for (int64_t index : bound.asArrayRef()) {
      auto tensor = cast<RankedTensorType>(cast<TypeAttr>(outputs[index]).getValue());
      SmallVector<llvm::Value *> sizes;
      for (int64_t extent : tensor.getShape())
        sizes.push_back(b.getInt64(extent));
      addMemref(pointerAt(function->getArg(3), index), sizes);
    }
  auto workspace = entry->getAttrOfType<IntegerAttr>(kWorkspaceBytes);
  addMemref(function->getArg(4), {b.getInt64(workspace ? workspace.getInt() : 0)});
  arguments.push_back(function->getArg(0));
  b.CreateCall(main, arguments);
  b.CreateRet(b.getInt32(0));
  return function;
}

/// Instruction sets that the code may use, in the runtime's words.
std::string DescriptorBuilder::requiredFeatures(const llvm::Triple &triple) {
  auto target = source->getAttrOfType<tgl::TargetAttr>(tgl::kTarget);
  if (triple.isAArch64() && target.getVectorBytes() > 16)
    return "sve-" + std::to_string(target.getVectorBytes() * 8);
  if (!triple.isX86())
    return "";
  if (target.getVectorBytes() >= 64)
    return "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq";
  if (target.getVectorBytes() < 32)
    return "";
  return hasFma(target) ? "avx2,fma" : "avx";
}

/// The image, the kernels in it and the weights to upload, as `cuda_model` of runtime/cuda/internal.h has them.
void DescriptorBuilder::addDevice(SmallVectorImpl<llvm::Constant *> &fields) {
  auto outside = [&](const Twine &name) -> llvm::Constant * {
    auto *variable = llvm::cast<llvm::GlobalVariable>(
        module.getOrInsertGlobal((symbol + name).str(), llvm::Type::getInt8Ty(context)));
    variable->setVisibility(llvm::GlobalValue::HiddenVisibility);
    return variable;
  };
  SmallVector<llvm::Constant *> kernels;
  for (const DeviceKernel &kernel : device->kernels)
    kernels.push_back(structOf({text(kernel.name), number32(kernel.threads), number32(kernel.iterations),
                                number32(kernel.sharedBytes), number32(0)}));
  std::list<std::string> storage;
  std::vector<NamedData> weights = constantsOf(source, "", storage);
  fields.append({outside(kDeviceImage), number64(device->bytes.size()), arrayOf(kernels),
                 weights.empty() ? llvm::ConstantPointerNull::get(pointer) : outside(weights.front().symbol),
                 number64(dataBytes(weights)), number32(kernels.size()), number32(0)});
}

/// SYMBOL_enqueue, which the header declares.
void DescriptorBuilder::addEnqueue() {
  auto *type = llvm::FunctionType::get(i32, {pointer, pointer, pointer, pointer}, false);
  llvm::FunctionCallee inner = module.getOrInsertFunction("tegula_" + device->runtime + "_enqueue", type);
  auto *function = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, symbol + "_enqueue", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", function));
  SmallVector<llvm::Value *> arguments(llvm::make_pointer_range(function->args()));
  b.CreateRet(b.CreateCall(inner, arguments));
}

void DescriptorBuilder::add(const llvm::Triple &triple) {
  auto target = source->getAttrOfType<tgl::TargetAttr>(tgl::kTarget);
  auto attr = [&](StringRef name) { return entry->getAttrOfType<ArrayAttr>(name); };
  uint32_t unitCount = 0;
  llvm::Constant *units = unitInfos(unitCount);
  auto workspace = entry->getAttrOfType<IntegerAttr>(kWorkspaceBytes);
  uint64_t weightBytes = 0;
  if (auto constants = source->getAttrOfType<DictionaryAttr>(kConstants))
    for (NamedAttribute constant : constants) {
      auto type = cast<ElementsAttr>(constant.getValue()).getShapedType();
      weightBytes += type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
    }
  std::string targetText = (target.getTriple() + " " + target.getCpu() + " " + target.getFeatures()).str();
  SmallVector<llvm::Constant *> fields({number32(1),
                                        number32(device ? device->flags : 0),
                                        text(symbol),
                                        text(targetText),
                                        text(requiredFeatures(triple)),
                                        text("tegula 0.1.0"),
                                        tensorInfos(attr(tgl::kInputs), attr(tgl::kInputTypes)),
                                        tensorInfos(attr(tgl::kOutputs), attr(tgl::kOutputTypes)),
                                        units,
                                        number32(attr(tgl::kInputs).size()),
                                        number32(attr(tgl::kOutputs).size()),
                                        number32(unitCount),
                                        number32(0),
                                        number64(workspace ? workspace.getInt() : 0),
                                        number64(weightBytes),
                                        makeEntry(),
                                        runtime("create"),
                                        runtime("destroy"),
                                        runtime("run"),
                                        runtime("message"),
                                        runtime("profile")});
  if (device)
    addDevice(fields);
  llvm::Constant *descriptor = structOf(fields);
  llvm::GlobalVariable *variable = global(descriptor);
  variable->setName(symbol + "__descriptor");
  auto *function = llvm::Function::Create(llvm::FunctionType::get(pointer, false), llvm::GlobalValue::ExternalLinkage,
                                          symbol + "_model", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", function));
  b.CreateRet(variable);
  if (device)
    addEnqueue();
  for (llvm::Function &declared : module)
    if (declared.getName().starts_with("tegula_") && declared.isDeclaration())
      declared.setVisibility(llvm::GlobalValue::HiddenVisibility);
}

void addDescriptor(llvm::Module &module, ModuleOp source, StringRef symbol, const llvm::Triple &triple,
                   const DeviceImage *device) {
  DescriptorBuilder(module, source, symbol, device).add(triple);
}

/// The bytes of a constant, added to `storage` where they are not at hand.
static StringRef bytesOf(ElementsAttr value, std::list<std::string> &storage) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    ArrayRef<char> data = resource.getRawHandle().getBlob()->getData();
    return StringRef(data.data(), data.size());
  }
  auto dense = cast<DenseElementsAttr>(value);
  ArrayRef<char> data = dense.getRawData();
  if (!dense.isSplat())
    return StringRef(data.data(), data.size());
  std::string &bytes = storage.emplace_back();
  for (int64_t i = 0; i < dense.getNumElements(); ++i)
    bytes.append(data.begin(), data.end());
  return bytes;
}

std::vector<NamedData> constantsOf(ModuleOp source, StringRef symbol, std::list<std::string> &storage) {
  std::vector<NamedData> data;
  if (auto constants = source->getAttrOfType<DictionaryAttr>(kConstants))
    for (NamedAttribute constant : constants)
      data.push_back({(symbol + "__" + constant.getName().getValue()).str(),
                      bytesOf(cast<ElementsAttr>(constant.getValue()), storage)});
  return data;
}

} // namespace tegula
