//===- Shape.td - constants and moves of data -----------------------------===//
#ifndef TEGULA_DIALECTS_NN_SHAPE_TD
#define TEGULA_DIALECTS_NN_SHAPE_TD
include "tegula/dialects/nn/Nn.td"

def Nn_ConstantOp : Nn_Op<"constant", [ConstantLike, AllTypesMatch<["value", "y"]>]> { // constant C1
  let summary = "A tensor known at compile time";
  let description = [{
    Small tensors are dense attributes; weights are `dense_resource` blobs, which are never uniqued or copied.

    (C1) The value's type is the result type.

    ```mlir
    func.func @f() -> tensor<2xi64> {
      %y = nn.constant dense<[1, 2]> : tensor<2xi64>
      return %y : tensor<2xi64>
    }
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "attr-dict $value";
  let builders = [OpBuilder<(ins "::mlir::ElementsAttr":$value), [{ build($_builder, $_state, value.getShapedType(), value); }]>];
  let hasFolder = 1;
}

def Nn_ReshapeOp : Nn_Op<"reshape"> {
  let summary = "Same elements in row-major order, another shape";
  let description = [{
    The result type gives the shape; its `?` extents are read from `shape` (which holds final extents, no 0 or -1).

    (C1) With static shapes the element counts agree.
    (C2) `shape` is present when the result has more than one `?`.

    ```mlir
    func.func @f(%x: tensor<2x6xf32>) -> tensor<3x4xf32> {
      %y = nn.reshape %x : (tensor<2x6xf32>) -> tensor<3x4xf32>
      return %y : tensor<3x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Optional<Nn_Tensor>:$shape);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x (`shape` $shape^)? attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nn_TransposeOp : Nn_InferredOp<"transpose"> {
  let summary = "Permutes axes";
  let description = [{
    `y[i[perm[0]], i[perm[1]], ...] = x[i[0], i[1], ...]` with `shape(y)[d] = shape(x)[perm[d]]`.

    (C1) `perm` is a permutation of x's axes.

    ```mlir
    func.func @f(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
      %y = nn.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
      return %y : tensor<3x2xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Axes:$perm);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Nn_ExpandOp : Nn_Op<"expand"> {
  let summary = "Broadcasts to a larger shape";
  let description = [{
    The result type gives the shape; its `?` extents are read from `shape`. Axes align at the end. An extent of x
    that is `?` may be 1 at run time and is then repeated.

    (C1) Static extents of x are 1 or equal y's.
    (C2) `shape` is present when the result has a `?`.

    ```mlir
    func.func @f(%x: tensor<3x1xf32>) -> tensor<2x3x4xf32> {
      %y = nn.expand %x : (tensor<3x1xf32>) -> tensor<2x3x4xf32>
      return %y : tensor<2x3x4xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Optional<Nn_Tensor>:$shape);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x (`shape` $shape^)? attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Nn_ConcatOp : Nn_InferredOp<"concat"> {
  let summary = "Joins tensors along an axis";
  let description = [{
    (C1) At least one input; all have one rank and element type.
    (C2) Extents agree except on `axis`.

    ```mlir
    func.func @f(%a: tensor<2x3xf32>, %b: tensor<2x1xf32>) -> tensor<2x4xf32> {
      %y = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
      return %y : tensor<2x4xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<Nn_Tensor>:$xs, I64Attr:$axis);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$xs attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Nn_SliceOp : Nn_InferredOp<"slice"> {
  let summary = "Strided window with static bounds";
  let description = [{
    `y[i] = x[starts[d] + i[d] * steps[d]]` with `sizes[d]` elements on axis d; -1 stands for "the whole extent".

    (C1) One start, size and step per axis of x; steps are not 0.
    (C2) On static extents the window lies inside x.

    ```mlir
    func.func @f(%x: tensor<4x6xf32>) -> tensor<4x2xf32> {
      %y = nn.slice %x {starts = array<i64: 0, 1>, sizes = array<i64: 4, 2>, steps = array<i64: 1, 3>} : (tensor<4x6xf32>) -> tensor<4x2xf32>
      return %y : tensor<4x2xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, DenseI64ArrayAttr:$starts, DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$steps);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Nn_DynamicSliceOp : Nn_Op<"dynamic_slice"> {
  let summary = "Strided window whose bounds are computed at run time";
  let description = [{
    The standard's Slice: bounds are clamped, negative ones count from the end. `starts`, `ends` (and `steps`, 1 if
    absent) are integer vectors with one entry per entry of `axes`.

    (C1) `starts` and `ends` are vectors of `axes`' length.
    (C2) y has x's rank and element type.

    ```mlir
    func.func @f(%x: tensor<4x6xf32>, %s: tensor<1xi64>, %e: tensor<1xi64>) -> tensor<4x?xf32> {
      %y = nn.dynamic_slice %x, %s, %e {axes = array<i64: 1>} : (tensor<4x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x?xf32>
      return %y : tensor<4x?xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$starts, Nn_Tensor:$ends, Optional<Nn_Tensor>:$steps, Nn_Axes:$axes);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $starts `,` $ends (`,` $steps^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_PadOp : Nn_Op<"pad", [AttrSizedOperandSegments]> {
  let summary = "Adds elements at the borders (or removes, where a pad is negative)";
  let description = [{
    `mode` is `constant` (of `value`, 0 if absent), `reflect`, `edge` or `wrap`, as in the standard. Pads come from
    the attributes `low` and `high`, or from the operand `pads` (all lows, then all highs).

    (C1) `low` and `high` have one entry per axis, or `pads` is present.
    (C2) Static extents obey `y = low + x + high`.

    ```mlir
    func.func @f(%x: tensor<2x3xf32>) -> tensor<2x5xf32> {
      %y = nn.pad %x {mode = "edge", low = array<i64: 0, 1>, high = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x5xf32>
      return %y : tensor<2x5xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Optional<Nn_Tensor>:$pads, Optional<Nn_Tensor>:$value, StrAttr:$mode, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x (`pads` $pads^)? (`value` $value^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_TileOp : Nn_Op<"tile"> {
  let summary = "Repeats a tensor along its axes";
  let description = [{
    `y[i] = x[i mod shape(x)]`; the repeats are an integer vector of x's rank.

    (C1) `repeats` is a vector of x's rank.

    ```mlir
    func.func @f(%x: tensor<2xf32>, %r: tensor<1xi64>) -> tensor<?xf32> {
      %y = nn.tile %x, %r : (tensor<2xf32>, tensor<1xi64>) -> tensor<?xf32>
      return %y : tensor<?xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Nn_Tensor:$repeats);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x `,` $repeats attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_ShapeOp : Nn_InferredOp<"shape"> {
  let summary = "Extents of a tensor as a vector of i64";
  let description = [{
    `y = [shape(x)[start], ..., shape(x)[end - 1]]`.

    (C1) `0 <= start <= end <= rank(x)`.

    ```mlir
    func.func @f(%x: tensor<?x3xf32>) -> tensor<2xi64> {
      %y = nn.shape %x {start = 0 : i64, end = 2 : i64} : (tensor<?x3xf32>) -> tensor<2xi64>
      return %y : tensor<2xi64>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, I64Attr:$start, I64Attr:$end);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Nn_RangeOp : Nn_Op<"range"> {
  let summary = "Arithmetic sequence";
  let description = [{
    `y[i] = start + i * delta` with `max(ceil((limit - start) / delta), 0)` elements.

    (C1) The three operands are scalars of one type, which is y's.

    ```mlir
    func.func @f(%a: tensor<i64>, %b: tensor<i64>, %d: tensor<i64>) -> tensor<?xi64> {
      %y = nn.range %a, %b, %d : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
      return %y : tensor<?xi64>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$start, Nn_Tensor:$limit, Nn_Tensor:$delta);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$start `,` $limit `,` $delta attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Nn_TriluOp : Nn_Op<"trilu", [AllTypesMatch<["x", "y"]>]> {
  let summary = "Upper or lower triangle of matrices";
  let description = [{
    Keeps `x[..., r, c]` where `c >= r + k` (upper) or `c <= r + k` (lower), 0 elsewhere; k is 0 when absent.

    (C1) x has at least two axes.

    ```mlir
    func.func @f(%x: tensor<3x3xf32>) -> tensor<3x3xf32> {
      %y = nn.trilu %x {upper = true} : (tensor<3x3xf32>) -> tensor<3x3xf32>
      return %y : tensor<3x3xf32>
    }
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, Optional<Nn_Tensor>:$k, BoolAttr:$upper);
  let results = (outs Nn_Tensor:$y);
  let assemblyFormat = "$x (`,` $k^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
#endif
