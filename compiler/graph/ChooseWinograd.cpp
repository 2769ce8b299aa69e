//===- ChooseWinograd.cpp - 3x3 convolutions with fewer products -----------------------===//
//
//   %y = nn.conv %x, %w {layout = "channels_last"}  ->  %p = nn.pad %x
//                                                       %y = nn.winograd_conv %p, %w
// Where the kernel is larger than the image (in channels and outputs): %w [3, 3, C, M] -> [P, 3, 3, C, M / P] in
// between. Of 16-bit integers, exactly: %w i16 [3, 3, C, M] -> 2 G w (2 G)^T i16 [4, 4, C, M], which is constant.
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
// An element that leaves the second-level cache between transform and product, on Emerald Rapids.
static constexpr double kPerFarElement = 24;
// Parts are narrower than the register tile likes: at 1.3 they lose 5 %, at 8 the whole convolution takes a third less.
static constexpr double kMuchLarger = 4;
static constexpr int64_t kUsualCacheKiB = 512;
// Elements of a cache line. Parts of half a line gain nothing (AVX2); two lines do not fit, and gain half as much.
static constexpr int64_t kLine = 16;
// The error grows with each such convolution, so the gain has to be real.
static constexpr double kLeastGain = 1.15;

// The same of 16-bit integers, in their multiply-adds.
static constexpr double kPerIntegerElement = 16, kPerIntegerWeight = 12;
// Their kernel is kept transformed, which is 16 / 9 of its size.
static constexpr double kLeastIntegerGain = 1.25;
// Integers stay exact while transformed: numbers of 8 bits, less a zero point, grow fourfold, weights ninefold. Of sums
// 4 * |y| < 2^31 is left, whatever wraps around between.
static constexpr int64_t kMostIntegerChannels = (int64_t(1) << 29) / (9 * 255 * 255);

static double tilesOf(ArrayRef<int64_t> y) { return double(y[0]) * ((y[1] + 3) / 4) * ((y[2] + 3) / 4); }

static bool isWorthItInIntegers(ArrayRef<int64_t> w, ArrayRef<int64_t> y) {
  double channels = w[2], outputs = w[3], tiles = double(y[0]) * ((y[1] + 1) / 2) * ((y[2] + 1) / 2);
  double direct = 9 * channels * outputs * (double(y[0]) * y[1] * y[2] + kPerIntegerWeight);
  double winograd = 16 * (tiles * channels * outputs + tiles * (channels + outputs) * kPerIntegerElement +
                          channels * outputs * kPerIntegerWeight);
  return direct > kLeastIntegerGain * winograd;
}

static bool isWorthIt(ArrayRef<int64_t> w, ArrayRef<int64_t> y, bool hasParts) {
  double channels = w[2], outputs = w[3], places = double(y[0]) * y[1] * y[2], tiles = tilesOf(y);
  double direct = places * 9 * channels * outputs + 9 * channels * outputs * kPerWeight;
  double winograd = 36 * (tiles * channels * outputs + tiles * (channels + outputs) * kPerElement +
                          channels * outputs * (hasParts ? kPerPartElement : kPerKernelElement));
  return direct > kLeastGain * winograd;
}

