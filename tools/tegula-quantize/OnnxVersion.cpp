//===- OnnxVersion.cpp - ONNX's converter of versions behind a border without exceptions ---===//
#include "ModelGraph.h"
#include <onnx/version_converter/convert.h>

bool tegula::convertVersion(onnx::ModelProto &proto, int opset, std::string &why) {
  try {
    onnx::ModelProto converted = onnx::version_conversion::ConvertVersion(proto, opset);
    if (converted.graph().node_size() == 0 && proto.graph().node_size() > 0) {
      why = "the converter left nothing";
      return false;
    }
    proto = std::move(converted);
    return true;
  } catch (const std::exception &error) {
    why = error.what();
  } catch (...) {
    why = "unknown failure of ONNX's library";
  }
  why.erase(std::min(why.find('\n'), why.size()));
  return false;
}
