//===- Resize.cpp - rows of interpolation and of branches
//-------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

#include <cmath>

using namespace mlir;

namespace tegula {

/// Scales and extents for all axes, from scales or sizes given for `axes`.
static FailureOr<Values> makeResize(Node &n, std::optional<SmallVector<double>> scales, std::optional<Ints> sizes,
                                    StringRef coordinate, StringRef nearest) {
  Value x = n.in(0);
  auto type = n.typeOf(x);
  int64_t rank = type.getRank();
  Ints axes = n.getInts("axes").value_or(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  if (!scales && !sizes)
    return n.refuse("T0102", "scales or sizes known only at run time are not supported");
  if ((scales && scales->size() != axes.size()) || (sizes && sizes->size() != axes.size()))
    return n.refuse("T0201", "scales or sizes do not have one entry per axis");
  Ints shape(type.getShape());
  SmallVector<double> all(rank, 1.0);
  std::string policy = n.getString("keep_aspect_ratio_policy", "stretch");
  double common = policy == "not_larger" ? INFINITY : 0;
  for (auto [i, value] : llvm::enumerate(axes)) {
    FailureOr<int64_t> axis = n.axis(value, rank);
    if (failed(axis))
      return failure();
    if (ShapedType::isDynamic(shape[*axis])) {
      if (scales ? (*scales)[i] == 1.0 : false)
        continue;
      return n.refuse("T0102", "resized axes need static extents", "--shape NAME:1x3x224x224");
    }
    all[*axis] = sizes ? (double)(*sizes)[i] / shape[*axis] : (*scales)[i];
    common = policy == "not_larger" ? std::min(common, all[*axis]) : std::max(common, all[*axis]);
    shape[*axis] = sizes ? (*sizes)[i] : (int64_t)std::floor(shape[*axis] * (double)(float)all[*axis]);
  }
  if (sizes && policy != "stretch")
    for (int64_t value : axes) {
      int64_t axis = value < 0 ? value + rank : value;
      all[axis] = common;
      shape[axis] = (int64_t)std::floor(type.getShape()[axis] * common + 0.5);
    }
  SmallVector<double> roi;
  if (coordinate == "tf_crop_and_resize") {
    auto given = n.constFloats(n.in(1));
    if (!given || given->size() != 2 * axes.size())
      return n.refuse("T0102", "the region of interest must be constant");
    roi.assign(2 * rank, 0.0);
    std::fill(roi.begin() + rank, roi.end(), 1.0);
    for (auto [i, value] : llvm::enumerate(axes)) {
      int64_t axis = value < 0 ? value + rank : value;
      roi[axis] = (*given)[i];
      roi[rank + axis] = (*given)[i + axes.size()];
    }
  }
  auto op = nn::ResizeOp::create(n.b, n.loc, RankedTensorType::get(shape, type.getElementType()), x,
                                 n.getString("mode", "nearest"), coordinate, nearest, all, roi,
                                 llvm::APFloat(n.getFloat("cubic_coeff_a", -0.75)),
                                 llvm::APFloat(n.getFloat("extrapolation_value", 0)),
                                 (bool)n.getInt("exclude_outside", 0), (bool)n.getInt("antialias", 0));
  return one(op.getY());
}

static FailureOr<Values> resize(Node &n) {
  if (n.opset < 11)
    return makeResize(n, n.constFloats(n.in(1)), std::nullopt, "asymmetric", "floor");
  std::optional<SmallVector<double>> scales;
  std::optional<Ints> sizes;
  if (n.has(3))
    sizes = n.constInts(n.in(3));
  if (n.has(2) && !sizes)
    scales = n.constFloats(n.in(2));
  if (scales && scales->empty())
    scales = std::nullopt;
  return makeResize(n, scales, sizes, n.getString("coordinate_transformation_mode", "half_pixel"),
                    n.getString("nearest_mode", "round_prefer_floor"));
}

static FailureOr<Values> upsample(Node &n) {
  auto scales = n.opset < 9 ? n.getFloats("scales") : n.constFloats(n.in(1));
  return makeResize(n, scales, std::nullopt, "asymmetric", "floor");
}

/// A condition known at compile time picks a branch.
static FailureOr<Values> ifOp(Node &n) {
  auto condition = n.constInts(n.in(0));
  if (!condition)
    return n.refuse("T0102", "If with a condition known only at run time is not supported",
                    "fix the input shapes with --shape or --dim");
  const onnx::AttributeProto *branch = n.attribute((*condition)[0] ? "then_branch" : "else_branch");
  if (!branch)
    return n.refuse("T0201", "a branch is missing");
  return n.importer.inlineGraph(branch->g(), n.b, cast<NameLoc>(n.loc).getName().getValue());
}

ArrayRef<Row> resizeRows() {
  static const Row rows[] = {{"Resize", 10, resize}, {"Upsample", 7, upsample}, {"If", 1, ifOp}};
  return rows;
}

} // namespace tegula
