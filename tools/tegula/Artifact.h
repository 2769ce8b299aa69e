//===- Artifact.h - A loaded artifact and its inputs ------------*- C++ -*-===//
#ifndef TEGULA_TOOLS_TEGULA_ARTIFACT_H
#define TEGULA_TOOLS_TEGULA_ARTIFACT_H

#include "Arguments.h"
#include "HostTensor.h"
#include <memory>

namespace tegula {

/// A shared object with a model. Stays mapped until the process ends.
struct Artifact {
  const tegula_model *model = nullptr;
  std::string path;
  double loadMs = 0;
  uint64_t fileBytes = 0;

  /// `name` chooses among several models; empty: the one named like the file, else the only one.
  static llvm::Expected<Artifact> open(llvm::StringRef path, llvm::StringRef name);

  llvm::ArrayRef<tegula_tensor_info> inputs() const { return {model->inputs, model->input_count}; }
  llvm::ArrayRef<tegula_tensor_info> outputs() const { return {model->outputs, model->output_count}; }
};

llvm::ArrayRef<int64_t> shapeOf(const tegula_tensor_info &info);

/// An instance with memory for its outputs, those of dynamic shape included.
class Session {
public:
  static llvm::Expected<std::unique_ptr<Session>> create(const Artifact &artifact, int64_t threads, bool isProfiled);
  ~Session();
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  /// Runs on `inputs`, which must outlive it.
  llvm::Error run(llvm::MutableArrayRef<HostTensor> inputs);
  /// The outputs of the last run.
  std::vector<HostTensor> takeOutputs();
  tegula_instance *handle() { return instance; }

private:
  explicit Session(const Artifact &artifact);
  const tegula_model *model;
  tegula_instance *instance = nullptr;
  std::vector<tegula_tensor> inputs, outputs;
  std::vector<std::vector<char>> memory; // of the outputs
};

/// The options --in, --shape and --name that `run` and `bench` share.
llvm::ArrayRef<OptionSpec> inputOptions();
/// The inputs as the options say. An input without one is refused, or random if `areOptional`.
llvm::Expected<std::vector<HostTensor>> readInputs(const Artifact &artifact, const Arguments &arguments,
                                                   bool areOptional);

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_ARTIFACT_H
