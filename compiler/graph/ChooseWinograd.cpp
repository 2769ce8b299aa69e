//===- ChooseWinograd.cpp - 3x3 convolutions with fewer products -----------------------===//
//
//   %y = nn.conv %x, %w {layout = "channels_last"}  ->  %p = nn.pad %x
//                                                       %y = nn.winograd_conv %p, %w
// Where the kernel is larger than the image (in channels and outputs): %w [3, 3, C, M] -> [P, 3, 3, C, M / P] in
// between.
//
// Needs: channels-last convolutions. Leaves: direct convolutions where they are cheaper. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_CHOOSEWINOGRAD
#include "tegula/compiler/graph/Passes.h.inc"

// In multiply-adds of a large product, which run at the machine's peak: moving an element of a tile through the
// transforms and caches, making an element of the transformed kernel, and reading a weight from memory. Measured on Zen
// 4 with AVX-512 and with AVX2.
static constexpr double kPerElement = 24, kPerKernelElement = 40, kPerPartElement = 16, kPerWeight = 8;
// Parts are narrower than the register tile likes: at 1.3 they lose 5 %, at 8 the whole convolution takes a third less.
static constexpr double kMuchLarger = 4;
static constexpr int64_t kUsualCacheKiB = 512;
// Elements of a cache line. Parts of half a line gain nothing (AVX2); two lines do not fit, and gain half as much.
static constexpr int64_t kLine = 16;
// The error grows with each such convolution, so the gain has to be real.
static constexpr double kLeastGain = 1.15;

static double tilesOf(ArrayRef<int64_t> y) { return double(y[0]) * ((y[1] + 3) / 4) * ((y[2] + 3) / 4); }

static bool isWorthIt(ArrayRef<int64_t> w, ArrayRef<int64_t> y, bool hasParts) {
  double channels = w[2], outputs = w[3], places = double(y[0]) * y[1] * y[2], tiles = tilesOf(y);
  double direct = places * 9 * channels * outputs + 9 * channels * outputs * kPerWeight;
  double winograd = 36 * (tiles * channels * outputs + tiles * (channels + outputs) * kPerElement +
                          channels * outputs * (hasParts ? kPerPartElement : kPerKernelElement));
  return direct > kLeastGain * winograd;
}

/// Rows of tiles whose transforms and products fill a second-level cache.
static int64_t bandRows(ArrayRef<int64_t> w, ArrayRef<int64_t> y, int64_t cacheKiB) {
  int64_t all = (y[1] + 3) / 4, bytes = 4 * 36 * ((y[2] + 3) / 4) * y[0] * (w[2] + w[3]);
  return std::clamp<int64_t>(cacheKiB * 1024 / bytes, 1, all);
}

/// Parts of the outputs whose transformed kernels fill half of a second-level cache, in whole lines; 1 where the kernel
/// is not much larger than the tiles.
static int64_t partsOf(ArrayRef<int64_t> w, ArrayRef<int64_t> y, int64_t cacheKiB) {
  double channels = w[2], outputs = w[3], tiles = tilesOf(y);
  if (channels * outputs < kMuchLarger * tiles * (channels + outputs))
    return 1;
  int64_t width = static_cast<int64_t>(cacheKiB * 512 / (4 * 36 * (channels + tiles)));
  for (width = std::max(width / kLine, int64_t(1)) * kLine; width > kLine && w[3] % width; width -= kLine)
    ;
  return w[3] % width ? 1 : w[3] / width;
}

static bool canConvert(nn::ConvOp conv) {
  auto x = cast<RankedTensorType>(conv.getX().getType()), w = cast<RankedTensorType>(conv.getW().getType());
  auto areOnes = [](ArrayRef<int64_t> values) { return llvm::all_of(values, [](int64_t v) { return v == 1; }); };
  return conv.isChannelsLast() && conv.getGroup() == 1 && x.getRank() == 4 &&
         !ShapedType::isDynamicShape(x.getShape().drop_front()) && w.hasStaticShape() && w.getRank() == 4 &&
         w.getDimSize(0) == 3 && w.getDimSize(1) == 3 && x.getElementType().isF32() && areOnes(conv.getStrides()) &&
         areOnes(conv.getDilations());
}

namespace {
struct ChooseWinograd : impl::ChooseWinogradBase<ChooseWinograd> {
  using ChooseWinogradBase::ChooseWinogradBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    cacheKiB = target ? target.getCacheKiB() : kUsualCacheKiB;
    SmallVector<nn::ConvOp> convs;
    getOperation().walk([&](nn::ConvOp conv) { convs.push_back(conv); });
    for (nn::ConvOp conv : convs)
      if (canConvert(conv))
        convert(conv);
  }

  void convert(nn::ConvOp conv) {
    ArrayRef<int64_t> x = cast<RankedTensorType>(conv.getX().getType()).getShape();
    ArrayRef<int64_t> w = cast<RankedTensorType>(conv.getW().getType()).getShape();
    SmallVector<int64_t> y(cast<RankedTensorType>(conv.getY().getType()).getShape());
    y[0] = 1; // images come one by one
    bool isSingle = x[0] == 1;
    int64_t parts = isSingle ? partsOf(w, y, cacheKiB) : 1;
    if (!isWorthIt(w, y, parts > 1))
      return;
    OpBuilder b(conv);
    Location loc = conv.getLoc();
    SmallVector<int64_t> low{0, conv.getLow()[0], conv.getLow()[1], 0}, high(4, 0), padded(x);
    for (int axis : {1, 2}) {
      padded[axis] = (y[axis] + 3) / 4 * 4 + 2;
      high[axis] = padded[axis] - x[axis] - low[axis];
    }
    Value tiles =
        nn::PadOp::create(b, loc, RankedTensorType::get(padded, b.getF32Type()), conv.getX(), Value(), Value(),
                          b.getStringAttr("constant"), b.getDenseI64ArrayAttr(low), b.getDenseI64ArrayAttr(high));
    Value kernel = parts > 1 ? divide(b, loc, conv.getW(), parts) : conv.getW();
    Value result = nn::WinogradConvOp::create(b, loc, tiles, kernel, b.getDenseI64ArrayAttr({y[1], y[2]}),
                                              b.getI64IntegerAttr(bandRows(w, y, cacheKiB)));
    conv.getY().replaceAllUsesWith(result);
    conv.erase();
    ++converted;
  }

  /// [3, 3, C, M] -> [parts, 3, 3, C, M / parts].
  static Value divide(OpBuilder &b, Location loc, Value w, int64_t parts) {
    SmallVector<int64_t> shape(cast<RankedTensorType>(w.getType()).getShape());
    shape.back() /= parts;
    shape.insert(shape.end() - 1, parts);
    auto element = b.getF32Type();
    Value split = nn::ReshapeOp::create(b, loc, RankedTensorType::get(shape, element), w, Value());
    return nn::TransposeOp::create(b, loc, split, b.getDenseI64ArrayAttr({3, 0, 1, 2, 4}));
  }

  int64_t cacheKiB = kUsualCacheKiB;
};
} // namespace
} // namespace tegula
