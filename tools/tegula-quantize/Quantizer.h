//===- Quantizer.h - from a model of real numbers to one of integers -*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_QUANTIZER_H
#define TEGULA_TOOLS_QUANTIZE_QUANTIZER_H

#include "Trial.h"
#include "llvm/Support/JSON.h"
#include <map>

namespace tegula {

/// How many steps `onProgress` hears of.
constexpr int kQuantizeSteps = 7;

/// Does it all; the report is what `options.report` gets as JSON. The second leaves the inputs of layers real.
llvm::Expected<llvm::json::Object> quantize(const QuantizeOptions &options);
llvm::Expected<llvm::json::Object> quantizeWeights(const QuantizeOptions &options);

// What both are made of (Quantizer.cpp).

/// Reads the model, brought to `opset` where it is older.
llvm::Expected<std::unique_ptr<ModelGraph>> readForQuantization(const QuantizeOptions &options, int opset);
/// The error that nothing can be quantized, with why.
llvm::Error refuse(const ModelGraph &model, const LayerList &list, const QuantizeOptions &options);
llvm::Expected<Samples> openSamples(const QuantizeOptions &options, const ModelGraph &model, const Artifact &artifact);
/// How far the integers' values are from the weights: null if they are the same.
llvm::json::Value weightDecibels(const Layer &layer, const IntegerWeights &weights);
/// The report with what is known of nodes; of others why they are no layers.
llvm::json::Object reportOf(const ModelGraph &model, const LayerList &list, const QuantizeOptions &options,
                            std::map<int, llvm::json::Object> byNode, const Distance &distance, int64_t sampleCount);

/// Writes the report as a page.
llvm::Error writeQuantizePage(llvm::StringRef path, const llvm::json::Object &report);

} // namespace tegula

#endif
