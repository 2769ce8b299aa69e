//===- UnitArguments.cpp - what a unit's call hands on ---------------------------------------===//

#include "tegula/compiler/emit/UnitArguments.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula {

SmallVector<UnitArgument> argumentsOf(LLVM::CallOp call, LLVM::LLVMFuncOp code, SetVector<Value> &handed) {
  SmallVector<UnitArgument> arguments;
  for (auto [index, argument] : llvm::enumerate(call.getArgOperands().drop_front(2))) {
    Attribute constant;
    if (code.getArgument(index + 2).use_empty()) {
      arguments.push_back({-1, {}});
    } else if (matchPattern(argument, m_Constant(&constant)) && isa<IntegerAttr>(constant) &&
               argument.getType().isInteger(64)) {
      arguments.push_back({-1, constant});
    } else {
      handed.insert(argument);
      arguments.push_back({(int64_t)(llvm::find(handed, argument) - handed.begin()), {}});
    }
  }
  return arguments;
}

std::string callerKey(LLVM::LLVMFuncOp code, ArrayRef<UnitArgument> arguments) {
  std::string key = code.getName().str();
  llvm::raw_string_ostream text(key);
  for (const UnitArgument &argument : arguments) {
    text << ' ' << argument.place << ':';
    if (argument.constant)
      text << argument.constant;
  }
  return key;
}

void addOperands(OpBuilder &b, LLVM::LLVMFuncOp code, ArrayRef<UnitArgument> arguments,
                 llvm::function_ref<Value(int64_t place, Type type)> read, SmallVectorImpl<Value> &operands) {
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    Type type = code.getArgument(index + 2).getType();
    if (argument.place >= 0)
      operands.push_back(read(argument.place, type));
    else if (argument.constant)
      operands.push_back(LLVM::ConstantOp::create(b, code.getLoc(), type, argument.constant));
    else
      operands.push_back(LLVM::PoisonOp::create(b, code.getLoc(), type));
  }
}

} // namespace tegula
