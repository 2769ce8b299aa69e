//===- Resize.td - interpolation -------------------------------------------===//
#ifndef TEGULA_DIALECTS_NN_RESIZE_TD
#define TEGULA_DIALECTS_NN_RESIZE_TD
include "tegula/dialects/nn/Nn.td"

def Nn_ResizeOp : Nn_Op<"resize", [AttrSizedOperandSegments]> {
  let summary = "Interpolation on a grid of another size";
  let description = [{
    The standard's Resize. `scales` (one per axis of x) enter the coordinate transformation `coordinate`; `mode` is
    nearest, linear or cubic; `nearest` is the rounding of nearest mode; `roi` (2 * rank numbers) serves
    tf_crop_and_resize; `cubic_a`, `exclude_outside`, `antialias` and `extrapolation` as in the standard.

    The result type gives the extents. Those it does not know are `floor(extent of x * scale)`, or are read from
    `extents`. A scale that is known at run time only is 0 in `scales` and read from `factors`.

    (C1) A resized axis of x does not have the extent 0, unless y has it too.
    (C2) `scales` has one scale per axis, positive or 0.
    (C3) `extents` and `factors` are there together, `i64` and `f64` vectors with one element per axis; a scale of 0
         needs them.

    ```mlir
    func.func @f(%x: tensor<1x1x2x2xf32>) -> tensor<1x1x4x4xf32> {
      %y = nn.resize %x {mode = "nearest", coordinate = "asymmetric", nearest = "floor", scales = array<f64: 1.0, 1.0, 2.0, 2.0>, roi = array<f64>, cubic_a = -0.75 : f64, extrapolation = 0.0 : f64, exclude_outside = false, antialias = false} : (tensor<1x1x2x2xf32>) -> tensor<1x1x4x4xf32>
      return %y : tensor<1x1x4x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Optional<Nn_Tensor>:$extents, Optional<Nn_Tensor>:$factors, StrAttr:$mode,
                       StrAttr:$coordinate, StrAttr:$nearest, DenseF64ArrayAttr:$scales, DenseF64ArrayAttr:$roi,
                       F64Attr:$cubic_a, F64Attr:$extrapolation, BoolAttr:$exclude_outside, BoolAttr:$antialias);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x (`extents` $extents^ `factors` $factors)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif
