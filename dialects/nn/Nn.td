//===- Nn.td - the nn dialect: base definitions ---------------------------===//
//
// One clean op per idea of the ONNX standard: defaults filled in, versions gone, pads explicit, axes as
// attributes and never negative. Ops live in one .td file per family, beside the .cpp that holds the whole op
// (type inference, verifier, lowering to linalg).
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_NN_TD
#define TEGULA_DIALECTS_NN_NN_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Nn_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::tegula::nn";
  let summary = "Neural-network operators at the level of the ONNX standard, without its history";
  let description = [{
    Values are ranked tensors. Signed and float element types are signless (`i8`, `f32`), unsigned ones are
    written `ui8`, booleans are `i1`. A dimension is a number or `?`; two `?` that meet in an elementwise op are
    equal at run time (the importer inserts `nn.expand` where it cannot prove that). Axes count from 0.
    Every op knows how to lower itself to linalg on tensors (`LowerOpInterface`).
  }];
  let hasConstantMaterializer = 1;
}

def LowerOpInterface : OpInterface<"LowerOpInterface"> {
  let cppNamespace = "::tegula::nn";
  let description = "An op that can be lowered to linalg, tensor, scf and arith on signless tensors.";
  let methods = [InterfaceMethod<
    [{Emits the op's meaning through `b` on the lowered `operands` (see `loweredType`) and returns the lowered
      results. Fails with a diagnostic when a case is not supported.}],
    "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "lower",
    (ins "::tegula::nn::LoweringBuilder &":$b, "::mlir::ValueRange":$operands)>];
}

class Nn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Nn_Dialect, mnemonic, !listconcat(traits, [Pure, DeclareOpInterfaceMethods<LowerOpInterface>])>;

// An op whose result types follow from operands and attributes (checked by the verifier).
class Nn_InferredOp<string mnemonic, list<Trait> traits = []> : Nn_Op<mnemonic, !listconcat(traits, [InferTypeOpAdaptor])> {
  code extraClassInferred = [{
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
      return ::mlir::succeeded(::mlir::verifyCompatibleShapes(inferred, actual)) &&
             ::llvm::all_of(::llvm::zip(inferred, actual), [](auto pair) {
               return ::mlir::getElementTypeOrSelf(std::get<0>(pair)) ==
                      ::mlir::getElementTypeOrSelf(std::get<1>(pair));
             });
    }
  }];
  let extraClassDeclaration = extraClassInferred;
}

defvar Nn_Tensor = AnyRankedTensor;
defvar Nn_Axes = DenseI64ArrayAttr;

#endif