/// Rows of tiles, `step` apart, that are computed at a time: those of the least cost, of products, of weights that each
/// band reads again, and of transforms and products that leave the second-level cache.
static int64_t bandRows(ArrayRef<int64_t> w, ArrayRef<int64_t> y, int64_t step, int64_t cacheKiB) {
  int64_t all = (y[1] + step - 1) / step, columns = (y[2] + step - 1) / step;
  int64_t places = (step + 2) * (step + 2), ofElement = step == 4 ? 4 : 2;
  int64_t rowBytes = places * columns * (ofElement * w[2] + 4 * w[3]);
  double weights = double(w[2]) * w[3];
  auto cost = [&](int64_t rows) {
    double bands = (all + rows - 1) / rows, tiles = bands * rows * columns;
    bool isNear = rows * rowBytes <= cacheKiB * 1024;
    return weights * (tiles + bands * kPerWeight) + (isNear ? 0 : tiles * (w[2] + w[3]) * kPerFarElement);
  };
  int64_t best = all;
  for (int64_t rows = all - 1; rows > 0; --rows)
    if (cost(rows) < cost(best))
      best = rows;
  return best;
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

/// Whether the factors are 16-bit integers that held 8 bits, less a zero point of that type.
static bool areBytes(nn::ConvOp conv) {
  // Such sums come from FoldDequantize only; what a model computes with is of other types.
  auto x = cast<RankedTensorType>(conv.getX().getType()), w = cast<RankedTensorType>(conv.getW().getType());
  return x.getElementType().isSignlessInteger(16) && w.getElementType().isSignlessInteger(16) &&
         w.getDimSize(2) <= kMostIntegerChannels && w.getDimSize(2) % 2 == 0;
}

static bool canConvert(nn::ConvOp conv) {
  auto x = cast<RankedTensorType>(conv.getX().getType()), w = cast<RankedTensorType>(conv.getW().getType());
  auto areOnes = [](ArrayRef<int64_t> values) { return llvm::all_of(values, [](int64_t v) { return v == 1; }); };
  return conv.isChannelsLast() && conv.getGroup() == 1 && x.getRank() == 4 &&
         !ShapedType::isDynamicShape(x.getShape().drop_front()) && w.hasStaticShape() && w.getRank() == 4 &&
         w.getDimSize(0) == 3 && w.getDimSize(1) == 3 && areOnes(conv.getStrides()) && areOnes(conv.getDilations()) &&
         ((x.getElementType().isF32() && isa<FloatType>(w.getElementType())) || areBytes(conv));
}

namespace {
struct ChooseWinograd : impl::ChooseWinogradBase<ChooseWinograd> {
  using ChooseWinogradBase::ChooseWinogradBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    cacheKiB = target ? target.getCacheKiB() : kUsualCacheKiB;
    if (!cacheKiB) // the tiles would not wait for the products
      return;
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
    Type element = cast<RankedTensorType>(conv.getX().getType()).getElementType();
    bool isReal = element.isF32(), isSingle = x[0] == 1;
    int64_t parts = isReal && isSingle ? partsOf(w, y, cacheKiB) : 1, step = isReal ? 4 : 2;
    if (isReal ? !isWorthIt(w, y, parts > 1) : !isWorthItInIntegers(w, y))
      return;
    OpBuilder b(conv);
    Location loc = conv.getLoc();
    SmallVector<int64_t> low{0, conv.getLow()[0], conv.getLow()[1], 0}, high(4, 0), padded(x);
    for (int axis : {1, 2}) {
      padded[axis] = (y[axis] + step - 1) / step * step + 2;
      high[axis] = padded[axis] - x[axis] - low[axis];
    }
    Value tiles =
        nn::PadOp::create(b, loc, RankedTensorType::get(padded, element), conv.getX(), Value(), Value(),
                          b.getStringAttr("constant"), b.getDenseI64ArrayAttr(low), b.getDenseI64ArrayAttr(high));
    Value kernel = !isReal     ? transform(b, loc, conv.getW())
                   : parts > 1 ? divide(b, loc, conv.getW(), parts)
                               : conv.getW();
    Value result = nn::WinogradConvOp::create(b, loc, tiles, kernel, b.getDenseI64ArrayAttr({y[1], y[2]}),
                                              b.getI64IntegerAttr(bandRows(w, y, step, cacheKiB)));
    conv.getY().replaceAllUsesWith(result);
    conv.erase();
    ++converted;
  }

  /// [3, 3, C, M] -> [parts, 3, 3, C, M / parts].
  static Value divide(OpBuilder &b, Location loc, Value w, int64_t parts) {
    SmallVector<int64_t> shape(cast<RankedTensorType>(w.getType()).getShape());
    shape.back() /= parts;
    shape.insert(shape.end() - 1, parts);
    Type element = cast<RankedTensorType>(w.getType()).getElementType();
    Value split = nn::ReshapeOp::create(b, loc, RankedTensorType::get(shape, element), w, Value());
    return nn::TransposeOp::create(b, loc, split, b.getDenseI64ArrayAttr({3, 0, 1, 2, 4}));
  }

  /// i16 [3, 3, C, M] -> 2 G w (2 G)^T as [4, 4, C, M].
  static Value transform(OpBuilder &b, Location loc, Value w) {
    static constexpr int16_t kernel[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
    SmallVector<int16_t> square; // the Kronecker product of 2 G with itself
    for (int row = 0; row < 16; ++row)
      for (int column = 0; column < 9; ++column)
        square.push_back(kernel[row / 4][column / 3] * kernel[row % 4][column % 3]);
    ArrayRef<int64_t> shape = cast<RankedTensorType>(w.getType()).getShape();
    int64_t channels = shape[2], outputs = shape[3];
    Type i16 = b.getIntegerType(16);
    Value factor = nn::ConstantOp::create(
        b, loc, DenseElementsAttr::get(RankedTensorType::get({16, 9}, i16), ArrayRef<int16_t>(square)));
    Value rows = nn::ReshapeOp::create(b, loc, RankedTensorType::get({9, channels * outputs}, i16), w, Value());
    Value product = nn::MatMulOp::create(b, loc, factor, rows);
    product = nn::CastOp::create(b, loc, RankedTensorType::get({16, channels * outputs}, i16), product);
    return nn::ReshapeOp::create(b, loc, RankedTensorType::get({4, 4, channels, outputs}, i16), product, Value());
  }

  int64_t cacheKiB = kUsualCacheKiB;
};
} // namespace
} // namespace tegula
