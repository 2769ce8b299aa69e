//===- Samples.h - the inputs that a model is calibrated with ------*- C++ -*-===//
#ifndef TEGULA_TOOLS_QUANTIZE_SAMPLES_H
#define TEGULA_TOOLS_QUANTIZE_SAMPLES_H

#include "tegula/tools/tegula/HostTensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace tegula {

/// An input of the model. `isBatch`: its first extent is free and counts samples.
struct Port {
  std::string name;
  int32_t dtype;
  llvm::SmallVector<int64_t> shape; // -1: free
  bool isBatch;
};

/// Samples in files, read one at a time, as often as asked for:
///   FILE.npz     an array for each input, of one sample or of several along the first axis
///   a folder     of .npz files, of .npy files (models with one input), or of test_data_set_* folders with input_N.pb
class Samples {
public:
  static llvm::Expected<Samples> open(llvm::StringRef path, std::vector<Port> ports, int64_t limit);

  /// Calls `take` with the number of a sample and its inputs, in the order of the ports, files by their names.
  llvm::Error forEach(llvm::function_ref<llvm::Error(int64_t, std::vector<HostTensor>)> take) const;

private:
  llvm::Error forEachOf(llvm::StringRef file, int64_t &count,
                        llvm::function_ref<llvm::Error(int64_t, std::vector<HostTensor>)> take) const;

  std::vector<Port> ports;
  std::vector<std::string> files; // a folder among them is a test_data_set
  int64_t limit = 0;
};

} // namespace tegula

#endif
