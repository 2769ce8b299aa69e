//===- Trial.h - running the models that are made -------------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_TRIAL_H
#define TEGULA_TOOLS_QUANTIZE_TRIAL_H

#include "Options.h"
#include "Rewrite.h"
#include "Samples.h"
#include "tegula/tools/tegula/Artifact.h"
#include "llvm/ADT/SmallString.h"

namespace tegula {

/// A model compiled into a temporary folder, which goes with it, and loaded.
class CompiledModel {
public:
  /// `proto` is made of the model that `options` name; `name`: a word for the file.
  static llvm::Expected<std::unique_ptr<CompiledModel>> compile(onnx::ModelProto &proto, llvm::StringRef name,
                                                                const QuantizeOptions &options);
  ~CompiledModel();

  const Artifact &getArtifact() const { return artifact; }
  llvm::Expected<std::vector<HostTensor>> run(llvm::MutableArrayRef<HostTensor> inputs);

private:
  llvm::SmallString<128> folder;
  Artifact artifact;
  std::unique_ptr<Session> session;
};

/// How far a plan's outputs are from those of the model.
struct Distance {
  double rms = 0;    ///< relative: the error's root mean square over the deviation of the output, over all outputs
  double smooth = 0; ///< the same before a last Softmax or Sigmoid: what plans are compared by
  double cosine = 1; ///< the least of all outputs
  double top1 = 1;   ///< the share of rows whose largest number is where it was
};

/// The distance of outputs [sample][output]; `compared`: see comparedOutputs, none: each by itself.
Distance distanceOf(llvm::ArrayRef<std::vector<HostTensor>> references, llvm::ArrayRef<std::vector<HostTensor>> found,
                    llvm::ArrayRef<int> compared);

/// Runs plans on samples, without compiling again.
class Trial {
public:
  static llvm::Expected<std::unique_ptr<Trial>> create(ModelGraph &model, const LayerList &list,
                                                       const QuantizeOptions &options);

  /// The outputs that the observed model gives for a sample, without the sites.
  void addReference(std::vector<HostTensor> sample, std::vector<HostTensor> outputs);

  /// What layer `index` computes with where its site is quantized; the plan's own is `setPlan`.
  void setNumbers(int index, const LayerNumbers &numbers);
  void setPlan(int site, SitePlan plan);
  /// Over the first `count` references.
  llvm::Expected<Distance> measure(size_t count);
  size_t referenceCount() const { return samples.size(); }

private:
  Trial(const LayerList &list) : list(list) {}
  void setLayer(int index, Grid grid);

  const LayerList &list;
  std::unique_ptr<CompiledModel> compiled;
  TrialNames names;
  llvm::StringMap<size_t> inputIndex;
  std::vector<HostTensor> inputs; ///< those of the plan; a sample's are put in for a run
  std::vector<size_t> sampleIndex;
  std::vector<LayerNumbers> numbers;
  std::vector<SitePlan> plans;
  std::vector<int> compared; ///< see comparedOutputs
  std::vector<std::vector<HostTensor>> samples, references;
};

} // namespace tegula

#endif
