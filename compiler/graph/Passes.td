//===- Passes.td - passes of the graph stage -------------------------------------===//
#ifndef TEGULA_COMPILER_GRAPH_PASSES_TD
#define TEGULA_COMPILER_GRAPH_PASSES_TD
include "mlir/Pass/PassBase.td"

def FoldScales : Pass<"tegula-fold-scales", "::mlir::func::FuncOp"> {
  let summary = "Fold constant scales per channel (batch normalisation) into the weights before them";
  let description = [{
    `mul(conv(x, w), s)` with a constant `s` per output channel becomes `conv(x, mul(w, s))`, also through an addition
    of a constant; the same for `nn.matmul` and `nn.conv_transpose` with constant weights. The products are ops on constants.
  }];
  let statistics = [Statistic<"folded", "folded", "Number of scales folded">];
}

def FoldDequantize : Pass<"tegula-fold-dequantize", "::mlir::func::FuncOp"> {
  let summary = "Compute with the integers that stand for real numbers";
  let description = [{
    Convolutions and products of dequantized numbers with constant weights become ones of 8-bit integers, whose sums are
    dequantized; so do those of centered 16-bit integers (QLinearConv, MatMulInteger, ...). Zero points move into a constant
    per output, channels are filled up to the four that `dot` of `#tgl.target` adds at a time, and numbers get the sign that
    it takes. Dequantization moves behind what only moves numbers or takes their maximum, and the scale of a following
    quantization into the scales before it.
  }];
  let statistics = [Statistic<"folded", "folded", "Number of convolutions and products of integers">];
}

def FoldTables : Pass<"tegula-fold-tables", "::mlir::func::FuncOp"> {
  let summary = "Functions of one 8-bit number with an 8-bit result become tables";
  let description = [{
    A quantization of elementwise ops that all depend on one quantized tensor (Gelu, swish, sigmoid, whatever their parts),
    with one scale and zero point each, becomes an `nn.lookup`, if an exponential, a root or another function that costs
    more is in it. The table is made by the same ops on all 256 numbers.
  }];
  let statistics = [Statistic<"folded", "folded", "Number of quantizations that became tables">];
}

def FoldExpands : Pass<"tegula-fold-expands", "::mlir::func::FuncOp"> {
  let summary = "Remove broadcasts between tensors whose extents are equal in every run";
  let description = [{
    The importer broadcasts operands of unknown extents explicitly. Extents that come from the same inputs by the same
    steps (symbols, windows, sums) are equal. Keys and values that heads of attention share are not repeated for each of them
    where there are few rows: the rows of these heads are multiplied together.
  }];
  let statistics = [Statistic<"folded", "folded", "Number of broadcasts removed">, Statistic<"joined", "joined", "Number of products of several heads at a time">];
}

def ChooseLayouts : Pass<"tegula-choose-layouts", "::mlir::func::FuncOp"> {
  let summary = "Put convolutions and what lies between them in channels-last layout";
  let description = [{
    Convolutions and pools become channels-last between two transposes; transposes then sink through elementwise ops,
    concatenation, padding, slices, reductions and resizing until they cancel or reach an op that needs the old order.
  }];
  let statistics = [Statistic<"converted", "converted", "Number of convolutions and pools converted">,
                    Statistic<"sunk", "sunk", "Number of ops that transposes moved through">];
}

def LowerPrecision : Pass<"tegula-lower-precision", "::mlir::func::FuncOp"> {
  let summary = "Keep the weights of products as f16 or bf16, and sums as f32";
  let description = [{
    Constant factors of `nn.matmul` and of `nn.conv` with one group, and tables of `nn.gather`, are rounded to `type`, half the
    size, unless that makes a number infinite; sums and all else stay f32. The other factor is rounded to bf16 as well where the target multiplies such numbers by each other (`realDot` of `#tgl.target`);
    input channels are filled up to an even number for that. In products of f16 and bf16, where there are no such pairs, the
    other factor becomes f32 beforehand.
  }];
  let options = [Option<"type", "type", "std::string", "\"f32\"", "f16, bf16, or f32: as the model says">];
  let statistics = [Statistic<"narrowed", "narrowed", "Number of products and tables narrowed">];
}

def ChooseWinograd : Pass<"tegula-choose-winograd", "::mlir::func::FuncOp"> {
  let summary = "Compute 3x3 convolutions by Winograd's method where that is cheaper";
  let description = [{
    A channels-last 3x3 convolution with stride 1, one group and static extents becomes `nn.winograd_conv` where a model of
    its products and transforms says so. Rounding errors grow about tenfold, so the pass runs at -O3 only. Sums of 16-bit
    integers stay exact; their kernel is transformed here, which makes it larger.
  }];
  let statistics = [Statistic<"converted", "converted", "Number of convolutions converted">];
}

def FoldConstants : Pass<"tegula-fold-constants", "::mlir::ModuleOp"> {
  let summary = "Evaluate ops on constants by compiling and running them";
  let description = [{
    The ops of the entry function that depend on constants only are compiled with the pipeline of this compiler for the
    host and run; their results become constants. Results that would be larger than 8 times their inputs and 1 MiB are left alone.
  }];
  let statistics = [Statistic<"folded", "folded", "Number of ops evaluated">];
}
#endif
